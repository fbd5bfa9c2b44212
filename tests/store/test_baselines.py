"""Baselines are kept with their generation, and are there again after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iolaus.kernel.errors import WeErred
from iolaus.store.baselines import Baselines
from iolaus.store.database import Database
from tests.fleet.build import baseline


@pytest.fixture
def database(anywhere: Path | str) -> Iterator[Database]:
    database = Database(anywhere)
    database.open()
    yield database
    database.close()


async def put(baselines: Baselines, name: str = "base", **spec: Any) -> int:
    kept = await baselines.put(baseline(name, **spec), at=1.0, by="ana", source="b.yaml")
    return kept.generation


async def test_the_same_again_is_the_same_generation(database: Database) -> None:
    baselines = Baselines(database)
    assert await put(baselines) == 1
    assert await put(baselines) == 1
    assert await put(baselines, bios={"raw": {"a": 1}}) == 2
    assert baselines.revision == 2


async def test_they_are_there_after_a_restart(database: Database) -> None:
    baselines = Baselines(database)
    await put(baselines)
    await put(baselines, "other", bios={"raw": {"a": True, "b": 1}})
    assert (await baselines.remove("base")) is not None
    assert (await baselines.remove("base")) is None
    again = Baselines(database)
    await again.load()
    assert again.all() == baselines.all()
    kept = again.get("other")
    assert kept is not None
    assert kept.baseline.spec.bios.raw == {"a": True, "b": 1}


async def test_what_cannot_be_written_is_not_there(database: Database) -> None:
    baselines = Baselines(database)
    database.write(lambda connection: connection.exec_driver_sql("DROP TABLE baselines"))
    with pytest.raises(WeErred):
        await put(baselines)
    assert baselines.all() == {}


async def test_changes_are_told() -> None:
    baselines, told = Baselines(), list[int]()
    baselines.on_change(lambda: told.append(baselines.revision))
    await put(baselines)
    await baselines.remove("base")
    assert told == [1, 2]
