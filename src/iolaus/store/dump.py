"""The state database as portable rows: from one engine into the other, at one instant.

All tables are read in one snapshot while others go on writing. They are put back at the schema they
were read at, in one transaction, and brought up to date when the database is next opened: an older
back-up opens in a newer Iolaus, and what outgrew SQLite moves to PostgreSQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, insert, inspect, select, update
from sqlalchemy.exc import SQLAlchemyError

from iolaus.kernel.errors import OperatorMust
from iolaus.store.database import Database, migrations_config

ROWS: Final = 2_000
"""In one portion."""
_LARGE: Final = {"saved_pieces": 64}
"""So many where a row is large."""
LEAP: Final = 1_000
"""So far epochs leap when rows are put back: whoever held a lease after these rows were read had
a smaller one."""
_OPERATION: Final = "restore"
_OWN: Final = "alembic_version"


class Rows(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A portion of one table."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def dump(database: Database, put: Callable[[Rows], None]) -> str:
    """Everything as of one instant, table by table, given to `put`; the schema's revision. Raises
    `OperatorMust` for a database that holds none, else as `Database.read`."""
    try:
        with database.engine.connect() as connection:
            if not database.is_sqlite:  # there every transaction reads one instant
                connection.execution_options(isolation_level="REPEATABLE READ")
            revision = MigrationContext.configure(connection).get_current_revision()
            if revision is None:
                raise _nothing(database)
            for table in _tables(connection):
                for rows in _portions(connection, table):
                    put(rows)
            return revision
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise database.explain(error, "back up") from error


def load(database: Database, revision: str, portions: Iterable[Rows]) -> None:
    """Put everything into an empty database, all of it or nothing; `open` it next. Leases are free
    again, under epochs that nobody had. Raises `OperatorMust` where there is something already, or
    for the rows of a newer Iolaus."""
    try:
        with database.engine.begin() as connection:
            _must_be_empty(connection, database)
            _make(connection, revision, database)
            tables = {table.name: table for table in _tables(connection)}
            for portion in portions:
                _put(connection, tables, portion)
            _free(connection, tables.get("leases"))
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise database.explain(error, _OPERATION) from error


def _tables(connection: Connection) -> Sequence[Table]:
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != _OWN]


def _portions(connection: Connection, table: Table) -> Iterator[Rows]:
    columns = tuple(str(column.name) for column in table.columns)
    query = select(table).order_by(*table.primary_key.columns)
    most = _LARGE.get(str(table.name), ROWS)
    streaming = connection.execution_options(stream_results=True, max_row_buffer=most)
    for rows in streaming.execute(query).partitions(most):
        yield Rows(table=str(table.name), columns=columns, rows=tuple(tuple(row) for row in rows))


def _must_be_empty(connection: Connection, database: Database) -> None:
    if inspect(connection).get_table_names():
        raise OperatorMust(
            "there is something in it already",
            operation=_OPERATION,
            subject=database.name,
            code="StateNotEmpty",
            next_step="name a database that is new and empty; nothing was changed.",
        )


def _make(connection: Connection, revision: str, database: Database) -> None:
    config = migrations_config()
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    if revision not in known:
        raise OperatorMust(
            f"it was made by a newer Iolaus (schema {revision})",
            operation=_OPERATION,
            subject=database.name,
            code="StateTooNew",
            next_step="restore it with the version that made it, or a newer one.",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _put(connection: Connection, tables: dict[str, Table], portion: Rows) -> None:
    rows = [dict(zip(portion.columns, row, strict=True)) for row in portion.rows]
    if rows:
        connection.execute(insert(tables[portion.table]), rows)


def _free(connection: Connection, leases: Table | None) -> None:
    if leases is not None:
        connection.execute(update(leases).values(epoch=leases.c.epoch + LEAP, expires_at=0.0))


def _nothing(database: Database) -> OperatorMust:
    return OperatorMust(
        "there is no state in it",
        operation="back up",
        subject=database.name,
        code="NoState",
        next_step="name the directory or database of a server with --state or --db.",
    )
