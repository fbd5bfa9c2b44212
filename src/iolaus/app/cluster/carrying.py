"""What an edge learned, carried to the cores: kept on disk first, sent in order, taken once.

The edge collects for a moment, keeps what it collected as parcels and sends them one at a time, the
next when the last is durable at the bus; so the order in the log is the order of learning, whatever
is lost or repeated on the way. The core keeps the number of the last parcel of each sender in the
same transaction as what it said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec
import structlog

from iolaus.app.cluster.letters import MOST_BYTES
from iolaus.bus.port import BusAway, Entry, Log
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, WeErred
from iolaus.kernel.tasks import end, keep_on
from iolaus.model.audit import Record as AuditRecord
from iolaus.store.facts import Facts
from iolaus.store.lease import Elsewhere
from iolaus.store.parcels import Parcel, Parcels
from iolaus.store.records import (
    STATES,
    Deed,
    Record,
    Recorded,
    Shed,
    endpoint_of,
    make_record,
    pack_parcel,
    parse_parcel,
    told_of,
)

log = structlog.get_logger(__name__)
COLLECT_S: Final = 0.1
AGAIN_S: Final = 0.25
SLOWEST_S: Final = 4.0
PARCEL_BYTES: Final = 256 * 1024
AT_ONCE: Final = 64
MOST_WAITING: Final = 100_000
"""Records that wait for a disk that does not take them."""
LOG: Final = "log"
EPOCH: Final = "epoch."
BREATH: Final = 20
FACTS: Final = "facts"
"""The log of all edges."""


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """A parcel on its way."""

    sender: str
    number: int
    body: bytes


_SENT: Final = msgspec.msgpack.Decoder(Sent)
Owner = Callable[[str], tuple[str, int] | None]


class Carrier:
    """The edge's end. `owner_of` gives an endpoint's shard and the epoch under which we read it;
    None for what is not ours to tell. `here` does without threads, for virtual time."""

    def __init__(
        self,
        *,
        outbox: Parcels,
        to: Log,
        name: str,
        clock: Clock,
        owner_of: Owner,
        here: bool = False,
    ) -> None:
        self._outbox, self._log, self._key, self._clock = outbox, to, f"edge.{name}", clock
        self._owner_of = owner_of
        self._waiting: list[tuple[float, Record]] = []
        self._keeping = 0
        self._rung, self._lock = asyncio.Event(), asyncio.Lock()
        self._filled = asyncio.Event()
        self._next, self._elsewhere = 0, Elsewhere(here=here)
        self.trouble: IolausError | None = None

    def take(self, told: Recorded) -> None:
        """Something was learned."""
        if (owner := self._owner_of(endpoint_of(told))) is None:
            return
        try:
            record = make_record(*owner, told)
            _must_fit(record)
        except (ValueError, OverflowError) as error:
            log.warning("record_unwritable", endpoint=endpoint_of(told), error=str(error))
            return
        self._put(record)

    def deed(self, done: AuditRecord) -> None:
        """Something was done that the hall's audit log must have."""
        self._put(make_record("", 0, Deed(record=done)))

    def _put(self, record: Record) -> None:
        self._waiting.append((self._clock.now(), record))
        self._filled.set()
        if len(self._waiting) > MOST_WAITING:
            self._waiting = [each for each in self._waiting if each[1].kind not in STATES]

    @property
    def waiting(self) -> int:
        """Parcels, and records, that nobody else knows yet."""
        return self._outbox.waiting + len(self._waiting) + self._keeping

    async def run(self) -> None:
        """Until cancelled; what waits then is kept."""
        sending = asyncio.create_task(keep_on(self._send))
        try:
            while True:
                await self._filled.wait()
                self._filled.clear()
                await self._clock.sleep(COLLECT_S)
                await self.keep()
        finally:
            await end(sending)
            await self.keep()

    async def keep(self) -> None:
        """Put what was collected into the outbox; what it does not take is tried again."""
        async with self._lock:
            waiting, self._waiting = self._waiting, []
            if not waiting:
                return
            parcels, self._keeping = list(_parcels(waiting)), len(waiting)
            try:
                shed = await self._elsewhere.do(lambda: self._outbox.add(parcels))
            except IolausError as error:
                self._waiting = [*waiting, *self._waiting]
                self._filled.set()
                self._note(error)
                return
            finally:
                self._keeping = 0
            self._note(None)
            if shed is not None:
                log.warning("states_shed", parcels=shed.count, since=shed.since, until=shed.until)
                self._waiting.insert(0, (self._clock.now(), make_record("", 0, shed)))
                self._filled.set()
            self._rung.set()

    async def until_sent(self) -> None:
        """Until what was taken by now is in the log of all, or was given up for want of room.
        Raises what the outbox raises."""
        await self.keep()
        while self.trouble is not None:
            await self._clock.sleep(AGAIN_S)
            await self.keep()
        last = await self._elsewhere.do(self._outbox.last)
        while self._next < last and self._outbox.waiting:
            await self._clock.sleep(AGAIN_S)

    async def _send(self) -> None:
        pause_s = AGAIN_S
        while True:
            try:
                if not await self.send():
                    self._rung.clear()
                    await self._rung.wait()
                pause_s = AGAIN_S
            except IolausError:
                await self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, SLOWEST_S)

    async def send(self) -> int:
        """What is kept, one after the other; how many. Raises `BusAway`, and what the outbox
        raises."""
        parcels = await self._elsewhere.do(
            lambda: self._outbox.first(after=self._next, most=AT_ONCE)
        )
        done = 0
        try:
            for parcel in parcels:
                await self._send_one(parcel)
                done = parcel.number
        finally:
            if done:
                self._next = done
                await self._elsewhere.do(lambda: self._outbox.sent(done))
        return len(parcels)

    async def _send_one(self, parcel: Parcel) -> None:
        sent = Sent(self._outbox.name, parcel.number, parcel.body)
        name = f"{sent.sender}:{sent.number}"
        await self._log.append(self._key, msgspec.msgpack.encode(sent), id_=name)

    def _note(self, error: IolausError | None) -> None:
        """One line when keeping stops, one when it goes on."""
        if error is not None and self.trouble is None:
            log.error("outbox_not_written", error=error.message, next_step=error.next_step)
        elif error is None and self.trouble is not None:
            log.info("outbox_written_again")
        self.trouble = error


def _must_fit(record: Record) -> None:
    """Raises `ValueError` for what no server of the bus would ever take: what waits behind it would
    wait for good."""
    if len(record.doc) > MOST_BYTES and (size := len(pack_parcel([record]))) > MOST_BYTES:
        raise ValueError(f"{size} bytes are too many for the bus")


def _parcels(waiting: Iterable[tuple[float, Record]]) -> Iterator[tuple[float, bool, bytes]]:
    """Runs of states and of what is none, in their order, none too large."""
    run: list[Record] = []
    since, size = 0.0, 0
    for at, record in waiting:
        is_state = record.kind in STATES
        if run and (is_state != (run[0].kind in STATES) or size >= PARCEL_BYTES):
            yield since, run[0].kind in STATES, pack_parcel(run)
            run = []
        if not run:
            since, size = at, 0
        run.append(record)
        size += len(record.doc)
    if run:
        yield since, run[0].kind in STATES, pack_parcel(run)


class Taker:
    """The core's end: the log into the picture. `heard` is when each shard was last told of, by
    the picture's own clock; `shed` what edges gave up; `deeds` waits for the audit log."""

    def __init__(self, *, facts: Facts, log: Log, clock: Clock) -> None:
        self._facts, self._log, self._clock = facts, log, clock
        self.deeds: asyncio.Queue[AuditRecord] = asyncio.Queue()
        self.heard: dict[str, float] = {}
        self.shed: list[Shed] = []
        self.unread = 0

    async def run(self) -> None:
        """Until cancelled."""
        await self._find_place()
        count = 0
        async for entry in self._log.read(after=self._facts.positions.get(LOG, 0)):
            try:
                self.take(entry)
            except WeErred as error:
                self.unread += 1
                log.warning("parcel_unread", number=entry.number, error=str(error))
            except Exception:  # supervised: what one parcel breaks, the next must not suffer
                self.unread += 1
                log.exception("parcel_erred", number=entry.number)
            self._facts.follow(LOG, entry.number)
            count += 1
            if count % BREATH == 0:
                await asyncio.sleep(0)

    async def _find_place(self) -> None:
        """A log that ends before the place that we know is another, as after a restore beside a
        new bus: it is read from its beginning, and its epochs begin anew. Who sent what is told by
        the names of outboxes, which are never used twice."""
        while True:
            try:
                last = await self._log.last()
                break
            except BusAway:
                await self._clock.sleep(AGAIN_S)
        if last >= (known := self._facts.positions.get(LOG, 0)):
            return
        log.warning("log_is_another", known=known, last=last)
        for name in list(self._facts.positions):
            if name == LOG or name.startswith(EPOCH):
                self._facts.follow(name, 0)

    def take(self, entry: Entry) -> None:
        """Raises `WeErred` for what is no parcel of ours."""
        sent = parse_sent(entry.body)
        name = f"from.{sent.sender}"
        if sent.number <= self._facts.positions.get(name, 0):
            return
        for record, told in told_of(parse_parcel(sent.body)):
            self._take(record, told)
        self._facts.follow(name, sent.number)

    def _take(self, record: Record, told: Recorded | Shed | Deed) -> None:
        if isinstance(told, Shed):
            self.shed.append(told)
            return
        if isinstance(told, Deed):
            self.deeds.put_nowait(told.record)
            return
        name = f"{EPOCH}{record.shard}"
        newest = self._facts.positions.get(name, 0)
        if record.epoch > newest:
            self._facts.follow(name, record.epoch)
        if record.epoch >= newest:
            self.heard[record.shard] = self._clock.monotonic()
        elif record.kind in STATES:
            return
        self._facts.record(told)


def parse_sent(body: bytes) -> Sent:
    """Raises `WeErred`."""
    try:
        return _SENT.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise WeErred(
            f"it is no parcel: {error}",
            operation="read log",
            subject="parcel",
            code="ParcelUnreadable",
            next_step="see what else writes to the log of the cluster.",
        ) from None
