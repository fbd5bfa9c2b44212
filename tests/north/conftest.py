"""A hall held in memory, and the API over it on a real port of this machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from iolaus.bus.local import LocalBus
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.endpoint import Target
from iolaus.north.api import create_app
from iolaus.north.auth import Auth
from iolaus.north.context import Context, DiscoveryOrder, Found
from tests.north import hall


class Finder:
    """Discovers by name: "bad" cannot be read, "silent" does not answer, all else is new."""

    def __init__(self) -> None:
        self.orders: list[DiscoveryOrder] = []

    def targets(self, order: DiscoveryOrder) -> Sequence[Target]:
        if "bad" in order.targets:
            raise OperatorMust("not a target", operation="read target", subject="bad")
        return [Target(address=f"https://{word}") for word in order.targets]

    async def run(self, order: DiscoveryOrder, on_found: Callable[[Found], None]) -> None:
        self.orders.append(order)
        for target in self.targets(order):
            outcome = "failed" if "silent" in target.address else "new"
            message = "no answer" if outcome == "failed" else ""
            on_found(Found(address=target.address, outcome=outcome, message=message))


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


def make_context(
    clock: JumpClock, *, nodes: int = 4, auth: Auth | None = None, extra: int = 0
) -> Context:
    facts, bus = hall.build(nodes, clock, extra=extra), LocalBus()
    facts.on_change(bus.publish)
    return Context(
        facts=facts,
        bus=bus,
        clock=clock,
        auth=auth or Auth(demo=True),
        version="0.1.0",
        discover=Finder(),
        site="test hall",
    )


@pytest.fixture
def context(clock: JumpClock) -> Context:
    return make_context(clock)


@pytest.fixture
async def api(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(context) as client:
        yield client


def client_of(context: Context, *, client: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(context, pages=()), client=(client, 40000))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")


@contextmanager
def serving(context: Context) -> Iterator[str]:
    """The app on a free port, in a thread with its own event loop."""
    config = uvicorn.Config(
        create_app(context, pages=()),
        host="127.0.0.1",
        port=0,
        log_level="error",
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def server(context: Context) -> Iterator[str]:
    with serving(context) as url:
        yield url
