"""Leases: one holder at a time, and whoever held it before is known by its epoch.

A lease runs out by time, but time alone fences nobody: a process that slept through the end of its
lease wakes believing that it holds it. So the epoch grows whenever the lease is taken anew, and
every write that matters names the epoch under which it is made, in the transaction that checks it.
A lease that was let go or ran out is taken anew even by its last holder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, Executable, Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from iolaus.model.lease import Fenced, Lease
from iolaus.store import schema
from iolaus.store.database import Database

__all__ = [
    "Elsewhere",
    "Fenced",
    "Lease",
    "StoredLeases",
    "acquire",
    "holds",
    "insert_new",
    "must_hold",
    "release",
    "renew",
]
T = TypeVar("T")
_LOCK: Final = (
    select(schema.leases).where(schema.leases.c.name == bindparam("lease")).with_for_update()
)
"""Built once: every entry of every journal is written behind it."""
_SHARE: Final = _LOCK.with_for_update(read=True, key_share=True)
_SAVE: Final = update(schema.leases).where(schema.leases.c.name == bindparam("lease"))
_LONGER: Final = _LOCK.with_for_update(key_share=True)
"""Who renews does not wait for those who write under the lease: a server that is busy writing would
lose it over that. Who takes it waits for them."""


class Elsewhere:
    """Where blocking work is done: in a worker thread, one at a time, so that the event loop
    goes on. `here` does it in place, for virtual time, which must not pass meanwhile."""

    def __init__(self, *, here: bool = False) -> None:
        self._here, self._lock = here, asyncio.Lock()

    async def do(self, work: Callable[[], T]) -> T:
        if self._here:
            return work()
        async with self._lock:
            return await asyncio.to_thread(work)


class StoredLeases:
    """The port `act.ports.Leases` on a state database that is open."""

    def __init__(self, database: Database, *, here: bool = False) -> None:
        self._database, self._elsewhere = database, Elsewhere(here=here)

    async def open(self) -> None:
        """Connect and migrate. Raises what opening a database raises."""
        await self._elsewhere.do(self._database.open)

    async def acquire(self, name: str, holder: str, ttl_s: float, now: float) -> Lease | None:
        """The lease, or None while another holds it."""
        return await self._write(lambda c: acquire(c, name, holder, ttl_s, now))

    async def renew(self, lease: Lease, ttl_s: float, now: float) -> Lease | None:
        """The same lease for longer, or None where it was lost or ran out."""
        return await self._write(lambda c: renew(c, lease, ttl_s, now))

    async def release(self, lease: Lease) -> None:
        """Let it go at once. What is not ours stays as it is."""
        await self._write(lambda c: release(c, lease))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await self._elsewhere.do(lambda: self._database.write(work, exclusive=True))


def holds(connection: Connection, lease: Lease, *, now: float) -> bool:
    """Whether the lease is in force, and nobody else can take it before this transaction ends."""
    row = _locked(connection, lease.name)
    return _is(row, lease) and row.expires_at > now


def must_hold(connection: Connection, lease: Lease, *, now: float) -> None:
    """Likewise, for many who write under one lease at once. Raises `Fenced`."""
    row: Any = connection.execute(_SHARE, {"lease": lease.name}).one_or_none()
    if not (_is(row, lease) and row.expires_at > now):
        raise Fenced(lease, operation="write state")


def _locked(connection: Connection, name: str) -> Any:
    return connection.execute(_LOCK, {"lease": name}).one_or_none()


def insert_new(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert what is not there by its key; what is there stays as it is."""
    connection.execute(_insert_new(table, connection.dialect.name), rows)


@cache
def _insert_new(table: Table, dialect: str) -> Executable:
    made = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return made.on_conflict_do_nothing()


def _is(row: Any, lease: Lease) -> bool:
    return row is not None and (row.holder, row.epoch) == (lease.holder, lease.epoch)


def acquire(
    connection: Connection, name: str, holder: str, ttl_s: float, now: float
) -> Lease | None:
    """As `StoredLeases.acquire`, in a transaction; likewise the next two."""
    nobodys = Lease(name=name, holder="", epoch=0, expires_at=0.0)
    insert_new(connection, schema.leases, [msgspec.structs.asdict(nobodys)])
    row = _locked(connection, name)
    if row.expires_at > now and row.holder != holder:
        return None
    epoch = row.epoch if row.expires_at > now else row.epoch + 1
    lease = Lease(name=name, holder=holder, epoch=epoch, expires_at=now + ttl_s)
    _save(connection, lease)
    return lease


def renew(connection: Connection, lease: Lease, ttl_s: float, now: float) -> Lease | None:
    row: Any = connection.execute(_LONGER, {"lease": lease.name}).one_or_none()
    if not (_is(row, lease) and row.expires_at > now):
        return None
    longer = msgspec.structs.replace(lease, expires_at=now + ttl_s)
    _save(connection, longer)
    return longer


def release(connection: Connection, lease: Lease) -> None:
    if _is(_locked(connection, lease.name), lease):
        _save(connection, msgspec.structs.replace(lease, expires_at=0.0))


def _save(connection: Connection, lease: Lease) -> None:
    connection.execute(_SAVE, msgspec.structs.asdict(lease) | {"lease": lease.name})
