"""The edge's end of consoles: lines of the endpoints that it owns, opened and recorded here.

A core that watches for others has one seat at each, as long as it asks; where it falls silent the
line is recorded on for a while, or for good where that was asked for. What an endpoint's owner
recorded stays on its disk when it owns it no longer; its line is closed then.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

from iolaus.app.cluster.letters import ConsoleAsk, ConsoleTold, Letter
from iolaus.app.console_lines import OpensLines, Place
from iolaus.app.console_sessions import OneSeat
from iolaus.app.consoles import Consoles
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceSilent, OperatorMust, WeErred
from iolaus.kernel.tasks import end, together
from iolaus.model.audit import Record
from iolaus.model.shard import shard_of
from iolaus.north.consoles import Guest
from iolaus.store.recordings import Rotation

MOST_BYTES: Final = 64 << 10
GATHER_S: Final = 0.02
"""What a line says within so long travels together."""
SILENT_S: Final = 30.0
ROUND_S: Final = 5.0
OPEN_S: Final = 60.0
CORE: Final = Guest(name="core", may_write=True)


class Held(NamedTuple):
    seat: OneSeat
    heard_s: float


class ConsoleDesk:
    """`name` is this member's; recordings are kept in `folder`."""

    def __init__(
        self,
        *,
        name: str,
        folder: Path,
        lines: OpensLines,
        clock: Clock,
        rotation: Rotation | None = None,
    ) -> None:
        self._name, self._clock = name, clock
        self._places: dict[str, Place] = {}
        self._held: dict[str, Held] = {}
        self.room = Consoles(
            folder=folder,
            place_of=self._place_of,
            lines=lines,
            record=_nowhere,
            clock=clock,
            rotation=rotation,
        )

    async def run(self) -> None:
        """Until cancelled."""
        await together(self.room.run(), self._tidy())

    async def _tidy(self) -> None:
        while True:
            await self._clock.sleep(ROUND_S)
            now_s = self._clock.monotonic()
            for uid, held in list(self._held.items()):
                if now_s - held.heard_s > SILENT_S:
                    self._leave(uid)

    def let_go(self, shard: str) -> None:
        """Its endpoints are another's: their lines are closed."""
        for uid, place in list(self._places.items()):
            if shard_of(place.target) == shard:
                self._leave(uid)
                self.room.close(uid)
                del self._places[uid]

    def _place_of(self, uid: str) -> Place:
        if (place := self._places.get(uid)) is None:
            raise OperatorMust("nobody asked for it here", operation="open console", subject=uid)
        return place

    def _leave(self, uid: str) -> None:
        if (held := self._held.pop(uid, None)) is not None:
            held.seat.leave()

    # --- asked -----------------------------------------------------------------------------------

    async def answer(self, letter: Letter) -> ConsoleTold:
        """Raises what the line raised."""
        if (ask := letter.console) is None:
            raise WeErred("it asks nothing", operation="console", subject=letter.target.address)
        place = Place(target=letter.target, systems=ask.systems, node=ask.node)
        self._places[ask.uid] = place
        match ask.do:
            case "open":
                return await self._open(ask, place)
            case "read":
                return await self._read(ask, await self._seat(ask, place))
            case "type":
                seat = await self._seat(ask, place)
                await seat.take(force=True)
                await seat.type(ask.data)
            case "leave":
                self._leave(ask.uid)
                self.room.keep_on(ask.uid, kept=ask.kept)
        return ConsoleTold(member=self._name)

    async def _open(self, ask: ConsoleAsk, place: Place) -> ConsoleTold:
        self.room.know_key(place.target.address, ask.host_key)
        before = self.room.recording(ask.uid)
        recorded = before.end if before else 0
        self._leave(ask.uid)
        seat = await self.room.join(ask.uid, CORE, way=ask.way, trust_first=ask.first)
        self._held[ask.uid] = Held(seat, self._clock.monotonic())
        self.room.keep_on(ask.uid, kept=ask.kept)
        try:
            async with asyncio.timeout(OPEN_S):
                while seat.standing.state == "connecting":
                    await seat.news()
        except TimeoutError:
            raise _silent(place, "it did not open within a minute") from None
        if seat.line is None:
            raise seat.error or _silent(place, "its line is not open")
        return ConsoleTold(
            member=self._name,
            way=seat.line[1],
            shown=seat.line[0].shown,
            offset=self._begin(ask, seat, recorded),
        )

    def _begin(self, ask: ConsoleAsk, seat: OneSeat, recorded: int) -> int:
        """Where it was left; where it was opened, for who comes from another edge; else a little
        before what is new."""
        recording = seat.recording
        if ask.member == self._name and ask.offset <= recording.end:
            return max(ask.offset, recording.start)
        if ask.member:
            return max(seat.began, recording.start)
        return max(recorded - ask.tail, recording.start)

    async def _seat(self, ask: ConsoleAsk, place: Place) -> OneSeat:
        """The core's, which was given up where it did not ask for long."""
        held = self._held.get(ask.uid)
        if ask.member != self._name or not (held or self.room.is_open(ask.uid)):
            raise _silent(place, "its edge began anew")
        seat = held.seat if held else await self.room.join(ask.uid, CORE)
        self._held[ask.uid] = Held(seat, self._clock.monotonic())
        self.room.keep_on(ask.uid, kept=ask.kept)
        return seat

    async def _read(self, ask: ConsoleAsk, seat: OneSeat) -> ConsoleTold:
        """What was recorded goes before what became of the line."""
        recording, until_s = seat.recording, self._clock.monotonic() + ask.wait_s
        while recording.end <= ask.offset:
            if seat.line is None:
                raise seat.error or _silent(self._places[ask.uid], "its line is not open")
            if (left_s := until_s - self._clock.monotonic()) <= 0:
                return ConsoleTold(member=self._name, offset=ask.offset)
            await self._news(seat, left_s)
        if recording.end - ask.offset < MOST_BYTES:
            await self._clock.sleep(GATHER_S)
        began, data = recording.read(ask.offset, MOST_BYTES)
        return ConsoleTold(member=self._name, offset=began, data=data)

    async def _news(self, seat: OneSeat, left_s: float) -> None:
        hearing = asyncio.ensure_future(seat.news())
        resting = asyncio.ensure_future(self._clock.sleep(left_s))
        try:
            await asyncio.wait({hearing, resting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(hearing, resting)


async def _nowhere(record: Record) -> None:
    """Who did what is in the audit log of the core, which let them."""
    del record


def _silent(place: Place, why: str) -> DeviceSilent:
    return DeviceSilent(
        why,
        operation="read console",
        subject=place.node,
        code="ConsoleSilent",
        next_step="nothing: it is tried again.",
    )
