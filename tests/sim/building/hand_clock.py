"""A clock moved by hand: what sleeps on it sleeps until the test says so, whatever sockets do."""

from __future__ import annotations

import asyncio


class HandClock:
    def __init__(self, start: float = 1_767_300_000.0) -> None:
        self._start, self._elapsed = start, 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    @property
    def sleepers(self) -> int:
        return sum(not future.done() for _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move on, waking every sleeper at its own moment, and let it run."""
        end = self._elapsed + seconds
        while due := sorted((s for s in self._sleepers if s[0] <= end), key=lambda s: s[0]):
            at, future = due[0]
            self._sleepers.remove(due[0])
            self._elapsed = max(self._elapsed, at)
            if not future.done():
                future.set_result(None)
            for _ in range(5):
                await asyncio.sleep(0)
        self._elapsed = end
