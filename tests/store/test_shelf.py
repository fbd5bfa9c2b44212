"""Few documents, read whole: kept by name, all or none, and there again after a restart."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Table, insert

from iolaus.kernel.errors import WeErred
from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.shelf import Shelf
from tests.store.footings import Footing

TABLES = (
    schema.advisories,
    schema.surfaces,
    schema.reference_values,
    schema.alarms,
    schema.expected_hardware,
    schema.candidates,
    schema.retirements,
)


class Note(msgspec.Struct, frozen=True):
    text: str


@pytest.fixture
def database(footing: Footing) -> Iterator[Database]:
    database = Database(footing.where, connect=footing.connect)
    database.open()
    yield database
    database.close()


async def shelf(database: Database, table: Table = schema.alarms) -> Shelf[Note]:
    made = Shelf(table, Note, database)
    await made.load()
    return made


async def test_what_was_put_replaced_and_removed_is_so_after_a_restart(database: Database) -> None:
    for table in TABLES:
        first = await shelf(database, table)
        await first.put({"a": Note("1"), "b": Note("ä"), "c": Note("3")})
        await first.put({"a": Note("2")})
        await first.replace({"d": Note("4")}, gone=["c"])
        assert await first.remove("d") == Note("4")
        assert await first.remove("d") is None
        again = await shelf(database, table)
        assert again.all() == first.all() == {"a": Note("2"), "b": Note("ä")}


async def test_what_cannot_be_written_is_not_there(footing: Footing, database: Database) -> None:
    kept = await shelf(database)
    await kept.put({"a": Note("1")})
    footing.full = True
    with pytest.raises(WeErred) as caught:
        await kept.replace({"b": Note(random.randbytes(50_000).hex())}, gone=["a"])
    assert caught.value.code == "DiskFull"
    footing.full = False
    assert kept.all() == (await shelf(database)).all() == {"a": Note("1")}


async def test_a_damaged_document_is_an_error_of_ours(anywhere: Path | str) -> None:
    database = Database(anywhere)
    database.open()
    row = {"name": "a", "doc": b"\xc1"}
    database.write(lambda c: c.execute(insert(schema.alarms), [row]))
    with pytest.raises(WeErred):
        await shelf(database)
    database.close()


async def test_who_listens_is_told_each_name_once(database: Database) -> None:
    kept, told = await shelf(database), list[str]()
    kept.on_change(told.append)
    await kept.put({"a": Note("1"), "b": Note("2")})
    await kept.remove("a")
    assert told == ["a", "b", "a"]
    assert kept.revision == 3
