from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.bus.grounds import Ground, ground_of
from tests.bus.nats import NatsServer, one_server


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    with one_server() as server:
        yield server


@pytest_asyncio.fixture(params=["memory", "nats"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    async with ground_of(request.param, lambda: request.getfixturevalue("nats_server")) as made:
        yield made
