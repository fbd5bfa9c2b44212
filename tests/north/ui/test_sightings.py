"""The map's columns of "until when" against the model's "is it stale now": the same verdicts.

A hall is drawn at random, with facts of any age, silent endpoints and mute detectors, and every
cell of every metric must be what `model/condition.py` says of it at that moment.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import Asset, AssetKind, HealthFact, Identity, PowerFact, Reading, Report
from iolaus.model.condition import Sight, effective, last_seen, leak_condition
from iolaus.model.endpoint import EndpointStatus, Reach, Target
from iolaus.model.fact import Conflict, Health, Known, PowerState, Unknown
from iolaus.north.ui.hallmap import HallMap
from iolaus.north.ui.measures import ABSENT, METRICS, UNKNOWN
from iolaus.store.facts import Facts
from iolaus.store.held import Held

START = 1_700_000_000.0
ADDRESS = "https://127.0.0.9"
AGES = st.one_of(st.sampled_from([0.0, 19.0, 20.0, 21.0, 1799.0, 1801.0]), st.floats(0, 4000))
HOT, SLOW = "/redfish/v1/Hot", "/redfish/v1/Slow"


def facts_of(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(lambda v, age: Known(value=v, at=START - age), st.sampled_from(values), AGES),
        st.builds(lambda age: Unknown(reason="mute", at=START - age), AGES),
        st.builds(lambda age: Conflict(values=tuple(values), at=START - age), AGES),
    )


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    role = draw(st.sampled_from(["node_power", "inlet_temperature", "leak", "leak"]))
    verdicts = [None, "OK", "Warning", "Critical"] if role == "leak" else ["OK"]
    return Reading(
        name=draw(st.sampled_from("abcdef")),
        asset="A",
        uri=draw(st.sampled_from([HOT, SLOW])),
        quantity="q",
        unit="",
        value=draw(st.one_of(st.none(), st.floats(0, 900), st.just(0.0))),
        at=START - draw(AGES),
        status=draw(st.sampled_from(verdicts)),
        role=role,
    )


@st.composite
def reports(draw: st.DrawFn) -> Report:
    health: HealthFact = draw(facts_of(list(Health)))
    power: PowerFact = draw(facts_of(list(PowerState)))
    asset = Asset(
        key="A",
        kind=draw(st.sampled_from(list(AssetKind))),
        resources=(draw(st.sampled_from([HOT, SLOW])),),
        identity=Identity(),
        power_state=power,
        health=health,
        observed_at=START - draw(AGES),
    )
    return Report(
        endpoint=ADDRESS,
        driver="d",
        redfish_version=None,
        observed_at=START - draw(AGES),
        assets=(asset,),
        readings=tuple(draw(st.lists(readings(), max_size=5))),
        hot=(HOT,),
    )


class AllNamed:
    def names_of(self, address: str) -> dict[str, str]:
        return {"A": "a"}

    def shape(self) -> object:
        return 0


def sight_of(held: Held) -> Sight:
    hot = frozenset(held.report.hot) if held.report else frozenset()
    return Sight(now=START, interval_s=10.0, status=held.status, report=held.report, hot=hot)


@given(reports(), st.sampled_from(list(Reach)))
def test_map_agrees_with_the_conditions(report: Report, reach: Reach) -> None:
    facts = Facts(clock=JumpClock(START))
    facts.put_target(Target(address=ADDRESS))
    facts.record_status(EndpointStatus(address=ADDRESS, reach=reach, at=START, since=START - 9))
    facts.record_report(report)
    hall = HallMap(facts=facts, names=AllNamed(), clock=JumpClock(START), interval_s=10.0)
    held = facts.held(ADDRESS)
    assert held is not None
    sight, asset = sight_of(held), held.assets["A"]
    interval_s = sight.asset_interval_s(asset)

    seen = effective(asset.health, sight, interval_s=interval_s)
    assert word(hall, "health") == (str(seen.value) if isinstance(seen, Known) else None)
    seen_power = effective(asset.power_state, sight, interval_s=interval_s)
    shown = (
        {"On": "On", "Off": "Off"}.get(str(seen_power.value), "Changing")
        if isinstance(seen_power, Known)
        else None
    )
    assert word(hall, "state") == shown
    condition = leak_condition(asset.kind, sight, readings=held.readings.values())
    expected = {"True": "Dry", "False": "Leak"}.get(condition.status if condition else "")
    assert word(hall, "leak") == expected
    assert (code(hall, "leak") == ABSENT) is (condition is None)
    is_old = reach is not Reach.REACHABLE or sight.is_stale(last_seen(asset), interval_s=interval_s)
    assert stale(hall, "age") is is_old


@given(reports(), st.sampled_from([Reach.REACHABLE, Reach.UNREACHABLE]))
def test_numbers_keep_their_value_and_say_when_they_are_old(report: Report, reach: Reach) -> None:
    facts = Facts(clock=JumpClock(START))
    facts.put_target(Target(address=ADDRESS))
    facts.record_status(EndpointStatus(address=ADDRESS, reach=reach, at=START, since=START - 9))
    facts.record_report(report)
    hall = HallMap(facts=facts, names=AllNamed(), clock=JumpClock(START), interval_s=10.0)
    held = facts.held(ADDRESS)
    assert held is not None
    sight = sight_of(held)
    power = next((r for r in held.readings.values() if r.role == "node_power"), None)
    if power is None:
        assert code(hall, "power") == ABSENT
    elif power.value is None:
        assert code(hall, "power") == UNKNOWN
        assert not stale(hall, "power")
    else:
        scale = hall.show("power").scale
        shown = scale.low + code(hall, "power") / 65_000 * (scale.high - scale.low)
        assert math.isclose(shown, power.value, abs_tol=scale.high / 65_000)
        old = sight.is_stale(power.at, interval_s=sight.reading_interval_s(power))
        assert stale(hall, "power") is (old or reach is not Reach.REACHABLE)


def test_a_part_that_could_not_be_read_is_unknown_and_not_absent() -> None:
    facts = Facts(clock=JumpClock(START))
    facts.put_target(Target(address=ADDRESS))
    asset = Asset(
        key="A",
        kind=AssetKind.NODE,
        resources=(HOT,),
        identity=Identity(),
        power_state=Unknown(reason="mute", at=START),
        health=Unknown(reason="mute", at=START),
        observed_at=START,
    )
    report = Report(
        endpoint=ADDRESS, driver="d", redfish_version=None, observed_at=START, assets=(asset,)
    )
    hall = HallMap(facts=facts, names=AllNamed(), clock=JumpClock(START), interval_s=10.0)
    facts.record_report(report)
    assert code(hall, "inlet") == ABSENT
    facts.record_report(msgspec.structs.replace(report, partial={"/redfish/v1/Chassis": "503"}))
    assert code(hall, "inlet") == UNKNOWN


def state_word(fact: object) -> str | None:
    if not isinstance(fact, Known):
        return None
    return str(fact.value) if fact.value in (PowerState.ON, PowerState.OFF) else "Changing"


def code(hall: HallMap, metric: str) -> int:
    return int(hall.show(metric, max_age_s=0).codes[0])


def stale(hall: HallMap, metric: str) -> bool:
    return bool(hall.show(metric, max_age_s=0).stale[0])


def word(hall: HallMap, metric: str) -> str | None:
    found = code(hall, metric)
    return None if found in (UNKNOWN, ABSENT) else METRICS[metric].words[found]
