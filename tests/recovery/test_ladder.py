"""The way back as a plan: softest first, evidence before all, a person where nothing leads out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from iolaus.fleet.proving import wanted_of
from iolaus.fleet.window import parse_duration
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import Asked, Fate, NodePlan, Plan, Step, Verb, Wave
from iolaus.model.reach import Around, Controller, HostSight, NodeSight, OutletSight, Share, Verdict
from iolaus.model.recovery import (
    IsolateWant,
    RecoverySpec,
    RescueWant,
    RungName,
    RungWant,
)
from iolaus.model.rollout import NodeProgress, NodeState, Progress, RolloutState
from iolaus.recovery.deciding import Scene, decide
from iolaus.recovery.ladder import Patient, plan_recovery, rungs_named
from iolaus.recovery.policy import Rules, rules_of
from iolaus.recovery.reach import judge, judge_all
from iolaus.recovery.reflash import Proof, Push
from iolaus.recovery.rungs import LADDERS, PERSON, RUNGS
from iolaus.recovery.spent import HOUR_S, Spending, Use, refuses

EVERY = frozenset(RungName)
ASKED = Asked(kind="recover")


def patient(name: str = "n1", *, managed: bool = True, **more: Any) -> Patient:
    more.setdefault("controller", Controller.ANSWERS)
    more.setdefault("on", True)
    seen = NodeSight(uid=name, name=name, rack="r1", **more)
    around = Around(rack=Share(silent=1, answering=17))
    return Patient(
        sight=seen,
        judgement=judge(seen, around),
        endpoint=f"https://{name}",
        managed=managed,
        offers=EVERY,
    )


def planned(
    one: Patient, asked: Asked = ASKED, rules: Rules | None = None, **more: Any
) -> NodePlan:
    plan = plan_recovery(
        asked,
        [one],
        {one.sight.uid: one.judgement},
        {one.sight.uid: "r1"},
        rules or Rules(),
        now=1.0,
        **more,
    )
    (node,) = plan.nodes
    return node


MAY_RESCUE = "recovery/may/rescue"
HUNG = HostSight(alive=False, source="agent", at=1.0)


def test_a_hung_host_is_tried_from_soft_to_hard_and_evidence_comes_first() -> None:
    node = planned(patient(host=HUNG))
    assert node.fate is Fate.UPDATE
    assert node.steps[0].action.verb is Verb.GATHER
    order = [str(each.rung) for each in node.steps]
    ladder = [each.value for each in LADDERS[Verdict.HOST_HUNG] if each is not RungName.RESCUE]
    assert [word for word in dict.fromkeys(order[1:-1]) if word != "evidence"] == ladder
    assert node.steps[-1].action.subject == "prove"
    rungs = [each for each in node.steps if each.action.verb is Verb.RECOVER]
    often = {each.action.subject for each in rungs if each.attempts > 1}
    assert often <= {"outlet-on", "boot-clear", "eject-media"}, "nothing is reset twice"
    for each in node.steps[1:-1]:
        if each.action.verb is Verb.RECOVER and each.action.subject not in ("look", "outlet-on"):
            assert any(e.subject == "recovery/back" for e in each.before), each.id
            assert any(e.subject.startswith("recovery/may/") for e in each.before) or (
                each.action.subject == "outlet-off"
            )


def test_the_plan_is_the_same_for_the_same_and_another_for_another_time() -> None:
    one = patient(host=HUNG)
    plans = [
        plan_recovery(ASKED, [one], {}, {}, Rules(), now=now, made_by="ana")
        for now in (1.0, 1.0, 2.0)
    ]
    assert plans[0].id == plans[1].id != plans[2].id
    assert rungs_named(plans[0])[0] == "evidence"


def test_what_no_rung_leads_out_of_is_a_persons_with_what_to_do() -> None:
    node = planned(patient(supplies=("PSU1",)))
    assert (node.fate, node.steps) == (Fate.BLOCKED, ())
    assert "replace the supply" in node.reason
    assert {*LADDERS, *PERSON} == set(Verdict), "each finding has a ladder or a person's step"


def test_a_well_node_is_left_alone_and_a_read_only_one_is_blocked() -> None:
    assert planned(patient()).fate is Fate.NO_OP
    node = planned(patient(host=HUNG, managed=False))
    assert node.fate is Fate.BLOCKED
    assert "managed" in node.reason


def test_ten_nodes_of_a_rack_are_a_racks_trouble() -> None:
    sights = [
        NodeSight(uid=f"n{n}", name=f"n{n}", rack="r1", controller=Controller.ANSWERS, on=True,
                  host=HUNG if n < 10 else HostSight())
        for n in range(18)
    ]  # fmt: skip
    hall = judge_all(sights)
    racks = dict.fromkeys(hall, "r1")
    every = [
        Patient(sight=s, judgement=hall[s.uid], endpoint="e", managed=True, offers=EVERY)
        for s in sights[:10]
    ]
    plan = plan_recovery(ASKED, every, hall, racks, Rules(), now=1.0)
    assert {node.fate for node in plan.nodes} == {Fate.BLOCKED}
    assert "10 of 18 nodes of rack r1" in plan.nodes[0].reason
    assert not plan.waves


def test_a_controllers_silence_stops_no_host_that_is_alive_unless_somebody_says_so() -> None:
    outlets = (OutletSight(name="p/1", on=True, watts=500.0),)
    dead = patient(controller=Controller.SILENT, on=None, outlets=outlets)

    def willing(asked: Asked, rules: Rules | None = None) -> bool:
        steps = planned(dead, asked, rules).steps
        off = next(each for each in steps if each.action.subject == "outlet-off")
        return all(each.subject != "recovery/host-may-stop" for each in off.before)

    assert not willing(ASKED)
    assert willing(Asked(kind="recover", arguments={"host_may_stop": True}))
    assert willing(ASKED, Rules(host_may_stop=True))


def test_outlets_that_were_taken_are_given_back_whatever_came_of_it() -> None:
    outlets = (OutletSight(name="p/1", on=True, watts=500.0),)
    steps = planned(patient(controller=Controller.SILENT, on=None, outlets=outlets)).steps
    words = [each.action.subject for each in steps]
    on = steps[words.index("outlet-on")]
    assert words.index("outlet-off") + 1 == words.index("outlet-on")
    assert [each.subject for each in on.before] == ["recovery/outlets"], "nothing else holds it up"


def test_a_slot_is_read_before_it_is_reset_and_a_silent_controller_is_to_answer_after() -> None:
    def slot(one: Patient) -> Step:
        return next(each for each in planned(one).steps if each.rung == "slot")

    silent = slot(patient(controller=Controller.SILENT, on=None))
    hung = slot(patient(host=HUNG))
    for step in (silent, hung):
        assert step.attempts == 1
        assert {"recovery/slot", "recovery/may/slot"} <= {each.subject for each in step.before}
    ends = [[each.subject for each in step.after] for step in (silent, hung)]
    assert ends == [["recovery/answers"], ["recovery/back"]]


def test_a_rescue_is_asked_for_and_its_override_is_taken_back() -> None:
    rules = Rules(rescue=RescueWant(image="https://images/rescue.iso"))
    asked = Asked(kind="recover", arguments={"rescue": True})
    steps = planned(patient(host=HUNG), asked, rules).steps
    words = [each.action.subject for each in steps]
    counted = [s.action.subject for s in steps if any(e.subject == MAY_RESCUE for e in s.before)]
    assert counted == ["insert-media"], "its other steps would be refused for what it used itself"
    tail = ["insert-media", "boot-once", "rescue-start", "boot-clear", "eject-media", "prove"]
    assert words[-6:] == tail
    assert "boot-once" not in [s.action.subject for s in planned(patient(host=HUNG)).steps]


def test_firmware_is_pushed_again_before_anything_restarts_and_asks_for_the_host_it_stops() -> None:
    def steps(kind: str, **asked: Any) -> tuple[Step, ...]:
        push = Push(component="X", uri="/fw/X", kind=kind, file="x", sha256="0", version="1")
        one = replace(patient(broken=("X",)), pushes=(push,))
        return planned(one, Asked(kind="recover", arguments=asked)).steps

    def stops(kind: str, **asked: Any) -> bool:
        first = next(each for each in steps(kind, **asked) if each.action.subject == "reflash")
        return any(each.subject == "recovery/host-may-stop" for each in first.before)

    words = [each.action.subject for each in steps("bmc")]
    assert words[:5] == ["evidence", "switch-bank", "reflash", "reflash-activate", "reset-manager"]
    assert (stops("bmc"), stops("bios"), stops("psu")) == (False, True, False)
    assert not stops("bios", host_may_stop=True)
    assert "reflash-activate" not in [each.action.subject for each in steps("psu")]
    assert all(each.attempts == 1 for each in steps("bmc") if each.rung == "reflash")


def test_who_can_sign_what_it_runs_is_asked_to_once_the_version_is_there() -> None:
    proof = Proof(attester="erot", part="X", references=("X 1",))
    push = Push(component="X", uri="/fw/X", kind="bmc", file="x", sha256="0", version="1",
                proof=proof)  # fmt: skip
    steps = planned(replace(patient(broken=("X",)), pushes=(push,))).steps
    (step,) = [each for each in steps if each.action.verb is Verb.ATTEST]
    assert wanted_of(step.action, "erot") == [frozenset({"X 1"})]
    assert [(each.subject, each.value) for each in step.before] == [("firmware/X", "1")]
    assert [(each.subject, each.value) for each in step.after] == [("attestation/erot", "proved")]
    assert steps[steps.index(step) - 1].action.subject == "reflash-activate"


def test_a_rescue_over_http_says_what_is_fetched_and_puts_nothing_into_a_drive() -> None:
    image = "https://images/rescue.efi"
    rules = Rules(rescue=RescueWant(boot="UefiHttp", image=image))
    asked = Asked(kind="recover", arguments={"rescue": True})
    steps = {s.action.subject: s for s in planned(patient(host=HUNG), asked, rules).steps}
    assert not {"insert-media", "eject-media"} & steps.keys()
    once = steps["boot-once"]
    assert once.action.arguments["image"] == image
    assert [each.value for each in once.after] == [f"UefiHttp/Once {image}"]
    assert MAY_RESCUE in [each.subject for each in once.before]
    assert steps["boot-clear"].action.arguments["image"] == image


def test_a_compromised_host_is_held_off_and_nothing_starts_it() -> None:
    node = planned(patient(attested=False, host=HostSight(alive=True, source="agent", at=1.0)))
    words = [each.action.subject for each in node.steps]
    assert words == ["evidence", "never-by-itself", "cut-off", "watch", "outlet-off", "prove"]
    assert not {"power-on", "restart", "outlet-on"} & set(words)
    assert "recovery/held-off" in [e.subject for e in node.steps[-1].after]
    progress = Progress(
        plan="p",
        state=RolloutState.RUNNING,
        nodes={node.uid: NodeProgress(uid=node.uid, state=NodeState.DONE)},
    )
    plan = Plan(baseline="", generation=0, nodes=(node,), waves=(Wave(name="all", nodes=("n1",)),))
    assert decide(plan, progress, Scene(), 2.0).reason == "1 held off (n1)", "nobody is back"


def test_outlets_that_nobody_knows_are_not_taken() -> None:
    one = replace(patient(attested=False), offers=EVERY - {RungName.OUTLET})
    words = [each.action.subject for each in planned(one).steps]
    assert words == ["evidence", "never-by-itself", "cut-off", "watch", "prove"]


def test_a_compromised_host_is_cut_off_from_its_networks_first_where_policy_says_so() -> None:
    def words(**want: bool) -> list[str]:
        rules = Rules(isolate=IsolateWant(**want))
        return [
            each.action.subject for each in planned(patient(attested=False), ASKED, rules).steps
        ]

    assert "isolate" not in words()
    assert words(use=True)[:3] == ["evidence", "isolate", "never-by-itself"]
    assert words(use=True, power=False) == ["evidence", "isolate", "prove"]


def test_only_what_a_recovery_closed_is_opened_again() -> None:
    asked = Asked(kind="recover", arguments={"only": "rejoin"})
    assert planned(patient(), asked).fate is Fate.NO_OP
    (step,) = planned(replace(patient(), closed=("/p#LinkState",)), asked).steps
    assert step.action.arguments["links"] == ["/p#LinkState"]
    assert not step.rung, "it fails where it is not fulfilled"


def test_a_person_may_say_what_it_is_and_which_rung() -> None:
    asked = Asked(kind="recover", arguments={"class": "host-hung", "only": "force-restart"})
    node = planned(patient(), asked)
    words = [each.action.subject for each in node.steps]
    assert words == ["evidence", "force-restart", "prove"]
    for wrong in ({"class": "tired"}, {"only": "kick"}, {"speed": 9}):
        with pytest.raises(OperatorMust):
            planned(patient(), Asked(kind="recover", arguments=wrong))


def test_a_rung_that_policy_forbids_or_nothing_offers_is_not_in_the_plan() -> None:
    spec = RecoverySpec(
        rungs={RungName.NMI: RungWant(use=False), RungName.RESTART: RungWant(per_hour=1)}
    )
    rules = rules_of(spec, seconds=parse_duration)
    assert rules.rungs[RungName.RESTART].per_hour == 1
    words = [each.action.subject for each in planned(patient(host=HUNG), rules=rules).steps]
    assert "nmi" not in words


def test_budgets_hold_for_the_node_the_rack_and_the_fleet() -> None:
    rung = RUNGS[RungName.OUTLET]

    def use(node: str, at: float, rack: str = "r1") -> Use:
        return Use(RungName.OUTLET, node, rack, at, f"{node}@{at}")

    def why(uses: list[Use], *, node: str = "n9", rack: str = "r9", now: float = 5000.0) -> str:
        return refuses(rung, uses, node=node, rack=rack, step="s", now=now)

    assert why([]) == ""
    assert "again in" in why([use("n9", 4000.0)])
    assert why([use("n9", 4000.0)], now=4000.0 + rung.cool_down_s) == ""
    both = [use("n1", 4000.0), use("n2", 4100.0)]
    assert "in rack r1" in why(both, rack="r1")
    assert why(both) == ""
    fleet = [use(f"n{n}", 4000.0, f"r{n}") for n in range(rung.per_hour)]
    assert "within the hour" in why(fleet)
    assert why(fleet, now=4000.0 + HOUR_S) == ""


def test_what_one_recovery_used_and_saved_is_not_the_next_ones() -> None:
    one = patient(host=HUNG)
    first, second = (
        plan_recovery(ASKED, [one], {}, {}, Rules(), now=now).nodes[0].steps for now in (1.0, 9.5)
    )
    assert not {each.id for each in first} & {each.id for each in second}
    used, again = (
        next(each.id for each in steps if each.rung == RungName.NMI) for steps in (first, second)
    )
    spending = Spending()
    spending.note("plan", Use(RungName.NMI, "n1", "r1", 1.0, used))
    nmi = RUNGS[RungName.NMI]
    assert spending.ask(nmi, node="n1", rack="r1", step=again, now=10.0)
    assert not spending.ask(nmi, node="n1", rack="r1", step=used, now=10.0), "its own resumed step"


def test_the_last_of_a_budget_is_given_once() -> None:
    rung = RUNGS[RungName.OUTLET]._replace(per_hour=1)
    spending = Spending()
    assert spending.ask(rung, node="a", rack="", step="1", now=10.0) == ""
    assert spending.ask(rung, node="a", rack="", step="1", now=11.0) == "", "its own is its own"
    assert spending.ask(rung, node="b", rack="", step="2", now=11.0)
    assert spending.ask(rung, node="b", rack="", step="2", now=60.0) == "", "never begun"
    spending.note("p", Use(RungName.OUTLET, "b", "", 61.0, "2"))
    assert spending.ask(rung, node="c", rack="", step="3", now=100.0)
