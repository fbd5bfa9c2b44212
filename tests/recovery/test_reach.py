"""What a node's silence means: told apart over its paths, and once for a rack."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.model.reach import (
    Around,
    Controller,
    HostSight,
    NodeSight,
    OutletSight,
    Share,
    Verdict,
    Way,
)
from iolaus.recovery.reach import judge, judge_all

ALIVE = HostSight(alive=True, source="agent", at=1.0)
SILENT_HOST = HostSight(alive=False, source="agent", at=1.0)
FED = (OutletSight(name="pdu/1", on=True, watts=600.0),)
DEAD = (OutletSight(name="pdu/1", on=True, watts=0.0),)
OFF = (OutletSight(name="pdu/1", on=False, watts=0.0),)


def node(name: str = "n1", controller: Controller = Controller.ANSWERS, **more: Any) -> NodeSight:
    more.setdefault("on", True if controller is Controller.ANSWERS else None)
    return NodeSight(uid=name, name=name, controller=controller, **more)


def alone(seen: NodeSight, **around: Any) -> Verdict:
    around.setdefault("rack", Share(silent=1, answering=9))
    return judge(seen, Around(**around)).verdict


def silent(**more: Any) -> NodeSight:
    return node(controller=Controller.SILENT, rack="r1", **more)


def test_a_silent_controller_a_silent_host_and_no_power_are_told_apart() -> None:
    assert alone(silent(outlets=FED)) is Verdict.CONTROLLER_DEAD
    assert alone(silent(host=ALIVE)) is Verdict.CONTROLLER_DEAD
    assert alone(silent(outlets=DEAD)) is Verdict.POWER_GONE
    assert alone(silent(outlets=OFF)) is Verdict.POWER_GONE
    assert alone(silent(outlets=DEAD, host=ALIVE)) is Verdict.CONTROLLER_DEAD
    assert alone(silent()) is Verdict.NODE_SILENT
    assert alone(silent(), rack=Share()) is Verdict.UNKNOWN
    assert alone(node(host=SILENT_HOST)) is Verdict.HOST_HUNG
    assert alone(node(host=ALIVE)) is Verdict.WELL
    assert alone(node(on=False, host=SILENT_HOST)) is Verdict.HOST_OFF


def test_one_of_two_cords_is_enough_and_an_unknown_one_proves_nothing() -> None:
    unknown = OutletSight(name="pdu2/1")
    assert alone(silent(outlets=(*DEAD, *FED))) is Verdict.CONTROLLER_DEAD
    assert alone(silent(outlets=(*DEAD, unknown))) is Verdict.NODE_SILENT


def test_what_answers_is_judged_by_what_it_says() -> None:
    assert alone(node(controller=Controller.REFUSES)) is Verdict.LOGIN_LOST
    assert alone(node(controller=Controller.CROWDED)) is Verdict.SESSIONS_FULL
    assert alone(node(controller=Controller.HALF)) is Verdict.HOST_PATH_DEAD
    assert alone(node(broken=("BMC",))) is Verdict.FIRMWARE_BROKEN
    assert alone(node(wedged="an update")) is Verdict.UPDATE_WEDGED
    assert alone(node(supplies=("PSU1",))) is Verdict.SUPPLY_FAILED
    assert alone(node(controller=Controller.UNKNOWN)) is Verdict.UNKNOWN


def test_whoever_is_disproved_is_compromised_however_well_it_answers() -> None:
    assert alone(node(attested=False, host=ALIVE)) is Verdict.COMPROMISED
    assert alone(silent(attested=False)) is Verdict.COMPROMISED


def test_a_rack_that_is_silent_is_one_finding_and_its_power_tells_which() -> None:
    def rack(**more: Any) -> set[tuple[Verdict, str]]:
        nodes = [
            NodeSight(
                uid=f"r1-{n}", name=f"r1-{n}", rack="r1", controller=Controller.SILENT, **more
            )
            for n in range(18)
        ]
        others = [node(f"r2-{n}", rack="r2") for n in range(18)]
        found = judge_all([*nodes, *others])
        return {(found[each.uid].verdict, found[each.uid].finding) for each in nodes}

    assert rack() == {(Verdict.RACK_SILENT, "rack/r1")}
    assert rack(outlets=FED) == {(Verdict.RACK_NETWORK, "rack/r1")}
    assert rack(host=ALIVE) == {(Verdict.RACK_NETWORK, "rack/r1")}
    assert rack(outlets=DEAD) == {(Verdict.RACK_POWER, "rack/r1")}


def test_a_silent_hall_is_rather_us() -> None:
    nodes = [node(f"n{n}", Controller.SILENT, rack=f"r{n // 4}") for n in range(16)]
    found = judge_all(nodes)
    assert {each.verdict for each in found.values()} == {Verdict.CUT_OFF}
    assert {each.finding for each in found.values()} == {"hall"}
    assert judge(nodes[0], Around(ourselves=False)).verdict is Verdict.CUT_OFF


def test_a_silent_switch_is_found_across_racks() -> None:
    nodes = [node(f"n{n}", Controller.SILENT, rack=f"r{n}", switch="leaf-1") for n in range(4)]
    others = [node(f"m{n}", rack=f"r{n}") for n in range(8)]
    found = judge_all([*nodes, *others])
    assert {found[each.uid].verdict for each in nodes} == {Verdict.RACK_NETWORK}


def test_a_switchs_own_path_tells_it_from_what_is_behind_it() -> None:
    def behind(gate: bool | None, count: int = 4, **more: Any) -> tuple[Verdict, str, str]:
        nodes = [
            node(f"n{n}", Controller.SILENT, rack="r1", switch="sw", gate=gate, **more)
            for n in range(count)
        ]
        others = [node(f"m{n}", rack=f"r{n}") for n in range(2, 20)]
        found = judge_all([*nodes, *others])
        (one,) = {(found[n.uid].verdict, found[n.uid].finding, found[n.uid].why) for n in nodes}
        return one

    assert behind(False, host=ALIVE)[:2] == (Verdict.SWITCH_SILENT, "switch/sw")
    assert behind(False, count=2)[:2] == (Verdict.SWITCH_SILENT, "switch/sw")
    verdict, finding, why = behind(True, host=ALIVE)
    assert (verdict, finding) == (Verdict.RACK_NETWORK, "rack/r1")
    assert "its switch sw answers" in why
    assert behind(None, host=ALIVE)[0] is Verdict.RACK_NETWORK
    assert behind(False, outlets=DEAD)[0] is Verdict.RACK_POWER, "the switch is dark as they are"


def test_a_switch_that_is_silent_itself_takes_nobody_with_it_who_answers() -> None:
    nodes = [node(f"n{n}", rack="r1", switch="sw", gate=False) for n in range(3)]
    dead = node("n9", Controller.SILENT, rack="r1", switch="sw", gate=False, outlets=FED)
    found = judge_all([*nodes, dead])
    assert {found[each.uid].verdict for each in nodes} == {Verdict.WELL}
    assert found["n9"].verdict is Verdict.CONTROLLER_DEAD
    path = next(each for each in found["n9"].evidence if each.way is Way.SWITCH)
    assert path.detail == "3 of 4 controllers answer; itself it is silent"


def test_every_path_stands_in_the_evidence() -> None:
    seen = silent(outlets=FED, host=ALIVE, beside={"rack-manager": True}, switch="leaf-1")
    around = Around(rack=Share(silent=1, answering=9), ourselves=True)
    judgement = judge(seen, around)
    assert {each.way for each in judgement.evidence} == {
        Way.CONTROLLER, Way.BESIDE, Way.OUTLET, Way.HOST, Way.RACK, Way.SWITCH, Way.OURSELVES,
    }  # fmt: skip
    assert judgement.next_step.endswith("iolaus recover n1")
    outlet = next(each for each in judgement.evidence if each.way is Way.OUTLET)
    assert (outlet.good, outlet.detail) == (True, "on, 600 W")


SIGHTS = st.builds(
    NodeSight,
    uid=st.just("n"),
    name=st.just("n"),
    controller=st.sampled_from(Controller),
    rack=st.sampled_from(["", "r1"]),
    on=st.sampled_from([None, True, False]),
    outlets=st.lists(
        st.builds(
            OutletSight,
            name=st.just("o"),
            on=st.sampled_from([None, True, False]),
            watts=st.sampled_from([None, 0.0, 500.0]),
        ),
        max_size=2,
    ).map(tuple),
    host=st.sampled_from([HostSight(), ALIVE, SILENT_HOST]),
    attested=st.sampled_from([None, True, False]),
)
SHARES = st.builds(
    Share,
    silent=st.integers(0, 20),
    answering=st.integers(0, 20),
    alive=st.integers(0, 3),
    power=st.sampled_from([None, True, False]),
)


@settings(max_examples=300)
@given(SIGHTS, SHARES, SHARES, st.sampled_from([None, True, False]))
def test_nobody_is_blamed_on_too_little(
    seen: NodeSight, rack: Share, hall: Share, ourselves: bool | None
) -> None:
    found = judge(seen, Around(rack=rack, hall=hall, ourselves=ourselves))
    assert found.why
    assert found.next_step
    if found.verdict is Verdict.HOST_HUNG:
        assert seen.host.alive is False
        assert seen.on is not False
    if found.verdict is Verdict.POWER_GONE:
        assert seen.host.alive is not True
    if found.verdict is Verdict.CONTROLLER_DEAD:
        assert seen.controller is Controller.SILENT
    if found.verdict.of_many:
        assert seen.controller is Controller.SILENT
        assert not found.finding.startswith("node/")
