from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
import uvloop

from iolaus.sim.device import Device
from iolaus.sim.rules import Rule
from iolaus.sim.server import Hall, running
from tests.sim.engine.tree import device

PASSWORD = "iolaus-sim"


def basic(user: str = "root", password: str = PASSWORD) -> dict[str, str]:
    word = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


class Client:
    """Asks one device over the real wire; Basic by default."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session, self.address = session, address
        self.headers: dict[str, str] = basic()

    def request(self, method: str, path: str, **more: Any) -> Any:
        headers = self.headers | more.pop("headers", {})
        return self._session.request(method, self.address + path, headers=headers, **more)

    async def status(self, method: str, path: str, **more: Any) -> int:
        async with self.request(method, path, **more) as response:
            await response.read()
            return int(response.status)

    async def json(self, path: str, **more: Any) -> dict[str, Any]:
        async with self.request("GET", path, **more) as response:
            assert response.status == 200, (path, response.status, await response.text())
            found = await response.json()
            assert isinstance(found, dict)
            return found


class Played:
    """A hall of devices and a client to the first of them."""

    def __init__(self, hall: Hall, client: Callable[[Device], Client]) -> None:
        self.hall, self.client = hall, client
        self.device = hall.devices[0]
        self.first = client(self.device)


@asynccontextmanager
async def played(
    devices: Sequence[Device], *rules: Rule, tls: bool = True
) -> AsyncIterator[Played]:
    async with AsyncExitStack() as stack:
        hall = await stack.enter_async_context(running(devices, tls=tls, faults=rules))
        connector = aiohttp.TCPConnector(ssl=False)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        yield Played(hall, lambda found: Client(session, found.address))


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that a simulator's own process runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def play() -> AsyncIterator[Played]:
    async with played([device()]) as found:
        yield found
