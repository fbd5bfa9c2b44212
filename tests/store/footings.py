"""What a state database stands on in these tests: a file of SQLite, or a real PostgreSQL.

Every assertion about what is kept is made on both. A footing can also fail as its engine does: the
power goes at a given statement, or the disk is full.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import psycopg

from tests.store.postgres import Postgres

Where = Path | str


class Footing(Protocol):
    where: Where
    left: int | None
    """How many statements are still carried out before the power goes; None: all."""
    full: bool
    """Whether its disk takes nothing."""
    stride: int
    """Of something long not every statement is cut, but each so many."""

    def another(self) -> Where:
        """A second one, empty."""
        ...

    def connect(self) -> Any:
        """The connections that fail, for `Database(connect=)`."""
        ...

    def crash(self) -> None:
        """Whoever was connected is gone, as with a kill."""
        ...


class _Power:
    left: int | None = None
    full = False
    _crashed = False

    def __init__(self) -> None:
        self.made: list[Any] = []

    def spend(self, error: type[Exception]) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            raise error("the power failed")

    def crash(self) -> None:
        for made in self.made:
            made.close()
        self.made.clear()
        gc.collect()
        if not self._crashed:  # what all tests of a worker are made of is looked through once
            self._crashed = True
            gc.freeze()


class OnSqlite(_Power):
    stride = 3

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._number = folder, 0
        self.where: Where = folder / "state.db"

    def another(self) -> Where:
        self._number += 1
        return self._folder / f"another{self._number}.db"

    def connect(self) -> Any:
        footing = self

        class Connection(sqlite3.Connection):
            full = False

            def cursor(self, *_: Any, **__: Any) -> Any:
                made = super().cursor(Cursor)
                if footing.full != self.full:
                    self.full = footing.full
                    pages = 1 if self.full else 1_000_000
                    sqlite3.Cursor.execute(made, f"PRAGMA max_page_count={pages}")
                return made

            def commit(self) -> None:
                footing.spend(sqlite3.OperationalError)
                super().commit()

        class Cursor(sqlite3.Cursor):
            def execute(self, *given: Any) -> Any:
                footing.spend(sqlite3.OperationalError)
                return super().execute(*given)

            def executemany(self, *given: Any) -> Any:
                footing.spend(sqlite3.OperationalError)
                return super().executemany(*given)

        made = sqlite3.connect(str(self.where), factory=Connection, check_same_thread=False)
        self.made.append(made)
        return made


class OnPostgres(_Power):
    stride = 11

    def __init__(self, server: Postgres) -> None:
        super().__init__()
        self._server = server
        self.where: Where = server.database()

    def another(self) -> Where:
        return self._server.database()

    def connect(self) -> Any:
        footing = self

        class Connection(psycopg.Connection[Any]):
            def commit(self) -> None:
                footing.spend(psycopg.OperationalError)
                super().commit()

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, query: Any, *given: Any, **named: Any) -> Any:
                footing.asked(query)
                return super().execute(query, *given, **named)

            def executemany(self, query: Any, *given: Any, **named: Any) -> Any:
                footing.asked(query)
                return super().executemany(query, *given, **named)

        made = Connection.connect(str(self.where).replace("+psycopg", ""), cursor_factory=Cursor)
        self.made.append(made)
        return made

    def asked(self, query: Any) -> None:
        """The server's own answer where nothing can be extended."""
        self.spend(psycopg.OperationalError)
        if self.full and str(query).lstrip().startswith(("INSERT", "UPDATE")):
            raise psycopg.errors.DiskFull("could not extend file: No space left on device")


def footing_of(kind: str, folder: Path, server: Callable[[], Postgres]) -> OnSqlite | OnPostgres:
    return OnSqlite(folder) if kind == "sqlite" else OnPostgres(server())
