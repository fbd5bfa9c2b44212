"""What was read of each endpoint last, left at the bus for whoever owns it next: a row an endpoint.

To read a device whole takes a hundred requests and more, and nothing about a device changes with
its owner. So the next one takes the last report from here, goes on with the hot set at once, and
reads the inventory when that is due by its age, or when the device does not answer as the one that
was read (`observe.doubts`). Times stay what they were; nothing becomes fresh by passing on.

A row says which URIs are asked with our login, so it is sealed with the key of the logins, as what
is asked of devices is. It is put only when the report is in the log of all: whoever takes it does
not say it again, and the core must not miss it. Neither core nor database is needed. What cannot be
read is refused, with a line, and its device is read as one that nobody knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from iolaus.app.cluster.letters import Seals
from iolaus.bus.port import BusAway, Entry, Table
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, WeErred
from iolaus.kernel.turns import own_turn
from iolaus.model.asset import Report
from iolaus.model.endpoint import Target, protocol_of
from iolaus.model.shard import shard_of
from iolaus.store.packing import pack, unpack
from iolaus.store.records import Recorded

log = structlog.get_logger(__name__)
REPORTS: Final = "reports"
LABEL: Final = b"iolaus-report-1\n"
ROUND_S: Final = 3.0
AGAIN_S: Final = 0.5
WITHIN_S: Final = 5.0
"""A bus that gives no rows for so long keeps nobody from reading."""
LONGEST_S: Final = 20.0
MOST_BYTES: Final = 2 * 1024 * 1024


class Handed(msgspec.Struct, frozen=True, array_like=True):
    """Read under this epoch of the shard. `newest_log` is the newest entry of the device's own log
    that was recorded then."""

    shard: str
    epoch: int
    report: Report
    newest_log: str | None = None


class Known(Protocol):
    """The part of the store that is handed on."""

    def target_of(self, address: str) -> Target | None: ...

    def report_of(self, address: str) -> Report | None: ...

    def newest_log(self, address: str) -> str | None: ...

    def on_record(self, recorder: Callable[[Recorded], None]) -> None: ...


_HANDED: Final = msgspec.msgpack.Decoder(Handed)
_PLACE: Final = Path("report")


class Handing:
    """An edge's. `epoch_of` gives the epoch under which a shard is ours at this moment, None where
    it is not; `until_sent` waits until what was recorded is in the log of all."""

    def __init__(
        self,
        *,
        table: Table,
        seals: Callable[[], Seals],
        clock: Clock,
        known: Known,
        epoch_of: Callable[[str], int | None],
        until_sent: Callable[[], Awaitable[None]],
    ) -> None:
        self._table, self._seals, self._clock, self._known = table, seals, clock, known
        self._epoch_of, self._until_sent = epoch_of, until_sent
        self._due: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        known.on_record(self._note)

    # --- given -------------------------------------------------------------------------------

    def _note(self, told: Recorded) -> None:
        if isinstance(told, Report) and told.assets and protocol_of(told.endpoint) == "redfish":
            self._due[told.endpoint] = None

    def ended(self, shard: str, address: str) -> None:
        """It is wanted of a shard of ours no more."""
        self._due.pop(address, None)
        self._gone[_key(shard, address)] = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.give()
            except BusAway:
                pass  # what is due stays so
            except IolausError as error:
                log.warning("reports_not_handed_on", error=str(error))
            await self._clock.sleep(ROUND_S)

    async def give(self) -> None:
        """Rows for what was read since, where it is still ours. Raises `BusAway`, and what the
        outbox raises."""
        while self._gone:
            await self._table.put(key := next(iter(self._gone)), b"")
            self._gone.pop(key)
        due, self._due = self._due, {}
        try:
            if due:
                await self._until_sent()
            while due:
                address = next(iter(due))
                if (row := self._row(address)) is not None:
                    await self._table.put(*row)
                due.pop(address)
        finally:
            self._due = due | self._due

    def _row(self, address: str) -> tuple[str, bytes] | None:
        """None for what is not ours to hand on, or cannot be."""
        target, report = self._known.target_of(address), self._known.report_of(address)
        shard = shard_of(target) if target else ""
        epoch = self._epoch_of(shard)
        if epoch is None or report is None:
            return None
        handed = Handed(shard, epoch, report, self._known.newest_log(address))
        try:
            body = self._seals().seal(pack(handed), label=LABEL)
        except ValueError as error:
            log.warning("report_unwritable", endpoint=address, error=str(error))
            return None
        if len(body) > MOST_BYTES:
            log.info("report_too_large_to_hand_on", endpoint=address, size=len(body))
            return None
        return _key(shard, address), body

    # --- taken -------------------------------------------------------------------------------

    async def take(self, shard: str, epoch: int) -> dict[str, Handed]:
        """By address, what former owners of a shard left to us, who own it under `epoch`; nothing
        where the bus does not give it soon. Raises nothing."""
        found: dict[str, Handed] = {}
        for key, entry in (await self._rows(f"{shard}.")).items():
            address = key.removeprefix(f"{shard}.")
            async with own_turn():
                try:
                    found[address] = self._opened(entry, shard, epoch, address)
                except IolausError as error:
                    log.warning("report_refused", endpoint=address, because=error.message)
        return found

    async def _rows(self, prefix: str) -> dict[str, Entry]:
        until_s = self._clock.monotonic() + WITHIN_S
        while True:
            try:
                async with asyncio.timeout(LONGEST_S):
                    return await self._table.rows(prefix)
            except (BusAway, TimeoutError) as error:
                if self._clock.monotonic() >= until_s:
                    log.warning("reports_not_taken", shard=prefix, error=str(error))
                    return {}
            await self._clock.sleep(AGAIN_S)

    def _opened(self, entry: Entry, shard: str, epoch: int, address: str) -> Handed:
        """Raises `Unverified` for what was not sealed with our key, `WeErred` for what is no report
        of this endpoint's, made before now by a former owner."""
        content = self._seals().unseal(entry.body, label=LABEL, what=_PLACE)
        try:
            handed = unpack(content, _HANDED)
        except (ValueError, RecursionError) as error:
            raise _refusal(address, f"it cannot be decoded: {error}") from None
        if (handed.shard, handed.report.endpoint) != (shard, address):
            raise _refusal(address, f"it is that of {handed.report.endpoint} in {handed.shard}")
        if handed.epoch >= epoch:
            raise _refusal(address, f"it is of epoch {handed.epoch}, and ours is {epoch}")
        if not all(at <= self._clock.now() for at in _times(handed.report)):
            raise _refusal(address, "it is of the future: the clocks of edges do not agree")
        return handed


def _key(shard: str, address: str) -> str:
    return f"{shard}.{address}"


def _times(report: Report) -> Iterator[float]:
    """When something of it was read; what is later than now would never be replaced."""
    yield report.observed_at
    for asset in report.assets:
        yield from (asset.observed_at, asset.power_state.at, asset.health.at)
    yield from (reading.at for reading in report.readings)


def _refusal(address: str, why: str) -> WeErred:
    return WeErred(
        why,
        operation="take over",
        subject=address,
        code="ReportRefused",
        next_step="nothing: the device is read as one that nobody knows.",
    )
