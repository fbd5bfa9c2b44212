"""Pages over a hall in memory, called as ASGI on a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.north.api import create_app
from iolaus.north.context import Context
from iolaus.store.facts import Facts
from tests.north.ui import scene
from tests.north.ui.serving import make_context


@pytest.fixture
def facts(clock: JumpClock) -> Facts:
    """Two racks and a bit: nodes 0-39, with a silent, a critical and a warning one."""
    return scene.build(40, clock)


@pytest.fixture
def context(facts: Facts, clock: JumpClock) -> Context:
    return make_context(facts, clock, series=scene.Memory())


@pytest.fixture
async def web(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(context) as client:
        yield client


def client_of(context: Context, *, token: str | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(context), client=("127.0.0.1", 40000))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers)
