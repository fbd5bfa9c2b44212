"""What holds an undo back: the window, power, and whoever is away for another reason. Pure.

Undoing takes nodes out of service as much as doing did, so the same rules hold. Which nodes go
back next is decided by whoever executes, from the journal alone; here those that may not go now
are taken out of that decision, each with why. What was begun and not finished goes back in any
case: it is away already. An atomic domain goes whole or waits whole.
"""

from __future__ import annotations

import msgspec

from iolaus.fleet.limits import Room
from iolaus.fleet.starting import WAKE_S, shut
from iolaus.fleet.view import LEFT, View
from iolaus.fleet.world import World
from iolaus.model.plan import Plan
from iolaus.model.rollout import Decision, NodeState, Progress, RolloutState


def returned(plan: Plan, progress: Progress, world: World, now: float) -> frozenset[str]:
    """Nodes that failed or were lost and were seen in service since: they are not away any more,
    and a limit of one is not used up by them for ever."""
    view = View(plan, progress, world, now)
    left = (node.uid for state in LEFT for node in view.by_state[state])
    return frozenset(uid for uid in left if uid not in view.away)


def allowed(
    decision: Decision, plan: Plan, progress: Progress, world: World, now: float
) -> Decision:
    """The decision with only those going back that may; `now` is in seconds since 1970."""
    view = View(plan, progress, world, now)
    units: dict[tuple[str, ...], list[str]] = {}
    for uid in decision.roll_back:
        if view.state(uid) is NodeState.DONE:
            units.setdefault(view.sheet.unit_of.get(uid, (uid,)), []).append(uid)
    if progress.state is not RolloutState.UNDOING or not units:
        return decision
    inside = {uid for unit in units.values() for uid in unit}
    going = [uid for uid in decision.roll_back if uid not in inside]
    holds, room = dict(decision.holds), _room(view, going)
    for unit in units.values():
        if why := _absence(view, unit) or shut(view) or room.refuses(unit):
            holds |= dict.fromkeys(unit, f"to be undone, but {why}")
        else:
            going += unit
            room.take(unit)
    wake_s = min(decision.wake_s, WAKE_S)
    return msgspec.structs.replace(decision, roll_back=tuple(going), holds=holds, wake_s=wake_s)


def _room(view: View, going: list[str]) -> Room:
    away = view.away | set(going)
    return Room(view.plan.limits, view.sheet.hall, away=away, power=view.world.power)


def _absence(view: View, unit: list[str]) -> str:
    """What does not answer cannot be undone now, and what others have taken out must not be."""
    for uid in unit:
        standing = view.world.of(uid)
        if standing.here is not True:
            return f"{view.name(uid)} does not answer"
        if standing.out:
            return f"{view.name(uid)} is out of service: {standing.out}"
    return ""
