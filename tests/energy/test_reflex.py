"""Reflexes: the right thing in the right time and order, and nothing from what nobody knows."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iolaus.energy.edge import Edge
from iolaus.energy.ports import CapWrite, Event, Grade, IsolationRequest, Medium, PowerOff, Sense
from iolaus.energy.reflex import ReflexRules, graded, judge
from iolaus.energy.rules import EdgeRules
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from tests.energy.racks import World, event, frame, rack

WARN, BAD, GOOD, UNKNOWN = Grade.WARNING, Grade.CRITICAL, Grade.GOOD, Grade.UNKNOWN
ALL = {"n0", "n1", "n2", "n3"}


def running(**more: object) -> World:
    """A rack that has its lease and is grown into it."""
    world = World(Edge(rack(**more)))  # type: ignore[arg-type]
    world.lease(3600, until_s=100)
    world.busy(1000, until_s=100)
    world.run(12)
    assert world.total_w > 3400
    return world


def offs(world: World) -> set[str]:
    return {each.node for _, each in world.log if isinstance(each, PowerOff)}


def test_a_critical_tray_leak_cuts_that_tray_and_no_other() -> None:
    world = running()
    world.says(12.5, event(Sense.LEAK, "n1-wet", BAD))
    world.run(20)
    first = world.first(PowerOff)
    assert first is not None
    assert first - 12.5 < 0.2
    assert offs(world) == {"n1"}
    assert world.first(IsolationRequest) is None
    assert world.edge.reflexes.drained() == {"n1"}


def test_one_warning_waits_for_a_second_opinion_or_for_time() -> None:
    world = running()
    world.says(13, event(Sense.LEAK, "ra", WARN))
    world.run(17.5)
    assert not world.edge.reflexes.latches
    world.run(19)
    assert world.total_w == 1600
    assert world.edge.reflexes.drained() == ALL
    two = running()
    two.says(13, event(Sense.LEAK, "ra", WARN))
    two.says(13.5, event(Sense.LEAK, "rb", WARN))
    two.run(14)
    assert two.edge.reflexes.held() == ALL
    assert offs(two) == set()


def test_a_rack_is_cut_from_power_and_then_from_liquid() -> None:
    world = running()
    world.says(13, event(Sense.LEAK, "ra", BAD))
    world.run(16)
    asked = [(at, c.medium) for at, c in world.log if isinstance(c, IsolationRequest)]
    assert [medium for _, medium in asked] == [Medium.ELECTRICAL, Medium.LIQUID]
    assert asked[1][0] - 13 < 2
    assert offs(world) == ALL


def test_a_rack_of_a_leaking_loop_is_isolated_only_when_it_is_off() -> None:
    world = running()
    world.says(13, event(Sense.LEAK, "loop-1", BAD))
    still = {"n2"}
    off = world._off
    world._off = lambda node: None if node in still else off(node)  # type: ignore[method-assign]
    world.run(20)
    assert offs(world) == ALL
    assert world.first(IsolationRequest) is None
    still.clear()
    world.run(26)
    assert world.first(IsolationRequest) is not None


def test_a_building_that_does_not_answer_still_gets_both_requests() -> None:
    world = running()
    world.edge.isolated = lambda *_: None  # type: ignore[method-assign]
    world.says(13, event(Sense.LEAK, "ra", BAD))
    world.run(15)
    media = [each.medium for _, each in world.log if isinstance(each, IsolationRequest)]
    assert media[:2] == [Medium.ELECTRICAL, Medium.LIQUID]


@pytest.mark.parametrize("sense", [s for s in Sense if s not in (Sense.BUILDING, Sense.BATTERY)])
def test_a_sensor_fault_is_an_alarm_and_nothing_else(sense: Sense) -> None:
    world = running()
    before, count = dict(world.caps), len(world.log)
    world.says(13, event(sense, "n1-wet", UNKNOWN))
    world.run(14.5)
    assert world.caps == before
    assert len(world.log) == count
    assert [alarm.sense for alarm in world.edge.verdict.alarms] == [sense]


def test_a_lost_sensor_clears_no_leak() -> None:
    world = running()
    world.says(13, event(Sense.LEAK, "n1-wet", BAD))
    world.says(14, event(Sense.LEAK, "n1-wet", UNKNOWN))
    world.run(30)
    assert set(world.edge.reflexes.latches) == {"leak/tray-n1"}
    assert world.edge.reflexes.off() == {"n1"}


def test_nothing_is_switched_on_again_and_what_is_goes_off_again() -> None:
    world = running()
    world.says(13, event(Sense.LEAK, "n1-wet", BAD))
    world.says(15, event(Sense.LEAK, "n1-wet", GOOD))
    world.run(40)
    assert world.on["n1"] is False
    count = len([1 for _, each in world.log if isinstance(each, PowerOff)])
    world.on["n1"] = True
    world.at(40.1, lambda: world.edge.powered("n1", True, world.now_s))
    world.run(41)
    assert world.on["n1"] is False
    assert len([1 for _, each in world.log if isinstance(each, PowerOff)]) == count + 1


def test_a_person_releases_a_latch_and_only_when_its_cause_is_over() -> None:
    world = running()
    world.says(13, event(Sense.LEAK, "n1-wet", BAD))
    world.run(14)
    with pytest.raises(PolicyRefused) as refused:
        world.edge.release("leak/tray-n1", world.now_s)
    assert refused.value.code == "StillTripped"
    with pytest.raises(OperatorMust):
        world.edge.release("leak/elsewhere", world.now_s)
    world.says(15, event(Sense.LEAK, "n1-wet", GOOD))
    world.run(16)
    count = len(world.log)
    assert world.edge.release("leak/tray-n1", world.now_s).off
    world.run(30)
    assert world.on["n1"] is False
    assert not any(isinstance(each, PowerOff) for _, each in world.log[count:])


def test_a_detector_that_is_dead_may_be_overruled_by_a_person() -> None:
    world = running()
    world.says(13, event(Sense.LEAK, "n1-wet", BAD))
    world.says(14, event(Sense.LEAK, "n1-wet", UNKNOWN))
    world.run(15)
    world.edge.release("leak/tray-n1", world.now_s)
    world.run(20)
    assert not world.edge.reflexes.latches


def test_lost_flow_caps_at_thirty_per_cent_within_two_seconds() -> None:
    world = running()
    world.says(13, event(Sense.FLOW, "cdu", BAD))
    world.run(13.6)
    assert set(world.caps.values()) == {300}
    world.says(14, event(Sense.FLOW, "cdu", GOOD))
    world.run(30)
    assert set(world.caps.values()) == {300}


def test_a_hot_die_is_capped_and_a_hotter_one_is_cut() -> None:
    world = running()
    world.says(13, event(Sense.DIE, "n2", UNKNOWN, 96))
    world.run(14)
    assert (world.caps["n2"], offs(world)) == (300, set())
    world.says(14, event(Sense.DIE, "n2", UNKNOWN, 106))
    world.run(15)
    assert offs(world) == {"n2"}


def test_an_overrun_of_the_racks_limit_goes_to_the_floors() -> None:
    world = running(limit_w=3700.0)
    world.says(13, event(Sense.RACK_POWER, "r1", UNKNOWN, 3700))
    world.run(15)
    assert not world.edge.reflexes.latches
    world.says(15, event(Sense.RACK_POWER, "r1", UNKNOWN, 3900))
    world.run(16)
    assert world.total_w == 1600


def test_a_lost_feed_leaves_what_was_armed_at_once_and_ends_with_it() -> None:
    world = running(armed={"feed-a": 2200.0})
    world.says(13, event(Sense.FEED, "feed-a", BAD))
    world.run(13.2)
    assert world.total_w <= 2200
    assert world.caps["n3"] > world.caps["n0"]
    world.says(20, event(Sense.FEED, "feed-a", UNKNOWN))
    world.run(25)
    assert world.total_w <= 2200
    world.says(25, event(Sense.FEED, "feed-a", GOOD))
    world.run(34)
    assert world.total_w <= 2200
    world.run(60)
    assert world.total_w > 3400


def test_what_was_armed_gives_way_to_a_plan_that_knows_of_the_loss() -> None:
    world = running(armed={"feed-a": 2200.0})
    world.says(13, event(Sense.FEED, "feed-a", BAD))
    world.run(14)
    assert world.total_w <= 2200
    for second in range(14, 24):
        world.gives(second + 0.5, frame(100 + second, 2700, lost=("feed-a",)))
    world.run(24)
    assert 2600 < world.total_w <= 2700
    world.run(30)
    assert world.total_w == 1600


def test_a_feed_for_which_nothing_is_armed_leaves_the_floors() -> None:
    world = running()
    world.says(13, event(Sense.REDUNDANCY, "shelf-1", BAD))
    world.run(13.3)
    assert world.total_w == 1600


def test_a_battery_gives_what_its_charge_carries() -> None:
    world = running(battery_j=240 * 4000.0)
    world.says(13, event(Sense.BATTERY, "bbu", BAD, 0.7))
    world.run(14)
    assert 2600 < world.total_w <= 2800
    world.says(15, event(Sense.BATTERY, "bbu", WARN, 0.5))
    world.run(16)
    assert world.total_w <= 2000
    world.says(17, event(Sense.BATTERY, "bbu", UNKNOWN))
    world.run(18)
    assert world.total_w == 1600


def test_a_unit_whose_flow_ceased_is_lost_and_one_that_stands_by_is_not() -> None:
    world = running()
    world.says(13, event(Sense.FLOW, "cdu2 flow", UNKNOWN, 0.0))
    world.says(13, event(Sense.FLOW, "cdu1 flow", UNKNOWN, 400.0))
    world.says(14, event(Sense.FLOW, "cdu1 flow", UNKNOWN, 40.0))
    world.run(14.9)
    assert world.total_w == 3600
    world.says(15, event(Sense.FLOW, "cdu1 flow", UNKNOWN, 1.0))
    world.run(16)
    assert max(world.caps.values()) == 300


def test_a_unit_that_ceased_is_no_loss_while_the_flow_is_proved() -> None:
    world = running()
    for at, name, lpm in ((13, "cdu1", 400.0), (13, "cdu2", 300.0), (14, "cdu1", 0.0)):
        world.says(at, event(Sense.FLOW, f"{name} flow", UNKNOWN, lpm))
    world.run(15)
    assert world.total_w == 3600
    world.says(15, event(Sense.FLOW, "r1 liquid", UNKNOWN, 30.0))
    world.says(16, event(Sense.FLOW, "r1 liquid", UNKNOWN, 0.0))
    world.run(17)
    assert max(world.caps.values()) == 300


@pytest.mark.parametrize("sense", [Sense.FEED, Sense.REDUNDANCY, Sense.BATTERY])
def test_what_nobody_knew_was_never_lost(sense: Sense) -> None:
    world = running()
    for at, grade in ((13, UNKNOWN), (14, GOOD), (16, UNKNOWN), (18, GOOD)):
        world.says(at, event(sense, "s1", grade))
        world.run(at + 0.9)
        assert world.total_w == 3600, (at, grade)


@pytest.mark.parametrize("sense", [Sense.FEED, Sense.REDUNDANCY, Sense.BATTERY])
def test_unknown_neither_ends_nor_lengthens_the_way_back(sense: Sense) -> None:
    world = running()
    world.lease(3600, until_s=40)
    for at, grade in ((13, BAD), (14, UNKNOWN), (15, GOOD), (17, UNKNOWN), (19, GOOD)):
        world.says(at, event(sense, "s1", grade))
        world.run(at + 0.9)
        assert world.total_w == 1600, (at, grade)
    world.run(24.5)
    assert world.total_w == 1600
    world.run(30)
    assert world.total_w > 1600


def test_a_lost_building_is_taken_to_cool_at_its_worst() -> None:
    world = running()
    world.says(13, event(Sense.BUILDING, "bms", UNKNOWN))
    world.run(14)
    assert max(world.caps.values()) == 750
    assert ReflexRules(supply_worst_c=60).unlinked_cap == 0


def test_a_silent_detector_becomes_unknown() -> None:
    rules = EdgeRules(reflex=ReflexRules(silent_s={Sense.LEAK: 3.0}))
    world = World(Edge(rack(), rules))
    world.says(1, event(Sense.LEAK, "n1-wet", GOOD))
    world.run(3.5)
    assert not world.edge.verdict.alarms
    world.run(5)
    assert [alarm.subject for alarm in world.edge.verdict.alarms] == ["n1-wet"]
    assert not world.edge.reflexes.latches


def test_latches_outlive_the_process() -> None:
    world = running()
    world.says(13, event(Sense.LEAK, "n1-wet", BAD))
    world.run(14)
    kept = list(world.edge.reflexes.latches.values())
    again = World(Edge(rack(), latched=kept), caps=dict(world.caps))
    again.run(0.2)
    assert offs(again) == {"n1"}
    again.run(10)
    assert world.caps["n1"] == 400


def test_a_reflex_strikes_where_budgets_only_watch() -> None:
    world = World(Edge(rack(), EdgeRules(acts=False)))
    world.says(3, event(Sense.FLOW, "cdu", BAD))
    world.run(5)
    assert set(world.caps.values()) == {300}
    assert all(each.reflex for _, each in world.log if isinstance(each, CapWrite))


def test_bad_numbers_grade_nothing() -> None:
    for value in (math.nan, math.inf, -math.inf):
        assert graded(event(Sense.DIE, "n0", UNKNOWN, value), ReflexRules()) is UNKNOWN
    assert graded(event(Sense.FLOW, "x", UNKNOWN, 0.0), ReflexRules()) is UNKNOWN
    assert graded(event(Sense.FLOW, "x", UNKNOWN, 3.0), ReflexRules()) is GOOD


EVENTS = st.builds(
    Event,
    sense=st.sampled_from(list(Sense)),
    subject=st.sampled_from(["n0", "n0-wet", "n1-wet", "ra", "rb", "loop-1", "feed-a", "else"]),
    grade=st.sampled_from(list(Grade)),
    value=st.none() | st.floats(-50, 5000),
)


HOTTER = [(0.0, Grade.WARNING), (1.0, Grade.WARNING), (4.0, Grade.CRITICAL)]


@settings(max_examples=60, deadline=None)
@example(
    told=[(at, Event(sense=Sense.COOLANT, subject="n0", grade=grade)) for at, grade in HOTTER],
    budgets=[],
)
@given(
    told=st.lists(st.tuples(st.floats(0, 5), EVENTS), max_size=20),
    budgets=st.lists(st.floats(0, 4000), max_size=4),
)
def test_a_reflex_only_ever_takes_away(
    told: list[tuple[float, Event]], budgets: list[float]
) -> None:
    """Whatever is heard in whatever order: latches never leave by themselves, nothing that is off
    comes on, what a reflex leaves is never more than it was, and the same signals judge alike."""
    world = World(Edge(rack(armed={"feed-a": 2000.0})))
    for number, watts in enumerate(budgets):
        world.gives(number * 2.0, frame(number + 1, watts))
    when = 0.0
    for pause, what in told:
        when += pause
        world.says(when, what)
    held: set[str] = set()
    left = dict.fromkeys(ALL, math.inf)
    while world.now_s < when + 12:
        world.run(world.now_s + 0.5)
        reflexes = world.edge.reflexes
        assert held <= set(reflexes.latches)
        held = set(reflexes.latches)
        now = {name: reflexes.limit_w(name) for name in ALL}
        assert all(now[name] <= left[name] for name in ALL)
        left = now
        rules = world.edge.rules.reflex
        first = judge(reflexes.signals, world.edge.rack, rules, world.now_s)
        assert first == judge(reflexes.signals, world.edge.rack, rules, world.now_s)
    assert all(world.on[name] for name in ALL - world.edge.reflexes.off())
