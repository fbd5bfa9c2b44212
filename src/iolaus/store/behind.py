"""Writing behind: what must survive a crash, collected here and written by one thread.

Rows are collected by key, so a status that changed twenty times is written once; what changes all
the time without changing much (the hot set, the age of a status) waits for `lazy_s`. A batch that
fails goes back into the queue under whatever came since. Only one writer exists, and asking never
waits for it: readers have their own thread.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.kernel.tasks import end
from iolaus.model.asset import LogEntry
from iolaus.model.endpoint import Event
from iolaus.store.changes import Change
from iolaus.store.database import Database
from iolaus.store.saving import Batch, RowKey, laid_out, mark_all, prune, save

T = TypeVar("T")
log = structlog.get_logger(__name__)
MOST_WAITING = 200_000
"""History rows (and events, and log entries) kept waiting for a disk that does not come back."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept, and how soon it is written."""

    flush_s: float = 1.0
    lazy_s: float = 60.0
    prune_s: float = 3600.0
    history_s: float = 400 * 86400.0
    history_rows: int = 2_000_000
    events: int = 50_000
    events_each: int = 2_000
    dedup_window: int = 100_000


class Behind:
    """The queue before the database (None: it only remembers what was appended last)."""

    def __init__(self, *, database: Database | None, clock: Clock, limits: Limits) -> None:
        self._database, self._clock, self._limits = database, clock, limits
        self._rows: dict[RowKey, Any] = {}
        self._lazy: OrderedDict[RowKey, tuple[float, Callable[[], Any]]] = OrderedDict()
        self._side = Batch()
        self.changes: deque[tuple[int, Change]] = deque(maxlen=MOST_WAITING)
        self.events: deque[tuple[int, Event]] = deque(maxlen=MOST_WAITING)
        self.logs: deque[tuple[int, str, LogEntry]] = deque(maxlen=MOST_WAITING)
        self._inflight: Batch | None = None
        self._lock = asyncio.Lock()
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._reader = ThreadPoolExecutor(1, "store-reader")
        self._task: asyncio.Task[None] | None = None
        self._pruned_at = clock.monotonic()
        self._marked = False
        self._opened = False
        self.trouble: IolausError | None = None

    # Collecting

    def put(self, key: RowKey, document: Any) -> None:
        """Write this row soon; a document of None deletes it."""
        if self._database is not None:
            self._lazy.pop(key, None)
            self._rows[key] = document

    def put_lazily(self, key: RowKey, document: Callable[[], Any]) -> None:
        """Write this row within `lazy_s`, as it will be then."""
        if self._database is not None and key not in self._lazy:
            self._lazy[key] = (self._clock.monotonic() + self._limits.lazy_s, document)

    def forget(self, address: str) -> None:
        for key in [key for key in self._rows if address in key[1:2] and key[0] != "assets"]:
            del self._rows[key]
        for key in [key for key in self._lazy if key[1] == address]:
            del self._lazy[key]
        self._side.forgotten.add(address)

    def merge(self, old: str, new: str) -> None:
        self._side.merged[old] = new
        self.put(("assets", old), None)

    def evict(self, numbers: list[int]) -> None:
        self._side.evicted += numbers

    def waiting_changes(self) -> list[tuple[int, Change]]:
        return [*(self._inflight.changes if self._inflight else ()), *self.changes]

    def waiting_logs(self) -> list[tuple[int, str, LogEntry]]:
        return [*(self._inflight.logs if self._inflight else ()), *self.logs]

    # Writing

    async def read(self, work: Callable[[Connection], T]) -> T | None:
        """What the database says; None where there is none."""
        if self._database is None or not self._opened:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, self._database.read, work)

    async def open(self) -> None:
        if self._database is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._writer, self._database.open)
            self._opened = True

    def begin(self) -> None:
        if self._database is not None and self._task is None:
            self._task = asyncio.create_task(self._run(), name="store-writer")

    async def flush(self, *, everything: bool = True) -> None:
        """Write what waits (`everything`: also what could wait longer). A database that could
        not be opened (it may be a newer version's) is never written."""
        if not self._opened:
            return
        async with self._lock:
            batch = self._take(everything)
            if batch:
                await self._write(batch)

    async def close(self) -> None:
        if self._task is not None:
            await end(self._task)
            self._task = None
        try:
            await self.flush()
        except IolausError as error:
            log.warning("state_not_saved", waiting=self.waiting, error=str(error))
        finally:
            self._writer.shutdown(wait=True)
            self._reader.shutdown(wait=True)
            if self._database is not None:
                self._database.close()

    @property
    def waiting(self) -> int:
        """Rows that are not on disk yet."""
        return (
            len(self._rows)
            + len(self._lazy)
            + len(self.changes)
            + len(self.events)
            + len(self.logs)
        )

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._limits.flush_s)
            try:
                await self.flush(everything=False)
                await self._mark()
                await self._prune()
            except IolausError:
                continue
            except Exception:  # supervised: the one writer must outlive a bug in a row
                log.exception("state_writer_erred")

    async def _write(self, batch: Batch) -> None:
        assert self._database is not None
        loop, self._inflight = asyncio.get_running_loop(), batch
        try:
            await loop.run_in_executor(self._writer, _save, self._database, batch)
        except BaseException as error:
            self._give_back(batch)
            if isinstance(error, IolausError):
                self._note(error)
            raise
        finally:
            self._inflight = None
        self._note(None)

    async def _mark(self) -> None:
        if not self._marked:
            await self._write_beside(mark_all)
            self._marked = True

    async def _prune(self) -> None:
        if self._clock.monotonic() - self._pruned_at < self._limits.prune_s:
            return
        self._pruned_at, limits = self._clock.monotonic(), self._limits
        before, most = self._clock.now() - limits.history_s, limits.history_rows
        await self._write_beside(lambda c: prune(c, before=before, most=most))

    async def _write_beside(self, work: Callable[[Connection], None]) -> None:
        assert self._database is not None
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._database.write, work)

    def _take(self, everything: bool) -> Batch:
        now = self._clock.monotonic()
        while self._lazy:
            key, (due, document) = next(iter(self._lazy.items()))
            if due > now and not everything:
                break
            del self._lazy[key]
            self._rows[key] = document()
        batch, self._side = self._side, Batch()
        batch.rows, self._rows = self._rows, {}
        batch.changes, batch.events, batch.logs = [*self.changes], [*self.events], [*self.logs]
        for queue in (self.changes, self.events, self.logs):
            queue.clear()
        return batch

    def _give_back(self, batch: Batch) -> None:
        """As if it had never been taken: what came since is newer and wins."""
        gone = self._side.forgotten
        kept = {k: d for k, d in batch.rows.items() if k[0] == "assets" or k[1] not in gone}
        self._rows = {**kept, **self._rows}
        self._side.forgotten |= batch.forgotten
        self._side.merged = {**batch.merged, **self._side.merged}
        self._side.evicted = [*batch.evicted, *self._side.evicted]
        self.changes = _joined(batch.changes, self.changes)
        self.events = _joined(batch.events, self.events)
        self.logs = _joined(batch.logs, self.logs)

    def _note(self, error: IolausError | None) -> None:
        """One line when writing stops, one when it goes on."""
        if error is not None and self.trouble is None:
            log.error(
                "state_not_written",
                error=error.message,
                subject=error.subject,
                next_step=error.next_step,
                waiting=self.waiting,
            )
        elif error is None and self.trouble is not None:
            log.info("state_written_again")
        self.trouble = error


def _save(database: Database, batch: Batch) -> None:
    rows = laid_out(batch)
    database.write(lambda connection: save(connection, batch, rows))


def _joined(older: list[T], newer: deque[T]) -> deque[T]:
    return deque([*older, *newer], maxlen=newer.maxlen)
