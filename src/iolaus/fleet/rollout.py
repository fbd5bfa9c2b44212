"""What to do next in a roll-out: decided purely, from what is known, as often as anybody likes.

Nothing is remembered between two decisions but what the journal says, so a decision may be lost,
repeated or made by another process, and nothing changes. The rules, the first that applies:

- Nothing before the approvals are complete.
- What failed goes back; what was done and turned bad before its wave passed goes back, too, within
  the limits and the window, because it is in service again.
- A failure that is new since the roll-out last began to run stops it as the plan says; more lost
  nodes than allowed stop it in any case. Who resumes it has answered for what was seen before.
- Paused, nothing begins. Else the present wave goes on, soaks, and lets the next one begin.

An atomic domain of which one node goes back goes back whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec

from iolaus.fleet.limits import are
from iolaus.fleet.soak import again, all_turned_bad, soak, turned_at
from iolaus.fleet.starting import WAKE_S, begin, shut
from iolaus.fleet.view import View
from iolaus.fleet.world import World
from iolaus.model.plan import Plan, Verb
from iolaus.model.rollout import (
    Decision,
    NodeProgress,
    NodeState,
    Progress,
    RolloutState,
    WaveProgress,
)

IDLE_S: Final = 3600.0
_SPOILT: Final = frozenset({NodeState.FAILED, NodeState.ROLLING_BACK, NodeState.ROLLED_BACK})
_STOPS: Final = {"pause": RolloutState.PAUSED, "abort": RolloutState.ABORTING}


def decide(plan: Plan, progress: Progress, world: World, now: float) -> Decision:
    """What to start, to roll back, to skip and to mark now. Pure; never raises for any world.
    `now` is in seconds since 1970."""
    return decide_on(View(plan, progress, world, now))


def decide_on(view: View) -> Decision:
    """The same by what is seen already."""
    state = view.progress.state
    if state is RolloutState.WAITING:
        return _approval(view)
    if state is RolloutState.ABORTING:
        return _abort(view)
    if state not in (RolloutState.RUNNING, RolloutState.PAUSED):
        return Decision(wake_s=IDLE_S)
    bad = all_turned_bad(view)
    back = _back(view, bad)
    view.leaving = frozenset(back[0])
    decision = _stop(view, bad) if state is RolloutState.RUNNING else None
    if decision is None:
        decision = _paused(view) if state is RolloutState.PAUSED else _go_on(view)
    return _with(decision, back)


def missing_approvals(plan: Plan, approved: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """What is still needed, as "1 more of hw-oncall". `approved` says who did, and in the name of
    which groups; nobody counts who made the plan."""
    others = [groups for by, groups in approved.items() if by != plan.made_by]
    found = ((a, a.count - sum(a.group in groups for groups in others)) for a in plan.approvals)
    return tuple(f"{left} more of {a.group}" for a, left in found if left > 0)


def _approval(view: View) -> Decision:
    missing = missing_approvals(view.plan, view.progress.approved)
    if missing:
        return Decision(holds={"": f"approvals: {', '.join(missing)}"}, wake_s=IDLE_S)
    return Decision(state=RolloutState.RUNNING, wake_s=0.0)


def _abort(view: View) -> Decision:
    """What was begun goes back, at once and all together: it is away already."""
    back = view.plan.on_failure.node == "rollback"
    failed = view.by_state[NodeState.FAILED] if back else []
    begun = [*view.by_state[NodeState.RUNNING], *(n for n in failed if not n.unwound)]
    going = tuple(node.uid for node in begun)
    if going or view.busy:
        return Decision(roll_back=going, reason=view.progress.reason)
    return Decision(state=RolloutState.ABORTED, reason=view.progress.reason or _told(view))


def _paused(view: View) -> Decision:
    told = f"paused: {view.progress.reason or 'by a person'}"
    return Decision(holds={"": told}, wake_s=WAKE_S)


def _with(decision: Decision, back: tuple[tuple[str, ...], dict[str, str]]) -> Decision:
    uids, holds = back
    if not uids and not holds:
        return decision
    return Decision(
        start=decision.start,
        roll_back=uids,
        skip=decision.skip,
        waves=decision.waves,
        state=decision.state,
        reason=decision.reason,
        holds={**decision.holds, **holds},
        wake_s=min(decision.wake_s, WAKE_S),
    )


# --- going back -------------------------------------------------------------------------------


def _back(view: View, bad: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Who goes back now, and why others that should do not yet. `bad` turned so and is done."""
    if view.plan.on_failure.node != "rollback":
        return (), {}
    kept = view.plan.on_failure.proof == "quarantine"
    failed = [
        n.uid
        for n in view.by_state[NodeState.FAILED]
        if not n.unwound and not (kept and _failed_in_proof(view, n))
    ]
    going, holds = sorted(failed, key=view.name), dict[str, str]()
    units = list(_spoilt(view, bad))
    if not units:
        return tuple(going), holds
    room = view.room(view.away)
    for unit in units:
        absent = any(view.world.of(uid).here is not True for uid in unit)
        why = "it does not answer" if absent else shut(view) or room.refuses(unit)
        if why:
            holds |= dict.fromkeys(unit, f"to be rolled back, but {why}")
        else:
            going += unit
            room.take(unit)
    return tuple(going), holds


def _spoilt(view: View, bad: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Of waves that have begun and not passed: units of which one turned bad or went back, each
    with those of its nodes that are done."""
    spoilt = {*bad, *(node.uid for state in _SPOILT for node in view.by_state[state])}
    mine = {u: n for u in spoilt if (n := view.sheet.wave_of.get(u)) in view.soaking}
    units = {view.sheet.unit_of[uid] for uid in mine}
    for unit in sorted(units, key=lambda unit: view.name(unit[0])):
        if done := tuple(uid for uid in unit if _is_done(view, uid)):
            yield done


def _is_done(view: View, uid: str) -> bool:
    node = view.node(uid)
    return node.state is NodeState.DONE and not node.unwound


# --- stopping ---------------------------------------------------------------------------------


def _stop(view: View, bad: Mapping[str, str]) -> Decision | None:
    lost = view.by_state[NodeState.LOST]
    allowed = view.plan.limits.bricks
    wave = view.plan.on_failure.wave
    if len(lost) > allowed and any(_is_new(view, n.ended_at) for n in lost):
        names = view.names([n.uid for n in lost])
        many = "1 node does" if len(lost) == 1 else f"{len(lost)} nodes do"
        text = f"{many} not answer since the change, and {allowed} may be lost: {names}. "
        text += "Go and see to that; then resume, or abort."
        return Decision(state=_STOPS.get(wave, RolloutState.PAUSED), reason=text)
    failures = dict(_failures(view, bad)) if wave in _STOPS else dict(_unproved(view))
    if not failures:
        return None
    state = _STOPS.get(wave, RolloutState.PAUSED)
    return Decision(state=state, reason=_say_failures(view, failures))


def _unproved(view: View) -> Iterator[tuple[str, str]]:
    """New failures of proof, where the plan says that these are for a person."""
    if view.plan.on_failure.proof is msgspec.UNSET:
        return
    for node in view.by_state[NodeState.FAILED]:
        if _is_new(view, node.ended_at) and _failed_in_proof(view, node):
            yield node.uid, node.reason


def _failed_in_proof(view: View, node: NodeProgress) -> bool:
    steps = view.sheet.nodes[node.uid].steps
    return any(each.id == node.step and each.action.verb is Verb.ATTEST for each in steps)


def _failures(view: View, bad: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those that are new since it last began to run."""
    for node in (*view.by_state[NodeState.FAILED], *view.by_state[NodeState.LOST]):
        if _is_new(view, node.ended_at):
            yield node.uid, node.reason or node.state.value
    for uid, why in bad.items():
        if turned_at(view, uid) >= view.progress.since:
            yield uid, why


def _is_new(view: View, at: float | None) -> bool:
    return at is None or at >= view.progress.since


def _say_failures(view: View, failures: dict[str, str]) -> str:
    uid, why = next(iter(failures.items()))
    text = f"{view.name(uid)}: {why.rstrip('.')}"
    if len(failures) > 1:
        text += f"; and {len(failures) - 1} more ({view.names(list(failures)[1:])})"
    return f"{text}. See to it; then resume, or abort."


# --- going on ---------------------------------------------------------------------------------


def _go_on(view: View) -> Decision:
    number = view.present
    if number is None:
        return _finish(view)
    wave, members = view.plan.waves[number], view.sheet.members[number]
    if not members.isdisjoint(view.waiting):
        return begin(view, number)
    if busy := len(members & view.busy):
        text = f"wave {wave.name}: {are(busy)} worked on"
        return Decision(waves=again(view, number), holds={"": text})
    if view.wave(number).state == "waiting":
        mark = WaveProgress(name=wave.name, state="began", since=view.now)
        return Decision(waves=(mark,), wake_s=0.0)
    return soak(view, number)


def _finish(view: View) -> Decision:
    if view.busy:
        return Decision(holds={"": f"{are(len(view.busy))} worked on"})
    return Decision(state=RolloutState.DONE, reason=_told(view), wake_s=IDLE_S)


def _told(view: View) -> str:
    states = sorted((state.value, count) for state, count in view.counts().items() if count)
    return ", ".join(f"{count} {state}" for state, count in states)
