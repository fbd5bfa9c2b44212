"""The hall's time: one clock from which everything that is simulated takes it.

In real time that is the machine's clock and the event loop's timers. In virtual time it is
`VirtualClock`: time stands until `advance`, which does all that falls due in its order (the plant's
steps, devices' timers, scripts, the building's turns) and is over when it is done; or, with a
`speed`, it runs so many times faster than the world's. A test waits for no boot, and the same seed
with the same orders is the same run, bit for bit.

Three rules make it the same run. Time is counted in whole nanoseconds, so that ten tenths are one
second however it is cut up. What is due at one moment is done in the order in which it was asked
for. And what must ask the real world (an image that is fetched, a message that is sent to the
broker) holds time until it is done.

Answers: where time stands, whoever waits for an answer would wait for ever, so latencies take no
time there (`stands`); at a speed they take theirs of the hall's time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Protocol

from iolaus.kernel.clock import Clock

START_S: Final = 1_767_225_600.0
"""Where virtual time begins: 2026-01-01T00:00:00Z."""
TICK_S: Final = 0.02
LATE_S: Final = 0.25
"""A process that cannot keep its speed lets time go: it never runs in a burst."""
LEAST_TURNS, MOST_TURNS = 8, 64
NANO: Final = 1_000_000_000


class Timer(Protocol):
    def cancel(self) -> None: ...


class Due:
    """Something to be done at a moment, unless it is cancelled before."""

    __slots__ = ("at", "callback")

    def __init__(self, at: int, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def fire(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()


class VirtualClock:
    """`speed` 0: time stands until `advance`; else `run` moves it so many times as fast."""

    def __init__(self, *, start_s: float = START_S, speed: float = 0.0) -> None:
        self.start_s, self.speed = start_s, speed
        self._at = 0
        self._order = itertools.count()
        self._due: list[tuple[int, int, Due]] = []
        self._awake: set[asyncio.Task[object]] = set()
        self._one = asyncio.Lock()
        self._holds = 0
        self._free = asyncio.Event()

    # A clock

    def now(self) -> float:
        return self.start_s + self._at / NANO

    def monotonic(self) -> float:
        return self._at / NANO

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        assert task is not None
        due = self.later(seconds, lambda: None if future.done() else future.set_result(None))
        self._awake.discard(task)
        try:
            await future
        finally:
            due.cancel()
        self._awake.add(task)

    # More than a clock

    def later(self, seconds: float, callback: Callable[[], None]) -> Due:
        due = Due(self._at + max(0, round(seconds * NANO)), callback)
        heapq.heappush(self._due, (due.at, next(self._order), due))
        return due

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Time does not move in this block. Whoever sleeps on the clock in it sleeps for ever."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds:
                self._free.set()

    async def advance(self, seconds: float) -> None:
        """Move on, doing all that falls due in its order; over when it is done."""
        async with self._one:
            end = self._at + round(seconds * NANO)
            await self._quiet()
            while self._due and self._due[0][0] <= end:
                if self._fire():
                    await self._quiet()
            self._at = end

    async def run(self) -> None:
        """Keep the speed until cancelled."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            await self.advance(min(now - before, LATE_S) * self.speed)
            before = now

    def _fire(self) -> bool:
        """All that is due at the next moment; whether there was anything."""
        moment, loop, some = self._due[0][0], asyncio.get_running_loop(), False
        while self._due and self._due[0][0] == moment:
            _, _, due = heapq.heappop(self._due)
            if due.callback is not None:
                self._at, some = moment, True
                loop.call_soon(due.fire)  # its failure is the loop's to tell, as with its own
        return some

    async def _quiet(self) -> None:
        """Until whoever woke sleeps again, or waits for something that is not time."""
        turns = 0
        while turns < LEAST_TURNS or self._holds or (turns < MOST_TURNS and self._stirs()):
            turns += 1
            if self._holds:
                self._free.clear()
                await self._free.wait()
                turns = 0
            await asyncio.sleep(0)
        self._awake.clear()

    def _stirs(self) -> bool:
        return any(not task.done() for task in self._awake)


def after(clock: Clock, seconds: float, callback: Callable[[], None]) -> Timer:
    """Call back in so many seconds of this clock; of the event loop, if it keeps no timers."""
    if isinstance(clock, VirtualClock):
        return clock.later(seconds, callback)
    return asyncio.get_running_loop().call_later(seconds, callback)


def holding(clock: Clock) -> AbstractContextManager[None]:
    """What is done in this block takes no virtual time, however long it takes."""
    return clock.holding() if isinstance(clock, VirtualClock) else nullcontext()


def stands(clock: Clock) -> bool:
    """Whether it only moves when it is told to."""
    return isinstance(clock, VirtualClock) and not clock.speed
