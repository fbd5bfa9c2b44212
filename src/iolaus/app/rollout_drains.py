"""The drains of roll-outs that are not over, read from their journals.

Each journal is read once and then only what was added to it, because lists are asked for often and
a large roll-out writes much.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from iolaus.fleet.drain.port import Drained, DrainPhase
from iolaus.model.plan import Plan, Verb
from iolaus.model.rollout import Entry, EntryKind
from iolaus.north.context import StandingDrain
from iolaus.store.drains import StoredDrains
from iolaus.store.journal import StoredJournal

ENDED: Final[Mapping[tuple[EntryKind, Verb], bool]] = {
    (EntryKind.DONE, Verb.DRAIN): True,
    (EntryKind.UNDO_DONE, Verb.UNDRAIN): True,
    (EntryKind.DONE, Verb.UNDRAIN): False,
    (EntryKind.UNDO_DONE, Verb.DRAIN): False,
}
"""What the end of a step says of its node: True, drained; False, given back."""


class OfPlan:
    """One roll-out's drains."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.last = plan, 0
        self._names = {node.uid: node.name for node in plan.nodes}
        self._verbs = {step.id: step.action.verb for node in plan.nodes for step in node.steps}
        self.found: dict[str, StandingDrain] = {}

    def add(self, entries: Iterable[Entry]) -> None:
        """In their order; what is known already says nothing new."""
        for entry in entries:
            if entry.number <= self.last:
                continue
            self.last = entry.number
            receipt = entry.doc.get("receipt") or {}
            if entry.kind is EntryKind.SENT and entry.node and "drained" in receipt:
                self.found[entry.node] = self._begun(entry.node, receipt["drained"])
            elif (verb := self._verbs.get(entry.step or "")) is not None and entry.node:
                self._ended(entry.node, ENDED.get((entry.kind, verb)), entry.at)

    def _begun(self, uid: str, receipt: Mapping[str, Any]) -> StandingDrain:
        drained = msgspec.convert(receipt, Drained)
        return StandingDrain(
            uid=uid,
            node=self._names[uid],
            adapter=drained.adapter,
            reason=f"baseline {self.plan.baseline}" if self.plan.baseline else "a plan",
            mark=drained.reason,
            by=f"rollout/{self.plan.id}",
            at=drained.at,
            phase=DrainPhase.DRAINING.value,
            since=drained.at,
        )

    def _ended(self, uid: str, drained: bool | None, at: float) -> None:
        if drained is False:
            self.found.pop(uid, None)
        elif drained and uid in self.found:
            phase = DrainPhase.DRAINED.value
            self.found[uid] = msgspec.structs.replace(self.found[uid], phase=phase, since=at)


class RolloutDrains:
    """Of all roll-outs in a journal that are not over."""

    def __init__(self, journal: StoredJournal) -> None:
        self._journal = journal
        self._plans: dict[str, OfPlan] = {}

    def hear(self, plan: str, entries: Sequence[Entry]) -> None:
        """What was journalled just now, so that it need not be read."""
        known = self._plans.get(plan)
        if known is not None and entries and entries[0].number == known.last + 1:
            known.add(entries)

    def of(self, uid: str) -> tuple[str, ...]:
        """The roll-outs that have a node drained, as of what was heard and last read."""
        plans = self._plans.values()
        return tuple(each.found[uid].by for each in plans if uid in each.found)

    async def all(self) -> list[StandingDrain]:
        due = [each.plan for each in await self._journal.agenda()]
        self._plans = {id_: each for id_, each in self._plans.items() if id_ in due}
        for id_ in due:
            known = self._plans.get(id_)
            if known is None:
                known = self._plans[id_] = OfPlan(await self._journal.plan(id_))
            known.add(await self._journal.entries(id_, after=known.last))
        return [drain for each in self._plans.values() for drain in each.found.values()]


class WhoDrained:
    """Who has a node drained through here: people as they were last looked up, roll-outs as they
    are heard."""

    def __init__(self, kept: StoredDrains, going: RolloutDrains) -> None:
        self._kept, self._going = kept, going
        self._people: Mapping[str, str] | None = None

    async def look(self) -> bool:
        """Whether that changed anything."""
        await self._going.all()
        people = {each.uid: each.by for each in await self._kept.all()}
        changed = people != self._people
        self._people = people
        return changed

    def of(self, uid: str) -> tuple[str, ...] | None:
        """By their names, a roll-out's as `rollout/ID`; None: nobody looked yet."""
        if self._people is None:
            return None
        person = self._people.get(uid)
        return (*((person,) if person is not None else ()), *self._going.of(uid))
