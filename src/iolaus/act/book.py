"""A roll-out under way: its plan, its account, and the journal that is written before both.

What the journal does not take did not happen as far as anyone is concerned: whoever wrote it stops
there (`Interrupted`), and the roll-out goes on from the journal as after a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from iolaus.act.entries import Said, entry
from iolaus.act.fold import Account
from iolaus.act.ports import Journal
from iolaus.act.standing import Standing
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.plan import NodePlan, Plan
from iolaus.model.rollout import Entry, EntryKind, NodeState, Progress, RolloutState

OnChange = Callable[[str, tuple[Entry, ...]], None]
"""A plan's id and what was just journalled."""


class Interrupted(Exception):
    """The journal took no entry, or the lease is over: nothing more may be begun."""

    def __init__(self, cause: IolausError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Book:
    """`tasks` are the nodes that are being worked on, by uid."""

    def __init__(
        self,
        plan: Plan,
        account: Account,
        *,
        journal: Journal,
        standing: Standing,
        clock: Clock,
        on_change: OnChange,
    ) -> None:
        self.plan, self.account, self.id = plan, account, account.plan
        self.nodes: Mapping[str, NodePlan] = {node.uid: node for node in plan.nodes}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.approved: Mapping[str, tuple[str, ...]] | None = None
        self.holds: Mapping[str, str] = {}
        self._journal, self._standing, self._clock = journal, standing, clock
        self._on_change = on_change

    def progress(self) -> Progress:
        return self.account.progress(self.approved)

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
        """Durable when this returns, and in the account. Raises `Interrupted`."""
        try:
            kept = await self._journal.append(entries, lease=self._standing.lease)
        except IolausError as error:
            raise Interrupted(error) from error
        for each in kept:
            self.account.add(each)
        self._on_change(self.id, kept)

    def check(self) -> None:
        """Raises `Interrupted` when nothing may be begun any more."""
        try:
            self._standing.check()
        except IolausError as error:
            raise Interrupted(error) from error
