"""Files that must outlive the process that made them: evidence of recoveries, above all.

They are in the state database and not in a folder, so that whichever core leads next has them. A
file is written in pieces, each a transaction of its own, so that none is longer than what a slow
line to the database takes at once; it is there from the moment when its row is, and what was begun
and has no row is removed with the next file of that subject.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, insert, select

from iolaus.kernel.errors import WeErred
from iolaus.store.database import Database
from iolaus.store.schema import saved_files, saved_pieces

PIECE_BYTES: Final = 256 << 10
KEPT: Final = 10


class SavedFile(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is unique of its subject; `at` in seconds since 1970; `digest` is the SHA-256 (hex) of
    its `size` bytes; `key` is that of its pieces."""

    subject: str
    name: str
    key: str
    at: float
    size: int
    digest: str


class SavedFiles:
    """`database` is open when they are used. The newest `kept` files of a subject stay. Methods
    raise what `Database` raises."""

    def __init__(
        self, database: Database, *, kept: int = KEPT, piece_bytes: int = PIECE_BYTES
    ) -> None:
        self._database, self._kept, self._piece = database, kept, piece_bytes
        self._saving = asyncio.Lock()

    async def save(self, subject: str, name: str, data: bytes, *, at: float) -> SavedFile:
        """Durable when it returns. One of the same name stays until this one is there."""
        made = SavedFile(
            subject=subject,
            name=name,
            key=secrets.token_hex(16),
            at=at,
            size=len(data),
            digest=hashlib.sha256(data).hexdigest(),
        )
        async with self._saving:
            for number, start in enumerate(range(0, len(data), self._piece)):
                row = {"subject": subject, "key": made.key, "number": number,
                       "data": data[start : start + self._piece]}  # fmt: skip
                await self._write(partial(_put, row))
            await self._write(lambda line: self._finish(line, made))
        return made

    async def has(self, subject: str, name: str) -> bool:
        return any(each.name == name for each in await self.of(subject))

    async def of(self, subject: str) -> tuple[SavedFile, ...]:
        """Oldest first."""
        return await asyncio.to_thread(self._database.read, lambda line: _listed(line, subject))

    def read(self, file: SavedFile) -> bytes:
        """Blocking. Raises `WeErred` too where it is not there any more, or not as it was."""
        pieces = saved_pieces.c
        query = (
            select(pieces.data)
            .where(pieces.subject == file.subject, pieces.key == file.key)
            .order_by(pieces.number)
        )
        data = self._database.read(lambda line: b"".join(line.execute(query).scalars()))
        if hashlib.sha256(data).hexdigest() != file.digest:
            raise WeErred(
                f"{len(data)} of its {file.size} bytes are there, and not as they were",
                operation="read a saved file",
                subject=f"{file.subject}/{file.name}",
                code="StateCorrupt",
                next_step="put back a copy of the state; the other files are not concerned.",
            )
        return data

    async def _write(self, work: Callable[[Connection], None]) -> None:
        await asyncio.to_thread(self._database.write, work)

    def _finish(self, line: Connection, made: SavedFile) -> None:
        files, pieces = saved_files.c, saved_pieces.c
        same = (files.subject == made.subject, files.name == made.name)
        line.execute(delete(saved_files).where(*same))
        line.execute(insert(saved_files), msgspec.structs.asdict(made))
        listed = _listed(line, made.subject)
        for old in listed[: -self._kept]:
            line.execute(
                delete(saved_files).where(files.subject == made.subject, files.name == old.name)
            )
        living = [each.key for each in listed[-self._kept :]]
        line.execute(
            delete(saved_pieces).where(pieces.subject == made.subject, pieces.key.not_in(living))
        )


def _put(row: Mapping[str, Any], line: Connection) -> None:
    line.execute(insert(saved_pieces), row)


def _listed(line: Connection, subject: str) -> tuple[SavedFile, ...]:
    files = saved_files.c
    query = select(saved_files).where(files.subject == subject).order_by(files.at, files.name)
    return tuple(SavedFile(**row) for row in line.execute(query).mappings())
