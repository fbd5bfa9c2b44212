"""The numbers that a gate's expression may speak of, and those that a roll-out counts itself.

The others are of the hall and come with the `World` of a decision; one that is not there is
unknown, and unknown is not passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from iolaus.model.rollout import NodeState

COUNTED: Final = ("nodes", "attempted", "done", "failed", "lost", "rolled_back", "skipped",
                  "waiting")  # fmt: skip
"""Of all nodes that the plan updates. `attempted` were begun; `failed` are those that did not end
well: failed, lost or rolled back."""
OF_WAVE: Final = ("unwell", "unattested")
"""Of the nodes of the present wave."""
OF_HALL: Final = ("critical_alarms", "alarms", "unhealthy", "unreachable", "inlet_c_max",
                  "coolant_c_max", "power_w", "leaks")  # fmt: skip
GATE_NAMES: Final = frozenset({*COUNTED, *OF_WAVE, *OF_HALL})


def counted(found: Mapping[NodeState, int]) -> dict[str, float | None]:
    """The numbers of `COUNTED` over nodes of which so many are in each state."""
    many = {state: found.get(state, 0) for state in NodeState}
    waiting, skipped, nodes = many[NodeState.WAITING], many[NodeState.SKIPPED], sum(many.values())
    return {
        "nodes": nodes,
        "attempted": nodes - waiting - skipped,
        "done": many[NodeState.DONE],
        "failed": sum(count for state, count in many.items() if state.bad),
        "lost": many[NodeState.LOST],
        "rolled_back": many[NodeState.ROLLED_BACK],
        "skipped": skipped,
        "waiting": waiting,
    }
