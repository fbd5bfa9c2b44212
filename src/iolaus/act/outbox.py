"""Entries on their way to the disk: in one order, in as few commits as that allows.

What is written is waited for; what is noted waits for company, a few milliseconds at most, and goes
before whatever is written after it. One append is under way at a time, so the journal always holds
the beginning of what was put in here. Once one failed nothing more is taken: it is not known what
the journal holds, and what comes later must not stand there without what came before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog

from iolaus.act.ports import Journal
from iolaus.act.standing import Standing
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, WeErred
from iolaus.model.rollout import Entry

log = structlog.get_logger(__name__)
LINGER_S: Final = 0.01
"""So long a note waits for company at most."""


class Interrupted(Exception):
    """The journal took no entry, or the lease is over: nothing more may be begun."""

    def __init__(self, cause: IolausError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Waiting(NamedTuple):
    """`written` None: nobody waits for it."""

    entries: tuple[Entry, ...]
    written: asyncio.Future[None] | None


class Outbox:
    """Of one plan. `on_kept` hears what is on disk now, as it was kept, with whether each entry was
    only noted; `on_broken` hears why nothing more is taken."""

    def __init__(
        self,
        journal: Journal,
        standing: Standing,
        clock: Clock,
        *,
        on_kept: Callable[[Sequence[tuple[Entry, bool]]], None],
        on_broken: Callable[[Interrupted], None],
    ) -> None:
        self._journal, self._standing, self._clock = journal, standing, clock
        self._on_kept, self._on_broken = on_kept, on_broken
        self._waiting: list[_Waiting] = []
        self._broken: Interrupted | None = None
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None

    @property
    def empty(self) -> bool:
        """Everything that was put in is on disk."""
        return not self._waiting and not _is_busy(self._writer)

    async def write(self, entries: Sequence[Entry]) -> None:
        """On disk when this returns, and all that was put in before it. Raises `Interrupted`."""
        if self._broken is not None:
            raise self._broken
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(tuple(entries), written))
        self._go()
        await written

    def note(self, entries: Sequence[Entry]) -> None:
        self._waiting.append(_Waiting(tuple(entries), None))
        if not _is_busy(self._timer):
            self._timer = asyncio.create_task(self._linger(), name="journal-notes")

    async def close(self) -> None:
        """Returns when all is on disk, or cannot be any more. Cancelled, it gives up."""
        if self._timer is not None:
            self._timer.cancel()
        if self._waiting and self._broken is None:
            self._go()
        if self._writer is not None:
            try:
                await asyncio.wait({self._writer})
            finally:
                self._writer.cancel()

    def _go(self) -> None:
        if not _is_busy(self._writer):
            self._writer = asyncio.create_task(self._write_all(), name="journal-outbox")

    async def _linger(self) -> None:
        await self._clock.sleep(LINGER_S)
        if self._waiting:
            self._go()

    async def _write_all(self) -> None:
        while self._waiting and self._broken is None:
            batch, self._waiting = self._waiting, []
            try:
                await self._commit(batch)
            except IolausError as error:
                self._break(Interrupted(error), batch)
            except Exception as error:  # supervised: the next term begins from the journal
                log.exception("journal_erred")
                self._break(Interrupted(_unforeseen(error, self._standing.lease.name)), batch)

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        entries = [entry for each in batch for entry in each.entries]
        kept = await self._journal.append(entries, lease=self._standing.lease)
        noted = (each.written is None for each in batch for _ in each.entries)
        self._on_kept(list(zip(kept, noted, strict=True)))
        for each in batch:
            if each.written is not None and not each.written.done():
                each.written.set_result(None)

    def _break(self, interrupted: Interrupted, batch: Sequence[_Waiting]) -> None:
        self._broken = interrupted
        waiting, self._waiting = self._waiting, []
        for each in (*batch, *waiting):
            if each.written is not None and not each.written.done():
                each.written.set_exception(interrupted)
                each.written.exception()  # whoever was to hear of it may be gone
        self._on_broken(interrupted)


def _is_busy(task: asyncio.Task[None] | None) -> bool:
    return task is not None and not task.done()


def _unforeseen(error: Exception, lease: str) -> WeErred:
    return WeErred(
        f"the journal failed ({type(error).__name__})",
        operation="append to the journal",
        subject=lease,
        code="JournalErred",
        next_step="the log says where; it goes on from what the journal holds.",
    )
