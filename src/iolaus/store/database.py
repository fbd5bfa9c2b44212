"""The state database: opened, brought up to date, and its failures put into words.

SQLite in WAL mode by default, PostgreSQL by its URL. Every transaction begins and ends
explicitly (the stock driver would let schema changes escape it), so that a kill at any moment
leaves either the state before or the state after; whoever reads first and then writes on what was
read asks for an exclusive transaction. A file that cannot be used is never repaired,
moved or emptied: it holds what the operator asked for.
"""

from __future__ import annotations

import errno
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from iolaus.kernel.errors import IolausError, OperatorMust, WeErred
from iolaus.store.patience import connect_patiently

Connect = Callable[[], Any]
Guard = Callable[[Connection], None]
MIGRATIONS = Path(__file__).parent / "migrations"
T = TypeVar("T")
PRAGMAS = ["journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"]
_BUSY_S = 5.0
_MIGRATING = 0x10_1A05
SILENT_S = 20.0
UPGRADE_S = 600.0
"""A step of an upgrade may rewrite a table."""
_PATIENCE: dict[str, Any] = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=6s"
    " -c synchronous_commit=on",
}
"""A process that was frozen with a row locked must not freeze the others, and a server that is cut
off without a word must not hold whoever waits for its answer."""


class Database:
    """`where` is a file (SQLite) or an SQLAlchemy URL. Blocking: call it from a worker thread.

    `connect` replaces how a DB-API connection is made (tests hand in failing ones). `guard` is
    asked first in every transaction that writes, and raises where that may not be. A PostgreSQL
    server of which nothing is heard for `patience_s` while it is asked is given up, also where
    something in between still takes what is sent to it."""

    def __init__(
        self,
        where: Path | str,
        *,
        connect: Connect | None = None,
        guard: Guard | None = None,
        patience_s: float = SILENT_S,
    ) -> None:
        self._guard, self._patience_s = guard, patience_s
        try:
            self.url = _url_of(where)
            self.engine: Engine = create_engine(self.url, **_options(self.url, connect, patience_s))
        except (SQLAlchemyError, ImportError) as error:
            raise OperatorMust(
                f"it is not the address of a database that can be used here: {error}",
                operation="open state",
                subject="--db",
                code="StateUnusable",
                next_step="give a URL like postgresql://user@host/name (and install the driver: "
                "pip install 'iolaus[postgres]'), or leave it out.",
            ) from error
        self._exclusive = self.engine.execution_options(exclusive=True)
        self._reading = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self.name = self.url.database or self.url.render_as_string()
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin)
        elif self.url.get_driver_name() == "psycopg":
            event.listen(self.engine, "do_connect", self._connect)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    def open(self) -> None:
        """Connect and migrate. `OperatorMust`: a person has to help; `WeErred`: it is broken."""
        try:
            with self.engine.begin() as connection:
                self._migrate(connection)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise self.explain(error, "open state") from error

    def close(self) -> None:
        self.engine.dispose()

    def write(self, work: Callable[[Connection], T], *, exclusive: bool = False) -> T:
        """`work` in one transaction: all of it or nothing, on disk when this returns. `exclusive`:
        nobody else writes between what it reads and what it writes (on PostgreSQL, `work` locks
        the rows that it reads)."""
        try:
            engine = self._exclusive if exclusive else self.engine
            with engine.begin() as connection:
                if self._guard is not None:
                    self._guard(connection)
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise self.explain(error, "write state") from error

    def read(self, work: Callable[[Connection], T]) -> T:
        """`work` may take its time with what it read: PostgreSQL holds no transaction for it."""
        try:
            with self._reading.connect() as connection:
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise self.explain(error, "read state") from error

    def _connect(self, _dialect: Any, _record: Any, given: Any, words: Any) -> Any:
        return connect_patiently(*given, patience_s=lambda: self._patience_s, **words)

    def explain(self, error: Exception, operation: str) -> IolausError:
        return explain(error, operation=operation, subject=self.name)

    def _migrate(self, connection: Connection) -> None:
        if not self.is_sqlite:  # two that open a new database together make it once
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
        config, script = migrations_config(), _script()
        current = MigrationContext.configure(connection).get_current_revision()
        if current == script.get_current_head():
            return
        known = {revision.revision for revision in script.walk_revisions()}
        if current is not None and current not in known:
            raise OperatorMust(
                f"it was written by a newer Iolaus (schema {current}, this one knows "
                f"{script.get_current_head()})",
                operation="open state",
                subject=self.name,
                code="StateTooNew",
                next_step="run the newer version, or start with another --state directory.",
            )
        config.attributes["connection"] = connection
        patience_s, self._patience_s = self._patience_s, max(self._patience_s, UPGRADE_S)
        try:
            command.upgrade(config, "head")
        finally:
            self._patience_s = patience_s


def _url_of(where: Path | str) -> URL:
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    url = make_url(where)
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _options(url: URL, connect: Connect | None, patience_s: float) -> dict[str, Any]:
    if connect is not None:
        return {"creator": connect}
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _BUSY_S, "check_same_thread": False}}
    patience = _PATIENCE | {"connect_timeout": min(5, max(2, math.ceil(patience_s)))}
    return {"pool_pre_ping": True, "connect_args": patience}


def migrations_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


@cache
def _script() -> ScriptDirectory:
    """Every step of it is a file to read."""
    return ScriptDirectory.from_config(migrations_config())


def explain(error: Exception, *, operation: str, subject: str) -> IolausError:
    """Our error for what a database or a file system said."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    name = getattr(origin, "sqlite_errorname", "") or getattr(origin, "sqlstate", "")
    name = name or _os_name(origin)
    for words, (kind, code, message, step) in _MEANINGS.items():
        if name.startswith(words):
            return kind(message, operation=operation, subject=subject, code=code, next_step=step)
    text = str(origin).splitlines()[0] if str(origin) else type(origin).__name__
    return WeErred(
        f"the database failed: {text}",
        operation=operation,
        subject=subject,
        code="StateUnusable",
        next_step="look at the log; what was not written is kept and tried again.",
    )


def _os_name(error: BaseException) -> str:
    if isinstance(error, sqlite3.Error) and "full" in str(error):
        return "SQLITE_FULL"
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number or 0, "")


_FULL = (
    WeErred,
    "DiskFull",
    "the disk is full",
    "free some space; what was not written is kept and tried again.",
)
_CORRUPT = (
    WeErred,
    "StateCorrupt",
    "the file is damaged or not a state database",
    "move it away to start afresh, or put back a copy; nothing in it was changed.",
)
_READ_ONLY = (
    OperatorMust,
    "StateNotWritable",
    "it cannot be written",
    "make the directory writable for this user, or choose another with --state.",
)
_LOCKED = (
    OperatorMust,
    "StateLocked",
    "another program holds it",
    "stop the other program (a second Iolaus, a backup, a database browser).",
)
_MEANINGS: dict[str, tuple[type[IolausError], str, str, str]] = {
    "SQLITE_FULL": _FULL,
    "ENOSPC": _FULL,
    "EDQUOT": _FULL,
    "SQLITE_CORRUPT": _CORRUPT,
    "SQLITE_NOTADB": _CORRUPT,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_CANTOPEN": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "EACCES": _READ_ONLY,
    "EROFS": _READ_ONLY,
    "EPERM": _READ_ONLY,
    "ENOTDIR": _READ_ONLY,
    "EISDIR": _READ_ONLY,
    "EEXIST": _READ_ONLY,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    # SQLSTATE, PostgreSQL's appendix A
    "53100": _FULL,
    "25006": _READ_ONLY,
    "42501": _READ_ONLY,
    "55P03": _LOCKED,
}


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    with closing(connection.cursor()) as cursor:
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}").fetchall()


def _begin(connection: Connection) -> None:
    exclusive = connection.get_execution_options().get("exclusive", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if exclusive else "BEGIN")
