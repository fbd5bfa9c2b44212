"""One edge in real time: its core is asked what to do, and doors carry it out, each on its own.

The loop never waits for a device. A command is a task of its own, at most one of a kind for a
node, and a new one for the same node takes the old one's place in what is known (the core's ticket
says which answer counts), so a hung controller holds up nobody. Latches are saved before what
they ask for is done; a disk that refuses does not stop a reflex, it is told and tried again.

`beat` is when the loop last came round. Whoever supervises starts it again when that is too long
ago; nothing is lost, for the core is the same.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from iolaus.energy.edge import Edge
from iolaus.energy.frames import Budget, Report
from iolaus.energy.ports import (
    AsksBuilding,
    CapRead,
    CapsNodes,
    CapWrite,
    Command,
    CutsPower,
    Event,
    IsolationRequest,
    KeepsLatches,
    Latch,
    PowerOff,
)
from iolaus.energy.timing import Fallback, Latency
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.kernel.tasks import end

log = structlog.get_logger(__name__)
PERIOD_S: Final = 0.05
"""20 Hz."""
REPORT_S: Final = 1.0
SAVE_AGAIN_S: Final = 5.0
KEPT: Final = 256
TOLD_AGAIN_S: Final = 600.0
"""What is tried again and again, and ends in the same way, is recorded again so often."""
DRAWN: Final = 180
"""So many reports: what a rack drew in the last three minutes."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an edge did, or had refused, for the record. `at` is seconds since 1970."""

    at: float
    rack: str
    what: str
    subject: str
    because: str = ""
    fate: str = ""


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """All that an edge reaches. `tell` gets reports for the centre, `record` what is audited."""

    caps: CapsNodes
    power: CutsPower
    building: AsksBuilding
    latches: KeepsLatches
    tell: Callable[[Report], None]
    record: Callable[[Done], None]


class EdgeRun:
    """Runs one edge. `heard`, `took` and `read` may be called at any time."""

    def __init__(self, edge: Edge, doors: Doors, clock: Clock) -> None:
        self.edge, self.doors = edge, doors
        self.done: deque[Done] = deque(maxlen=KEPT)
        self.beat_s = clock.monotonic()
        self._clock = clock
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.latency, self.fallback = Latency(), Fallback()
        self.drawn: deque[tuple[float, float | None]] = deque(maxlen=DRAWN)
        self._due_s = math.inf
        self._saved = 0
        self._saved_s = self._reported_s = float("-inf")
        self._tried: dict[tuple[str, str], tuple[tuple[str, str], float]] = {}

    def heard(self, event: Event) -> None:
        """A sensor said something: it is acted upon in this turn of the loop."""
        now_s = self._clock.monotonic()
        self.edge.event(event, now_s)
        if self.edge.next_s <= now_s:
            self._due_s = min(self._due_s, now_s)
            self._woken.set()

    def took(self, frame: Budget) -> bool:
        taken = self.edge.budget(frame, self._clock.monotonic())
        self._woken.set()
        return taken

    def read(self, node: str, watts: float | None, *, quality: int = 1) -> None:
        self.edge.reading(node, watts, quality, self._clock.monotonic())

    def powered(self, node: str, on: bool | None) -> None:
        self.edge.powered(node, on, self._clock.monotonic())

    def release(self, name: str, *, who: str, reason: str) -> Latch:
        """A person ends a latch, and it is recorded who and why. Raises as `Edge.release` does."""
        latch = self.edge.release(name, self._clock.monotonic())
        self._tried.clear()
        self._note("release", latch.name, reason, fate=f"by {who}")
        self._save()
        self._woken.set()
        return latch

    async def run(self) -> None:
        """Turn until cancelled; what is under way is cancelled with it."""
        try:
            while True:
                self.turn()
                await self._rest()
        finally:
            await end(*self._tasks)

    def turn(self) -> None:
        """Once round: decide, save what latched, start what is to be done, report."""
        now_s = self.beat_s = self._clock.monotonic()
        commands = self.edge.tick(now_s)
        latched = self.edge.reflexes.changed
        if latched != self._saved and (commands or now_s - self._saved_s >= SAVE_AGAIN_S):
            self._save()
        for command in commands:
            self._start(command)
        if now_s - self._reported_s >= REPORT_S:
            self._reported_s = now_s
            report = self.edge.report(now_s)
            self.drawn.append((now_s, report.measured_w))
            self.doors.tell(report)
        granted_w = sum(cap.ceiling for cap in self.edge.caps)
        at_floor = granted_w <= self.edge.floor_w + len(self.edge.caps)
        self.fallback.saw(self.edge.leased(now_s), at_floor, now_s)
        self.latency.add(self._clock.monotonic() - min(self._due_s, now_s))
        self._due_s = math.inf

    async def _rest(self) -> None:
        """Until something is heard, or it is time to look again."""
        self._woken.clear()
        now_s = self._clock.monotonic()
        wait_s = min(max(self.edge.next_s - now_s, PERIOD_S), REPORT_S)
        self._due_s = min(self._due_s, now_s + wait_s)
        sleeping = asyncio.ensure_future(self._clock.sleep(wait_s))
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait({sleeping, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            woken.cancel()

    # --- carrying out ------------------------------------------------------------------------

    def _start(self, command: Command) -> None:
        task = asyncio.create_task(self._carry(command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _carry(self, command: Command) -> Coroutine[Any, Any, None]:
        if isinstance(command, CapRead):
            return self._read_cap(command)
        if isinstance(command, CapWrite):
            return self._write_cap(command)
        if isinstance(command, PowerOff):
            return self._power_off(command)
        return self._isolate(command)

    async def _read_cap(self, command: CapRead) -> None:
        watts = await self.doors.caps.read_cap(command.node)
        self._answered(command, watts)

    async def _write_cap(self, command: CapWrite) -> None:
        watts = await self.doors.caps.write_cap(command.node, command.watts, safety=command.safety)
        self._answered(command, watts)
        fate = "unknown" if watts is None else f"{watts:g} W read back"
        self._note("cap", command.node, command.because, fate=f"{command.watts:g} W: {fate}")

    def _answered(self, command: CapRead | CapWrite, watts: float | None) -> None:
        now_s = self._clock.monotonic()
        self.edge.written(command.node, watts, now_s, ticket=command.ticket)
        self._woken.set()

    async def _power_off(self, command: PowerOff) -> None:
        off = await self.doors.power.power_off(command.node)
        self.powered(command.node, None if off is None else not off)
        fate = "unknown" if off is None else ("off" if off else "still on")
        self._note_try("power off", command.node, command.because, fate=fate)
        self._woken.set()

    async def _isolate(self, command: IsolationRequest) -> None:
        done = await self.doors.building.isolate(command)
        self.edge.isolated(command.medium, done, self._clock.monotonic())
        what, fate = f"isolate {command.medium}", "confirmed" if done else "requested"
        self._note_try(what, command.rack, command.because, fate=fate)
        self._woken.set()

    # --- keeping -----------------------------------------------------------------------------

    def _save(self) -> None:
        reflexes = self.edge.reflexes
        self._saved_s = self._clock.monotonic()
        try:
            self.doors.latches.save(list(reflexes.latches.values()))
        except IolausError as error:
            log.warning("latches are not saved", rack=self.edge.rack.rack, error=str(error))
            return
        self._saved = reflexes.changed

    def note(self, what: str, subject: str, because: str, *, fate: str) -> None:
        """For the record: what a person asked of this rack."""
        self._note(what, subject, because, fate=fate)

    def _note_try(self, what: str, subject: str, because: str, *, fate: str) -> None:
        """A try that ended as the one before it did is no news: a rack without power is told to be
        off every other second until a person comes."""
        now_s, said = self._clock.monotonic(), (because, fate)
        before = self._tried.get((what, subject))
        if before is None or before[0] != said or now_s - before[1] >= TOLD_AGAIN_S:
            self._tried[what, subject] = said, now_s
            self._note(what, subject, because, fate=fate)

    def _note(self, what: str, subject: str, because: str, *, fate: str) -> None:
        done = Done(
            at=self._clock.now(),
            rack=self.edge.rack.rack,
            what=what,
            subject=subject,
            because=because,
            fate=fate,
        )
        self.done.append(done)
        self.doors.record(done)
