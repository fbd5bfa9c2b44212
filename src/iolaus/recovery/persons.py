"""Who waits for a person: nodes whose last recovery ended, and who are not back.

What a journal says of it outlives us; what ends it is the judge's word that the node is well, a
recovery that brought it back, or nothing. A node that was never recovered waits for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from iolaus.model.endpoint import Condition
from iolaus.model.plan import Verb
from iolaus.model.reach import Verdict
from iolaus.model.rollout import Entry, EntryKind, NodeState

TYPE: Final = "Recovery"
MINE: Final = frozenset({Verb.GATHER.value, Verb.RECOVER.value})
WELL: Final = frozenset({Verdict.WELL, Verdict.SUPPLY_FAILED})
_TOLD: Final = "A person is needed: "


class Waits(NamedTuple):
    """Since when, in which plan, and why; `back` once that is over."""

    plan: str
    since: float
    why: str
    back: bool


class Persons:
    """By uid, from journals in any order of plans."""

    def __init__(self) -> None:
        self._plans: set[str] = set()
        self._waits: dict[str, Waits] = {}

    def hear(self, plan: str, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.kind is EntryKind.STARTED and entry.doc.get("verb") in MINE:
                self._plans.add(plan)
            if entry.kind is EntryKind.NODE_STATE and plan in self._plans and entry.node:
                self._ended(plan, entry.node, entry)

    def _ended(self, plan: str, uid: str, entry: Entry) -> None:
        state, before = NodeState(entry.doc["state"]), self._waits.get(uid)
        if not state.over or (before is not None and before.since > entry.at):
            return
        back = state is NodeState.DONE
        if not back or before is not None:
            self._waits[uid] = Waits(plan, entry.at, str(entry.doc.get("reason", "")), back)

    def condition(self, uid: str, verdict: Verdict | None) -> Condition | None:
        """ "Recovery" of a node; None where none of it ever ended without it."""
        found = self._waits.get(uid)
        if found is None:
            return None
        if found.back or verdict in WELL:
            told = "it is back"
            return Condition(type=TYPE, status="True", reason="Back", message=told, next_step="")
        why, told, need = found.why.partition(_TOLD)
        step = need if told else "see what was tried"
        return Condition(
            type=TYPE,
            status="False",
            reason="NeedsPerson",
            message=f"{why.strip().rstrip('.')} (plan {found.plan})",
            next_step=f"{step.rstrip('.')}: iolaus describe plan/{found.plan}",
            since=found.since,
        )
