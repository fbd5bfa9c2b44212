"""What an edge learned and nobody else knows yet: on disk before it is sent, in order.

A file of its own (SQLite, WAL, flushed at each commit), because it must be written when nothing
else can be reached. Parcels carry numbers that go on over restarts, and the box a name of its own,
so that whoever takes them knows each only once. It is bounded: when the room is used up the oldest
parcels of *states* go, because a newer state replaces them; events and logs never do.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from iolaus.store.database import Database
from iolaus.store.records import Shed

MOST_BYTES: Final = 2 * 1024**3
metadata = MetaData()
_NAMES: Final = Table("names", metadata, Column("name", String, primary_key=True))
_PARCELS: Final = Table(
    "parcels",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("states", Boolean, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is when it was made (seconds since 1970); `states`: it may be given up."""

    number: int
    at: float
    body: bytes
    states: bool = False


class Parcels:
    """Blocking, for one thread at a time. Raises `OperatorMust` or `WeErred` where the file cannot
    be used; a full disk is one of these, and the caller keeps what it has."""

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._database, self._most = Database(path), most_bytes
        self.name = ""
        self.waiting = self.bytes = 0

    def open(self) -> None:
        try:
            with self._database.engine.begin() as connection:
                metadata.create_all(connection)
                self.name = _name(connection)
                self._count(connection)
        except (sqlite3.Error, OSError) as error:
            raise self._database.explain(error, "open outbox") from error

    def close(self) -> None:
        self._database.close()

    def add(self, parcels: Sequence[tuple[float, bool, bytes]]) -> Shed | None:
        """Keep (at, states, body) in this order, on disk before it returns. What had to be given
        up for it, if anything had."""
        rows = [
            {"at": at, "states": states, "bytes": len(body), "body": body}
            for at, states, body in parcels
        ]

        def work(connection: Connection) -> Shed | None:
            if rows:
                connection.execute(insert(_PARCELS), rows)
            more = sum(len(body) for _, _, body in parcels)
            over = self.bytes + more - self._most
            return self._shed(connection, over + self._most // 10) if over > 0 else None

        shed = self._database.write(work)
        if shed is not None:
            self._database.read(self._count)
        else:
            self.waiting += len(rows)
            self.bytes += sum(len(body) for _, _, body in parcels)
        return shed

    def first(self, *, after: int = 0, most: int = 1) -> list[Parcel]:
        """The oldest behind a number."""
        query = select(_PARCELS).where(_PARCELS.c.number > after)
        query = query.order_by(_PARCELS.c.number).limit(most)
        return self._database.read(lambda c: [_parcel(row) for row in c.execute(query)])

    def last(self) -> int:
        """The newest number that waits; 0 where nothing does."""
        newest = select(func.coalesce(func.max(_PARCELS.c.number), 0))
        return int(self._database.read(lambda c: c.execute(newest).scalar_one()))

    def sent(self, number: int) -> None:
        """Everything up to this number is kept elsewhere."""

        def work(connection: Connection) -> tuple[int, int]:
            gone = _PARCELS.c.number <= number
            sums = func.count(), func.coalesce(func.sum(_PARCELS.c.bytes), 0)
            count, size = connection.execute(select(*sums).where(gone)).one()
            connection.execute(delete(_PARCELS).where(gone))
            return count, size

        count, size = self._database.write(work)
        self.waiting, self.bytes = self.waiting - count, self.bytes - size

    def _shed(self, connection: Connection, room: int) -> Shed | None:
        """The oldest states, so many bytes of them."""
        query = select(_PARCELS.c.number, _PARCELS.c.at, _PARCELS.c.bytes)
        query = query.where(_PARCELS.c.states).order_by(_PARCELS.c.number)
        gone: list[Any] = []
        for row in connection.execute(query):
            if room <= 0:
                break
            gone.append(row)
            room -= row.bytes
        if not gone:
            return None
        old = _PARCELS.c.states & (_PARCELS.c.number <= gone[-1].number)
        connection.execute(delete(_PARCELS).where(old))
        return Shed(count=len(gone), since=gone[0].at, until=gone[-1].at)

    def _count(self, connection: Connection) -> None:
        columns = func.count(), func.coalesce(func.sum(_PARCELS.c.bytes), 0)
        self.waiting, self.bytes = connection.execute(select(*columns).select_from(_PARCELS)).one()


def _name(connection: Connection) -> str:
    found = connection.scalar(select(_NAMES.c.name))
    if found is None:
        found = secrets.token_hex(8)
        connection.execute(insert(_NAMES).values(name=found))
    return str(found)


def _parcel(row: Any) -> Parcel:
    return Parcel(number=row.number, at=row.at, body=row.body, states=row.states)
