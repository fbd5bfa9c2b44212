"""One console that is open: a line at one end, a recording in the middle, seats at the other.

Bytes go from the line to the recording and nowhere else; seats read them there. So nobody who
reads slowly, and nobody who went away, holds up the line or costs memory; what holds it up is the
disk alone, and a disk that is full is waited for with the bytes in hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from iolaus.app.console_lines import Opened
from iolaus.drivers.ports import SerialLine
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceSilent, IolausError, PolicyRefused, WeErred
from iolaus.model.console import ConsoleWay, Way
from iolaus.north.consoles import ConsoleStanding, Guest
from iolaus.store.recordings import Recording

log = structlog.get_logger(__name__)
DISK_S: Final = 1.0
FIRST_AGAIN_S, LAST_AGAIN_S = 2.0, 60.0
Told = Callable[["Session", str, str], Awaitable[None]]
"""Writes down (session, who, what they did)."""


class Session:
    """`is_managed` says whether the endpoint may be written to."""

    def __init__(
        self,
        *,
        uid: str,
        node: str,
        recording: Recording,
        clock: Clock,
        is_managed: Callable[[], bool],
        told: Told,
    ) -> None:
        self.uid, self.node, self.recording = uid, node, recording
        self._clock, self._is_managed, self._told = clock, is_managed, told
        self.seats: dict[OneSeat, None] = {}
        self.writer: OneSeat | None = None
        self.line: SerialLine | None = None
        self.way: ConsoleWay | None = None
        self.wanted: Way | None = None
        self.trust_first = self.kept = False
        self.tries, self.empty_since = 0, clock.monotonic()
        self.began = 0
        """Where in the recording the line was opened last."""
        self._state, self._since = "connecting", clock.now()
        self._error: IolausError | None = None

    @property
    def standing(self) -> ConsoleStanding:
        error = self._error
        return ConsoleStanding(
            uid=self.uid,
            node=self.node,
            state=self._state,
            since=self._since,
            start=self.recording.start,
            end=self.recording.end,
            way=self.way.way.value if self.way else "",
            message=error.message if error else "",
            code=error.code if error else "",
            next_step=error.next_step if error else "",
            writer=self.writer.guest.name if self.writer else "",
            watchers=tuple(seat.guest.name for seat in self.seats),
            kept=self.kept,
        )

    @property
    def error(self) -> IolausError | None:
        """What is in the way."""
        return self._error

    # --- the line's side ------------------------------------------------------------------------

    def turn(self, state: str, error: IolausError | None = None) -> None:
        if state != self._state:
            self._state, self._since = state, self._clock.now()
        self._error = error
        self.ring()

    def opened(self, opened: Opened) -> None:
        self.line, self.way, self.tries = opened.line, opened.way, 0
        self.began = self.recording.end
        mark, told = "back" if self.began else "open", (opened.way.way.value, opened.told)
        self.recording.mark(mark, self._clock.now(), ", ".join(filter(None, told)))
        self.turn("open")

    def closed(self, error: IolausError | None, why: str) -> float:
        """The line is gone, for this error or else why; seconds until it is tried again."""
        self.line = None
        self.recording.mark("lost", self._clock.now(), error.message if error else why)
        self.turn("lost", error)
        return self.pause_s()

    def pause_s(self) -> float:
        self.tries += 1
        return min(FIRST_AGAIN_S * float(2 ** min(self.tries - 1, 8)), LAST_AGAIN_S)

    async def pump(self, line: SerialLine) -> None:
        """Record until the line ends. Raises `DeviceSilent`."""
        while data := await line.read():
            await self._record(data)

    async def _record(self, data: bytes) -> None:
        """Nothing more is read until this is written."""
        while data:
            before = self.recording.end
            try:
                self.recording.append(data, self._clock.now())
            except WeErred as error:
                data = data[self.recording.end - before :]
                self.turn("open", error)
                await self._clock.sleep(DISK_S)
                continue
            data = b""
            if self._error is not None:
                self.turn("open")
        self.ring()

    # --- the seats' side ------------------------------------------------------------------------

    def ring(self) -> None:
        for seat in self.seats:
            seat.bell.set()

    def sit(self, guest: Guest) -> OneSeat:
        seat = OneSeat(self, guest)
        self.seats[seat] = None
        self.ring()
        return seat

    def rise(self, seat: OneSeat) -> None:
        self.seats.pop(seat, None)
        if self.writer is seat:
            self.writer = None
        if not self.seats:
            self.empty_since = self._clock.monotonic()
        self.ring()

    async def take(self, seat: OneSeat, *, force: bool) -> None:
        if not seat.guest.may_write:
            raise self._no("RoleMayNot", "this role or link may only watch", "ask an operator.")
        if not self._is_managed():
            step = f"iolaus manage {self.node}, if it may be changed from here."
            raise self._no("ReadOnly", "its endpoint is read-only", step)
        if self.writer not in (None, seat) and not force:
            assert self.writer is not None
            name = self.writer.guest.name
            step = "ask them to give it (~g), or take it over (~T)."
            raise self._no("SomebodyWrites", f"{name} writes", step)
        if self.writer is not seat:
            await self._told(self, seat.guest.name, "take over" if self.writer else "take")
            self.writer = seat
            self.ring()

    def give(self, seat: OneSeat) -> None:
        if self.writer is seat:
            self.writer = None
            self.ring()

    async def type(self, seat: OneSeat, data: bytes) -> None:
        if self.writer is not seat:
            raise self._no("NotTaken", "you do not write here", "take it first (~t).")
        if not self._is_managed():
            self.give(seat)
            raise self._no("ReadOnly", "its endpoint is read-only now", "iolaus manage NODE.")
        if self.line is None or self.way is None:
            raise DeviceSilent(
                "the line is not open",
                operation="type",
                subject=self.node,
                code="ConsoleSilent",
                next_step="wait until it is back; nothing is kept for later.",
            )
        if self.way.leave:  # it would lead to the controller's own command line
            data = data.replace(self.way.leave, b"")
        await self.line.write(data)

    def _no(self, code: str, message: str, next_step: str) -> PolicyRefused:
        return PolicyRefused(
            message, operation="write to console", subject=self.node, code=code, next_step=next_step
        )


class OneSeat:
    """See `north.consoles.Seat`."""

    def __init__(self, session: Session, guest: Guest) -> None:
        self._session, self.guest = session, guest
        self.bell = asyncio.Event()

    @property
    def recording(self) -> Recording:
        return self._session.recording

    @property
    def standing(self) -> ConsoleStanding:
        return self._session.standing

    @property
    def line(self) -> tuple[SerialLine, ConsoleWay] | None:
        """None while it is not open."""
        line, way = self._session.line, self._session.way
        return (line, way) if line and way else None

    @property
    def error(self) -> IolausError | None:
        return self._session.error

    @property
    def began(self) -> int:
        """Where in the recording the line was opened last."""
        return self._session.began

    async def news(self) -> None:
        await self.bell.wait()
        self.bell.clear()

    async def take(self, *, force: bool = False) -> None:
        await self._session.take(self, force=force)

    def give(self) -> None:
        self._session.give(self)

    async def type(self, data: bytes) -> None:
        await self._session.type(self, data)

    def leave(self) -> None:
        self._session.rise(self)
