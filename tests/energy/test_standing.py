"""How an edge stands for whoever looks, and what of it rings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iolaus.energy.policy import Mode
from iolaus.energy.ports import Grade, Sense
from iolaus.energy.standing import CODES, EdgeStanding, judged, occurrences
from iolaus.energy.timing import BOUNDS_MS, Fallback, Latency
from iolaus.kernel.clock import JumpClock
from iolaus.model.alarm_kinds import ALARM_KINDS
from tests.energy.racks import event
from tests.north.powering import Room


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


def standing(room: Room) -> EdgeStanding:
    return room.edges()[0]


def heard(sense: Sense, subject: str, value: float | None = None) -> Callable[[Room], None]:
    def hear(room: Room) -> None:
        now_s = room.clock.monotonic()
        room.run.edge.event(event(sense, subject, Grade.CRITICAL, value), now_s)
        room.run.edge.tick(now_s)
        room.clock.advance(1.0)
        room.run.edge.tick(room.clock.monotonic())

    return hear


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (lambda room: room.wet(), "LeakCritical"),
        (heard(Sense.FLOW, "cdu-1"), "FlowLost"),
        (heard(Sense.DIE, "n1"), "OverTemperature"),
        (heard(Sense.COOLANT, "cdu-1"), "OverTemperature"),
        (heard(Sense.RACK_POWER, "r1"), "OverLimit"),
        (heard(Sense.FEED, "feed-a"), "FeedLost"),
        (heard(Sense.REDUNDANCY, "shelf-1"), "RedundancyLost"),
        (heard(Sense.BATTERY, "bbu-1"), "BatteryDischarging"),
        (heard(Sense.BUILDING, "building"), "BuildingLinkLost"),
    ],
)
def test_each_thing_that_strikes_rings_once_with_its_code(
    clock: JumpClock, what: Callable[[Room], None], code: str
) -> None:
    room = Room(clock)
    what(room)
    found = list(occurrences(standing(room)))
    assert [each.code for each in found] == [code]
    assert code in ALARM_KINDS
    assert len(judged([standing(room), standing(room)], [])) == 1


def test_what_rings_no_more_clears_and_others_alarms_are_left(clock: JumpClock) -> None:
    room = Room(clock)
    rang = [("energy/tray-n1", "LeakCritical"), ("uid", "DeviceSilent")]
    assert judged([standing(room)], rang) == {("energy/tray-n1", "LeakCritical"): None}


def test_without_a_lease_it_falls_and_rings_in_control_only(clock: JumpClock) -> None:
    room = Room(clock)
    assert standing(room).state == "leased"
    room.run.fallback.saw(True, False, clock.monotonic())
    clock.advance(4.0)
    room.run.beat_s = clock.monotonic()
    room.run.fallback.saw(False, False, clock.monotonic())
    assert standing(room).state == "falling"
    assert [each.code for each in occurrences(standing(room))] == ["LeaseExpired"]
    room.mode = Mode.OBSERVE
    assert list(occurrences(standing(room))) == []
    clock.advance(6.0)
    assert [each.code for each in occurrences(standing(room))] == ["EdgeSilent"]


def test_every_code_is_rationalised() -> None:
    assert set(ALARM_KINDS) >= CODES


def test_latency_counts_and_fallbacks_are_timed() -> None:
    latency, fallback = Latency(), Fallback()
    assert latency.quantile_ms(0.5) is None
    for milliseconds in (0.5, 3.0, 2000.0):
        latency.add(milliseconds / 1000.0)
    assert (len(latency.counts), latency.counts[-1]) == (len(BOUNDS_MS) + 1, 1)
    assert latency.quantile_ms(0.5) == pytest.approx(3.0)
    fallback.saw(False, True, 0.0)
    assert fallback.times == 0
    for leased, at_floor, now_s in ((True, False, 1.0), (False, False, 4.0), (False, True, 4.4)):
        fallback.saw(leased, at_floor, now_s)
    assert fallback.times == 1
    assert fallback.reached_s == pytest.approx(0.4)
    fallback.saw(True, False, 5.0)
    assert fallback.reached_s == pytest.approx(0.4)
