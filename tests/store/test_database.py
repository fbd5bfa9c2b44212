"""The state database: made, brought up to date, cut, damaged, and told about."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

import iolaus
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.store.database import MIGRATIONS, SILENT_S, Database, explain, migrations_config
from iolaus.store.facts import Facts
from iolaus.store.schema import metadata
from tests.app.cluster.links import linked
from tests.store.footings import Footing
from tests.store.made import T0, ask_for
from tests.store.postgres import Postgres
from tests.store.test_behind import A, fill

pytestmark = pytest.mark.slow


def test_the_migrations_make_the_schema(anywhere: Path | str) -> None:
    short = anywhere.replace("+psycopg", "") if isinstance(anywhere, str) else anywhere
    store = Database(short)
    store.open()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    store.open()
    store.close()


def test_the_migrations_print_as_sql_for_postgresql(capsys: pytest.CaptureFixture[str]) -> None:
    config = migrations_config()
    config.set_main_option("sqlalchemy.url", "postgresql://")
    command.upgrade(config, "head", sql=True)
    printed = capsys.readouterr().out
    assert all(f"CREATE TABLE {table}" in printed for table in metadata.tables)


def test_the_migrations_lie_inside_the_package() -> None:
    assert MIGRATIONS.is_relative_to(Path(iolaus.__file__).parent)
    assert (MIGRATIONS / "script.py.mako").exists()


@pytest.mark.parametrize(
    "content", [b"no database at all" * 300, b"SQLite format 3\0" + b"\7" * 9000]
)
def test_a_damaged_file_is_named_and_left_alone(database: Path, content: bytes) -> None:
    database.write_bytes(content)
    with pytest.raises(WeErred) as caught:
        Database(database).open()
    assert caught.value.code == "StateCorrupt"
    assert caught.value.next_step
    assert database.read_bytes() == content


def test_a_newer_schema_is_refused(anywhere: Path | str) -> None:
    store = Database(anywhere)
    store.open()
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(OperatorMust) as caught:
        store.open()
    assert caught.value.code == "StateTooNew"
    store.close()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorMust) as caught:
        Database(tmp_path / "no" / "state.db").open()
    assert caught.value.code == "StateNotWritable"


def test_a_file_that_may_not_be_written_is_named(database: Path) -> None:
    Database(database).open()

    def connect() -> Any:
        return sqlite3.connect(f"file:{database}?mode=ro", uri=True, check_same_thread=False)

    store = Database(database, connect=connect)
    with pytest.raises(OperatorMust) as caught:
        store.write(lambda connection: connection.exec_driver_sql("DELETE FROM targets").close())
    assert caught.value.code == "StateNotWritable"
    store.close()


def test_a_file_that_another_holds_is_named(database: Path) -> None:
    store = Database(database)
    store.open()
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def connect() -> Any:
        return sqlite3.connect(database, timeout=0, check_same_thread=False)

    def write(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA busy_timeout=0")
        connection.exec_driver_sql("DELETE FROM targets")

    with pytest.raises(OperatorMust) as caught:
        Database(database, connect=connect).write(write)
    assert caught.value.code == "StateLocked"
    other.close()
    store.close()


def test_a_migration_cut_anywhere_leaves_a_file_that_opens(footing: Footing) -> None:
    """A crash at any statement of the first opening: the next opening succeeds."""
    cuts = 0
    while True:
        footing.left = cuts * footing.stride
        try:
            Database(footing.where, connect=footing.connect).open()
        except WeErred:
            footing.crash()
            cuts += 1
            continue
        break
    footing.crash()
    assert cuts * footing.stride > 10
    again = Database(footing.where)
    again.open()
    again.close()


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    store = Database("postgresql://iolaus:geheim@127.0.0.1:1/state")
    with pytest.raises(WeErred) as caught:
        store.open()
    assert "geheim" not in f"{caught.value} {caught.value.subject}"
    store.close()


async def test_a_lost_server_is_one_trouble_and_nothing_is_lost(
    postgres: Postgres, clock: JumpClock
) -> None:
    where = postgres.database()
    facts = Facts(database=where, clock=clock)
    await facts.start()
    ask_for(facts, A)
    await facts.flush()
    postgres.stop()
    try:
        fill(facts, A, "1", T0)
        with pytest.raises(WeErred):
            await facts.flush()
        assert facts.trouble
    finally:
        postgres.start()
    await facts.close()
    again = Facts(database=where, clock=clock)
    await again.start()
    assert again.report_of(A)
    await again.close()


def test_a_server_of_which_nothing_is_heard_is_given_up_and_asked_anew(postgres: Postgres) -> None:
    """The line still takes what is sent; it falls silent before the commit."""
    with linked() as links:
        url = make_url(postgres.database())
        port = links.through("us", "server", postgres.port)
        store = Database(url.set(port=port).render_as_string())

        def one(connection: Connection) -> int:
            return int(connection.execute(text("SELECT 1")).scalar_one())

        def last(connection: Connection) -> None:
            one(connection)
            links.hush(frozenset(("us", "server")))
            store._patience_s = 0.2

        with pytest.raises(WeErred, match=r"the server said nothing for 0\.2 s"):
            store.write(last)
        links.heal(frozenset(("us", "server")))
        store._patience_s = SILENT_S
        assert store.read(one) == 1
        store.close()


def test_an_unforeseen_failure_is_ours() -> None:
    told = explain(sqlite3.OperationalError("odd"), operation="write state", subject="x")
    assert (type(told), told.code) == (WeErred, "StateUnusable")
