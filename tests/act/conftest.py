"""What the tests of execution share: a clock that jumps, a hall, and databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iolaus.kernel.clock import JumpClock
from tests.act.hall import Hall
from tests.store.postgres import Postgres, serving


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


@pytest.fixture
def hall(clock: JumpClock) -> Hall:
    return Hall(clock)


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
