"""The audit log on disk: a chain after every restart, and a cut end is found and kept in mind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from iolaus.kernel.clock import JumpClock, WallClock
from iolaus.kernel.errors import WeErred
from iolaus.model.audit import Entry, Record, parse_head, verify
from iolaus.store.audit import HEAD_FILE, AuditLog
from iolaus.store.database import Database
from tests.forked import Forked


def go_on_and_on(folder: str, where: str) -> None:
    async def run() -> None:
        database = Database(where if "://" in where else Path(where))
        database.open()
        log = AuditLog(clock=WallClock(), database=database, directory=Path(folder))
        await log.start()
        for number in range(10_000):
            await log.append(Record(who="a", what="note", subject=str(number)))
            print(number, flush=True)

    asyncio.run(run())


@pytest.fixture
def database(anywhere: Path | str) -> Iterator[Database]:
    database = Database(anywhere)
    database.open()
    yield database
    database.close()


async def opened(database: Database, folder: Path) -> AuditLog:
    log = AuditLog(clock=JumpClock(), database=database, directory=folder)
    await log.start()
    return log


async def fill(log: AuditLog, count: int) -> Sequence[Entry]:
    for number in range(count):
        await log.append(Record(who="ana", what="note", subject=f"PUT /{number}"))
    return await log.entries()


async def test_the_chain_goes_on_after_a_restart(database: Database, tmp_path: Path) -> None:
    await fill(await opened(database, tmp_path), 3)
    again = await opened(database, tmp_path)
    entries = await fill(again, 2)
    kept = parse_head((tmp_path / HEAD_FILE).read_text())
    found = verify(entries, [kept])
    assert (found.whole, found.entries, found.head) == (True, 5, again.head)
    assert [e.number for e in await again.entries(after=3, limit=1)] == [4]


@pytest.mark.parametrize("after", [1, 7])
async def test_a_kill_leaves_a_chain_that_holds(
    database: Database, anywhere: Path | str, tmp_path: Path, after: int
) -> None:
    process = Forked(go_on_and_on, str(tmp_path), str(anywhere))
    try:
        process.said(after)
    finally:
        process.close()
    log = await opened(database, tmp_path)
    entries = await log.entries(limit=20_000)
    found = verify(entries, [parse_head((tmp_path / HEAD_FILE).read_text())])
    assert found.whole
    assert found.entries >= after
    assert all(entry.who == "a" for entry in entries)


async def test_a_cut_end_is_found_at_the_start_and_written_down(
    database: Database, tmp_path: Path
) -> None:
    log = await opened(database, tmp_path)
    await fill(log, 5)
    database.write(lambda c: c.execute(text("DELETE FROM audit WHERE number > 3")))
    again = await opened(database, tmp_path)
    note = (await again.entries())[-1]
    assert (note.number, note.who, note.what) == (4, "iolaus", "note")
    assert str(log.head) in note.detail
    assert not verify(await again.entries(), [h for h in [log.head] if h]).whole


async def test_a_head_that_is_none_stops_the_start(database: Database, tmp_path: Path) -> None:
    await fill(await opened(database, tmp_path), 1)
    (tmp_path / HEAD_FILE).write_text("nothing\n")
    with pytest.raises(WeErred, match="does not hold the head"):
        await opened(database, tmp_path)


async def test_what_cannot_be_written_is_not_chained(database: Database, tmp_path: Path) -> None:
    log = await opened(database, tmp_path)
    await fill(log, 1)
    head = log.head
    database.write(lambda c: c.execute(text("DROP TABLE audit")))
    with pytest.raises(WeErred):
        await fill(log, 1)
    assert log.head == head


async def test_any_text_is_taken_and_stays_chained(database: Database, tmp_path: Path) -> None:
    log = await opened(database, tmp_path)
    for odd in ("\x00", "\ud800", "x" * 100_000, "ä\n"):
        await log.append(Record(who=odd, what="note", subject=odd, detail=odd))
    assert verify(await log.entries()).whole
