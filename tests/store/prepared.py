"""What the migrations make of an empty file is made once a run, and copied for each test after.

Where a test hands in its own way to connect, they run: it counts what they say, or lets them fail.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

from iolaus.store.database import Database

_make, _open = Database.__init__, Database.open
_theirs: WeakSet[Database] = WeakSet()
_KEPT = tempfile.TemporaryDirectory()


def remember() -> None:
    """For as long as this process lives."""
    Database.__init__ = _made  # type: ignore[method-assign,assignment]
    Database.open = _opened  # type: ignore[method-assign,assignment]


@cache
def migrated() -> Path:
    """A state database with nothing in it."""
    made = Database(Path(_KEPT.name) / "state.db")
    _open(made)
    made.close()
    return Path(made.name)


def _made(database: Database, where: Path | str, **named: Any) -> None:
    _make(database, where, **named)
    if named.get("connect") is not None:
        _theirs.add(database)


def _opened(database: Database) -> None:
    path = Path(database.name)
    ours = database.is_sqlite and database not in _theirs
    if ours and path.parent.is_dir() and not path.exists():
        shutil.copyfile(migrated(), path)
    _open(database)
