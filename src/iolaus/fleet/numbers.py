"""The numbers that a gate's expression may speak of, and those that a roll-out counts itself.

The others are of the hall and come with the `World` of a decision; one that is not there is
unknown, and unknown is not passed.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from iolaus.model.rollout import NodeProgress, NodeState, Progress

COUNTED: Final = ("nodes", "attempted", "done", "failed", "lost", "rolled_back", "skipped",
                  "waiting")  # fmt: skip
"""Of all nodes that the plan updates. `attempted` were begun; `failed` are those that did not end
well: failed, lost or rolled back."""
OF_WAVE: Final = ("unwell", "unattested")
"""Of the nodes of the present wave."""
OF_HALL: Final = ("critical_alarms", "alarms", "unhealthy", "unreachable", "inlet_c_max",
                  "coolant_c_max", "power_w", "leaks")  # fmt: skip
GATE_NAMES: Final = frozenset({*COUNTED, *OF_WAVE, *OF_HALL})


def counted(progress: Progress, uids: frozenset[str]) -> dict[str, float | None]:
    """The numbers of `COUNTED` over these nodes."""
    found = Counter(_state(progress, uid) for uid in uids)
    waiting, skipped = found[NodeState.WAITING], found[NodeState.SKIPPED]
    bad = sum(count for state, count in found.items() if state.bad)
    return {
        "nodes": len(uids),
        "attempted": len(uids) - waiting - skipped,
        "done": found[NodeState.DONE],
        "failed": bad,
        "lost": found[NodeState.LOST],
        "rolled_back": found[NodeState.ROLLED_BACK],
        "skipped": skipped,
        "waiting": waiting,
    }


def _state(progress: Progress, uid: str) -> NodeState:
    return progress.nodes.get(uid, NodeProgress(uid=uid)).state
