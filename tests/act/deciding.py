"""A decision simple enough to see that execution obeys it: waves in order, so many at once."""

from __future__ import annotations

from iolaus.model.plan import Plan
from iolaus.model.rollout import (
    Decision,
    NodeState,
    Progress,
    RolloutState,
    WaveProgress,
)


def decide(plan: Plan, progress: Progress, world: object, now: float) -> Decision:
    nodes = progress.nodes
    if progress.state is RolloutState.WAITING:
        enough = all(len(progress.approved) >= rule.count for rule in plan.approvals)
        return Decision(state=RolloutState.RUNNING if enough else None)
    back = tuple(
        node.uid
        for node in nodes.values()
        if node.state is NodeState.FAILED
        and not node.unwound
        and plan.on_failure.node == "rollback"
    )
    bad = [node for node in nodes.values() if node.state.bad]
    lost = progress.budgets.get("bricks", 0)
    if progress.state is RolloutState.RUNNING and lost >= plan.limits.bricks and bad:
        return Decision(roll_back=back, state=RolloutState.PAUSED, reason="too many are lost")
    if all(node.state.over for node in nodes.values()) and not back:
        return Decision(state=RolloutState.DONE)
    busy = sum(not n.state.over and n.state is not NodeState.WAITING for n in nodes.values())
    room = (plan.limits.max_unavailable or len(nodes)) - busy
    for number, wave in enumerate(plan.waves):
        left = [uid for uid in wave.nodes if not nodes[uid].state.over]
        waiting = [uid for uid in left if nodes[uid].state is NodeState.WAITING]
        if left:
            passed = (WaveProgress(name=w.name, state="passed") for w in plan.waves[:number])
            waves = (*passed, WaveProgress(name=wave.name, state="began"))
            return Decision(start=tuple(waiting[: max(0, room)]), roll_back=back, waves=waves)
    return Decision(roll_back=back)
