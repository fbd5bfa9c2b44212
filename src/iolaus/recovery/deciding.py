"""What to do next in a recovery under way. Pure; asked as often as anybody likes.

Whoever waits begins at once, as many together as the plan says, but for two reasons: the rack
turned out to be the trouble since the plan was made, or another recovery is at work in the same
rack on as many nodes as may be. A node that fails is a person's and holds up nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from iolaus.model.hosts import fold
from iolaus.model.plan import NodePlan, Plan
from iolaus.model.recovery import RungName
from iolaus.model.rollout import Decision, NodeState, Progress, RolloutState, WaveProgress

WAKE_S: Final = 5.0
IDLE_S: Final = 3600.0
BEGAN, PASSED = "began", "passed"
MOST: Final = 4
"""So many ranges of names are told."""
_HOLD: Final = RungName.HOLD_OFF.value
_BUSY: Final = (NodeState.RUNNING, NodeState.ROLLING_BACK)


@dataclass(frozen=True, slots=True)
class Scene:
    """`trouble` are racks that are the trouble themselves, each with why."""

    trouble: Mapping[str, str] = field(default_factory=dict)


def decide(plan: Plan, progress: Progress, scene: Scene, now: float) -> Decision:
    """`now` is in seconds since 1970."""
    if progress.state is RolloutState.WAITING:
        return Decision(state=RolloutState.RUNNING, waves=_marked(plan, BEGAN, now), wake_s=0.0)
    if progress.state is RolloutState.PAUSED:
        return Decision(holds={"": f"paused: {progress.reason or 'by a person'}"}, wake_s=WAKE_S)
    if progress.state is not RolloutState.RUNNING:
        return Decision(wake_s=IDLE_S)
    waiting = [uid for wave in plan.waves for uid in wave.nodes if _is(progress, uid)]
    busy = sum(node.state in _BUSY for node in progress.nodes.values())
    if not waiting and not busy:
        return Decision(
            state=RolloutState.DONE,
            reason=_told(plan, progress),
            waves=_marked(plan, PASSED, now),
            wake_s=IDLE_S,
        )
    racks = {node.uid: d.name for node in plan.nodes for d in node.domains if d.kind == "rack"}
    skip = {uid: scene.trouble[r] for uid in waiting if (r := racks.get(uid, "")) in scene.trouble}
    most = next((wave.batch for wave in plan.waves if wave.batch), len(waiting) + busy)
    start = [uid for uid in waiting if uid not in skip][: max(0, most - busy)]
    return Decision(start=tuple(start), skip=skip, wake_s=WAKE_S)


def _is(progress: Progress, uid: str) -> bool:
    return progress.nodes[uid].state is NodeState.WAITING


def _marked(plan: Plan, state: str, now: float) -> tuple[WaveProgress, ...]:
    return tuple(WaveProgress(name=wave.name, state=state, since=now) for wave in plan.waves)


def _told(plan: Plan, progress: Progress) -> str:
    """How many are what, and who: a person who is called reads this line first."""
    going = {uid for wave in plan.waves for uid in wave.nodes}
    found: dict[str, list[str]] = defaultdict(list)
    for node in plan.nodes:
        if node.uid in going:
            found[_word(node, progress.nodes[node.uid].state)].append(node.name)
    return ", ".join(
        f"{len(names)} {word} ({fold(names, most=MOST)})" for word, names in sorted(found.items())
    )


def _word(node: NodePlan, state: NodeState) -> str:
    if state is NodeState.DONE:
        return "held off" if any(step.rung == _HOLD for step in node.steps) else "back"
    return "left alone" if state is NodeState.SKIPPED else "for a person"
