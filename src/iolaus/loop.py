"""The one reconcile loop: keys, wake-ups, and a bounded number of workers.

Everything that Iolaus does again and again - reading a hot set, reading an inventory, auditing a
subscription - is a key and a function that looks at the world afresh and says when it wants to be
woken next. Events, requests and timers only wake a key; they carry no state, so losing one costs
a period and never a fact. The crash path and the start path are the same path: an empty loop.

Rules: a key never runs twice at once; a wake-up during its run makes it run once more; an error in
one key is logged, backed off and never touches another. No retry lives inside a task. Where more is
due than there are workers, every second worker goes to a key that somebody waits for.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

import structlog

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.kernel.tasks import end

log = structlog.get_logger(__name__)

Reconcile = Callable[[Hashable], Awaitable[float | None]]
"""Look at the key afresh; seconds until it wants to be woken again, or None to be forgotten."""

RETRY_S: Final = 30.0


class Loop:
    """`workers` bounds how many keys run at once; order among due keys is by due time."""

    def __init__(self, *, clock: Clock, reconcile: Reconcile, workers: int, name: str) -> None:
        self._clock, self._reconcile, self._workers, self._name = clock, reconcile, workers, name
        self._due: dict[Hashable, float] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._awaited: dict[Hashable, None] = {}
        self._turn = False
        self._order = itertools.count()
        self._running: dict[Hashable, asyncio.Task[None]] = {}
        self._again: dict[Hashable, float] = {}
        self._changed = asyncio.Event()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0.0

    def wake(self, key: Hashable, *, after_s: float = 0.0) -> None:
        """Run the key after `after_s` at the latest; an earlier appointment stands."""
        due = self._clock.monotonic() + after_s
        if key in self._running:
            self._again[key] = min(due, self._again.get(key, due))
            return
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._order), key))
            self._changed.set()

    def hurry(self, key: Hashable, *, afresh: bool = False) -> None:
        """Somebody waits for this key: let it not stand behind all that is overdue. A run that is
        under way will do, unless it is wanted `afresh`."""
        if key not in self._awaited and (afresh or key not in self._running):
            self._awaited[key] = None
            self._changed.set()

    def forget(self, key: Hashable) -> None:
        """Drop the key's appointments and cancel its run."""
        self._due.pop(key, None)
        self._awaited.pop(key, None)
        self._again.pop(key, None)
        if task := self._running.get(key):
            task.cancel()

    @property
    def workers(self) -> int:
        return self._workers

    def allow(self, workers: int) -> None:
        """Run so many keys at once from now on; what runs already is let finish."""
        more, self._workers = workers > self._workers, workers
        if more:
            self._changed.set()

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._due)

    def lag_s(self) -> float:
        """How long the most overdue key has been waiting for a worker; 0 when none is late."""
        self._drop_stale()
        return max(0.0, self._clock.monotonic() - self._heap[0][0]) if self._heap else 0.0

    async def run(self) -> None:
        """Serve wake-ups until cancelled; then cancel and await what still runs."""
        try:
            while True:
                self._changed.clear()
                self._start_due()
                self._set_alarm()
                await self._changed.wait()
        finally:
            await end(*self._running.values(), *([self._alarm] if self._alarm else []))

    def _start_due(self) -> None:
        now = self._clock.monotonic()
        while len(self._running) < self._workers and (key := self._next(now)) is not None:
            self._due.pop(key, None)
            self._awaited.pop(key, None)
            self._running[key] = asyncio.create_task(self._serve(key), name=f"{self._name}:{key}")

    def _next(self, now: float) -> Hashable | None:
        """What is awaited and what is due take turns; None: neither is there."""
        self._drop_stale()
        due = self._heap[0][2] if self._heap and self._heap[0][0] <= now else None
        self._turn = not self._turn
        if due is None or self._turn:
            return next((key for key in self._awaited if key not in self._running), due)
        return due

    def _drop_stale(self) -> None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)

    def _set_alarm(self) -> None:
        """Be woken when the next key is due. An alarm that rings too early is left as it is."""
        if not self._heap or len(self._running) >= self._workers:
            return
        due = self._heap[0][0]
        if self._alarm is not None and not self._alarm.done():
            if self._alarm_at <= due:
                return
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = asyncio.create_task(self._ring(due), name=f"{self._name}:alarm")

    async def _ring(self, due: float) -> None:
        await self._clock.sleep(due - self._clock.monotonic())
        self._changed.set()

    async def _serve(self, key: Hashable) -> None:
        delay: float | None = RETRY_S
        try:
            delay = await self._reconcile(key)
        except IolausError as error:
            log.warning("reconcile_failed", loop=self._name, key=str(key), error=str(error))
        except Exception:
            log.exception("reconcile_crashed", loop=self._name, key=str(key))
        finally:
            self._running.pop(key, None)
            again = self._again.pop(key, None)
            if again is not None:
                self.wake(key, after_s=max(0.0, again - self._clock.monotonic()))
            if delay is not None and not _cancelled():
                self.wake(key, after_s=delay)
            self._changed.set()


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
