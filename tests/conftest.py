"""What every room's tests share: where the reference material is, and databases."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from iolaus.store.database import PRAGMAS
from tests.store import prepared
from tests.store.footings import Footing, footing_of
from tests.store.postgres import Postgres, serving

# It is never the machine that fails in these tests, only processes: nobody waits for a disk.
PRAGMAS.append("synchronous=OFF")
for name in ("fsync", "fdatasync"):
    setattr(os, name, lambda fd: None)
prepared.remember()

# To check IRIs, of which we have none, jsonschema compiles their grammar at import, for seconds.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# A busy machine is no failure, and nor is luck: the same examples every time, unless they are asked
# to explore (--hypothesis-profile=explore).
settings.register_profile(
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=False
)
settings.register_profile("steady", settings.get_profile("explore"), derandomize=True)
settings.load_profile("steady")

# Nor what happens to be imported: otherwise the constants of all loaded modules are among the
# examples, so that another order of tests, or a number changed anywhere, gave other ones.
NOTHING = providers._local_constants
providers._get_local_constants = lambda: NOTHING

SHARED = Path(os.environ.get("IOLAUS_SHARED", Path(__file__).parents[2] / "shared"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What only soaks makes honest evidence of every kind as it is imported."""
    soaks = collection_path.name.startswith("test_soak")
    return True if soaks and config.option.markexpr == "not soak" else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """What thousands of tests are made of is no rubbish, and to look for some in it takes a second
    each time."""
    gc.collect()
    gc.freeze()
    if "litestar" in sys.modules:
        from tests import handlers

        handlers.remember()


def pytest_unconfigure() -> None:
    gc.unfreeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a slow test first: one that began last would leave the other workers idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference material ({SHARED} is absent; set IOLAUS_SHARED)")
    return SHARED


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with serving() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def footing(request: pytest.FixtureRequest, tmp_path: Path) -> Footing:
    """What an empty state database stands on: a file, then a server."""
    return footing_of(request.param, tmp_path, lambda: request.getfixturevalue("postgres"))


@pytest.fixture
def anywhere(footing: Footing) -> Path | str:
    """Where that database is."""
    return footing.where
