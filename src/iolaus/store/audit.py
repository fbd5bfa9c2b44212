"""The audit log, kept: entries are added at the end, and nothing here changes or removes one.

An entry is on disk before what it speaks of is done. Its number and the digest before it are read
and the entry is written in one transaction, so a crash leaves a chain that holds. The newest head
is kept in a file beside the database too: whoever cuts the end of the table off must know of that
file. A head that is not in the table at the start is written down in the log itself, before
anything else, so that the finding outlives the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog
from sqlalchemy import Connection, func, insert, select

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import WeErred
from iolaus.model.audit import Entry, Head, Record, next_entry
from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.files import replace_file

log = structlog.get_logger(__name__)
HEAD_FILE: Final = "audit.head"
MAX_TEXT: Final = 4_000
_LOCK: Final = 0x10_1A06


class AuditLog:
    """`database` is open when `start` is called, or None for memory only; `directory` is where the
    head is kept."""

    def __init__(
        self, *, clock: Clock, database: Database | None = None, directory: Path | None = None
    ) -> None:
        self._clock, self._database = clock, database
        self._file = directory / HEAD_FILE if directory else None
        self._entries: list[Entry] = []
        self._writing = asyncio.Lock()
        self.head: Head | None = None

    async def start(self) -> None:
        """Find the end of the chain, and compare it with the head that was kept."""
        if self._database is None:
            return
        self.head = await asyncio.to_thread(self._database.read, _last)
        kept = await asyncio.to_thread(self._kept_head)
        if kept is not None and not await asyncio.to_thread(self._stands, kept):
            log.error("audit_log_cut", kept=str(kept), found=str(self.head))
            told = msgspec.json.encode({"kept": str(kept), "found": str(self.head)}).decode()
            await self.append(Record(who="iolaus", what="note", subject="audit", detail=told))

    async def append(self, record: Record) -> Entry:
        """Write it down. It is on disk when this returns; raises `WeErred` when it cannot be."""
        record = _bounded(record)
        async with self._writing:
            at_ms = int(self._clock.now() * 1000)
            if self._database is None:
                entry = next_entry(record, self.head, at_ms=at_ms)
                self._entries.append(entry)
            else:
                entry = await asyncio.to_thread(self._insert, record, at_ms)
            self.head = Head(number=entry.number, digest=entry.digest)
            return entry

    async def entries(self, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """In their order, from the one behind `after`."""
        if self._database is None:
            return [each for each in self._entries if each.number > after][:limit]
        database = self._database
        return await asyncio.to_thread(database.read, lambda c: _some(c, after, limit))

    def _insert(self, record: Record, at_ms: int) -> Entry:
        assert self._database is not None
        database = self._database

        def work(connection: Connection) -> Entry:
            if not database.is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            entry = next_entry(record, _last(connection), at_ms=at_ms)
            connection.execute(insert(schema.audit).values(**msgspec.structs.asdict(entry)))
            return entry

        entry = database.write(work, exclusive=True)
        if self._file is not None:
            kept = Head(number=entry.number, digest=entry.digest)
            replace_file(self._file, f"{kept}\n".encode())
        return entry

    def _kept_head(self) -> Head | None:
        """Raises `WeErred` for a file that is no head: somebody wrote it."""
        if self._file is None or not self._file.exists():
            return None
        text = self._file.read_text(encoding="utf-8", errors="replace").strip()
        number, _, digest = text.partition(":")
        if not number.isascii() or not number.isdigit():
            raise WeErred(
                "it does not hold the head of the audit log",
                operation="read",
                subject=str(self._file),
                code="AuditHeadUnreadable",
                next_step="find out who wrote it; remove it to go on without.",
            )
        return Head(number=int(number), digest=digest)

    def _stands(self, head: Head) -> bool:
        assert self._database is not None
        found = self._database.read(lambda c: _some(c, head.number - 1, 1))
        return bool(found) and (found[0].number, found[0].digest) == (head.number, head.digest)


def _last(connection: Connection) -> Head | None:
    table = schema.audit
    row = connection.execute(
        select(table.c.number, table.c.digest).order_by(table.c.number.desc()).limit(1)
    ).one_or_none()
    return Head(number=row.number, digest=row.digest) if row else None


def _some(connection: Connection, after: int, limit: int) -> list[Entry]:
    table = schema.audit
    rows = connection.execute(
        select(table).where(table.c.number > after).order_by(table.c.number).limit(limit)
    )
    return [Entry(**row._mapping) for row in rows]


def _bounded(record: Record) -> Record:
    """Without what a database does not take: half characters, NUL, endless text."""
    return Record(
        who=_text(record.who),
        what=_text(record.what),
        subject=_text(record.subject),
        detail=_text(record.detail),
    )


def _text(text: str) -> str:
    return text[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\x00", "?")
