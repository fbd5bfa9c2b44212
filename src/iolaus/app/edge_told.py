"""What controllers send by themselves, taken to the edges before it is anything else.

An event of a leak goes past queue, store and poll: the detector that it names is read at once, at
the priority of safety, and what is read goes to the edges of its rack. A device may tell old
stories (a stream that resumes, a push that comes twice), so its word alone strikes nothing, but for
one case: where it says critical, of now, and its detector does not answer within `WITHIN_S`.
A metric report is a reading; one that is older than the last one is late and not taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol

from iolaus.drivers.ports import DeviceEvent
from iolaus.drivers.redfish.logs import moment_of
from iolaus.energy.ports import Event, Grade, Sense
from iolaus.energy.seats import Seat
from iolaus.energy.told import LeakWord, detectors_of, leak_word, metered, metered_leaks
from iolaus.kernel.clock import Clock
from iolaus.kernel.tasks import end
from iolaus.model.asset import Reading, Report

WITHIN_S: Final = 0.5
LATELY_S: Final = 120.0
WET: Final = frozenset({Grade.WARNING, Grade.CRITICAL})
SET_S: Final = 1_262_304_000.0
"""A clock that says less was never set."""
ASKED_AGAIN: Final = 2
"""So many looks at one controller at once: what is told meanwhile is seen by the second."""


class Looks(Protocol):
    async def look(self, seat: Seat, uri: str) -> Event | None: ...


class Reached(Protocol):
    """The edges, as what is told reaches them."""

    def known(self, address: str) -> tuple[Seat, Report] | None: ...

    def heard(self, address: str, event: Event) -> None: ...

    def sensed(self, address: str, readings: Sequence[Reading]) -> None: ...


class EdgeTold:
    def __init__(self, edges: Reached, hands: Looks, clock: Clock) -> None:
        self._edges, self._hands, self._clock = edges, hands, clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: dict[str, int] = {}
        self._metered_at: dict[str, float] = {}

    def told(self, address: str, told: DeviceEvent) -> None:
        """Take what an endpoint sent. Cheap where it is of nothing that a reflex knows."""
        known = self._edges.known(address)
        if known is None:
            return
        seat, report = known
        detectors = detectors_of(seat, report)
        if told.metrics:
            if self._is_late(address, told):
                return
            at = self._clock.now()
            self._edges.sensed(address, list(metered(report.readings, told.metrics, at=at)))
            wet = metered_leaks(detectors, told.metrics)
            word = LeakWord(wet, None) if wet else None
        else:
            word = leak_word(
                detectors,
                message_id=told.message_id or "",
                message=told.message,
                origin=told.origin or "",
            )
        if word is not None and self._looking.get(address, 0) < ASKED_AGAIN:
            self._looking[address] = self._looking.get(address, 0) + 1
            self._spawn(self._look(address, seat, word, is_now=self._is_now(told)))

    async def close(self) -> None:
        await end(*self._tasks)

    async def _look(self, address: str, seat: Seat, word: LeakWord, *, is_now: bool) -> None:
        looks = {
            name: asyncio.create_task(self._see(address, seat, uri))
            for name, uri in word.detectors.items()
        }
        try:
            await asyncio.wait(looks.values(), timeout=WITHIN_S)
            seen = {n: t.result() if t.done() else Grade.UNKNOWN for n, t in looks.items()}
            unseen = [name for name, grade in seen.items() if grade is Grade.UNKNOWN]
            believed = is_now and word.grade is Grade.CRITICAL
            if believed and unseen and not WET & set(seen.values()):
                why = "its controller said so, and the detector could not be read"
                told = Event(sense=Sense.LEAK, subject=unseen[0], grade=Grade.CRITICAL, because=why)
                self._edges.heard(address, told)
            await asyncio.gather(*looks.values())
        finally:
            self._looking[address] -= 1
            for look in looks.values():
                look.cancel()

    async def _see(self, address: str, seat: Seat, uri: str) -> Grade:
        event = await self._hands.look(seat, uri)
        if event is None:
            return Grade.UNKNOWN
        self._edges.heard(address, event)
        return event.grade

    def _is_late(self, address: str, told: DeviceEvent) -> bool:
        at = moment_of(told.created)
        if at is None:
            return False
        last = self._metered_at.get(address)
        if last is not None and at < last:
            return True
        self._metered_at[address] = at
        return False

    def _is_now(self, told: DeviceEvent) -> bool:
        """Whether it happened lately, as far as the device's clock tells."""
        at = moment_of(told.created)
        return at is None or at < SET_S or abs(self._clock.now() - at) <= LATELY_S

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
