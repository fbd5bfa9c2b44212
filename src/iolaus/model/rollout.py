"""How a plan fares: the state of each node and of the roll-out, folded from the journal.

Nothing here is kept beside the journal: a progress is what the journal's entries add up to, so a
process that was killed and one that was not see the same. What to start next is decided purely
from a plan, its progress, what is seen of the hall and the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

import msgspec


class RolloutState(StrEnum):
    WAITING = "waiting"
    """For approvals."""
    RUNNING = "running"
    PAUSED = "paused"
    ABORTING = "aborting"
    """Nothing new starts; what runs is let finish its step, then undone where that can be."""
    UNDOING = "undoing"
    DONE = "done"
    ABORTED = "aborted"
    UNDONE = "undone"

    @property
    def over(self) -> bool:
        return self in (RolloutState.DONE, RolloutState.ABORTED, RolloutState.UNDONE)


class NodeState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    """A step did not come true; the node is as the step left it, and answers."""
    LOST = "lost"
    """No answer after a change: it consumed the brick budget, and a person must look."""
    SKIPPED = "skipped"

    @property
    def over(self) -> bool:
        return self not in (NodeState.WAITING, NodeState.RUNNING, NodeState.ROLLING_BACK)

    @property
    def bad(self) -> bool:
        return self in (NodeState.FAILED, NodeState.LOST, NodeState.ROLLED_BACK)


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What was read afresh: whether all that was expected is so. `seen` has a value for every
    subject that could be read; `detail` says what is different or unknown, in words for a person.
    `answered`: the device said something. `held_s`: nobody was asked, because another login that
    fails might lock an account; so many seconds until one may be tried."""

    verdict: Literal["met", "unmet", "unknown"]
    seen: Mapping[str, Any] = {}
    detail: str = ""
    answered: bool = True
    held_s: float = 0.0


class EntryKind(StrEnum):
    """What an entry of the journal says. Step entries carry node and step; node entries the node;
    the others neither."""

    PLAN_STATE = "plan-state"
    WAVE = "wave"
    """A wave began, or its soak did ("began", "soaking", "passed")."""
    NODE_STATE = "node-state"
    STARTED = "started"
    """Before the effect: what was seen, and which attempt it is. Nothing is sent without it."""
    SENT = "sent"
    """The device's receipt."""
    ESCALATED = "escalated"
    DONE = "done"
    """What was read back."""
    FAILED = "failed"
    UNDO_STARTED = "undo-started"
    UNDO_DONE = "undo-done"
    UNDO_FAILED = "undo-failed"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal. `number` grows within a plan; `epoch` is the lease under which it
    was written; `doc` is JSON and holds no secret."""

    plan: str
    number: int
    kind: EntryKind
    at: float
    epoch: int
    node: str | None = None
    step: str | None = None
    doc: Mapping[str, Any] = {}


class NodeProgress(msgspec.Struct, frozen=True, kw_only=True):
    """`step` is the one under way or the last; `reason` what a person must know or do."""

    uid: str
    state: NodeState = NodeState.WAITING
    step: str | None = None
    steps_done: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    unwound: bool = False
    """A roll back was begun once; none is begun again by itself."""


class WaveProgress(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is "waiting", "began", "soaking" or "passed"; `since` when it became so."""

    name: str
    state: str = "waiting"
    since: float | None = None


class Turned(dict[str, NodeProgress]):
    """Nodes by uid, and in `turns` whose progress was set, in order: who follows a roll-out looks
    at those that came since and not at all of them again."""

    __slots__ = ("turns",)

    def __init__(self, nodes: Mapping[str, NodeProgress]) -> None:
        super().__init__(nodes)
        self.turns: list[str] = []

    def __setitem__(self, uid: str, node: NodeProgress) -> None:
        super().__setitem__(uid, node)
        self.turns.append(uid)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """A roll-out as of its last journal entry."""

    plan: str
    state: RolloutState
    reason: str = ""
    nodes: Mapping[str, NodeProgress] = {}
    waves: tuple[WaveProgress, ...] = ()
    budgets: Mapping[str, int] = {}
    """How much of each budget was used ("bricks", "reset-manager", "ac-cycle" ...)."""
    approved: Mapping[str, tuple[str, ...]] = {}
    """Who approved it, and the groups in whose name."""
    since: float = 0.0
    last: int = 0
    """The number of the last entry; 0 when there is none."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now: node uids to start or to roll back, waves to mark, and the roll-out's next
    state (None: as it is). `holds` says per node or for all ("") why it waits; `wake_s` when to
    ask again at the latest."""

    start: tuple[str, ...] = ()
    roll_back: tuple[str, ...] = ()
    skip: Mapping[str, str] = {}
    waves: tuple[WaveProgress, ...] = ()
    state: RolloutState | None = None
    reason: str = ""
    holds: Mapping[str, str] = {}
    wake_s: float = 5.0
