"""What to roll back when a roll-out is aborted or undone. Pure.

Aborting leaves what is done, and takes back what was begun and not finished: those nodes are away
already, so all of them go at once. Undoing takes back everything, wave after wave in the reverse
order and within the limits of the plan; it stops of itself when more nodes are lost than may be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from iolaus.act.fold import BRICKS
from iolaus.model.plan import Domain, Plan, Wave
from iolaus.model.rollout import Decision, NodeState, Progress, RolloutState

_WAKE_S: Final = 30.0
_BUSY: Final = (NodeState.RUNNING, NodeState.ROLLING_BACK)
_AWAY: Final = (*_BUSY, NodeState.FAILED, NodeState.LOST)


def unwind(plan: Plan, progress: Progress, now: float) -> Decision:  # noqa: ARG001
    """For a roll-out that is aborting or undoing."""
    aborting = progress.state is RolloutState.ABORTING
    begun = _begun(plan, progress)
    busy = any(node.state in _BUSY for node in progress.nodes.values())
    if aborting:
        state = None if begun or busy else RolloutState.ABORTED
        return Decision(roll_back=begun, state=state, reason=progress.reason, wake_s=_WAKE_S)
    if progress.budgets.get(BRICKS, 0) > plan.limits.bricks:
        text = "more nodes were lost than may be: nothing more is undone"
        return Decision(roll_back=begun, holds={"": text}, wake_s=_WAKE_S)
    left = _left(plan, progress)
    if not left and not busy:
        return Decision(state=RolloutState.UNDONE, reason=_told(progress))
    return Decision(roll_back=(*begun, *_next(plan, progress, left)), wake_s=_WAKE_S)


def _begun(plan: Plan, progress: Progress) -> tuple[str, ...]:
    failed = plan.on_failure.node == "rollback"
    return tuple(
        node.uid
        for node in progress.nodes.values()
        if node.state is NodeState.RUNNING
        or (failed and node.state is NodeState.FAILED and not node.unwound)
    )


def _left(plan: Plan, progress: Progress) -> tuple[str, ...]:
    """What is still to be undone in the last wave that has any, last started first."""
    for wave in reversed(plan.waves):
        uids = [uid for uid in reversed(wave.nodes) if _is_done(progress, uid)]
        if uids:
            return tuple(uids)
        if any(progress.nodes[uid].state in _BUSY for uid in _known(wave, progress)):
            return ()
    return ()


def _known(wave: Wave, progress: Progress) -> Iterable[str]:
    return (uid for uid in wave.nodes if uid in progress.nodes)


def _is_done(progress: Progress, uid: str) -> bool:
    node = progress.nodes.get(uid)
    return node is not None and node.state is NodeState.DONE and not node.unwound


def _next(plan: Plan, progress: Progress, left: tuple[str, ...]) -> Iterable[str]:
    """As many as the limits allow besides those that are away."""
    domains = {node.uid: node.domains for node in plan.nodes}
    away = [node.uid for node in progress.nodes.values() if node.state in _AWAY]
    busy = sum(node.state in _BUSY for node in progress.nodes.values())
    batch = next((wave.batch for wave in plan.waves if left and left[0] in wave.nodes), None)
    most, limits = plan.limits.max_unavailable, plan.limits.per_domain
    taken: Counter[Domain] = Counter(each for uid in away for each in domains[uid])
    count = len(away)
    for uid in left:
        full = any(taken[d] >= limits[d.kind] for d in domains[uid] if d.kind in limits)
        if (most is not None and count >= most) or (batch is not None and busy >= batch):
            return
        if not full:
            taken.update(domains[uid])
            count, busy = count + 1, busy + 1
            yield uid


def _told(progress: Progress) -> str:
    bad = [node for node in progress.nodes.values() if node.state in _AWAY]
    return f"{len(bad)} nodes were not undone" if bad else ""
