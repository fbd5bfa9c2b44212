from __future__ import annotations

import gc
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import iolaus
from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.store.database import MIGRATIONS, Database, explain, migrations_config
from iolaus.store.schema import metadata


def test_the_migrations_make_the_schema(database: Path) -> None:
    store = Database(database)
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


def test_a_newer_schema_is_refused(database: Path) -> None:
    store = Database(database)
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


def test_a_migration_cut_anywhere_leaves_a_file_that_opens(database: Path) -> None:
    """A crash at every statement of the first opening: the next opening succeeds."""
    statements = 0
    while True:
        cut = Cutting(database, after=statements)
        try:
            Database(database, connect=cut.connect).open()
        except WeErred:
            cut.crash()
            statements += 1
            continue
        break
    cut.crash()
    assert statements > 10
    again = Database(database)
    again.open()
    again.close()


class Cutting:
    """Connections to a SQLite file whose power fails before a given statement."""

    def __init__(self, path: Path, *, after: int) -> None:
        self._path, self.left = path, after
        self._made: list[Any] = []

    def connect(self) -> Any:
        cutting = self

        class Connection(sqlite3.Connection):
            def cursor(self, *_: Any, **__: Any) -> Any:
                return super().cursor(Cursor)

            def commit(self) -> None:
                cutting.count()
                super().commit()

        class Cursor(sqlite3.Cursor):
            def execute(self, *given: Any) -> Any:
                cutting.count()
                return super().execute(*given)

            def executemany(self, *given: Any) -> Any:
                cutting.count()
                return super().executemany(*given)

        made = sqlite3.connect(self._path, factory=Connection, check_same_thread=False)
        self._made.append(made)
        return made

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise sqlite3.OperationalError("the power failed")

    def crash(self) -> None:
        for made in self._made:
            made.close()
        self._made.clear()
        gc.collect()


def test_an_unforeseen_failure_is_ours() -> None:
    told = explain(sqlite3.OperationalError("odd"), operation="write state", subject="x")
    assert (type(told), told.code) == (WeErred, "StateUnusable")
