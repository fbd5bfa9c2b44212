"""`iolaus backup` and `iolaus restore`: one file with all that a server must not lose.

A back-up is taken beside a running server. Files whose words the database must bear out (the heads
of the audit log) are read before it, all others after it: a password is kept before it is sent, so
a store that is newer than the journal knows every one that may hold.

What is restored is older than the hall. Facts show their age until they are read again, epochs leap
so that nothing of before counts, and roll-outs stand paused until a person says that the other
server is gone: two that act on one hall are worse than none.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from iolaus import __version__
from iolaus.act.answers import PAUSE
from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.audit import Record
from iolaus.model.rollout import RolloutState
from iolaus.store.archive import Archive, Manifest, writing
from iolaus.store.database import Database, explain
from iolaus.store.dump import dump, load
from iolaus.store.files import check_private, replace_file, sync_dir
from iolaus.store.journal import StoredJournal
from iolaus.store.saving import has_targets
from iolaus.store.secrets import KEY_VARIABLE, Secrets
from iolaus.store.state import TOKENS, make_private, open_state

DATABASE: Final = "state.db"
KEY: Final = "secrets.key"
_LEFT: Final = ("lock", KEY, DATABASE, "series.duckdb", "operator.token")
"""And what begins like them: journals of the databases. History is many times larger than the rest
and can be lost."""
_FIRST: Final = "audit."
_BY: Final = "restore"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """`paused` are ids of plans."""

    manifest: Manifest
    directory: Path
    paused: tuple[str, ...] = ()


def back_up(
    directory: Path, path: Path, *, database: str | None = None, clock: Clock | None = None
) -> Manifest:
    """Everything of a state directory and its database into a new file. Blocking; a server may run
    on both. Raises `OperatorMust`, `Unverified`, `WeErred`; then there is no file."""
    _must_be_state(directory)
    secrets, opened = Secrets(directory / "secrets"), Database(database or directory / DATABASE)
    made_at = (clock or WallClock()).now()
    try:
        with writing(path, secrets) as writer:
            for name in _files(directory, first=True):
                writer.put_file(directory / name, name)
            revision = dump(opened, writer.put_rows)
            if database is not None:
                _must_have_files(directory, opened)
            for name in _files(directory, first=False):
                writer.put_file(directory / name, name)
            return writer.finish(made_at=made_at, version=__version__, revision=revision)
    finally:
        opened.close()


def restore(
    path: Path,
    directory: Path,
    *,
    key: Path | None = None,
    database: str | None = None,
    go_on: bool = False,
) -> Restored:
    """A new state directory (and database, where one is named) from a back-up. `key` is the file
    that the state's key was kept in; None is the one of `IOLAUS_STATE_KEY_FILE`. `go_on` leaves
    roll-outs running. Raises `OperatorMust`, `Unverified`, `WeErred`; then there is no directory.
    """
    _must_be_new(directory)
    archive = Archive(path, _secrets(key))
    fresh = directory.with_name(f".{directory.name}.restoring")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        make_private(fresh)
        archive.unpack(fresh)
        if key is not None:
            replace_file(fresh / KEY, key.read_bytes())
        _load(archive, database or fresh / DATABASE)
        if directory.exists():
            directory.rmdir()
        fresh.replace(directory)
        sync_dir(directory.parent)
    except OSError as error:
        raise explain(error, operation="restore", subject=str(directory)) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    paused = asyncio.run(_settle(directory, database, archive.manifest, go_on=go_on))
    return Restored(manifest=archive.manifest, directory=directory, paused=paused)


async def _settle(
    directory: Path, database: str | None, manifest: Manifest, *, go_on: bool
) -> tuple[str, ...]:
    """What a restored state says of itself before anybody acts on it."""
    clock = WallClock()
    state = open_state(directory, clock=clock, database=database)
    try:
        await state.start()
        journal = StoredJournal(state.database, clock=clock)
        plans = () if go_on else await journal.plans()
        paused = tuple(plan.id for plan in plans if plan.state == RolloutState.RUNNING)
        for plan in paused:
            await journal.ask(plan, PAUSE, _BY, clock.now())
        told = {"madeAt": manifest.made_at, "paused": list(paused)}
        detail = msgspec.json.encode(told).decode()
        await state.audit.append(
            Record(who="iolaus", what="note", subject="restore", detail=detail)
        )
    finally:
        await state.close()
    return paused


def _load(archive: Archive, where: Path | str) -> None:
    database = Database(where)
    try:
        load(database, archive.manifest.revision, archive.rows())
    finally:
        database.close()


def _secrets(key: Path | None) -> Secrets:
    """Only its key is used: there is no store at this path."""
    given = key or (Path(os.environ[KEY_VARIABLE]) if KEY_VARIABLE in os.environ else None)
    if given is None or not given.is_file():
        raise OperatorMust(
            "a back-up opens only with the key of the state that it was taken of",
            operation="restore",
            subject=str(given or "--key"),
            code="NoKey",
            next_step=f"name the file with --key or {KEY_VARIABLE}; it lay beside the credentials "
            f"as {KEY}.",
        )
    check_private(given, operation="restore")
    return Secrets(given.with_name(f".{given.name}.none"), key_file=given)


def _files(directory: Path, *, first: bool) -> Iterator[str]:
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if name.startswith(_FIRST) == first and not name.startswith(_LEFT) and _is_kept(path):
            yield name


def _is_kept(path: Path) -> bool:
    """No link, no socket, and nothing that is being written."""
    passing = path.name.startswith(".") and path.name.endswith(".new")
    return path.is_file() and not path.is_symlink() and not passing


def _must_be_state(directory: Path) -> None:
    if not (directory / "secrets.key").exists() and not (directory / "secrets").exists():
        raise OperatorMust(
            "no server keeps its state there",
            operation="back up",
            subject=str(directory),
            code="NoState",
            next_step="name the directory with --state; `iolaus serve --help` says which is usual.",
        )


def _must_have_files(directory: Path, database: Database) -> None:
    """A core that never led or followed has none of what operators gave; what was put back without
    it would be led by nobody."""
    if not (directory / TOKENS).exists() and database.read(has_targets):
        raise OperatorMust(
            "it has none of the logins, tokens and policies of the hall in this database",
            operation="back up",
            subject=str(directory),
            code="FilesMissing",
            next_step="take it at a core that iolaus get members shows without trouble.",
        )


def _must_be_new(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise OperatorMust(
            "there is something in it already",
            operation="restore",
            subject=str(directory),
            code="StateNotEmpty",
            next_step="name a directory that is new or empty with --state; nothing was changed.",
        )
