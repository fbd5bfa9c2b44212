"""Who waits for a person: nodes whose last recovery ended, and who are not back.

What a journal says of it outlives us; what ends it is the judge's word that the node is well, a
recovery that brought it back, or nothing. A node that was never recovered waits for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from iolaus.model.endpoint import Condition
from iolaus.model.plan import Verb
from iolaus.model.reach import Verdict
from iolaus.model.recovery import RungName
from iolaus.model.rollout import Entry, EntryKind, NodeState
from iolaus.recovery.ladder import IS_BACK, WORDS_OF
from iolaus.recovery.tried import NEED

TYPE: Final = "Recovery"
MINE: Final = frozenset({Verb.GATHER.value, Verb.RECOVER.value})
WELL: Final = frozenset({Verdict.WELL, Verdict.SUPPLY_FAILED})
HELD: Final = frozenset({RungName.HOLD_OFF.value, RungName.ISOLATE.value})
_LOOKS: Final = tuple(f"{word}: " for word in (IS_BACK, *WORDS_OF.values()))
_PARTS: Final[Mapping[str, RungName]] = {
    "outlet-off": RungName.OUTLET, "insert-media": RungName.RESCUE, "boot-once": RungName.RESCUE,
    "never-by-itself": RungName.HOLD_OFF, "cut-off": RungName.HOLD_OFF,
}  # fmt: skip
"""Steps by which a rung of several begins."""


class Waits(NamedTuple):
    """Since when, in which plan, and why; `over` once nobody is waited for. `rungs` are those that
    were begun; `holds`: it was to be held off, and not brought back."""

    plan: str
    since: float
    why: str
    over: bool
    rungs: tuple[str, ...] = ()
    holds: bool = False


class Persons:
    """By uid, from journals in any order of plans."""

    def __init__(self) -> None:
        self._plans: set[str] = set()
        self._waits: dict[str, Waits] = {}
        self._rungs: dict[tuple[str, str], dict[str, None]] = {}

    def hear(self, plan: str, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.kind is EntryKind.STARTED and entry.doc.get("verb") in MINE:
                self._plans.add(plan)
                self._begun(plan, entry)
            if entry.kind is EntryKind.NODE_STATE and plan in self._plans and entry.node:
                self._ended(plan, entry.node, entry)

    def _begun(self, plan: str, entry: Entry) -> None:
        if rung := rung_of(str(entry.doc.get("subject", ""))):
            self._rungs.setdefault((plan, entry.node or ""), {})[rung] = None

    def _ended(self, plan: str, uid: str, entry: Entry) -> None:
        state, before = NodeState(entry.doc["state"]), self._waits.get(uid)
        if not state.over:
            return
        rungs = tuple(self._rungs.pop((plan, uid), ()))
        if before is not None and before.since > entry.at:
            return
        over, holds = state is NodeState.DONE, not HELD.isdisjoint(rungs)
        if not over or holds or before is not None:
            why = str(entry.doc.get("reason", ""))
            self._waits[uid] = Waits(plan, entry.at, why, over, rungs, holds)

    def condition(self, uid: str, verdict: Verdict | None) -> Condition | None:
        """ "Recovery" of a node; None where none of it ever ended without it."""
        found = self._waits.get(uid)
        if found is None:
            return None
        if found.over and found.holds and verdict is Verdict.COMPROMISED:
            return _held(found)
        if found.over or verdict in WELL:
            told = "it is back"
            return Condition(type=TYPE, status="True", reason="Back", message=told, next_step="")
        why, told, need = found.why.partition(NEED)
        step = need if told else "see what was tried"
        return Condition(
            type=TYPE,
            status="False",
            reason="NeedsPerson",
            message=f"{_tried(found)}: {_reason(why)}",
            next_step=f"{step.rstrip('.')}; what was tried: iolaus describe recovery/{found.plan}",
            since=found.since,
        )


def rung_of(word: str) -> str:
    """The rung that a step is part of, by what it does; "" for one of none."""
    if word in list(RungName):
        return word
    return next((rung.value for part, rung in _PARTS.items() if word == part), "")


def _held(found: Waits) -> Condition:
    how = "held off" if RungName.HOLD_OFF in found.rungs else "cut off from its networks"
    return Condition(
        type=TYPE,
        status="True",
        reason="HeldOff",
        message=f"it is {how} (recovery/{found.plan}); nothing here starts it again",
        next_step="look into it by what was saved before: iolaus bundle NAME",
        since=found.since,
    )


def _tried(found: Waits) -> str:
    what = "it is not held off" if found.holds else "it is not back"
    rungs = [each for each in found.rungs if each not in HELD]
    return f"{what} after {', '.join(rungs)}" if rungs else what


def _reason(why: str) -> str:
    """Without the words of the step that looked for it."""
    text = why.strip().rstrip(".")
    return next((text.removeprefix(word) for word in _LOOKS if text.startswith(word)), text)
