"""What to roll back when a roll-out is aborted or undone. Pure.

Aborting leaves what is done, and takes back what was begun and not finished: those nodes are away
already, so all of them go at once. Undoing takes back everything, wave after wave in the reverse
order and within the limits of the plan; it stops of itself when more nodes are lost than may be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from iolaus.act.fold import BRICKS
from iolaus.model.plan import Domain, Plan, Wave
from iolaus.model.rollout import Decision, NodeState, Progress, RolloutState

_WAKE_S: Final = 30.0
_BUSY: Final = (NodeState.RUNNING, NodeState.ROLLING_BACK)
_AWAY: Final = (*_BUSY, NodeState.FAILED, NodeState.LOST)


def unwind(
    plan: Plan,
    progress: Progress,
    now: float,  # noqa: ARG001
    *,
    back: Collection[str] = (),
) -> Decision:
    """For a roll-out that is aborting or undoing. `back` are nodes that failed or were lost and
    are in service again: they take nobody's place."""
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
    if not (left or busy or begun):
        return Decision(state=RolloutState.UNDONE, reason=_told(progress))
    going = (*begun, *_next(plan, progress, left, back))
    stuck = left and not going and not busy
    holds = {"": "too many are away: the limits leave no room"} if stuck else {}
    return Decision(roll_back=going, holds=holds, wake_s=_WAKE_S)


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


def _next(
    plan: Plan, progress: Progress, left: tuple[str, ...], back: Collection[str]
) -> Iterator[str]:
    """As many as the limits allow besides those that are away; atomic domains go whole."""
    found = (n for n in progress.nodes.values() if n.state in _AWAY)
    away = _Away(plan, (n.uid for n in found if n.state in _BUSY or n.uid not in back))
    busy = sum(node.state in _BUSY for node in progress.nodes.values())
    batch = next((wave.batch for wave in plan.waves if left and left[0] in wave.nodes), None)
    for unit in _units(left, away.domains, plan.limits.atomic):
        if batch is not None and busy and busy + len(unit) > batch:
            return
        if away.has_room_for(unit):
            away.take(unit)
            busy += len(unit)
            yield from unit


class _Away:
    """Who is away, against the plan's limits. A rack is dark when all nodes are away that the
    plan knows of it: nobody here knows of others."""

    def __init__(self, plan: Plan, uids: Iterable[str]) -> None:
        self.domains = {node.uid: node.domains for node in plan.nodes}
        self._limits = plan.limits
        self._sizes = Counter(each for found in self.domains.values() for each in found)
        self._taken: Counter[Domain] = Counter()
        self._count = 0
        self.take(uids)

    def take(self, unit: Iterable[str]) -> None:
        for uid in unit:
            self._taken.update(self.domains[uid])
            self._count += 1

    def has_room_for(self, unit: Sequence[str]) -> bool:
        limits, count = self._limits, self._count + len(unit)
        if limits.max_unavailable is not None and count > limits.max_unavailable:
            return False
        taken = self._taken + Counter(each for uid in unit for each in self.domains[uid])
        if any(n > limits.per_domain.get(domain.kind, n) for domain, n in taken.items()):
            return False
        dark = sum(d.kind == "rack" and n >= self._sizes[d] for d, n in taken.items())
        most = limits.max_dark_racks
        return most is None or dark <= most or not self._count


def _units(
    left: Iterable[str], domains: Mapping[str, Iterable[Domain]], atomic: Collection[str]
) -> Iterable[Sequence[str]]:
    found: dict[object, list[str]] = {}
    for uid in left:
        whole = next((each for each in domains[uid] if each.kind in atomic), None)
        found.setdefault(whole or uid, []).append(uid)
    return found.values()


def _told(progress: Progress) -> str:
    bad = [node for node in progress.nodes.values() if node.state in _AWAY]
    return f"{len(bad)} nodes were not undone" if bad else ""
