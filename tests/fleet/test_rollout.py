"""What is decided: one rule at a time, with the words in which a person hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from iolaus.fleet.gate import Judgement, Verdict
from iolaus.fleet.rollout import decide, missing_approvals
from iolaus.fleet.starting import SOON_S
from iolaus.fleet.topology import PowerGroup
from iolaus.fleet.world import Standing, World
from iolaus.model.plan import Domain, Plan
from iolaus.model.rollout import (
    Decision,
    NodeProgress,
    NodeState,
    Progress,
    RolloutState,
    WaveProgress,
)
from tests.fleet.planned import NOW, base_of, image, planned, rows, tray, want

IMAGES = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")
TWO = [{"name": "canary", "max": 1, "soak": "1h"}, {"name": "rest", "soak": "10m"}]


def plan_of(racks: int = 1, units: int = 4, *, labels: Any = None, **rollout: Any) -> Plan:
    base = base_of(firmware={"components": [want("bmc", "1.8")]}, rollout=rollout)
    return planned(rows("r{rack}-u{unit}", racks, units, labels=labels or {}), base, *IMAGES)


class Run:
    """A roll-out at some point: `states` by name, `waves` by name, and what is seen. A pair is a
    wave's or node's state and how many seconds ago it became so."""

    def __init__(
        self,
        plan: Plan,
        *,
        state: RolloutState = RolloutState.RUNNING,
        since_s: float = 86_400.0,
        states: Mapping[str, NodeState | tuple[NodeState, float]] | None = None,
        waves: Mapping[str, tuple[str, float]] | None = None,
        seen: Mapping[str, Standing | None] | None = None,
        **world: Any,
    ) -> None:
        self.plan = plan
        self.uids = {node.name: node.uid for node in plan.nodes}
        self.names = {uid: name for name, uid in self.uids.items()}
        given = {name: self._node(name, state) for name, state in (states or {}).items()}
        self.progress = Progress(
            plan="p",
            state=state,
            nodes={self.uids[name]: node for name, node in given.items()},
            waves=tuple(
                WaveProgress(name=name, state=state, since=NOW - ago)
                for name, (state, ago) in (waves or {}).items()
            ),
            since=NOW - since_s,
        )
        fine = {name: Standing(at=NOW - 1) for name in self.uids}
        nodes = {self.uids[n]: s for n, s in {**fine, **(seen or {})}.items() if s is not None}
        self.world = World(nodes=nodes, **world)

    def _node(self, name: str, given: NodeState | tuple[NodeState, float]) -> NodeProgress:
        state, ago = given if isinstance(given, tuple) else (given, 600.0)
        return NodeProgress(
            uid=self.uids[name],
            state=state,
            started_at=NOW - ago - 900.0,
            ended_at=NOW - ago if state.over else None,
            reason="BMC did not come back with 1.8",
        )

    def decide(self, now: float = NOW) -> Decision:
        return decide(self.plan, self.progress, self.world, now)

    def started(self) -> list[str]:
        return [self.names[uid] for uid in self.decide().start]

    def back(self) -> list[str]:
        return [self.names[uid] for uid in self.decide().roll_back]

    def hold(self, name: str = "") -> str:
        return self.decide().holds[self.uids[name] if name else ""]


# --- approvals --------------------------------------------------------------------------------


def test_nothing_before_enough_others_approved() -> None:
    plan = plan_of(approvals=[{"group": "ops", "count": 2}])
    run = Run(plan, state=RolloutState.WAITING)
    told = []
    for approved in ({}, {"carol": ("ops",)}, {"dan": ("ops",)}, {"dan": ("net",)}):
        run.progress = msgspec.structs.replace(run.progress, approved=approved)
        told.append(run.hold())
    assert told == [f"approvals: {n} more of ops" for n in (2, 2, 1, 2)]
    both = {"dan": ("ops",), "eve": ("ops", "net")}
    run.progress = msgspec.structs.replace(run.progress, approved=both)
    assert run.decide().state is RolloutState.RUNNING
    assert missing_approvals(plan, run.progress.approved) == ()


# --- what may begin ---------------------------------------------------------------------------


def test_waves_go_in_order_and_the_first_mark_is_made_with_the_first_node() -> None:
    decision = Run(plan_of(waves=TWO)).decide()
    assert len(decision.start) == 1
    assert [(w.name, w.state, w.since) for w in decision.waves] == [("canary", "began", NOW)]


def test_everybody_who_is_away_counts_whoever_took_them() -> None:
    plan = plan_of(1, 5, waves=[{"name": "all"}], limits={"maxUnavailable": 3})
    away = Standing(at=NOW, here=False, since=NOW - 60, why="HTTP 503")
    run = Run(plan, seen={"r01-u05": away, "r01-u04": None})
    assert run.started() == ["r01-u01"]
    assert run.hold("r01-u02") == "3 nodes are away, and 3 may be"
    assert run.hold("r01-u05") == "it is away: HTTP 503"
    assert run.hold("r01-u04") == "whether it is there is not known: nothing is known of it"


def test_who_is_not_known_is_looked_for_again_before_what_is_seen_has_grown_old() -> None:
    plan = plan_of(1, 2, waves=[{"name": "all"}])
    assert Run(plan, seen={"r01-u01": None, "r01-u02": None}).decide().wake_s == SOON_S
    away = Standing(at=NOW, here=False, since=NOW - 60, why="HTTP 503")
    assert Run(plan, seen={"r01-u01": away, "r01-u02": away}).decide().wake_s > SOON_S


def test_a_node_in_somebody_s_maintenance_is_away_and_left_alone() -> None:
    plan = plan_of(1, 2, waves=[{"name": "all"}], limits={"maxUnavailable": 1})
    run = Run(plan, seen={"r01-u01": Standing(at=NOW, out="carol replaces a fan")})
    assert run.started() == []
    assert run.hold("r01-u01") == "it is out of service: carol replaces a fan"


def test_limits_of_domains_racks_and_batches_say_which_of_them_holds() -> None:
    waves = [{"name": "all", "batch": 3}]
    two = plan_of(2, 2, waves=waves, labels={"cdu": "c1"}, limits={"perDomain": {"cdu": 2}})
    assert Run(two).hold("r02-u02") == "cdu c1: 2 nodes are away, and 2 may be"
    dark = plan_of(2, 2, waves=waves, limits={"maxDarkRacks": 1})
    run = Run(dark, states={"r01-u01": NodeState.RUNNING, "r01-u02": NodeState.RUNNING})
    assert run.started() == ["r02-u01"]
    assert run.hold("r02-u02") == "3 worked on, and 3 may be in this wave"
    wide = plan_of(2, 2, waves=[{"name": "all"}], limits={"maxDarkRacks": 1})
    run = Run(wide, states={"r01-u01": NodeState.RUNNING, "r01-u02": NodeState.RUNNING})
    assert run.hold("r02-u02") == ("it would be the last of rack r02: 1 rack is dark, and 1 may be")


def test_an_atomic_domain_begins_whole_or_waits_whole() -> None:
    plan = plan_of(
        1, 3, labels={"nvlink": "nv1"}, waves=[{"name": "all", "batch": 1}],
        limits={"perDomain": {"nvlink": "atomic"}},
    )  # fmt: skip
    assert len(Run(plan).started()) == 3
    away = Standing(at=NOW, here=False, since=NOW)
    run = Run(plan, seen={"r01-u02": away})
    assert run.started() == []
    assert run.hold("r01-u03") == "it goes together with r01-u02"


def test_nothing_begins_in_a_domain_that_is_away() -> None:
    plan = plan_of(1, 2, labels={"cdu": "c1"}, waves=[{"name": "all"}])
    run = Run(plan, domains={Domain(kind="cdu", name="c1"): "its pump is changed"})
    assert run.hold("r01-u01") == "cdu c1 is away: its pump is changed"


def test_a_supply_goes_only_while_enough_are_left() -> None:
    shelves = [tray(f"r1-s{n}", kind="powershelf", labels={"power-needed": "2"}) for n in range(4)]
    base = base_of(
        firmware={"components": [want("bmc", "1.8")]},
        rollout={"waves": [{"name": "all"}], "limits": {"keepPowerRedundancy": "N+1"}},
    )
    plan = planned(shelves, base, *IMAGES)
    group = PowerGroup(name="r1", supplies=tuple(n.uid for n in plan.nodes), needed=2)
    run = Run(plan, power={"r1": group})
    assert run.started() == ["r1-s0"]
    assert run.hold("r1-s1") == (
        "power of r1: 2 of 4 supplies would be left, 2 carry the load, and N+1 must be kept"
    )
    unknown = msgspec.structs.replace(group, needed=None)
    run = Run(plan, power={"r1": unknown})
    assert "is not known" in run.hold("r1-s0")


# --- the window -------------------------------------------------------------------------------


def at_hour(plan: Plan, hour: float, **more: Any) -> tuple[Run, float]:
    run = Run(plan, **more)
    now = NOW - NOW % 86_400.0 + hour * 3600.0
    fresh = {u: msgspec.structs.replace(s, at=now - 1) for u, s in run.world.nodes.items()}
    run.world = msgspec.structs.replace(run.world, nodes=fresh)
    return run, now


def test_nothing_begins_outside_the_window() -> None:
    plan = plan_of(window={"cron": "0 2 * * *", "duration": "4h"}, waves=[{"name": "all"}])
    run, now = at_hour(plan, 1.5)
    decision = run.decide(now)
    assert (decision.start, decision.waves, decision.wake_s) == ((), (), 1800.0)
    assert set(decision.holds.values()) == {"the window opens Wed 18 Nov 2026 02:00 UTC"}
    run, now = at_hour(plan, 2.0)
    assert len(run.decide(now).start) == 4


def test_nothing_begins_that_would_not_be_over_in_time() -> None:
    plan = plan_of(window={"cron": "0 2 * * *", "duration": "4h"}, waves=[{"name": "all"}])
    run, now = at_hour(plan, 5.9)
    decision = run.decide(now)
    assert decision.start == ()
    assert set(decision.holds.values()) == {"it takes 10 min, and the window closes in 6 min"}


def test_what_failed_goes_back_at_once_and_what_turned_bad_in_the_window() -> None:
    plan = plan_of(
        waves=[{"name": "all", "soak": "1h"}], window={"cron": "0 2 * * *", "duration": "4h"}
    )
    done = {"r01-u01": NodeState.FAILED, "r01-u02": NodeState.DONE}
    run, now = at_hour(plan, 12.0, states=done, waves={"all": ("began", 7200.0)})
    failed = {u: msgspec.structs.replace(n, ended_at=now - 600) for u, n in
              run.progress.nodes.items()}  # fmt: skip
    run.progress = msgspec.structs.replace(run.progress, nodes=failed)
    sick = Standing(at=now - 1, well=False, unwell_since=now - 300, why="GPU 3 is too hot")
    uid = run.uids["r01-u02"]
    run.world = msgspec.structs.replace(run.world, nodes={**run.world.nodes, uid: sick})
    decision = run.decide(now)
    assert [run.names[u] for u in decision.roll_back] == ["r01-u01"]
    assert decision.holds[uid].startswith("to be rolled back, but the window opens Thu 19 Nov")
    assert decision.state is RolloutState.PAUSED


# --- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "wave", "back", "state"),
    [
        ("rollback", "pause", ["r01-u01"], RolloutState.PAUSED),
        ("rollback", "abort", ["r01-u01"], RolloutState.ABORTING),
        ("rollback", "continue", ["r01-u01"], None),
        ("leave", "pause", [], RolloutState.PAUSED),
        ("leave", "continue", [], None),
    ],
)
def test_a_failure_stops_as_the_plan_says(
    node: str, wave: str, back: list[str], state: RolloutState | None
) -> None:
    plan = plan_of(waves=[{"name": "all"}], onFailure={"node": node, "wave": wave})
    run = Run(plan, states={"r01-u01": NodeState.FAILED}, waves={"all": ("began", 900.0)})
    decision = run.decide()
    assert run.back() == back
    assert decision.state is state
    assert bool(decision.start) == (state is None)
    if state is not None:
        assert decision.reason == (
            "r01-u01: BMC did not come back with 1.8. See to it; then resume, or abort."
        )


def test_who_resumes_has_answered_for_what_was_seen_before() -> None:
    plan = plan_of(waves=[{"name": "all"}], onFailure={"node": "leave"})
    states = {"r01-u01": (NodeState.FAILED, 600.0)}
    before = Run(plan, states=states, since_s=900.0, waves={"all": ("began", 900.0)})
    assert before.decide().state is RolloutState.PAUSED
    after = Run(plan, states=states, since_s=300.0, waves={"all": ("began", 900.0)})
    assert len(after.started()) == 3


def test_a_node_goes_back_by_itself_only_once() -> None:
    plan = plan_of(waves=[{"name": "all"}])
    run = Run(plan, states={"r01-u01": NodeState.FAILED}, waves={"all": ("began", 900.0)})
    tried = {u: msgspec.structs.replace(n, unwound=True) for u, n in run.progress.nodes.items()}
    run.progress = msgspec.structs.replace(run.progress, nodes=tried)
    assert run.decide().roll_back == ()
    assert run.decide().state is RolloutState.PAUSED


def test_paused_nothing_begins_but_what_failed_still_goes_back() -> None:
    plan = plan_of(waves=[{"name": "all"}])
    run = Run(plan, state=RolloutState.PAUSED, states={"r01-u01": NodeState.FAILED})
    decision = run.decide()
    assert (decision.start, run.back()) == ((), ["r01-u01"])
    assert run.hold() == "paused: by a person"


def test_more_lost_nodes_than_bricks_allow_stop_even_what_would_go_on() -> None:
    plan = plan_of(waves=[{"name": "all"}], limits={"bricks": 1}, onFailure={"wave": "continue"})
    one = Run(plan, states={"r01-u01": NodeState.LOST}, waves={"all": ("began", 900.0)})
    assert one.decide().state is None
    lost = {"r01-u01": NodeState.LOST, "r01-u02": NodeState.LOST}
    two = Run(plan, states=lost, waves={"all": ("began", 900.0)}).decide()
    assert two.state is RolloutState.PAUSED
    assert two.reason == (
        "2 nodes do not answer since the change, and 1 may be lost: r01-u01, r01-u02. "
        "Go and see to that; then resume, or abort."
    )


def test_a_lost_node_is_away_until_it_is_seen_again() -> None:
    plan = plan_of(1, 2, waves=[{"name": "all"}], limits={"maxUnavailable": 1},
                   onFailure={"wave": "continue"})  # fmt: skip
    states = {"r01-u01": (NodeState.LOST, 600.0)}
    waves = {"all": ("began", 900.0)}
    stale = Run(plan, states=states, waves=waves, seen={"r01-u01": Standing(at=NOW - 700)})
    assert stale.started() == []
    assert Run(plan, states=states, waves=waves).started() == ["r01-u02"]


@pytest.mark.parametrize(("drained", "started"), [(None, 0), (True, 0), (False, 1)])
def test_a_failed_node_that_was_not_given_back_is_away(drained: bool | None, started: int) -> None:
    plan = plan_of(1, 2, waves=[{"name": "all"}], limits={"maxUnavailable": 1},
                   drain={"adapter": "slurm"},
                   onFailure={"node": "leave", "wave": "continue"})  # fmt: skip
    seen = {"r01-u01": Standing(at=NOW, drained=drained)}
    states = {"r01-u01": NodeState.FAILED}
    run = Run(plan, states=states, waves={"all": ("began", 900.0)}, seen=seen)
    assert len(run.started()) == started


def test_aborting_takes_back_what_was_begun_and_ends() -> None:
    plan = plan_of(waves=[{"name": "all"}])
    states = {"r01-u01": NodeState.RUNNING, "r01-u02": NodeState.DONE}
    run = Run(plan, state=RolloutState.ABORTING, states=states)
    assert (run.back(), run.decide().state) == (["r01-u01"], None)
    over = Run(plan, state=RolloutState.ABORTING, states={"r01-u02": NodeState.DONE})
    assert over.decide().state is RolloutState.ABORTED


# --- soak and gates ---------------------------------------------------------------------------

CANARY = {"r01-u01": (NodeState.DONE, 1200.0)}
UNTOLD = "critical_alarms == 0 cannot be told (critical_alarms unknown): critical_alarms = unknown."
GATES = [{"name": "alarms", "expr": "critical_alarms == 0"}]


def soaking(ago: float = 600.0, *, state: str = "soaking", **more: Any) -> Run:
    gates = more.pop("gates", [])
    failure = more.pop("onFailure", {})
    plan = plan_of(waves=TWO, gates=gates, onFailure=failure)
    return Run(plan, states=CANARY, waves={"canary": (state, ago)}, **more)


def test_a_soak_holds_until_it_is_over_and_then_the_next_wave_begins() -> None:
    assert soaking().hold() == "wave canary soaks for 50 more min"
    assert soaking().decide().wake_s == 3000.0
    passed = soaking(3600.0).decide()
    assert [(w.name, w.state) for w in passed.waves] == [("canary", "passed")]
    plan = plan_of(waves=TWO)
    run = Run(plan, states=CANARY, waves={"canary": ("passed", 1.0)})
    assert len(run.started()) == 3


def test_a_resumed_roll_out_soaks_anew() -> None:
    assert soaking(3600.0, since_s=600.0).hold() == "wave canary soaks for 50 more min"


@pytest.mark.parametrize(
    ("alarms", "state", "told"),
    [
        (0.0, None, "wave canary soaks for 50 more min"),
        (2.0, RolloutState.PAUSED, "critical_alarms == 0 does not hold: critical_alarms = 2."),
        (None, None, UNTOLD),
    ],
)  # fmt: skip
def test_gates_hold_all_through_the_soak(
    alarms: float | None, state: RolloutState | None, told: str
) -> None:
    run = soaking(gates=GATES, values={"critical_alarms": alarms})
    decision = run.decide()
    assert (decision.state, run.hold()) == (state, told)
    assert [w.state for w in decision.waves] == ([] if alarms == 0.0 else ["began"])


def test_what_cannot_be_told_for_as_long_as_the_soak_is_a_matter_for_a_person() -> None:
    assert soaking(1800.0, state="began", gates=GATES).decide().state is None
    paused = soaking(3600.0, state="began", gates=GATES).decide()
    assert paused.state is None  # the canary was done 20 minutes ago
    plan = plan_of(waves=TWO, gates=GATES)
    long_done = {"r01-u01": (NodeState.DONE, 3700.0)}
    run = Run(plan, states=long_done, waves={"canary": ("began", 4000.0)})
    decision = run.decide()
    assert decision.state is RolloutState.PAUSED
    assert decision.reason.startswith("alarms of wave canary could not be told for 62 min")


@pytest.mark.parametrize("state", ["began", "soaking"])
def test_a_soak_that_begins_again_and_again_is_a_matter_for_a_person(state: str) -> None:
    plan = plan_of(waves=TWO, gates=GATES)

    def after(hours: float) -> Decision:
        done = {"r01-u01": (NodeState.DONE, 3600.0 * hours)}
        return Run(plan, states=done, waves={"canary": (state, 60.0)}).decide()

    assert after(4.9).state is None
    decision = after(5.0)
    assert decision.state is RolloutState.PAUSED
    told = "alarms of wave canary could not be told again and again for 300 min"
    assert decision.reason.startswith(told)
    assert [w.state for w in decision.waves] == (["began"] if state == "soaking" else [])


@pytest.mark.parametrize("verdict", [*Verdict, None])
def test_a_command_is_a_gate_too(verdict: Verdict | None) -> None:
    said = {"jobs": Judgement(gate="jobs", verdict=verdict, sentence="9 of 9.")} if verdict else {}
    run = soaking(3600.0, gates=[{"name": "jobs", "command": ["/bin/jobs"]}], hooks=said)
    passed = any(w.state == "passed" for w in run.decide().waves)
    assert passed == (verdict is Verdict.PASSED)
    assert (run.decide().state is RolloutState.PAUSED) == (verdict is Verdict.FAILED)


@pytest.mark.parametrize(("attested", "passes"), [(True, True), (False, False), (None, False)])
def test_attestation_is_a_number_of_the_wave(attested: bool | None, passes: bool) -> None:
    seen = {"r01-u01": Standing(at=NOW, attested=attested)}
    gates = [{"name": "trust", "expr": "unattested == 0"}]
    decision = soaking(3600.0, gates=gates, seen=seen).decide()
    assert any(w.state == "passed" for w in decision.waves) == passes


def test_a_canary_that_turns_bad_goes_back_and_the_roll_out_pauses() -> None:
    sick = Standing(at=NOW, well=False, unwell_since=NOW - 30, why="GPU 3 is at 97 C")
    run = soaking(seen={"r01-u01": sick})
    decision = run.decide()
    assert (run.back(), decision.state) == (["r01-u01"], RolloutState.PAUSED)
    assert decision.reason == "r01-u01: GPU 3 is at 97 C. See to it; then resume, or abort."
    assert decision.start == ()


def test_what_was_unwell_before_is_none_of_our_doing() -> None:
    old = Standing(at=NOW, well=False, unwell_since=NOW - 86_400.0, why="a fan is slow")
    assert soaking(seen={"r01-u01": old}).hold() == "wave canary soaks for 50 more min"


def test_what_is_seen_may_lag_behind_for_a_minute() -> None:
    plan = plan_of(waves=TWO)
    during = Standing(at=NOW, here=False, since=NOW - 120.0, why="no answer")
    just = Run(plan, states={"r01-u01": (NodeState.DONE, 20.0)}, waves={"canary": ("began", 999)},
               seen={"r01-u01": during})  # fmt: skip
    assert just.decide().state is None
    assert just.hold() == "r01-u01: it is away: no answer; it may not have settled yet."
    later = Run(plan, states={"r01-u01": (NodeState.DONE, 90.0)}, waves={"canary": ("began", 999)},
                seen={"r01-u01": during})  # fmt: skip
    assert later.decide().state is RolloutState.PAUSED
    assert later.decide().roll_back == ()


@pytest.mark.parametrize(
    "standing", [None, Standing(at=NOW, well=None, why="no telemetry"), Standing(at=NOW - 9999)]
)
def test_a_node_that_was_not_seen_well_since_it_was_done_does_not_soak(
    standing: Standing | None,
) -> None:
    decision = soaking(seen={"r01-u01": standing}).decide()
    assert [w.state for w in decision.waves] == ["began"]
    assert decision.state is None


def test_a_soak_in_which_a_node_goes_back_begins_again() -> None:
    plan = plan_of(1, 3, waves=[{"name": "all", "soak": "1h"}], onFailure={"wave": "continue"})
    states = {"r01-u01": NodeState.DONE, "r01-u02": NodeState.ROLLING_BACK,
              "r01-u03": NodeState.DONE}  # fmt: skip
    run = Run(plan, states=states, waves={"all": ("soaking", 3500.0)})
    assert [(w.state, w.since) for w in run.decide().waves] == [("began", NOW)]
    assert run.hold() == "wave all: 1 node is worked on"


def test_an_atomic_domain_goes_back_whole() -> None:
    plan = plan_of(
        1, 3, labels={"nvlink": "nv1"}, waves=[{"name": "all", "soak": "1h"}],
        limits={"perDomain": {"nvlink": "atomic"}},
    )  # fmt: skip
    sick = Standing(at=NOW, well=False, unwell_since=NOW - 30, why="too hot")
    done = dict.fromkeys(("r01-u01", "r01-u02", "r01-u03"), NodeState.DONE)
    run = Run(plan, states=done, waves={"all": ("soaking", 60.0)}, seen={"r01-u02": sick})
    assert run.back() == ["r01-u01", "r01-u02", "r01-u03"]


# --- patience and the end ---------------------------------------------------------------------


def test_a_node_that_stays_away_is_left_for_another_plan_when_nobody_else_is_left() -> None:
    plan = plan_of(1, 2, waves=[{"name": "all"}])
    away = Standing(at=NOW, here=False, since=NOW - 900.0, why="no route")
    done = {"r01-u02": NodeState.DONE}
    early = Run(plan, states=done, waves={"all": ("began", 3000.0)}, seen={"r01-u01": away})
    assert (early.decide().skip, early.hold("r01-u01")) == ({}, "it is away: no route")
    away = msgspec.structs.replace(away, since=NOW - 1900.0)
    late = Run(plan, states=done, waves={"all": ("began", 3000.0)}, seen={"r01-u01": away})
    assert late.decide().skip == {late.uids["r01-u01"]: "it is away: no route"}


def test_when_every_wave_has_passed_it_is_done_and_says_what_came_of_it() -> None:
    plan = plan_of(1, 3, waves=[{"name": "all"}])
    states = {"r01-u01": NodeState.DONE, "r01-u02": NodeState.DONE, "r01-u03": NodeState.SKIPPED}
    decision = Run(plan, states=states, waves={"all": ("passed", 1.0)}).decide()
    assert (decision.state, decision.reason) == (RolloutState.DONE, "2 done, 1 skipped")


def test_a_plan_that_changes_nothing_is_done_at_once() -> None:
    plan = planned([tray("n1")], base_of(firmware={"components": [want("bmc", "1.7")]}))
    assert Run(plan).decide().state is RolloutState.DONE


@pytest.mark.parametrize("state", [s for s in RolloutState if s.over] + [RolloutState.UNDOING])
def test_what_is_over_or_undone_is_not_decided_here(state: RolloutState) -> None:
    decision = Run(plan_of(), state=state).decide()
    assert (decision.start, decision.roll_back, decision.state) == ((), (), None)
