"""Nodes that people had drained, and what people said of drains, kept.

A drain is written down before anybody is asked for it, so that one is never begun and forgotten;
its receipt, which undoing needs, joins it afterwards. A word on a drain that a person has to do
belongs to the node and the reason of that drain, whoever asked for it: a person or a roll-out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, delete, insert, select

from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.packing import pack, unpack

T = TypeVar("T")


class KeptDrain(msgspec.Struct, frozen=True, kw_only=True):
    """A node that somebody had drained. `receipt` is what the adapter said when it began (None:
    not known yet), `phase`, `detail` and `remaining` what it said last; times are seconds since
    1970."""

    uid: str
    name: str
    adapter: str
    reason: str
    by: str
    at: float
    receipt: Mapping[str, Any] | None = None
    phase: str = "draining"
    detail: str = ""
    remaining: tuple[str, ...] = ()
    since: float = 0.0

    @property
    def mark(self) -> str:
        """The reason as adapters and schedulers keep it."""
        return f"{self.by}: {self.reason}"


class KeptMark(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said of a drain: "done" or "refused"."""

    word: str
    by: str
    note: str
    at: float


_KEPT = msgspec.msgpack.Decoder(KeptDrain)


class StoredDrains:
    """On a state database that is open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[KeptDrain, ...]:
        """By name."""
        return await self._read(_all)

    async def get(self, uid: str) -> KeptDrain | None:
        return next((each for each in await self.all() if each.uid == uid), None)

    async def put(self, kept: KeptDrain) -> None:
        await self._write(lambda connection: _put(connection, kept))

    async def remove(self, kept: KeptDrain) -> None:
        """With what was said of it: the next one begins anew."""
        await self._write(lambda connection: _remove(connection, kept))

    async def say(self, uid: str, reason: str, mark: KeptMark) -> None:
        """The last word counts."""
        await self._write(lambda connection: _say(connection, uid, reason, mark))

    async def said(self, uid: str, reason: str) -> KeptMark | None:
        return await self._read(lambda connection: _said(connection, uid, reason))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Connection], None]) -> None:
        await asyncio.to_thread(self._database.write, work)


def _all(connection: Connection) -> tuple[KeptDrain, ...]:
    rows = connection.execute(select(schema.drains.c.doc))
    return tuple(sorted((unpack(bytes(doc), _KEPT) for (doc,) in rows), key=lambda k: k.name))


def _put(connection: Connection, kept: KeptDrain) -> None:
    table = schema.drains
    connection.execute(delete(table).where(table.c.uid == kept.uid))
    connection.execute(insert(table).values(uid=kept.uid, doc=pack(kept)))


def _remove(connection: Connection, kept: KeptDrain) -> None:
    connection.execute(delete(schema.drains).where(schema.drains.c.uid == kept.uid))
    marks = schema.drain_marks
    mine = (marks.c.uid == kept.uid) & (marks.c.reason == kept.mark)
    connection.execute(delete(marks).where(mine))


def _say(connection: Connection, uid: str, reason: str, mark: KeptMark) -> None:
    table = schema.drain_marks
    connection.execute(delete(table).where((table.c.uid == uid) & (table.c.reason == reason)))
    values = {"word": mark.word, "who": mark.by, "note": mark.note, "at": mark.at}
    connection.execute(insert(table).values(uid=uid, reason=reason, **values))


def _said(connection: Connection, uid: str, reason: str) -> KeptMark | None:
    table = schema.drain_marks
    query = select(table).where((table.c.uid == uid) & (table.c.reason == reason))
    row = connection.execute(query).first()
    return KeptMark(word=row.word, by=row.who, note=row.note, at=row.at) if row else None
