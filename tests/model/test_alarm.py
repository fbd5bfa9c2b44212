"""The table of states, and what alarms of a hall do over time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.model.alarm import (
    HIDDEN,
    OF_PEOPLE,
    SHOWN,
    TRANSITIONS,
    Alarm,
    AlarmKind,
    AlarmState,
    AlarmStep,
    Occurrence,
    Priority,
    Said,
    answered,
    can,
    moved,
)
from iolaus.model.alarm_kinds import ALARM_KINDS
from iolaus.model.alarming import Key, Placed, causes, settled

PLAIN = ALARM_KINDS["HealthCritical"]
LATCHING = ALARM_KINDS["LeakDetected"]


def an_alarm(state: AlarmState, *, active: bool, code: str = "HealthCritical") -> Alarm:
    return Alarm(
        code=code,
        uid="u",
        subject="n1",
        state=state,
        active=active,
        priority=Priority.HIGH,
        message="m",
    )


@pytest.mark.parametrize("state", AlarmState)
@pytest.mark.parametrize("step", AlarmStep)
@pytest.mark.parametrize("kind", [PLAIN, LATCHING], ids=lambda k: k.code)
@pytest.mark.parametrize("active", [True, False])
def test_every_step_in_every_state(
    state: AlarmState, step: AlarmStep, kind: AlarmKind, active: bool
) -> None:
    before = an_alarm(state, active=active, code=kind.code)
    if step not in TRANSITIONS[state]:
        assert not can(before, step)
        with pytest.raises(OperatorMust) as refused:
            moved(before, step, kind, now=5.0)
        assert refused.value.code == "NotNow"
        return
    after = moved(before, step, kind, now=5.0)
    assert after.changed_at == 5.0
    if step is AlarmStep.OCCUR:
        assert after.active
    elif step is AlarmStep.RETURN:
        assert not after.active
    else:
        assert after.active is active
    if step is AlarmStep.RETURN and kind.latching and state in SHOWN:
        assert after.state in (AlarmState.LATCHED, AlarmState.LATCHED_UNACKNOWLEDGED)
    if state in HIDDEN and after.state not in HIDDEN:
        wanted = AlarmState.UNACKNOWLEDGED if active else AlarmState.NORMAL
        assert after.state is wanted
        assert not after.hidden_by


def test_the_states_are_those_of_the_standard() -> None:
    """ANSI/ISA-18.2-2016, the nine states A to I."""
    assert len(AlarmState) == 9
    assert set(AlarmState) == SHOWN | HIDDEN | {AlarmState.NORMAL}
    assert set(TRANSITIONS) == set(AlarmState)


def test_a_latched_alarm_is_acknowledged_then_reset_and_not_while_it_is_active() -> None:
    ringing = an_alarm(AlarmState.UNACKNOWLEDGED, active=True, code="LeakDetected")
    with pytest.raises(OperatorMust):
        answered(ringing, Said(step=AlarmStep.RESET, by="ann"), LATCHING, now=1.0)
    over = moved(ringing, AlarmStep.RETURN, LATCHING, now=2.0)
    with pytest.raises(OperatorMust) as refused:
        answered(over, Said(step=AlarmStep.RESET, by="ann"), LATCHING, now=3.0)
    assert "acknowledge" in refused.value.next_step
    seen = answered(
        over, Said(step=AlarmStep.ACKNOWLEDGE, by="ann", note="mopped"), LATCHING, now=4.0
    )
    assert (seen.acknowledged_by, seen.note, seen.acknowledged_at) == ("ann", "mopped", 4.0)
    assert answered(seen, Said(step=AlarmStep.RESET, by="bob"), LATCHING, now=5.0).state is (
        AlarmState.NORMAL
    )


def test_shelving_has_an_end() -> None:
    ringing = an_alarm(AlarmState.UNACKNOWLEDGED, active=True)
    for until in (None, 9.0):
        with pytest.raises(OperatorMust) as refused:
            answered(ringing, Said(step=AlarmStep.SHELVE, by="ann", until=until), PLAIN, now=10.0)
        assert refused.value.code == "ForHowLong"


@pytest.mark.parametrize("step", sorted(set(AlarmStep) - OF_PEOPLE))
def test_what_is_not_by_hand(step: AlarmStep) -> None:
    ringing = an_alarm(AlarmState.UNACKNOWLEDGED, active=True)
    with pytest.raises(OperatorMust) as refused:
        answered(ringing, Said(step=step, by="ann"), PLAIN, now=1.0)
    assert refused.value.code == "NotByHand"


class Hall:
    """Alarms as they are kept, over looks."""

    def __init__(self) -> None:
        self.alarms: dict[Key, Alarm] = {}
        self.pending: dict[Key, float] = {}

    def look(self, now: float, *occurring: Occurrence, clear: tuple[Key, ...] = ()) -> None:
        judged: dict[Key, Occurrence | None] = dict.fromkeys(clear)
        judged |= {each.key: each for each in occurring}
        changed, self.pending = settled(
            self.alarms, judged, ALARM_KINDS, pending=self.pending, now=now
        )
        self.alarms |= changed
        self.alarms = {k: a for k, a in self.alarms.items() if a.state is not AlarmState.NORMAL}

    def say(self, key: Key, step: AlarmStep, *, now: float, until: float | None = None) -> None:
        said = Said(step=step, by="ann", until=until)
        after = answered(self.alarms[key], said, ALARM_KINDS[key[1]], now=now)
        self.alarms[key] = after


def occurring(code: str, uid: str = "u", **more: str) -> Occurrence:
    return Occurrence(code=code, uid=uid, subject=uid, message="so it is", **more)  # type: ignore[arg-type]


def test_a_condition_must_hold_for_its_delay_and_be_gone_for_its_delay() -> None:
    hall, silent = Hall(), occurring("DeviceSilent")
    hall.look(0.0, silent)
    hall.look(29.0, silent)
    assert not hall.alarms
    hall.look(31.0, silent)
    assert hall.alarms[silent.key].state is AlarmState.UNACKNOWLEDGED
    assert hall.alarms[silent.key].since == 0.0
    hall.look(40.0, clear=(silent.key,))
    hall.look(60.0, silent)
    hall.look(62.0, clear=(silent.key,))
    assert hall.alarms[silent.key].active
    hall.look(93.0, clear=(silent.key,))
    assert hall.alarms[silent.key].state is AlarmState.RETURNED_UNACKNOWLEDGED
    assert hall.alarms[silent.key].returned_at == 62.0
    hall.say(silent.key, AlarmStep.ACKNOWLEDGE, now=94.0)
    assert hall.alarms[silent.key].state is AlarmState.NORMAL


def test_one_that_comes_and_goes_before_its_delay_never_rings() -> None:
    hall, silent = Hall(), occurring("DeviceSilent")
    for now in range(0, 600, 40):
        hall.look(float(now), silent)
        hall.look(float(now) + 20.0, clear=(silent.key,))
    assert not hall.alarms


def test_the_unknown_changes_nothing() -> None:
    hall, leak = Hall(), occurring("LeakDetected")
    hall.look(0.0, leak)
    for now in range(1, 100):
        hall.look(float(now))
    assert hall.alarms[leak.key].state is AlarmState.UNACKNOWLEDGED


def test_it_rings_again_after_it_was_acknowledged_and_came_back() -> None:
    hall, sick = Hall(), occurring("HealthCritical")
    hall.look(0.0, sick)
    hall.say(sick.key, AlarmStep.ACKNOWLEDGE, now=1.0)
    hall.look(2.0, sick)
    assert hall.alarms[sick.key].state is AlarmState.ACKNOWLEDGED
    hall.look(3.0, clear=(sick.key,))
    hall.look(40.0, clear=(sick.key,))
    assert sick.key not in hall.alarms
    hall.look(41.0, sick)
    assert hall.alarms[sick.key].state is AlarmState.UNACKNOWLEDGED
    assert not hall.alarms[sick.key].acknowledged_by


def test_a_shelved_one_rings_again_at_its_end_if_it_still_holds() -> None:
    hall, sick = Hall(), occurring("HealthCritical")
    hall.look(0.0, sick)
    hall.say(sick.key, AlarmStep.SHELVE, now=1.0, until=100.0)
    hall.look(99.0, sick)
    assert hall.alarms[sick.key].state is AlarmState.SHELVED
    hall.look(100.0, sick)
    assert hall.alarms[sick.key].state is AlarmState.UNACKNOWLEDGED
    hall.say(sick.key, AlarmStep.SHELVE, now=101.0, until=200.0)
    hall.look(102.0, clear=(sick.key,))
    hall.look(150.0, clear=(sick.key,))
    hall.look(200.0, clear=(sick.key,))
    assert sick.key not in hall.alarms


def test_a_silent_rack_is_one_alarm_and_its_members_come_back_into_sight_after_it() -> None:
    hall = Hall()
    members = [occurring("DeviceSilent", f"n{n}", endpoint=f"e{n}", rack="r1") for n in range(18)]
    rack = causes([Placed(rack="r1", silent=True) for _ in members])
    rung = rack[("rack/r1", "RackSilent")]
    assert rung is not None
    for now in (0.0, 25.0, 31.0, 60.0):
        hall.look(now, *members, rung)
    shown = [a for a in hall.alarms.values() if a.state in SHOWN]
    assert [a.name for a in shown] == ["r1:RackSilent"]
    hidden = [a for a in hall.alarms.values() if a.state is AlarmState.SUPPRESSED]
    assert len(hidden) == 18
    assert {a.hidden_by for a in hidden} == {"r1:RackSilent"}
    keys = tuple(each.key for each in members[1:])
    hall.look(70.0, members[0], clear=(*keys, rung.key))
    hall.look(120.0, members[0], clear=(*keys, rung.key))
    assert hall.alarms[members[0].key].state is AlarmState.UNACKNOWLEDGED
    assert not [a for a in hall.alarms.values() if a.state is AlarmState.SUPPRESSED]


def test_two_silent_ones_are_no_rack_and_few_endpoints_no_hall() -> None:
    two = [Placed(rack="r1", silent=True)] * 2
    assert causes(two)[("rack/r1", "RackSilent")] is None
    few = [Placed(rack=f"r{n}", silent=True) for n in range(7)]
    assert causes(few)[("hall", "HallSilent")] is None
    most = [Placed(rack=f"r{n}", silent=n < 7) for n in range(10)]
    assert causes(most)[("hall", "HallSilent")] is not None


def test_a_cause_explains_its_own_place_only() -> None:
    hall = Hall()
    here = occurring("LeakDetectorSilent", "a", endpoint="e1", rack="r1")
    there = occurring("LeakDetectorSilent", "b", endpoint="e2", rack="r1")
    silent = occurring("DeviceSilent", "e1", endpoint="e1", rack="r1")
    for now in (0.0, 61.0):
        hall.look(now, here, there, silent)
    assert hall.alarms[here.key].state is AlarmState.SUPPRESSED
    assert hall.alarms[there.key].state is AlarmState.UNACKNOWLEDGED


def test_a_leak_is_never_explained_away() -> None:
    assert not ALARM_KINDS["LeakDetected"].causes


@given(st.lists(st.tuples(st.sampled_from(("on", "off", "?", *OF_PEOPLE)), st.integers(1, 100))))
def test_what_holds_for_long_enough_is_never_lost(story: list[tuple[str, int]]) -> None:
    """Whatever people do: at the end, what holds is in the list, and what is over is not active."""
    hall, sick, now = Hall(), occurring("HealthCritical"), 0.0
    holds = False
    for word, seconds in story:
        now += seconds
        if word == "on":
            holds = True
            hall.look(now, sick)
        elif word == "off":
            holds = False
            hall.look(now, clear=(sick.key,))
            hall.look(now + 31.0, clear=(sick.key,))
            now += 31.0
        elif word == "?":
            hall.look(now)
        elif sick.key in hall.alarms and can(hall.alarms[sick.key], AlarmStep(word)):
            until = now + 10.0 if word == AlarmStep.SHELVE else None
            hall.say(sick.key, AlarmStep(word), now=now, until=until)
        alarm = hall.alarms.get(sick.key)
        assert (alarm is not None and alarm.active) == holds


def test_every_code_is_rationalised() -> None:
    for code, kind in ALARM_KINDS.items():
        assert kind.code == code
        assert kind.means
        assert kind.consequence
        assert kind.response
        assert kind.clears
        assert all(cause in ALARM_KINDS for cause in kind.causes)
