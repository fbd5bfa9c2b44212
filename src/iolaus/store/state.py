"""The state directory: what one server keeps, and that no second one touches it.

One directory (0700) with a file for each thing kept, because they differ in worth: the state
database holds what the operator asked for and must be backed up; the series file can be lost;
secrets are sealed; the session ledger must be flushed at once. The lock is the kernel's: it ends
with the process that holds it however that ends, so the lock of a dead server never has to be
cleaned up.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from platformdirs import user_state_path

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import OperatorMust
from iolaus.store.audit import AuditLog
from iolaus.store.authorities import Authorities
from iolaus.store.baselines import Baselines
from iolaus.store.behind import Limits
from iolaus.store.database import Database, Guard, explain
from iolaus.store.evidence import EvidenceStore
from iolaus.store.facts import Facts
from iolaus.store.files import PRIVATE_DIR, PRIVATE_FILE
from iolaus.store.logins import Logins
from iolaus.store.picture import Picture
from iolaus.store.saved import SavedFiles
from iolaus.store.secrets import Secrets
from iolaus.store.series import Keep, Series
from iolaus.store.sessions import Sessions
from iolaus.store.shelf import (
    advisory_shelf,
    alarm_shelf,
    candidate_shelf,
    expected_shelf,
    reference_shelf,
    retirement_shelf,
    surface_shelf,
)
from iolaus.store.tries import Tries

TOKENS: Final = "tokens.json"
"""Of operators; there since the first start of a server."""


def default_state_dir() -> Path:
    return user_state_path("iolaus")


class State:
    """Everything that is kept, opened together. `facts` feeds `series` with what is read."""

    def __init__(
        self,
        *,
        directory: Path,
        database: Database,
        facts: Facts,
        series: Series,
        secrets: Secrets,
        sessions: Sessions,
        logins: Logins,
        audit: AuditLog,
        tries: Tries,
        unlock: Callable[[], None],
    ) -> None:
        self.directory, self.database = directory, database
        self.baselines, self.advisories = Baselines(database), advisory_shelf(database)
        self.references = reference_shelf(database)
        self.evidence, self.audit = EvidenceStore(database), audit
        self.saved = SavedFiles(database)
        self.authorities = Authorities(directory, secrets=secrets)
        self.surfaces, self.alarms = surface_shelf(database), alarm_shelf(database)
        self.expected, self.candidates = expected_shelf(database), candidate_shelf(database)
        self.retirements = retirement_shelf(database)
        self.facts, self.series, self.secrets, self.sessions = facts, series, secrets, sessions
        self.logins, self.tries = logins, tries
        self._unlock = unlock

    async def start(self) -> None:
        """Load the picture and begin writing. Raises `OperatorMust` or `WeErred`."""
        await self.facts.start()
        await asyncio.to_thread(self.database.open)
        await self.baselines.load()
        await self.evidence.load()
        await self.advisories.load()
        await self.surfaces.load()
        await self.references.load()
        await self.alarms.load()
        await self.expected.load()
        await self.candidates.load()
        await self.retirements.load()
        await self.audit.start()
        await self.series.start()

    async def close(self) -> None:
        """Write what waits, close everything, and let the directory go."""
        try:
            await self.facts.close()
            await self.series.close()
        finally:
            self.database.close()
            self.sessions.close()
            self.logins.close()
            self.tries.close()
            self._unlock()


def open_state(
    directory: Path | None = None,
    *,
    clock: Clock | None = None,
    database: str | None = None,
    limits: Limits | None = None,
    keep: Keep | None = None,
    guard: Guard | None = None,
    picture: Picture | None = None,
) -> State:
    """Lock and open a state directory (made if absent); `start()` it next. `database` is an
    SQLAlchemy URL for a state database elsewhere, `guard` is asked before it is written, and
    `picture` is what is known of it already.

    Raises `OperatorMust` when another server has it, when it cannot be written or when others
    may read it; `Unverified` when the credentials do not open."""
    directory = directory or default_state_dir()
    clock = clock or WallClock()
    make_private(directory)
    unlock = lock_directory(directory)
    try:
        series = Series(directory / "series.duckdb", clock=clock, keep=keep)
        where = database or directory / "state.db"
        opened = Database(where, guard=guard)
        return State(
            directory=directory,
            database=opened,
            facts=Facts(
                database=where,
                clock=clock,
                series=series,
                limits=limits,
                guard=guard,
                picture=picture,
            ),
            series=series,
            secrets=Secrets(directory / "secrets"),
            sessions=Sessions(directory / "sessions"),
            logins=Logins(directory / "logins", clock=clock),
            audit=AuditLog(clock=clock, database=opened, directory=directory),
            tries=Tries(directory / "tries", clock=clock),
            unlock=unlock,
        )
    except BaseException:
        unlock()
        raise


def lock_directory(directory: Path) -> Callable[[], None]:
    """Hold the directory until the returned function is called or this process ends."""
    path = directory / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    except OSError as error:
        raise explain(error, operation="lock state", subject=str(directory)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise OperatorMust(
            f"another Iolaus (process {holder}) is using it",
            operation="lock state",
            subject=str(directory),
            code="StateLocked",
            next_step="stop that one, or give this one another directory with --state.",
        ) from None
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return lambda: os.close(descriptor)


def make_private(directory: Path) -> None:
    """Make the directory, or take away what others may read. Raises `OperatorMust`."""
    try:
        directory.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        if directory.stat().st_mode & 0o077:
            directory.chmod(PRIVATE_DIR)
    except OSError as error:
        raise explain(error, operation="open state", subject=str(directory)) from error
