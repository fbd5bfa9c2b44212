"""The bus of a single process: a queue per subscriber, and no task of its own.

Publishing only appends to the queues of whoever listens, so it never waits and never fails; a
subscriber that does not keep up loses its oldest messages and can see how many (`dropped`).
That is enough because messages carry no state: whoever is woken reads the state afresh.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class Subscription:
    """Yields messages as they were published, oldest first, for as long as it is open."""

    def __init__(self, topics: tuple[str, ...], *, most: int) -> None:
        self.topics, self.dropped = topics, 0
        self._queue: deque[Any] = deque()
        self._most, self._open = most, True
        self._woken = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while not self._queue:
            if not self._open:
                raise StopAsyncIteration
            self._woken.clear()
            await self._woken.wait()
        return self._queue.popleft()

    def put(self, message: Any) -> None:
        if len(self._queue) >= self._most:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(message)
        self._woken.set()

    def close(self) -> None:
        self._open = False
        self._queue.clear()
        self._woken.set()


class LocalBus:
    """`bus.port.Bus` in one event loop. `most` bounds every subscriber's queue.

    A subscription to "facts" or "facts.*" gets every topic below it, to "*" or to nothing all.
    """

    def __init__(self, *, most: int = 1024) -> None:
        self._most = most
        self._subscriptions: set[Subscription] = set()

    def publish(self, topic: str, message: Any) -> None:
        for subscription in self._subscriptions:
            if matches(topic, subscription.topics):
                subscription.put(message)

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[Subscription]:
        subscription = Subscription(topics or ("*",), most=self._most)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            subscription.close()


def matches(topic: str, patterns: tuple[str, ...]) -> bool:
    return any(_covers(pattern, topic) for pattern in patterns)


def _covers(pattern: str, topic: str) -> bool:
    stem = pattern.removesuffix("*").removesuffix(".")
    return not stem or topic == stem or topic.startswith(stem + ".")
