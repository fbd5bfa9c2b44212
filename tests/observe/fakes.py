"""A picture and a device that behave: enough of the store and a driver to watch observing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from iolaus.drivers.ports import Payload, Priority, Reads
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.asset import Asset, AssetKind, HotUpdate, Identity, LogEntry, Report
from iolaus.model.endpoint import EndpointStatus, Event, Target
from iolaus.model.fact import Health, Known, PowerState
from iolaus.observe.collect import Vitals
from iolaus.wire.redfish.port import Answer


class FakePicture:
    def __init__(self) -> None:
        self.targets: dict[str, Target] = {}
        self.statuses: dict[str, EndpointStatus] = {}
        self.reports: dict[str, Report] = {}
        self.hot: dict[str, list[HotUpdate]] = {}
        self.events: list[Event] = []
        self.entries: dict[str, list[LogEntry]] = {}

    def target_of(self, address: str) -> Target | None:
        return self.targets.get(address)

    def status_of(self, address: str) -> EndpointStatus | None:
        return self.statuses.get(address)

    def report_of(self, address: str) -> Report | None:
        return self.reports.get(address)

    def record_status(self, status: EndpointStatus) -> None:
        self.statuses[status.address] = status

    def record_report(self, report: Report) -> tuple[Event, ...]:
        self.reports[report.endpoint] = report
        return ()

    def record_hot(self, update: HotUpdate) -> None:
        self.hot.setdefault(update.endpoint, []).append(update)

    def record_event(self, event: Event) -> bool:
        if event.dedup and any(known.dedup == event.dedup for known in self.events):
            return False
        self.events.append(event)
        return True

    def record_logs(self, address: str, entries: tuple[LogEntry, ...]) -> None:
        self.entries.setdefault(address, []).extend(entries)

    def newest_log(self, address: str) -> str | None:
        known = self.entries.get(address)
        return known[-1].uri if known else None


class FakeReads:
    """The fake driver answers by itself and never asks the wire."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        raise AssertionError(uri)

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]:
        raise AssertionError(uri)


class FakeDevice:
    """Answers after `answer_s`; while `error` is set it raises it; counts what it was asked. One
    whose `serial` is another since its last inventory says so."""

    name = "fake"

    def __init__(self, address: str, clock: Clock, answer_s: float = 0.1) -> None:
        self.address, self.clock, self.answer_s = address, clock, answer_s
        self.usual_s = answer_s
        self.error: IolausError | None = None
        self.log: list[LogEntry] = []
        self.asked: list[tuple[str, float]] = []
        self.power = PowerState.ON
        self.unread: dict[str, str] = {}
        self.serial = "S1"

    async def driver(self, *, afresh: bool = False) -> FakeDevice:
        return self

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads:
        return FakeReads(self.address)

    def vitals(self) -> Vitals:
        return Vitals(latency_ms=self.usual_s * 1000, in_flight=0, sessions=1)

    async def _answer(self, what: str) -> None:
        self.asked.append((what, self.clock.monotonic()))
        await self.clock.sleep(self.answer_s)
        if self.error is not None:
            raise self.error

    async def inventory(self, device: Reads) -> Report:
        await self._answer("inventory")
        now = self.clock.now()
        asset = Asset(
            key="Systems/1",
            kind=AssetKind.NODE,
            resources=("/redfish/v1/Systems/1",),
            identity=Identity(serial=self.serial),
            power_state=Known(self.power, now),
            health=Known(Health.OK, now),
            observed_at=now,
        )
        return Report(
            endpoint=self.address,
            driver="fake",
            redfish_version="1.20.0",
            observed_at=now,
            assets=() if self.unread else (asset,),
            partial=self.unread,
        )

    async def hot(self, device: Reads, last: Report) -> HotUpdate:
        await self._answer("hot")
        now = self.clock.now()
        return HotUpdate(
            endpoint=self.address,
            at=now,
            power_states={"Systems/1": Known(self.power, now)},
            unlike=self._unlike(last),
        )

    async def unlike(self, device: Reads, last: Report) -> str:
        await self._answer("unlike")
        return self._unlike(last)

    def _unlike(self, last: Report) -> str:
        others = {asset.identity.serial for asset in last.assets} - {self.serial}
        return f"its serial is {self.serial}" if others else ""

    async def logs(self, device: Reads, *, since: str | None, limit: int) -> Sequence[LogEntry]:
        await self._answer("logs")
        uris = [entry.uri for entry in self.log]
        return self.log[uris.index(since) + 1 if since in uris else 0 :][-limit:]
