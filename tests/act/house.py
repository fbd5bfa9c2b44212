"""Processes that share a hall and a database: started, watched, frozen, killed and started again.

A killed process is cut at a point: from then on nothing that it awaits ever comes back, so neither
its journal nor its hands nor its lease notice that it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from iolaus.act.conduct import Conductor
from iolaus.act.fold import fold
from iolaus.act.looking import Pace
from iolaus.act.term import Decide, Rules
from iolaus.kernel.clock import JumpClock
from iolaus.model.plan import Plan
from iolaus.model.rollout import Entry, Progress
from iolaus.store.database import Database
from iolaus.store.journal import StoredJournal
from iolaus.store.lease import Lease, StoredLeases
from tests.act.deciding import decide
from tests.act.hall import Hall, never

HOUR = 3600.0
_HOLDERS = count(1)


class Cut:
    """Ends a process at its `at`-th point (never, unless it is given)."""

    def __init__(self, at: int = 0) -> None:
        self.at, self.count, self.where = at, 0, ""
        self.hit = asyncio.Event()

    async def point(self, where: str) -> None:
        self.count += 1
        if self.count == self.at:
            self.where = where
            self.hit.set()
        if self.hit.is_set():
            await never()


class CutJournal(StoredJournal):
    def __init__(self, database: Database, cut: Cut, *, clock: JumpClock) -> None:
        super().__init__(database, clock=clock, here=True)
        self._cut = cut

    async def append(self, entries: Sequence[Entry], *, lease: Lease) -> tuple[Entry, ...]:
        what = ", ".join(entry.kind.value for entry in entries)
        await self._cut.point(f"before {what}")
        kept = await super().append(entries, lease=lease)
        await self._cut.point(f"after {what}")
        return kept


class CutLeases(StoredLeases):
    def __init__(self, database: Database, cut: Cut) -> None:
        super().__init__(database, here=True)
        self._cut = cut

    async def renew(self, lease: Lease, ttl_s: float, now: float) -> Lease | None:
        if self._cut.hit.is_set():
            await never()
        return await super().renew(lease, ttl_s, now)

    async def release(self, lease: Lease) -> None:
        if not self._cut.hit.is_set():
            await super().release(lease)


class Process:
    """A conductor with a database connection of its own."""

    def __init__(
        self,
        where: Path | str,
        hall: Hall,
        *,
        cut: Cut | None = None,
        decide: Decide = decide,
        budgets: Mapping[str, int] | None = None,
        connect: Any = None,
        rules: Rules | None = None,
        journal: type[CutJournal] = CutJournal,
    ) -> None:
        self.database = Database(where, connect=connect)
        self.database.open()
        self.hall, self.clock, self.cut = hall, hall.clock, cut or Cut()
        self.journal = journal(self.database, self.cut, clock=self.clock)
        self.leases = CutLeases(self.database, self.cut)
        self.hands = hall.hands(self.cut.point)
        self.entries: list[Entry] = []
        self.conductor = Conductor(
            journal=self.journal,
            leases=self.leases,
            hands=self.hands,
            clock=self.clock,
            decide=decide,
            world=lambda plan: None,
            holder=f"process-{next(_HOLDERS)}",
            rules=rules or Rules(budgets=budgets or {}, pace=Pace(grace_s=30.0)),
            on_change=lambda plan, entries: self.entries.extend(entries),
        )
        self._task: asyncio.Task[None] | None = None

    async def apply(self, plan: Plan) -> None:
        await self.journal.put_plan(plan)
        await self.journal.ask(plan.id, "apply", "ann", self.clock.now())

    async def ask(self, plan: Plan, what: str) -> None:
        await self.journal.ask(plan.id, what, "ann", self.clock.now())
        self.conductor.wake()

    def start(self) -> None:
        self._task = asyncio.create_task(self.conductor.run())

    async def stop(self) -> None:
        """Ends it; what it had begun is left as it is."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._task = None
        self.database.close()

    async def progress(self, plan: Plan) -> Progress:
        """As the journal says it."""
        return fold(plan, await self.journal.entries(plan.id))

    async def until(
        self, plan: Plan, *states: str, for_s: float = 48 * HOUR, every_s: float = 5.0
    ) -> Progress:
        """Wait for one of these states of the roll-out (by default: until it is over)."""
        due = self.clock.monotonic() + for_s
        while self.clock.monotonic() < due and not self.cut.hit.is_set():
            kept = {each.id: each.state for each in await self.journal.plans()}
            if kept[plan.id] in (states or ("done", "aborted", "undone")):
                return await self.progress(plan)
            await self.clock.sleep(every_s)
        return await self.progress(plan)

    async def run(self, plan: Plan, *states: str, for_s: float = 48 * HOUR) -> Progress:
        """Apply, run and stop."""
        await self.apply(plan)
        self.start()
        try:
            return await self.until(plan, *states, for_s=for_s)
        finally:
            await self.stop()
