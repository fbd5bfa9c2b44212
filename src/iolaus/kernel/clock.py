"""Time as a port.

Nothing in Iolaus reads the machine's clock but `WallClock`. Code that waits takes a `Clock`, so a
test runs hours in milliseconds on `JumpClock`, which jumps to the next sleeper as soon as every
task is asleep. Two scales are kept apart on purpose: `now` is for people and records (it may
step when NTP corrects it), `monotonic` is for ages, deadlines and leases (it never does).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Final, Protocol

_PATIENCE: Final = 50


class Clock(Protocol):
    """Seconds since 1970 (`now`), seconds that never step back (`monotonic`), and waiting."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class WallClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class AgreedClock:
    """A clock whose `now` is another's, as far as it was told, and never jumps in between: where
    several machines must mean the same moment and one of their clocks may be set."""

    def __init__(self, inner: Clock) -> None:
        self._inner, self._ahead_s = inner, inner.now() - inner.monotonic()

    def now(self) -> float:
        return self._inner.monotonic() + self._ahead_s

    def monotonic(self) -> float:
        return self._inner.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    def agree(self, now: float, *, at_s: float) -> None:
        """It was `now` there when `monotonic` was `at_s` here."""
        self._ahead_s = now - at_s


class JumpClock:
    """A clock that jumps to the next sleeper once nothing else can run (for tests and the twin).

    `idle_turns` is how many turns of the event loop in a row, in which nothing else was ready to
    run, count as idle (uvloop does not tell what is ready: there every turn counts). It knows
    nothing of sockets and threads: use it where all waiting goes through the clock.
    """

    def __init__(self, start: float = 1_700_000_000.0, idle_turns: int = 20) -> None:
        self._start, self._elapsed, self._idle_turns = start, 0.0, idle_turns
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._driver: asyncio.Task[None] | None = None

    def now(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move time forward by hand and wake whoever is due."""
        self._elapsed += seconds
        self._wake()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due = self._elapsed + seconds
        heapq.heappush(self._sleepers, (due, next(self._order), future))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        await future

    async def _drive(self) -> None:
        while self._sleepers:
            await self._idle()
            while self._sleepers and self._sleepers[0][2].done():  # given up: not worth a jump
                heapq.heappop(self._sleepers)
            if self._sleepers:
                self._elapsed = max(self._elapsed, self._sleepers[0][0])
                self._wake()

    async def _idle(self) -> None:
        """Whoever turns in circles all the while does not hold time up for ever."""
        ready = getattr(asyncio.get_running_loop(), "_ready", ())
        quiet = 0
        for _ in range(self._idle_turns * _PATIENCE):
            await asyncio.sleep(0)
            quiet = 0 if ready else quiet + 1
            if quiet == self._idle_turns:
                return

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
