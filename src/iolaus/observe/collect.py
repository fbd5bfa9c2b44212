"""Keeps a true and aged picture of every endpoint: the hot set often, the rest seldom.

Three keys an endpoint, all served by the one loop: its inventory (everything slow), its hot set
(power state, health, power, temperatures, leaks) and its logs. Each run reads afresh through the
device's lane at its own priority, writes what was said into the facts, and says when to come
again. Nothing is retried here, nothing is kept here: what a run leaves behind is facts, so a
restart in the middle costs one period. Runs are spread over their period by the address, so that
a thousand endpoints that were added together are not asked together.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Hashable
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from iolaus.drivers.ports import (
    CLOSED,
    KnowsAgain,
    Priority,
    Reads,
    ReadsHot,
    ReadsInventory,
    ReadsLogs,
)
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError
from iolaus.model.asset import HotUpdate, LogEntry, Report
from iolaus.model.endpoint import EndpointStatus, Event, Reach, Target, protocol_of
from iolaus.observe.doubts import Doubts
from iolaus.observe.reach import event_of, status_after

log = structlog.get_logger(__name__)
BREATH: Final = 0.2
"""The least part of a period that lies between two hot passes."""
FIRST: Final = 0.75
"""The part of our patience that one request may use up."""
SLOWER: Final = 4.0
"""An answer may take so many times what the last ones took."""
USUAL: Final = 0.02
"""The weight of one answer in what all devices usually take now."""
RECHECK_S: Final = 60.0
"""A tree that changed is read again, but not at every poll."""


class Job(StrEnum):
    INVENTORY = "inventory"
    HOT = "hot"
    LOGS = "logs"
    EVENTS = "events"
    SUBSCRIPTION = "subscription"
    ATTEST = "attest"
    SURVEY = "survey"
    BESIDE = "beside"
    SENTRY = "sentry"


class Key(NamedTuple):
    address: str
    job: Job


class Periods(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds between two runs. `retry_max_s` bounds the back-off of an endpoint never read,
    `patience_s` how long one request of the hot set may take."""

    hot_s: float = 10.0
    inventory_s: float = 900.0
    logs_s: float = 120.0
    retry_s: float = 10.0
    retry_max_s: float = 300.0
    patience_s: float = 60.0


class Driver(ReadsInventory, ReadsHot, ReadsLogs, Protocol):
    @property
    def name(self) -> str: ...


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """What a device's lane says of itself. `heard_at` (monotonic) is its last answer to us."""

    latency_ms: float | None = None
    in_flight: int = 0
    sessions: int = 0
    heard_at: float | None = None


class Device(Protocol):
    """One device as the collector meets it: its driver, and its lane at a priority."""

    @property
    def address(self) -> str: ...

    async def driver(self, *, afresh: bool = False) -> Driver: ...

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads: ...

    def vitals(self) -> Vitals: ...


class Picture(Protocol):
    """The part of the store that observing writes to."""

    def target_of(self, address: str) -> Target | None: ...

    def status_of(self, address: str) -> EndpointStatus | None: ...

    def report_of(self, address: str) -> Report | None: ...

    def record_status(self, status: EndpointStatus) -> None: ...

    def record_report(self, report: Report) -> object: ...

    def record_hot(self, update: HotUpdate) -> object: ...

    def record_event(self, event: Event) -> bool: ...

    def record_logs(self, address: str, entries: tuple[LogEntry, ...]) -> None: ...

    def newest_log(self, address: str) -> str | None: ...


class Collector:
    """`wake(key, after_s)` is the loop's; `open_device` gives the device of a target. `periods`
    may be exchanged while it runs, and count from the next run of each key."""

    def __init__(
        self,
        *,
        picture: Picture,
        open_device: Callable[[Target], Device],
        clock: Clock,
        wake: Callable[[Key, float], None],
        periods: Periods | None = None,
    ) -> None:
        self._picture, self._open, self._clock = picture, open_device, clock
        self._wake, self.periods = wake, periods or Periods()
        self._failures: dict[str, int] = {}
        self._unread: set[str] = set()
        self._begun: set[str] = set()
        self._doubts = Doubts()
        self._usual_s = 0.0
        self._passed_s: dict[str, float] = {}
        self._round_s = self.periods.hot_s

    @property
    def round_s(self) -> float:
        """From one hot pass of an endpoint that answers to its next, as it was of late."""
        return self._round_s

    @property
    def unread(self) -> int:
        """How many endpoints were begun with and not tried yet."""
        return len(self._unread)

    def is_begun(self, address: str) -> bool:
        """Whether it was begun here since it became a target."""
        return address in self._begun

    def begin(self, address: str, *, spread: bool = False) -> None:
        """Start collecting an endpoint; with `spread`, somewhere within the first hot period, and
        what was read of it less than a period ago, be it by another process, is read whole when
        that is due: a start would else ask the whole hall for everything at once."""
        report = self._picture.report_of(address)
        if report is not None and address not in self._begun:
            self._doubts.unmet.add(address)
        self._begun.add(address)
        if self._picture.status_of(address) is None:
            self._unread.add(address)
        offset = _phase(address) * self.periods.hot_s if spread else 0.0
        left_s = self._left_s(report) if spread and report else 0.0
        self._wake(Key(address, Job.INVENTORY), max(offset, left_s))
        self._wake(Key(address, Job.BESIDE), offset)
        if report is not None:
            self._wake(Key(address, Job.HOT), offset)
            self._wake(Key(address, Job.LOGS), self.periods.hot_s + offset)
        if left_s > 0:
            self._attend(address, offset)

    def _left_s(self, report: Report) -> float:
        """Until its next inventory is due."""
        age_s = self._clock.now() - report.observed_at
        return self._rests_s(report.endpoint) - age_s if age_s >= 0 else 0.0

    def _rests_s(self, address: str) -> float:
        return self.periods.inventory_s * (0.9 + 0.2 * _phase(address))

    def _attend(self, address: str, after_s: float = 0.0) -> None:
        """What goes on beside the polls."""
        if protocol_of(address) == "redfish":
            for job in (Job.EVENTS, Job.SUBSCRIPTION, Job.SENTRY):
                self._wake(Key(address, job), after_s)

    def forget(self, address: str) -> None:
        """It is no target any more."""
        self._failures.pop(address, None)
        self._unread.discard(address)
        self._begun.discard(address)
        self._passed_s.pop(address, None)
        self._doubts.forget(address)

    async def reconcile(self, key: Hashable) -> float | None:
        """One run of one key; seconds to the next, None when the endpoint is gone."""
        assert isinstance(key, Key)
        target = self._picture.target_of(key.address)
        if target is None:
            self.forget(key.address)
            return None
        device = self._open(target)
        runs = {Job.INVENTORY: self._inventory, Job.HOT: self._hot, Job.LOGS: self._logs}
        run = runs.get(key.job)
        return await run(target.address, device) if run else None

    async def _inventory(self, address: str, device: Device) -> float:
        try:
            driver = await device.driver(afresh=True)
            report = await driver.inventory(device.at(Priority.INVENTORY))
        except IolausError as error:
            self._record(address, device, error)
            return self._retry_s(address)
        last = self._picture.report_of(address)
        self._failures.pop(address, None)
        if last and _lost_since(self._picture.status_of(address), report.observed_at):
            return self.periods.inventory_s
        self._picture.record_report(report)
        self._doubts.settle(address)
        self._record(address, device, None, driver=report.driver)
        if last is None:
            self._wake(Key(address, Job.HOT), _phase(address) * self.periods.hot_s)
            self._wake(Key(address, Job.LOGS), self.periods.hot_s)
        self._attend(address)
        if _is_poor(report, last):
            return min(RECHECK_S, self.periods.inventory_s)
        return self._rests_s(address)

    async def _hot(self, address: str, device: Device) -> float | None:
        last = self._picture.report_of(address)
        if last is None:
            return None
        began = self._clock.monotonic()
        try:
            self._take_hot(await self._listening(device, last))
        except IolausError as error:
            self._passed_s.pop(address, None)
            self._record(address, device, error)
            if _shows_another_tree(error) and self._clock.now() - last.observed_at > RECHECK_S:
                self._wake(Key(address, Job.INVENTORY), 0.0)
        else:
            self._record(address, device, None)
            self._usual_s += USUAL * (_latency_s(device) - self._usual_s)
            if (last_s := self._passed_s.get(address)) is not None:
                self._round_s += USUAL * (began - last_s - self._round_s)
            self._passed_s[address] = began
        return self._rest_s(self._clock.monotonic() - began)

    def _take_hot(self, update: HotUpdate) -> None:
        """What another device says is not laid under the name of the one that was read."""
        address, again_s = update.endpoint, self.periods.inventory_s
        now_s = self._clock.monotonic()
        if self._doubts.judge(address, update.unlike, now_s=now_s, again_s=again_s):
            log.warning("device_is_another", endpoint=address, because=update.unlike)
            self._wake(Key(address, Job.INVENTORY), 0.0)
        if not self._doubts.is_open(address):
            self._picture.record_hot(update)

    def _rest_s(self, took_s: float) -> float:
        """What is left of the period; one that is slower than it is let breathe for another."""
        left_s = self.periods.hot_s - took_s
        return left_s if left_s > BREATH * self.periods.hot_s else self.periods.hot_s

    async def _listening(self, device: Device, last: Report) -> HotUpdate:
        """One hot pass. Raises `DeviceSilent` as soon as nothing was heard for our patience, be it
        that what hangs is not even of this pass. One request may hang: it has less time, so that
        the next one can still be heard."""
        patience_s = self._patience_s(device)
        unmet = device.address in self._doubts.unmet
        reading = asyncio.ensure_future(_read_hot(device, last, FIRST * patience_s, unmet))
        try:
            while True:
                since = self._clock.monotonic()
                timer = asyncio.ensure_future(self._clock.sleep(patience_s))
                await asyncio.wait({reading, timer}, return_when=asyncio.FIRST_COMPLETED)
                timer.cancel()
                if reading.done():
                    return reading.result()
                if (device.vitals().heard_at or -1.0) < since:
                    raise _unheard(last.endpoint, patience_s)
        finally:
            reading.cancel()

    def _patience_s(self, device: Device) -> float:
        """How long a device may say nothing while it is asked: a period, so that one that falls
        silent is known to be lost within two; longer where it is known to be slow, and where it
        is lost anyway, or a device that takes half a minute would never be heard again. Where all
        of them are slow it is our machine or the network, and no device is lost for that."""
        status = self._picture.status_of(device.address)
        most_s = max(self.periods.hot_s, self.periods.patience_s)
        if status is None or status.reach is not Reach.REACHABLE:
            return most_s
        slow_s = SLOWER * max(_latency_s(device), self._usual_s)
        return min(max(self.periods.hot_s, slow_s), most_s)

    async def _logs(self, address: str, device: Device) -> float | None:
        if self._picture.report_of(address) is None:
            return None
        since = self._picture.newest_log(address)
        try:
            driver = await device.driver()
            entries = await driver.logs(device.at(Priority.INVENTORY), since=since, limit=100)
        except IolausError as error:
            log.debug("logs_unread", endpoint=address, error=str(error))
        else:
            self._picture.record_logs(address, tuple(entries))
        return self.periods.logs_s

    def _record(
        self, address: str, device: Device, error: IolausError | None, driver: str | None = None
    ) -> None:
        self._unread.discard(address)
        if self._picture.target_of(address) is None or (error and error.code == CLOSED):
            return  # it was given up meanwhile, which says nothing of it
        before, vitals = self._picture.status_of(address), device.vitals()
        after = status_after(
            address=address,
            error=error,
            before=before,
            now=self._clock.now(),
            driver=driver,
            latency_ms=vitals.latency_ms,
            in_flight=vitals.in_flight,
            sessions=vitals.sessions,
        )
        self._picture.record_status(after)
        if (event := event_of(before, after)) is not None:
            self._picture.record_event(event)
            self._turned(before, after)

    def _turned(self, before: EndpointStatus | None, after: EndpointStatus) -> None:
        """One log line a turn. A device that is back may be another one: read it whole."""
        if after.reach is Reach.REACHABLE:
            log.info("endpoint_back", endpoint=after.address)
            self._wake(Key(after.address, Job.INVENTORY), 0.0)
            self._wake(Key(after.address, Job.LOGS), 1.0)
        else:
            log.warning(
                "endpoint_lost",
                endpoint=after.address,
                reach=after.reach.value,
                was=before.reach.value if before else None,
                error=after.last_error,
                next_step=after.next_step,
            )

    def _retry_s(self, address: str) -> float:
        """Back off; an endpoint that was read before is followed by its hot set meanwhile."""
        failures = self._failures[address] = self._failures.get(address, 0) + 1
        pause = self.periods.retry_s * 2.0 ** min(failures - 1, 10)
        return min(pause, self.periods.retry_max_s)


async def _read_hot(device: Device, last: Report, timeout_s: float, unmet: bool) -> HotUpdate:
    """One whose report this process did not read itself is asked who it is before all else."""
    driver, reads = await device.driver(), device.at(Priority.TELEMETRY, timeout_s=timeout_s)
    if unmet and isinstance(driver, KnowsAgain) and (said := await driver.unlike(reads, last)):
        return HotUpdate(endpoint=last.endpoint, at=last.observed_at, unlike=said)
    return await driver.hot(reads, last)


def _unheard(address: str, patience_s: float) -> DeviceSilent:
    return DeviceSilent(
        f"nothing was heard for {patience_s:g} s",
        operation="read",
        subject=address,
        next_step="check the controller's power and its management network.",
    )


def _latency_s(device: Device) -> float:
    return (device.vitals().latency_ms or 0.0) / 1000.0


def _lost_since(status: EndpointStatus | None, at: float) -> bool:
    """An inventory that its device did not live to the end of says nothing of what is missing."""
    return status is not None and status.reach is not Reach.REACHABLE and status.since > at


def _is_poor(report: Report, last: Report | None) -> bool:
    """Less was read than before, or nothing that it is: worth another try soon."""
    lost = len(report.partial)
    return lost > 0 and (not report.assets or (last is not None and lost > len(last.partial)))


def _shows_another_tree(error: IolausError) -> bool:
    """What was there at the last inventory is not: another device, or another firmware."""
    return isinstance(error, DeviceRefused) and error.status in (404, 410)


def _phase(address: str) -> float:
    """A fixed place in [0, 1) for every address."""
    return (zlib.crc32(address.encode()) % 10_000) / 10_000
