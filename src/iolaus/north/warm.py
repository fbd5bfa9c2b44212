"""The exposition rendered ahead of the next scrape, so that a scrape never waits for it.

Rendering a hall of a thousand nodes takes about a second of CPU, and a scrape that waits for it
also waits for everything else that the event loop has to do. So what is served is the last
exposition, and while somebody scrapes, a new one is made every few seconds; a hall that is rendered
in no time is rendered at each scrape. Ages are true as of the making, and
`iolaus_exposition_age_seconds` says how long ago that was, so the sum is exact.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from iolaus.kernel.clock import Clock
from iolaus.kernel.tasks import end

CHEAP_S: Final = 0.2
EVERY_S: Final = 10.0
FRESH_S: Final = 30.0
WATCHED_S: Final = 180.0
AGE: Final = "iolaus_exposition_age_seconds"


class Renders(Protocol):
    def chunks(self) -> AsyncIterator[bytes]: ...


class Warm:
    """`renders` makes an exposition; nothing is made while nobody has asked for `WATCHED_S`."""

    def __init__(self, renders: Renders, clock: Clock) -> None:
        self._renders, self._clock = renders, clock
        self._kept: list[bytes] = []
        self._made_at = float("-inf")
        self._took_s = 0.0
        self._asked_at = float("-inf")
        self._making: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The newest exposition, at most `FRESH_S` old; made now where that is cheap or there is
        none."""
        self._asked_at = self._clock.monotonic()
        is_cheap = self._took_s < CHEAP_S
        if is_cheap or self._asked_at - self._made_at > FRESH_S:
            await self._make()
        if not is_cheap and (self._warming is None or self._warming.done()):
            self._warming = asyncio.create_task(self._keep_warm(), name="metrics-warm")
        for chunk in self._kept:
            yield chunk
        age = max(0.0, self._clock.monotonic() - self._made_at)
        yield f"# TYPE {AGE} gauge\n{AGE} {age:.1f}\n".encode()

    async def close(self) -> None:
        tasks = [task for task in (self._warming, self._making) if task is not None]
        await end(*tasks)

    async def _keep_warm(self) -> None:
        while self._clock.monotonic() - self._asked_at < WATCHED_S:
            await self._clock.sleep(EVERY_S)
            await self._make()

    async def _make(self) -> None:
        """One rendering at a time; who comes meanwhile waits for that one."""
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._render(), name="metrics-render")
        await asyncio.shield(self._making)

    async def _render(self) -> None:
        began = self._clock.monotonic()
        self._kept = [chunk async for chunk in self._renders.chunks()]
        self._made_at, self._took_s = began, self._clock.monotonic() - began
