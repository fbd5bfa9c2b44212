"""The trunk of a single process: everything in memory, in one event loop, on the clock it is given.

It keeps what a real one keeps as long as `Memory` lives; several trunks on one memory are several
processes on one bus. So it is also what virtual time runs on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from iolaus.bus.local import LocalBus, Subscription
from iolaus.bus.port import Answers, BusAway, Entry, Unheard
from iolaus.kernel.clock import Clock

Reached = Callable[[str], None]


class Order:
    """Entries by number, and who waits for the next."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.last = 0
        self.woken = asyncio.Event()

    def add(self, key: str, body: bytes) -> int:
        self.last += 1
        self.entries.append(Entry(number=self.last, key=key, body=body))
        self.woken.set()
        self.woken = asyncio.Event()
        return self.last


class Memory:
    """What trunks on it share."""

    def __init__(self) -> None:
        self.bus = LocalBus()
        self.answers: dict[str, Answers] = {}
        self.orders: dict[str, Order] = {}
        self.ids: dict[tuple[str, str], int] = {}
        self.queues: dict[str, deque[Piece]] = {}

    def order(self, name: str) -> Order:
        return self.orders.setdefault(name, Order())


class LocalTrunk:
    """`bus.port.Trunk` on a memory."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory, self._clock = memory, clock
        self.reached = True

    def must_reach(self, operation: str) -> None:
        """Raises `BusAway` where this one is cut off."""
        if not self.reached:
            raise BusAway("it cannot be reached", operation=operation, subject="bus")

    async def within_reach(self) -> None:
        """Wait until it is not cut off."""
        while not self.reached:
            await self._clock.sleep(0.1)

    def publish(self, topic: str, message: bytes) -> None:
        if self.reached:
            self._memory.bus.publish(topic, message)

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[Subscription]:
        return self._memory.bus.subscribe(*topics)

    async def ask(self, topic: str, body: bytes, *, timeout_s: float) -> bytes:
        self.must_reach("ask")
        if (answers := self._memory.answers.get(topic)) is None:
            raise Unheard(topic)
        asking = asyncio.ensure_future(answers(body))
        timer = asyncio.ensure_future(self._clock.sleep(timeout_s))
        try:
            await asyncio.wait({asking, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise BusAway("no answer came in time", operation="ask", subject=topic)
            return asking.result()
        finally:
            timer.cancel()
            asking.cancel()

    @asynccontextmanager
    async def answer(self, topic: str, answers: Answers) -> AsyncIterator[None]:
        self._memory.answers[topic] = answers
        try:
            yield
        finally:
            if self._memory.answers.get(topic) is answers:
                del self._memory.answers[topic]

    def log(self, name: str) -> LocalLog:
        return LocalLog(self._memory, f"log.{name}", self)

    def table(self, name: str) -> LocalTable:
        return LocalTable(self._memory, f"table.{name}", self)

    def queue(self, name: str, *, patience_s: float) -> LocalQueue:
        return LocalQueue(self._memory, name, self._clock, patience_s, self.must_reach)


class LocalLog:
    """`bus.port.Log`."""

    def __init__(self, memory: Memory, name: str, trunk: LocalTrunk) -> None:
        self._memory, self._name, self._trunk = memory, name, trunk
        self._must_reach = trunk.must_reach

    async def append(self, key: str, body: bytes, *, id_: str) -> int:
        self._must_reach("append")
        ids, order = self._memory.ids, self._memory.order(self._name)
        if (self._name, id_) not in ids:
            ids[self._name, id_] = order.add(key, body)
        return ids[self._name, id_]

    async def read(self, *, after: int) -> AsyncIterator[Entry]:
        order = self._memory.order(self._name)
        while True:
            await self._trunk.within_reach()
            woken = order.woken
            for entry in order.entries[after:]:
                after = entry.number
                yield entry
            if after == order.last:
                await woken.wait()

    async def last(self) -> int:
        self._must_reach("read")
        return self._memory.order(self._name).last


class LocalTable:
    """`bus.port.Table`: the order of its changes, of which the newest of each key is the row."""

    def __init__(self, memory: Memory, name: str, trunk: LocalTrunk) -> None:
        self._order, self._trunk = memory.order(name), trunk
        self._must_reach = trunk.must_reach

    async def get(self, key: str) -> Entry | None:
        self._must_reach("read")
        return self._rows().get(key)

    async def put(self, key: str, body: bytes, *, revision: int | None = None) -> int | None:
        self._must_reach("write")
        known = self._rows().get(key)
        if revision is not None and revision != (known.number if known else 0):
            return None
        return self._order.add(key, body)

    async def rows(self, prefix: str = "") -> dict[str, Entry]:
        self._must_reach("read")
        return {k: e for k, e in self._rows().items() if e.body and k.startswith(prefix)}

    async def watch(self, prefix: str = "") -> AsyncIterator[Entry | None]:
        order, after, caught_up = self._order, 0, False
        while True:
            await self._trunk.within_reach()
            woken = order.woken
            for entry in self._rows().values():
                is_new, after = entry.number > after, max(after, entry.number)
                if is_new and entry.key.startswith(prefix):
                    yield entry
            if not caught_up:
                caught_up = True
                yield None
            if woken is order.woken:
                await woken.wait()

    def _rows(self) -> dict[str, Entry]:
        rows = {entry.key: entry for entry in self._order.entries}
        self._order.entries[:] = sorted(rows.values(), key=lambda entry: entry.number)
        return {entry.key: entry for entry in self._order.entries}


class Piece:
    """`bus.port.Work`, and where it lies while nobody has it."""

    def __init__(self, body: bytes) -> None:
        self.body, self.tries, self.is_done, self.free_s = body, 0, False, 0.0

    async def done(self) -> None:
        self.is_done = True

    async def again(self) -> None:
        self.free_s = 0.0


class LocalQueue:
    """`bus.port.Queue`."""

    def __init__(
        self, memory: Memory, name: str, clock: Clock, patience_s: float, must_reach: Reached
    ) -> None:
        self._pieces = memory.queues.setdefault(name, deque())
        self._memory, self._name, self._clock = memory, f"queue.{name}", clock
        self._patience_s, self._must_reach = patience_s, must_reach

    async def put(self, body: bytes, *, id_: str) -> None:
        self._must_reach("put")
        if (self._name, id_) not in self._memory.ids:
            self._memory.ids[self._name, id_] = 0
            self._pieces.append(Piece(body))

    async def take(self, *, wait_s: float) -> Piece | None:
        self._must_reach("take")
        until_s = self._clock.monotonic() + wait_s
        while (piece := self._free()) is None:
            if self._clock.monotonic() >= until_s:
                return None
            await self._clock.sleep(min(0.05, wait_s))
        piece.tries, piece.free_s = piece.tries + 1, self._clock.monotonic() + self._patience_s
        return piece

    def _free(self) -> Piece | None:
        while self._pieces and self._pieces[0].is_done:
            self._pieces.popleft()
        now_s = self._clock.monotonic()
        return next((p for p in self._pieces if not p.is_done and p.free_s <= now_s), None)
