"""What a trunk stands on in these tests: the memory of one process, or a real NATS server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.bus.nats import Servers, connected
from iolaus.bus.port import Trunk
from iolaus.kernel.clock import Clock, JumpClock, WallClock
from tests.bus.nats import NatsServer


class Ground(Protocol):
    @property
    def clock(self) -> Clock: ...

    async def trunk(self) -> Trunk:
        """Another process's."""
        ...

    async def wait(self, seconds: float) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self.clock = JumpClock()
        self._memory = Memory()

    async def trunk(self) -> Trunk:
        return LocalTrunk(self._memory, self.clock)

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


class OnNats:
    def __init__(self, server: NatsServer, stack: AsyncExitStack) -> None:
        self.clock, self._server, self._stack = WallClock(), server, stack

    async def trunk(self) -> Trunk:
        servers = Servers(urls=(self._server.url,))
        return await self._stack.enter_async_context(connected(servers))

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@asynccontextmanager
async def ground_of(kind: str, server: Callable[[], NatsServer]) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        yield InMemory() if kind == "memory" else OnNats(server(), stack)
