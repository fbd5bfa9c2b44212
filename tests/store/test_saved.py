"""Files in pieces: whole or not there, the newest few of a subject, there again for the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from iolaus.kernel.errors import IolausError, WeErred
from iolaus.recovery.evidence import adopt
from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.dump import dump, load
from iolaus.store.saved import SavedFiles
from tests.store.footings import Footing

DATA = bytes(range(256)) * 3


@pytest.fixture
def database(footing: Footing) -> Iterator[Database]:
    database = Database(footing.where, connect=footing.connect)
    database.open()
    yield database
    database.close()


def saving(database: Database, *, kept: int = 3) -> SavedFiles:
    return SavedFiles(database, kept=kept, piece_bytes=100)


def pieces(database: Database) -> int:
    query = select(func.count()).select_from(schema.saved_pieces)
    return database.read(lambda line: int(line.execute(query).scalar_one()))


async def test_the_next_core_reads_what_was_saved(database: Database) -> None:
    made = await saving(database).save("n1", "restart", DATA, at=5.0)
    nothing = await saving(database).save("n1", "empty", b"", at=6.0)
    other = SavedFiles(database)
    assert await other.of("n1") == (made, nothing)
    assert (other.read(made), other.read(nothing)) == (DATA, b"")
    assert await other.has("n1", "restart")
    assert not await other.has("n2", "restart")


async def test_the_newest_of_a_subject_stay_and_leave_no_piece_behind(database: Database) -> None:
    saved = saving(database)
    await saved.save("n2", "a", DATA, at=0.0)
    alone = pieces(database)
    for at in range(6):
        await saved.save("n1", f"f{at}", DATA, at=float(at))
    again = await saved.save("n1", "f4", DATA[:50], at=9.0)
    assert [each.name for each in await saved.of("n1")] == ["f3", "f5", "f4"]
    assert saved.read(again) == DATA[:50]
    assert pieces(database) == 3 * alone + 1
    assert [each.name for each in await saved.of("n2")] == ["a"]


async def test_one_cut_off_anywhere_is_not_there_and_the_old_one_is(
    footing: Footing, database: Database
) -> None:
    saved = saving(database)
    old = await saved.save("n1", "a", DATA, at=1.0)
    for left in range(60):
        footing.left = left
        try:
            await saved.save("n1", "a", DATA + b"!", at=2.0)
        except IolausError:
            footing.left = None
            assert await saved.of("n1") == (old,)
            assert saved.read(old) == DATA
        else:
            footing.left = None
            break
    (new,) = await saved.of("n1")
    assert saved.read(new) == DATA + b"!"
    assert pieces(database) == 8


async def test_damage_is_told(database: Database) -> None:
    saved, table = saving(database), schema.saved_pieces
    made = await saved.save("n1", "a", DATA, at=1.0)
    database.write(
        lambda line: line.execute(update(table).where(table.c.number == 2).values(data=b"x"))
    )
    with pytest.raises(WeErred, match="not as they were"):
        saved.read(made)
    database.write(lambda line: line.execute(delete(table)))
    with pytest.raises(WeErred, match="0 of its 768 bytes"):
        saved.read(made)


async def test_a_back_up_has_them(footing: Footing, database: Database) -> None:
    made = await saving(database).save("n1", "a", DATA * 30, at=1.0)
    portions = list[object]()
    revision = dump(database, portions.append)
    other = Database(footing.another())
    load(other, revision, portions)  # type: ignore[arg-type]
    other.open()
    assert SavedFiles(other).read(made) == DATA * 30
    other.close()


async def test_files_of_an_older_iolaus_are_taken_over(database: Database, tmp_path: Path) -> None:
    old = tmp_path / "evidence" / "n1" / "restart.zip"
    old.parent.mkdir(parents=True)
    old.write_bytes(DATA)
    saved = saving(database)
    await adopt(tmp_path / "evidence", saved)
    await adopt(tmp_path / "none", saved)
    (there,) = await saved.of("n1")
    assert (there.name, saved.read(there)) == ("restart", DATA)
    assert not old.exists()
