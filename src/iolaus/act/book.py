"""A roll-out under way: its plan, its account, and the journal that is written before any effect.

Two kinds of entries are told apart. What stands before an effect is written: it is on disk before
anything is done. What was seen is noted: the account has it at once, and the disk has it with the
next entry that is written or a few milliseconds later, because losing it costs no more than another
look. Notes go first, so the disk always holds the beginning of what happened, and all of it up to
the last effect; and nobody is told of a note before it is there, too.

What the journal does not take did not happen as far as anyone is concerned: whoever wrote it stops
there (`Interrupted`), and the roll-out goes on from the journal as after a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from iolaus.act.entries import Said, entry
from iolaus.act.fold import Account
from iolaus.act.outbox import Interrupted, Outbox
from iolaus.act.ports import Journal
from iolaus.act.standing import Standing
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.plan import NodePlan, Plan
from iolaus.model.rollout import Entry, EntryKind, NodeState, Progress, RolloutState

OnChange = Callable[[str, tuple[Entry, ...]], None]
"""A plan's id and what was just journalled: it is on disk."""


class Book:
    """`tasks` are the nodes that are being worked on, by uid. `on_broken` hears of notes that the
    journal did not take."""

    def __init__(
        self,
        plan: Plan,
        account: Account,
        *,
        journal: Journal,
        standing: Standing,
        clock: Clock,
        on_change: OnChange,
        on_broken: Callable[[Interrupted], None],
    ) -> None:
        self.plan, self.account, self.id = plan, account, account.plan
        self.nodes: Mapping[str, NodePlan] = {node.uid: node for node in plan.nodes}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.approved: Mapping[str, tuple[str, ...]] | None = None
        self.holds: Mapping[str, str] = {}
        self._standing, self._clock, self._on_change = standing, clock, on_change
        self._outbox = Outbox(journal, standing, clock, on_kept=self._kept, on_broken=on_broken)

    def progress(self) -> Progress:
        return self.account.progress(self.approved)

    def following(self) -> Progress:
        """For a decision that is made at once."""
        return self.account.following(self.approved)

    @property
    def running(self) -> bool:
        """New steps may begin."""
        return self.account.state is RolloutState.RUNNING

    def state_of(self, uid: str) -> NodeState:
        return self.account.nodes[uid].state

    def entry(
        self, kind: EntryKind, said: Said, *, node: str | None = None, step: str | None = None
    ) -> Entry:
        return entry(self.id, kind, said, at=self._clock.now(), node=node, step=step)

    async def write(self, *entries: Entry) -> None:
        """On disk when this returns, after all that was noted before, and in the account. Raises
        `Interrupted`."""
        await self._outbox.write(entries)

    def note(self, *entries: Entry) -> None:
        """In the account at once, and on disk before anything that is written later. For what was
        seen: nobody may act on it alone, nor be told of it as done."""
        for each in entries:
            self.account.note(each)
        self._outbox.note(entries)

    async def progress_on_disk(self) -> Progress:
        """As it stands now, once all of it is on disk. Raises `Interrupted`."""
        progress = self.progress()
        if not self._outbox.empty:
            await self._outbox.write(())
        return progress

    async def close(self) -> None:
        """Returns when what was noted is on disk, or cannot be."""
        await self._outbox.close()

    def _kept(self, kept: Sequence[tuple[Entry, bool]]) -> None:
        for each, noted in kept:
            if not noted:
                self.account.add(each)
        if kept:
            count = sum(noted for _, noted in kept)
            self.account.number(kept[-1][0].number, noted=count)
            self._on_change(self.id, tuple(each for each, _ in kept))

    def check(self) -> None:
        """Raises `Interrupted` when nothing may be begun any more."""
        try:
            self._standing.check()
        except IolausError as error:
            raise Interrupted(error) from error
