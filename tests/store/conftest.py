"""What the store's tests share: devices as values, and a clock that only moves by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.store.facts import Facts
from tests.store.postgres import Postgres, serving


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


@pytest.fixture
def uids() -> Callable[[], str]:
    numbers: Iterator[int] = count(1)
    return lambda: f"a{next(numbers)}"


@pytest.fixture
def facts(clock: JumpClock, uids: Callable[[], str]) -> Facts:
    return Facts(clock=clock, new_uid=uids)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with serving() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an empty state database is: a file, then a server."""
    if request.param == "sqlite":
        return tmp_path / "state.db"
    url: str = request.getfixturevalue("postgres").database()
    return url
