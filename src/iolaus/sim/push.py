"""Pushed events: what a device sends to whom it was told to (DSP0266, 13.2).

Each subscription is a row of its own, in order. A destination that does not take an event is tried
a few times; then the subscription ends, as the standard's default policy wants it, unless it was
made to retry for ever: the event is then dropped and the next one tried. Only this machine's
addresses are ever called.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from iolaus.kernel.clock import Clock
from iolaus.sim.clock import holding

ATTEMPTS = 3
RETRY_S = 0.2
TIMEOUT_S = 3.0
MOST_WAITING = 256


class Pusher:
    """`failed(path)` is called when a subscription's destination took nothing. `lost`: a fault
    loses every event on its way."""

    def __init__(self, failed: Callable[[str], None], clock: Clock) -> None:
        self._failed, self._clock = failed, clock
        self._rows: dict[str, deque[bytes]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.delivered = self.undelivered = 0
        self.lost = False

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._tasks)

    def send(self, path: str, destination: str, body: bytes) -> None:
        row = self._rows.setdefault(path, deque(maxlen=MOST_WAITING))
        row.append(body)
        if path not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._work(path, destination, row))
            self._tasks[path] = task
            task.add_done_callback(lambda _: self._tasks.pop(path, None))

    def drop(self, path: str) -> None:
        if (row := self._rows.pop(path, None)) is not None:
            row.clear()
        task = self._tasks.pop(path, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def close(self) -> None:
        for path in list(self._tasks):
            self.drop(path)

    async def _work(self, path: str, destination: str, row: deque[bytes]) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as session:
            while row:
                body = row.popleft()
                if not self.lost and await self._deliver(session, destination, body):
                    self.delivered += 1
                    continue
                self.undelivered += 1
                self._failed(path)

    async def _deliver(self, session: aiohttp.ClientSession, destination: str, body: bytes) -> bool:
        if not is_local(destination):
            return False
        for attempt in range(ATTEMPTS):
            with holding(self._clock):
                taken = await _post(session, destination, body)
            if taken:
                return True
            await self._clock.sleep(RETRY_S * 2**attempt)
        return False


async def _post(session: aiohttp.ClientSession, destination: str, body: bytes) -> bool:
    headers = {"Content-Type": "application/json"}
    try:
        async with session.post(
            destination, data=body, headers=headers, ssl=False, allow_redirects=False
        ) as response:
            return response.status < 300
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


def is_local(destination: str) -> bool:
    """An http(s) URL on a loopback address."""
    try:
        parts = urlsplit(destination)
        host = parts.hostname or ""
        return parts.scheme in ("http", "https") and (
            host == "localhost" or ip_address(host).is_loopback
        )
    except ValueError:
        return False
