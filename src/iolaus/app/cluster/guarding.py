"""The racks of an edge, told to the core that leads, and what it asks of them in people's name.

A wish is obeyed if it came from a core that may still lead, in time, and for a rack whose shard is
owned under a lease at this moment; then it is the edge's own room that judges it. Caps that people
hold are rows of the bus: whoever owns a rack next holds them on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from iolaus.app.cluster.letters import Granted, Seals, Wish, answered, opened
from iolaus.app.cluster.racks import FEED, STANDING, Feed, Told, wish_topic
from iolaus.app.cluster.rounds import rounds
from iolaus.app.house_edges import HouseEdges
from iolaus.app.powering import POWER_CAPS, Powering
from iolaus.bus.port import Table, Trunk
from iolaus.energy.holding import HeldCap, cap_file
from iolaus.energy.ports import Event
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused
from iolaus.kernel.tasks import together

log = structlog.get_logger(__name__)
TELL_S: Final = 2.0
AT_ONCE: Final = 16
"""So many racks in one message."""
CAPS: Final = "caps"
ROUND_S: Final = 0.5
_CAP: Final = msgspec.json.Decoder(HeldCap)


class Guard:
    """The edge's end. `owns` says whether a rack is ours at this moment, `newest` the newest core
    that was heard of."""

    def __init__(
        self,
        *,
        name: str,
        edges: HouseEdges,
        room: Powering,
        trunk: Trunk,
        seals: Callable[[], Seals],
        clock: Clock,
        owns: Callable[[str], bool],
        newest: Callable[[], int],
    ) -> None:
        self._name, self._edges, self._room, self._trunk = name, edges, room, trunk
        self._seals, self._clock = seals, clock
        self._owns, self._newest = owns, newest
        room.on_feed = self._feed

    async def run(self) -> None:
        """Until cancelled."""
        async with self._trunk.answer(wish_topic(self._name), self.answer):
            while True:
                self.tell()
                await self._clock.sleep(TELL_S)

    def tell(self) -> None:
        """How every rack of ours stands."""
        standings = self._edges.standings()
        racks = tuple(each.rack for each in standings)
        for first in range(0, max(1, len(standings)), AT_ONCE):
            told = Told(self._name, racks, tuple(standings[first : first + AT_ONCE]))
            self._trunk.publish(STANDING, msgspec.msgpack.encode(told))

    def _feed(self, rack: str, event: Event) -> None:
        self._trunk.publish(FEED, msgspec.msgpack.encode(Feed(rack, event)))

    async def answer(self, sealed: bytes) -> bytes:
        seals, said = self._seals(), self._obey(sealed)
        return await answered(seals, said, Granted, who="edge", operation="ask", subject="edge")

    async def _obey(self, sealed: bytes) -> Granted:
        self._must_hold(wish := opened(self._seals(), sealed, Wish))
        room, words = self._room, {"by": wish.by, "reason": wish.reason}
        match wish.do:
            case "release":
                return Granted(latches=tuple(await room.release(wish.subject, **words)))
            case "hold":
                cap = await room.hold(wish.subject, wish.watts, for_s=wish.for_s, **words)
                return Granted(cap=cap)
            case "clear":
                return Granted(cap=await room.clear(wish.subject, restore=wish.restore))
            case "isolate":
                return Granted(confirmed=await room.isolate(wish.subject, **words))
            case "unisolate":
                return Granted(confirmed=await room.unisolate(wish.subject, **words))
            case _:
                raise _refusal(wish, "NotKnown", "this version cannot do it", "upgrade this edge.")

    def _must_hold(self, wish: Wish) -> None:
        """Raises `DeviceRefused` (503): nothing was done."""
        why = ""
        if wish.term < self._newest():
            why = f"a newer core leads (epoch {self._newest()}, not {wish.term})"
        elif self._clock.now() > wish.until:
            why = "it came too late to be worth an effect"
        elif not self._owns(wish.rack):
            why = "it is not ours at this moment"
        if why:
            again = "ask again: whoever leads or guards it now answers."
            raise _refusal(wish, "Fenced", why, again)


def _refusal(wish: Wish, code: str, why: str, next_step: str) -> DeviceRefused:
    return DeviceRefused(
        why, operation=wish.do, subject=wish.rack, code=code, status=503, next_step=next_step
    )


class Caps:
    """What people hold, in the table and in the room of this process, whoever holds it there."""

    def __init__(self, *, table: Table, room: Powering, clock: Clock) -> None:
        self._table, self._room, self._clock = table, room, clock
        self._owed: dict[str, HeldCap | None] = {}
        self._rows: set[str] = set()
        room.on_kept = self._kept

    def _kept(self, before: Mapping[str, HeldCap], after: Mapping[str, HeldCap]) -> None:
        """Changed by ourselves."""
        for subject in before.keys() | after.keys():
            if before.get(subject) != after.get(subject):
                self._owed[subject] = after.get(subject)

    async def run(self) -> None:
        """Until cancelled."""
        await together(self._follow(), rounds(self.give, self._clock, ROUND_S))

    async def _follow(self) -> None:
        async for entry in self._table.watch():
            if entry is None:
                self._forget()
            elif entry.key not in self._owed:
                self.take(entry.key, entry.body)

    def take(self, subject: str, body: bytes) -> None:
        """A row as it is now; what is no cap is left."""
        try:
            cap = _parse_cap(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            log.warning("cap_unreadable", subject=subject, error=str(error))
            return
        (self._rows.add if cap else self._rows.discard)(subject)
        self._room.take(subject, cap)

    def _forget(self) -> None:
        """The table is known whole: what was ended while this process was away is ended."""
        for cap in self._room.caps():
            if cap.subject not in self._rows and cap.subject not in self._owed:
                self._room.take(cap.subject, None)

    async def give(self) -> None:
        """Rows for what was changed here. Raises `BusAway`."""
        for subject, cap in list(self._owed.items()):
            await self._table.put(subject, msgspec.json.encode(cap) if cap else b"")
            (self._rows.add if cap else self._rows.discard)(subject)
            if self._owed.get(subject) == cap:
                self._owed.pop(subject, None)


async def write_caps(table: Table, directory: Path) -> None:
    """Until cancelled: what people hold, in the file that whoever leads from `directory` begins
    with."""
    kept, caps, is_whole = cap_file(directory / POWER_CAPS), dict[str, HeldCap](), False
    async for entry in table.watch():
        if entry is None:
            is_whole = True
        else:
            with suppress(msgspec.MsgspecError, RecursionError):
                caps.pop(entry.key, None)
                if (cap := _parse_cap(entry.body)) is not None:
                    caps[entry.key] = cap
        if is_whole:
            kept.save(caps.values())


def _parse_cap(body: bytes) -> HeldCap | None:
    """None: it was ended."""
    return _CAP.decode(body) if body else None
