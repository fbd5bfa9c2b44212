"""The state database as portable rows: out of either engine, into either, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.dump import LEAP, ROWS, Rows, dump, load
from tests.store.postgres import Postgres

MANY = ROWS + 7


Open = Callable[[Path | str], Database]


@pytest.fixture
def at() -> Iterator[Open]:
    """A database that is closed when the test is over."""
    with ExitStack() as stack:

        def opened(where: Path | str) -> Database:
            database = Database(where)
            stack.callback(database.close)
            return database

        yield opened


@pytest.fixture
def filled(at: Open) -> Open:
    def made(where: Path | str) -> Database:
        database = at(where)
        database.open()
        database.write(_fill)
        return database

    return made


def _fill(connection: Any) -> None:
    many = [{"number": n, "asset": None, "doc": bytes([n % 256, 0, 255])} for n in range(MANY)]
    connection.execute(insert(schema.events), many)
    asset = {"uid": "a1", "endpoint": "https://a", "present": True, "seen_at": 1_700_000_000.25}
    connection.execute(insert(schema.assets), [{**asset, "doc": b"\x00", "carry": b""}])
    lease = {"name": "rollouts", "holder": "first", "epoch": 41, "expires_at": 1e12}
    connection.execute(insert(schema.leases), [lease])


def read_all(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    def work(connection: Any) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in schema.metadata.sorted_tables
        }

    return database.read(work)


def kept(database: Database) -> tuple[str, list[Rows]]:
    portions: list[Rows] = []
    return dump(database, portions.append), portions


@pytest.fixture
def elsewhere(postgres: Postgres, tmp_path: Path) -> Callable[[str], Path | str]:
    return lambda kind: postgres.database() if kind == "postgresql" else tmp_path / "second.db"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_everything_is_there_again(
    at: Open, filled: Open, anywhere: Path | str, elsewhere: Callable[[str], Path | str], kind: str
) -> None:
    first, second = filled(anywhere), at(elsewhere(kind))
    revision, portions = kept(first)
    load(second, revision, portions)
    second.open()
    before, after = read_all(first), read_all(second)
    (lease,) = after.pop("leases")
    assert before.pop("leases") == [("rollouts", "first", 41, 1e12)]
    assert lease == ("rollouts", "first", 41 + LEAP, 0.0)
    assert after == before


def test_all_tables_are_of_one_instant(at: Open, filled: Open, anywhere: Path | str) -> None:
    """What is written while it reads is not in it: neither in the table that it has begun nor in
    those that follow."""
    database, portions = filled(anywhere), list[Rows]()
    other = at(anywhere)

    def write_beside(portion: Rows) -> None:
        if not portions:
            row = {"number": MANY, "asset": None, "doc": b"late"}
            other.write(lambda c: c.execute(insert(schema.events), [row]))
            lease = {"name": "late", "holder": "x", "epoch": 1, "expires_at": 0.0}
            other.write(lambda c: c.execute(insert(schema.leases), [lease]))
        portions.append(portion)

    dump(database, write_beside)
    counted = dict.fromkeys(("events", "leases"), 0)
    for portion in portions:
        if portion.table in counted:
            counted[portion.table] += len(portion.rows)
    assert counted == {"events": MANY, "leases": 1}


def test_a_database_that_holds_something_is_left_alone(
    filled: Open, anywhere: Path | str, elsewhere: Callable[[str], Path | str]
) -> None:
    first, second = filled(anywhere), filled(elsewhere("sqlite"))
    revision, portions = kept(first)
    before = read_all(second)
    with pytest.raises(OperatorMust) as caught:
        load(second, revision, portions)
    assert caught.value.code == "StateNotEmpty"
    assert read_all(second) == before


def test_rows_of_a_newer_version_are_refused(
    at: Open, filled: Open, database: Path, tmp_path: Path
) -> None:
    _, portions = kept(filled(database))
    second = at(tmp_path / "second.db")
    with pytest.raises(OperatorMust) as caught:
        load(second, "9999", portions)
    assert caught.value.code == "StateTooNew"


def test_what_breaks_half_way_leaves_it_empty(
    at: Open, filled: Open, anywhere: Path | str, tmp_path: Path
) -> None:
    revision, portions = kept(filled(tmp_path / "first.db"))
    double = next(each for each in portions if each.table == "assets")
    second = at(anywhere)
    with pytest.raises(WeErred):
        load(second, revision, [*portions, double])
    load(second, revision, portions)


def test_where_nothing_was_kept_there_is_nothing_to_back_up(at: Open, anywhere: Path | str) -> None:
    with pytest.raises(OperatorMust) as caught:
        kept(at(anywhere))
    assert caught.value.code == "NoState"
