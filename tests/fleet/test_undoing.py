"""An undo keeps the window, power and limits against whoever is away for another reason."""

from __future__ import annotations

from typing import Any

from iolaus.act.unwind import unwind
from iolaus.fleet.topology import PowerGroup
from iolaus.fleet.undoing import allowed, returned
from iolaus.fleet.world import Standing, World
from iolaus.model.plan import Plan
from iolaus.model.rollout import Decision, NodeProgress, NodeState, Progress, RolloutState
from tests.fleet.planned import NOW, base_of, image, planned, tray, want

IMAGES = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")
OPEN = {"cron": "* * * * *", "duration": "4h"}
SHUT = {"cron": "0 0 29 2 *", "duration": "4h"}


def plan_of(count: int, *, kind: str = "node", **rollout: Any) -> Plan:
    rollout.setdefault("waves", [{"name": "all"}])
    rollout["limits"] = {"maxUnavailable": 3, **rollout.get("limits", {})}
    base = base_of(firmware={"components": [want("bmc", "1.8")]}, rollout=rollout)
    labels = {"power-needed": "1"} if kind == "powershelf" else {}
    nodes = [tray(f"r1-u{n:02}", kind=kind, labels=labels) for n in range(count)]
    return planned(nodes, base, *IMAGES)


def undoing(plan: Plan, **states: NodeState) -> Progress:
    nodes = {
        n.uid: NodeProgress(uid=n.uid, state=states.get(n.uid, NodeState.DONE), ended_at=NOW - 60)
        for n in plan.nodes
    }
    return Progress(plan="p", state=RolloutState.UNDOING, nodes=nodes)


def here(plan: Plan, *away: str, **more: Any) -> World:
    seen = {n.uid: Standing(at=NOW, here=n.uid not in away) for n in plan.nodes}
    return World(nodes=seen, **more)


def decided(plan: Plan, progress: Progress, world: World) -> Decision:
    back = returned(plan, progress, world, NOW)
    return allowed(unwind(plan, progress, NOW, back=back), plan, progress, world, NOW)


def test_nothing_is_undone_while_the_window_is_shut() -> None:
    plan = plan_of(3, window=SHUT)
    found = decided(plan, undoing(plan), here(plan))
    assert found.roll_back == ()
    assert all("the window opens" in why for why in found.holds.values())
    assert len(found.holds) == 3


def test_in_the_window_they_go() -> None:
    plan = plan_of(3, window=OPEN)
    found = decided(plan, undoing(plan), here(plan))
    assert len(found.roll_back) == 3
    assert found.holds == {}


def test_what_is_half_done_goes_back_whatever_the_window_says() -> None:
    plan = plan_of(3, window=SHUT)
    uid = plan.nodes[0].uid
    found = decided(plan, undoing(plan, **{uid: NodeState.RUNNING}), here(plan))
    assert found.roll_back == (uid,)


def test_who_does_not_answer_waits_and_counts_as_away() -> None:
    plan = plan_of(3, limits={"maxUnavailable": 2})
    gone = plan.nodes[0].uid
    found = decided(plan, undoing(plan), here(plan, gone))
    assert gone not in found.roll_back
    assert len(found.roll_back) == 1


def test_one_that_failed_and_is_back_in_service_does_not_use_up_a_limit_of_one() -> None:
    plan = plan_of(3, limits={"maxUnavailable": 1}, onFailure={"node": "leave"})
    failed = plan.nodes[0].uid
    progress = undoing(plan, **{failed: NodeState.FAILED})
    found = decided(plan, progress, here(plan))
    assert len(found.roll_back) == 1
    assert failed not in found.roll_back
    away = decided(plan, progress, here(plan, failed))
    assert away.roll_back == ()
    assert "no room" in away.holds[""]


def test_a_limit_of_one_lets_all_be_undone_one_after_the_other() -> None:
    plan = plan_of(4, limits={"maxUnavailable": 1}, onFailure={"node": "leave"})
    states = {plan.nodes[0].uid: NodeState.LOST}
    gone: list[str] = []
    while (found := decided(plan, undoing(plan, **states), here(plan))).state is None:
        (uid,) = found.roll_back
        gone.append(uid)
        states[uid] = NodeState.ROLLED_BACK
    assert sorted(gone) == sorted(node.uid for node in plan.nodes[1:])
    assert found.state is RolloutState.UNDONE


def test_what_somebody_took_out_of_service_waits() -> None:
    plan = plan_of(1)
    (node,) = plan.nodes
    seen = {node.uid: Standing(at=NOW, out="kim has it drained")}
    found = decided(plan, undoing(plan), World(nodes=seen))
    assert found.roll_back == ()
    assert "kim has it drained" in found.holds[node.uid]


def test_supplies_are_undone_one_after_the_other_where_power_needs_them() -> None:
    plan = plan_of(3, kind="powershelf", limits={"keepPowerRedundancy": "N+1"})
    uids = tuple(node.uid for node in plan.nodes)
    power = {"r1": PowerGroup(name="r1", supplies=uids, needed=1)}
    found = decided(plan, undoing(plan), here(plan, power=power))
    assert len(found.roll_back) == 1
    assert any("N+1 must be kept" in why for why in found.holds.values())


def test_an_abort_is_not_held_back() -> None:
    plan = plan_of(2, window=SHUT)
    every = {node.uid: NodeState.RUNNING for node in plan.nodes}
    aborting = Progress(
        plan="p",
        state=RolloutState.ABORTING,
        nodes={uid: NodeProgress(uid=uid, state=state) for uid, state in every.items()},
    )
    decision = unwind(plan, aborting, NOW)
    assert allowed(decision, plan, aborting, here(plan), NOW) is decision
