"""Named documents that are few and read whole at the start: advisories, surfaces, alarms.

They live in memory; a change is on disk before anybody sees it. Whoever works with them is told
after each change and asks for what there is now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

import msgspec
from sqlalchemy import Connection, Table, delete, insert, select

from iolaus.kernel.errors import WeErred
from iolaus.model.advisory import Kept
from iolaus.model.alarm import Alarm
from iolaus.model.candidate import Candidate
from iolaus.model.expected import KeptExpected
from iolaus.model.reference import KeptReference
from iolaus.model.retirement import Retirement
from iolaus.model.surface import Surface
from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.packing import pack, unpack

T = TypeVar("T", bound=msgspec.Struct)


class Shelf(Generic[T]):
    """Documents of type `kind` by name. `database` is open when `load` is called, or None for
    memory only."""

    def __init__(self, table: Table, kind: type[T], database: Database | None = None) -> None:
        self._table, self._database = table, database
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)
        self._kept: dict[str, T] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._writing = asyncio.Lock()
        self.revision = 0

    async def load(self) -> None:
        """Read what is kept. Raises `WeErred` when it cannot be read."""
        if self._database is not None:
            self._kept = await asyncio.to_thread(self._database.read, self._load)
            for name in self._kept:
                self._changed(name)

    def all(self) -> Mapping[str, T]:
        """By name."""
        return dict(sorted(self._kept.items()))

    def get(self, name: str) -> T | None:
        return self._kept.get(name)

    async def put(self, documents: Mapping[str, T]) -> None:
        """Keep them, all or none; one of the same name is replaced."""
        async with self._writing:
            await self._write(lambda connection: self._put(connection, documents))
            self._kept.update(documents)
            for name in documents:
                self._changed(name)

    async def replace(self, documents: Mapping[str, T], gone: Collection[str]) -> None:
        """Keep some and forget others, all or none."""
        async with self._writing:

            def work(connection: Connection) -> None:
                self._delete(connection, list(gone))
                self._put(connection, documents)

            await self._write(work)
            self._kept.update(documents)
            for name in gone:
                self._kept.pop(name, None)
            for name in (*documents, *gone):
                self._changed(name)

    async def remove(self, name: str) -> T | None:
        """Forget it. None: there is none."""
        async with self._writing:
            if name not in self._kept:
                return None
            await self._write(lambda connection: self._delete(connection, [name]))
            gone = self._kept.pop(name)
            self._changed(name)
            return gone

    def on_change(self, listener: Callable[[str], None]) -> None:
        """It is called with the name of what changed."""
        self._listeners.append(listener)

    async def _write(self, work: Callable[[Connection], None]) -> None:
        if self._database is not None:
            await asyncio.to_thread(self._database.write, work)

    def _changed(self, name: str) -> None:
        self.revision += 1
        for listener in self._listeners:
            listener(name)

    def _load(self, connection: Connection) -> dict[str, T]:
        rows = connection.execute(select(self._table.c.name, self._table.c.doc))
        return {name: self._read(name, bytes(doc)) for name, doc in rows}

    def _read(self, name: str, doc: bytes) -> T:
        try:
            return unpack(doc, self._decoder)
        except ValueError as error:
            raise WeErred(
                f"it is damaged: {error}",
                operation="read state",
                subject=f"{self._table.name}/{name}",
                code="StateCorrupt",
                next_step="put back a copy of the state; nothing in it was changed.",
            ) from error

    def _put(self, connection: Connection, documents: Mapping[str, T]) -> None:
        self._delete(connection, list(documents))
        rows = [{"name": name, "doc": pack(each)} for name, each in documents.items()]
        if rows:
            connection.execute(insert(self._table), rows)

    def _delete(self, connection: Connection, names: list[str]) -> None:
        for name in names:
            connection.execute(delete(self._table).where(self._table.c.name == name))


def advisory_shelf(database: Database | None = None) -> Shelf[Kept]:
    return Shelf(schema.advisories, Kept, database)


def surface_shelf(database: Database | None = None) -> Shelf[Surface]:
    return Shelf(schema.surfaces, Surface, database)


def reference_shelf(database: Database | None = None) -> Shelf[KeptReference]:
    return Shelf(schema.reference_values, KeptReference, database)


def alarm_shelf(database: Database | None = None) -> Shelf[Alarm]:
    return Shelf(schema.alarms, Alarm, database)


def expected_shelf(database: Database | None = None) -> Shelf[KeptExpected]:
    return Shelf(schema.expected_hardware, KeptExpected, database)


def candidate_shelf(database: Database | None = None) -> Shelf[Candidate]:
    return Shelf(schema.candidates, Candidate, database)


def retirement_shelf(database: Database | None = None) -> Shelf[Retirement]:
    return Shelf(schema.retirements, Retirement, database)
