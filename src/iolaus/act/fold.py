"""From the journal's entries to how a roll-out fares. Pure, and the only memory of execution.

Executing and resuming both ask an `Account` what was begun and what became of it, so the path
after a crash is the path that is always taken. An account is kept entry by entry (a roll-out of
ten thousand nodes writes a hundred thousand); folding the whole journal gives the same.

A step is pursued at most twice, forth and back; each pursuit is a `Pass` through the phases of
one table. An entry that the table does not know changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from iolaus.act.entries import (
    Began,
    Ended,
    NodeSaid,
    PlanSaid,
    Sent,
    WaveSaid,
    said_in,
)
from iolaus.model.plan import Fate, Json, Plan
from iolaus.model.rollout import (
    Entry,
    EntryKind,
    NodeProgress,
    NodeState,
    Progress,
    RolloutState,
    Turned,
    WaveProgress,
)

BRICKS: Final = "bricks"
NOT_APPLIED: Final = "it was not applied yet"


class Way(StrEnum):
    """A step is taken forth, and back when it is undone."""

    FORTH = "forth"
    BACK = "back"


class Phase(StrEnum):
    FRESH = "fresh"
    """Nothing was begun."""
    OPEN = "open"
    """Begun; it is not known whether it took effect."""
    SENT = "sent"
    """The device took it."""
    REFUSED = "refused"
    """The device said no: it took no effect."""
    DONE = "done"
    FAILED = "failed"

    @property
    def begun(self) -> bool:
        """Something may be under way at the device."""
        return self in (Phase.OPEN, Phase.SENT, Phase.REFUSED)


class Event(StrEnum):
    BEGUN = "begun"
    RECEIPT = "receipt"
    REFUSED = "refused"
    SILENT = "silent"
    DONE = "done"
    FAILED = "failed"


_ENDS: Final = {Event.DONE: Phase.DONE, Event.FAILED: Phase.FAILED}
NEXT: Final[Mapping[Phase, Mapping[Event, Phase]]] = {
    Phase.FRESH: {Event.BEGUN: Phase.OPEN, **_ENDS},
    Phase.OPEN: {
        Event.BEGUN: Phase.OPEN,
        Event.RECEIPT: Phase.SENT,
        Event.REFUSED: Phase.REFUSED,
        Event.SILENT: Phase.OPEN,
        **_ENDS,
    },
    Phase.SENT: {Event.BEGUN: Phase.OPEN, **_ENDS},
    Phase.REFUSED: {Event.BEGUN: Phase.OPEN, **_ENDS},
    Phase.DONE: {},
    Phase.FAILED: {},
}

_EVENTS: Final[Mapping[EntryKind, tuple[Way, Event]]] = {
    EntryKind.STARTED: (Way.FORTH, Event.BEGUN),
    EntryKind.ESCALATED: (Way.FORTH, Event.BEGUN),
    EntryKind.DONE: (Way.FORTH, Event.DONE),
    EntryKind.FAILED: (Way.FORTH, Event.FAILED),
    EntryKind.UNDO_STARTED: (Way.BACK, Event.BEGUN),
    EntryKind.UNDO_DONE: (Way.BACK, Event.DONE),
    EntryKind.UNDO_FAILED: (Way.BACK, Event.FAILED),
}
"""SENT tells its way and its event in its document."""


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One pursuit of a step. `attempt` counts everything that was begun (0: nothing), `sends`
    the action itself without passing refusals, `escalated` the rungs; `on_rung`: the last thing
    begun was a rung; `taken`: one that was begun before it was not refused; `held`: the last one
    was held back by ourselves. Times are seconds since 1970."""

    phase: Phase = Phase.FRESH
    attempt: int = 0
    sends: int = 0
    refusals: int = 0
    escalated: int = 0
    on_rung: bool = False
    taken: bool = False
    begun_at: float = 0.0
    refused_since: float | None = None
    wait_s: float = 0.0
    held: bool = False
    baseline: Mapping[str, Json] = {}
    reason: str = ""
    silent: bool = False

    @property
    def uncertain(self) -> bool:
        """Something that was begun may have taken effect, or still may."""
        return self.taken or self.phase in (Phase.OPEN, Phase.SENT)


FRESH: Final = Pass()


class Account:
    """What the entries so far add up to. Raises `WeErred` for an entry that cannot be read."""

    def __init__(self, plan: Plan, entries: Iterable[Entry] = ()) -> None:
        self.plan = plan.id
        self.state, self.reason, self.since = RolloutState.WAITING, NOT_APPLIED, 0.0
        self.applied = self.paused_by_word = False
        self.heard = self.last = self._noted = 0
        self.nodes = Turned(
            {each.uid: _waiting(each.uid, each.fate, each.reason) for each in plan.nodes}
        )
        self.waves = {wave.name: WaveProgress(name=wave.name) for wave in plan.waves}
        self.budgets: Counter[str] = Counter()
        self.active: dict[str, None] = {}
        self.into: dict[str, NodeState] = {}
        self._passes: dict[tuple[str, Way], Pass] = {}
        for entry in entries:
            self.add(entry)

    def passed(self, step: str, way: Way) -> Pass:
        return self._passes.get((step, way), FRESH)

    def progress(self, approved: Mapping[str, tuple[str, ...]] | None = None) -> Progress:
        """As of now; it does not change when entries are added."""
        return self._progress(dict(self.nodes), approved)

    def following(self, approved: Mapping[str, tuple[str, ...]] | None = None) -> Progress:
        """The same for whoever decides at once: its nodes (a `Turned`) go on changing."""
        return self._progress(self.nodes, approved)

    def _progress(
        self,
        nodes: Mapping[str, NodeProgress],
        approved: Mapping[str, tuple[str, ...]] | None,
    ) -> Progress:
        return Progress(
            plan=self.plan,
            state=self.state,
            reason=self.reason,
            nodes=nodes,
            waves=tuple(self.waves.values()),
            budgets=dict(self.budgets),
            approved=approved or {},
            since=self.since,
            last=self.last + self._noted,
        )

    def add(self, entry: Entry) -> None:
        said = said_in(entry)
        self.last = max(self.last, entry.number)
        if isinstance(said, PlanSaid):
            self._of_plan(said, entry.at)
        elif isinstance(said, WaveSaid):
            if said.name in self.waves:
                wave = WaveProgress(name=said.name, state=said.state, since=entry.at)
                self.waves[said.name] = wave
        elif isinstance(said, NodeSaid):
            self._of_node(entry.node or "", said, entry.at)
        else:
            self._of_step(entry, said)

    def note(self, entry: Entry) -> None:
        """One that gets its number later."""
        self.add(entry)
        self._noted += 1

    def number(self, last: int, *, noted: int) -> None:
        """So many of those that were noted have their number; `last` is the highest given."""
        self._noted -= noted
        self.last = max(self.last, last)

    def _of_plan(self, said: PlanSaid, at: float) -> None:
        self.heard = max(self.heard, said.intent or 0)
        if said.state is None or said.ignored:
            return
        if said.state is not self.state or not self.applied:
            self.since = at
        self.state, self.reason, self.applied = said.state, said.reason, True
        self.paused_by_word = said.state is RolloutState.PAUSED and said.intent is not None

    def _of_node(self, uid: str, said: NodeSaid, at: float) -> None:
        node = self.nodes.get(uid)
        if node is None:
            return
        if said.state is NodeState.LOST and node.state is not NodeState.LOST:
            self.budgets[BRICKS] += 1
        self.active.pop(uid, None)
        if not said.state.over:
            self.active[uid] = None
        if said.into is not None:
            self.into[uid] = said.into
        self.nodes[uid] = NodeProgress(
            uid=uid,
            state=said.state,
            step=node.step,
            steps_done=node.steps_done,
            started_at=at if node.started_at is None else node.started_at,
            ended_at=at if said.state.over else None,
            reason=said.reason,
            unwound=node.unwound or said.state is NodeState.ROLLING_BACK,
        )

    def _of_step(self, entry: Entry, said: object) -> None:
        way, event = _event(entry, said)
        key = entry.step or "", way
        before = self._passes.get(key, FRESH)
        phase = NEXT[before.phase].get(event)
        if phase is None:
            return
        self._passes[key] = _moved(before, phase, entry, said)
        if isinstance(said, Began) and said.budget:
            self.budgets[said.budget] += 1
        self._note(entry, done=phase is Phase.DONE, way=way)

    def _note(self, entry: Entry, *, done: bool, way: Way) -> None:
        node = self.nodes.get(entry.node or "")
        if node is None:
            return
        more = (1 if way is Way.FORTH else -1) if done else 0
        count = max(0, node.steps_done + more)
        if (node.step, node.steps_done) != (entry.step, count):
            changed = msgspec.structs.replace(node, step=entry.step, steps_done=count)
            self.nodes[node.uid] = changed


def fold(
    plan: Plan, entries: Iterable[Entry], approved: Mapping[str, tuple[str, ...]] | None = None
) -> Progress:
    """How the plan fares by these entries. Raises `WeErred` for one that cannot be read."""
    return Account(plan, entries).progress(approved)


def _waiting(uid: str, fate: Fate, reason: str) -> NodeProgress:
    if fate is Fate.UPDATE:
        return NodeProgress(uid=uid)
    return NodeProgress(uid=uid, state=NodeState.SKIPPED, reason=reason or fate.value)


def _event(entry: Entry, said: object) -> tuple[Way, Event]:
    if isinstance(said, Sent):
        return Way.BACK if said.undo else Way.FORTH, Event(said.outcome)
    return _EVENTS[entry.kind]


def _moved(before: Pass, phase: Phase, entry: Entry, said: object) -> Pass:
    if isinstance(said, Began):
        rung = entry.kind is EntryKind.ESCALATED
        return msgspec.structs.replace(
            before,
            phase=phase,
            attempt=said.attempt,
            sends=before.sends + (not rung),
            escalated=before.escalated + rung,
            on_rung=rung,
            taken=before.uncertain,
            begun_at=entry.at,
            baseline=before.baseline if before.attempt else said.seen,
        )
    if isinstance(said, Sent):
        return _answered(before, phase, entry.at, said)
    if isinstance(said, Ended):
        return msgspec.structs.replace(before, phase=phase, reason=said.reason, silent=said.silent)
    return before


def _answered(before: Pass, phase: Phase, at: float, said: Sent) -> Pass:
    if phase is not Phase.REFUSED:
        return msgspec.structs.replace(
            before, phase=phase, reason=said.detail, refusals=0, refused_since=None
        )
    counted = before.sends - (said.passing and not before.on_rung)
    anew = before.refused_since is None or (before.held and not said.held)
    return msgspec.structs.replace(
        before,
        phase=phase,
        sends=counted,
        refusals=1 if anew else before.refusals + 1,
        refused_since=at if anew else before.refused_since,
        wait_s=said.wait_s,
        held=said.held,
        reason=said.detail,
    )
