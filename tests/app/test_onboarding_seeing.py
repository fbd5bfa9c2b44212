"""How a plan fares for one machine, as the judge of candidates is told."""

from __future__ import annotations

import pytest

from iolaus.app.onboarding_seeing import began_too_soon, run_of, worked_on
from iolaus.model.asset import Report
from iolaus.model.plan import Fate, NodePlan, Plan, Wave
from iolaus.model.rollout import NodeProgress, NodeState, Progress, RolloutState
from iolaus.north.context import Standing

FATES = {"u1": Fate.UPDATE, "u2": Fate.UPDATE, "u3": Fate.NO_OP}
PLAN = Plan(
    baseline="b",
    generation=1,
    nodes=tuple(
        NodePlan(uid=uid, name=uid, endpoint=f"https://{uid}", fate=fate, facts="f")
        for uid, fate in FATES.items()
    ),
    waves=(Wave(name="all", nodes=("u1", "u2")),),
)


def fares(state: NodeState, *, ended_at: float | None = None) -> Standing:
    nodes = {"u1": NodeProgress(uid="u1", state=state, ended_at=ended_at, reason="why")}
    going = Progress(plan=PLAN.id, state=RolloutState.RUNNING, nodes=nodes)
    return Standing(plan=PLAN, progress=going)


def test_only_those_that_something_is_done_to_are_worked_on() -> None:
    assert worked_on(PLAN) == {"https://u1": ("u1",), "https://u2": ("u2",)}


@pytest.mark.parametrize(("read_at", "read"), [(9.0, False), (10.0, False), (11.0, True)])
def test_what_was_being_read_when_it_ended_does_not_show_what_it_came_to(
    read_at: float, read: bool
) -> None:
    run = run_of(("u1",), fares(NodeState.DONE, ended_at=10.0), read_at=read_at)
    assert (run.state, run.read) == ("done", read)


@pytest.mark.parametrize(
    ("began_at", "ended_at", "too_soon"),
    [(7.0, 9.0, False), (9.0, 10.0, False), (9.0, 11.0, True), (10.0, 11.0, True),
     (11.0, 12.0, False)],
)  # fmt: skip
def test_a_reading_that_began_before_a_plan_was_over_is_followed_by_another(
    began_at: float, ended_at: float, too_soon: bool
) -> None:
    report = Report(
        endpoint="https://u1", driver="redfish", redfish_version=None, assets=(),
        observed_at=ended_at, duration_s=ended_at - began_at,
    )  # fmt: skip
    run = run_of(("u1",), fares(NodeState.DONE, ended_at=10.0), read_at=report.began_at)
    assert began_too_soon(report, [run]) is too_soon
    assert not began_too_soon(report, [run_of(("u1",), fares(NodeState.RUNNING), read_at=0.0)])


def test_a_plan_that_nobody_applied_yet_is_planned_and_who_failed_says_why() -> None:
    assert run_of(("u1",), Standing(plan=PLAN), read_at=0.0).state == "planned"
    failed = run_of(("u1",), fares(NodeState.FAILED), read_at=0.0)
    assert (failed.state, failed.reason) == ("failed", "why")
    assert run_of(("u1",), fares(NodeState.RUNNING), read_at=0.0).state == "running"
