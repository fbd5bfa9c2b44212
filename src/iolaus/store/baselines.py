"""What good looks like, kept: the baselines that operators apply, each with its generation.

They are read whole at the start and are few, so they live in memory; a change is on disk before
anybody sees it. Applying the same text again changes nothing and gives no new generation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy import Connection, delete, insert, select

from iolaus.model.desired import Baseline, Kept
from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.packing import pack, unpack

_KEPT = msgspec.msgpack.Decoder(Kept)


class Baselines:
    """`database` is open, or None for memory only. `on_change` is called after each change."""

    def __init__(self, database: Database | None = None) -> None:
        self._database = database
        self._kept: dict[str, Kept] = {}
        self._listeners: list[Callable[[], None]] = []
        self._writing = asyncio.Lock()
        self.revision = 0

    async def load(self) -> None:
        """Read what is kept. Raises `WeErred` when it cannot be read."""
        if self._database is not None:
            self._kept = await asyncio.to_thread(self._database.read, _load)
            self._changed()

    def all(self) -> Mapping[str, Kept]:
        """By name."""
        return dict(sorted(self._kept.items()))

    def get(self, name: str) -> Kept | None:
        return self._kept.get(name)

    async def put(self, baseline: Baseline, *, at: float, by: str, source: str) -> Kept:
        """Keep it; the same spec again stays the same generation."""
        async with self._writing:
            before = self._kept.get(baseline.name)
            if before is not None and before.baseline == baseline:
                return before
            generation = before.generation + 1 if before else 1
            kept = Kept(baseline=baseline, generation=generation, at=at, by=by, source=source)
            await self._write(lambda connection: _put(connection, kept))
            self._kept[baseline.name] = kept
            self._changed()
            return kept

    async def remove(self, name: str) -> Kept | None:
        """Forget it; what was applied to nodes stays as it is. None: there is none."""
        async with self._writing:
            if name not in self._kept:
                return None
            await self._write(lambda connection: _delete(connection, name))
            gone = self._kept.pop(name)
            self._changed()
            return gone

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    async def _write(self, work: Callable[[Connection], None]) -> None:
        if self._database is not None:
            await asyncio.to_thread(self._database.write, work)

    def _changed(self) -> None:
        self.revision += 1
        for listener in self._listeners:
            listener()


def _load(connection: Connection) -> dict[str, Kept]:
    rows = connection.execute(select(schema.baselines.c.name, schema.baselines.c.doc))
    return {name: unpack(bytes(doc), _KEPT) for name, doc in rows}


def _put(connection: Connection, kept: Kept) -> None:
    table, name = schema.baselines, kept.baseline.name
    connection.execute(delete(table).where(table.c.name == name))
    connection.execute(insert(table).values(name=name, doc=pack(kept)))


def _delete(connection: Connection, name: str) -> None:
    connection.execute(delete(schema.baselines).where(schema.baselines.c.name == name))
