"""The building system without a broker: what it says and when, and what it does when asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from iolaus.sim.building.bms import Bms, Message
from iolaus.sim.building.bms_points import Integration, Point
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.guard import Response
from iolaus.sim.building.lives import LivePlant
from tests.sim.building.contract import Contract
from tests.sim.building.hand_clock import HandClock

OURS = Integration(name="IOLAUS", may=frozenset({"isolate", "tray", "setpoint"}))
OTHER = Integration(name="MEPAI1", may=frozenset({"setpoint"}))
RACK, UNIT = "h1-r01", "h1-a-cdu1"


@pytest.fixture
def bms(plant: LivePlant, clock: HandClock, faults: Faults) -> Bms:
    return Bms(plant.floor, plant, clock=clock, faults=faults, integrations=(OURS, OTHER))


@pytest.fixture(scope="module")
def contract(shared: Path) -> Contract:
    return Contract(shared / "dsx" / "bms.yaml")


def point(bms: Bms, thing: str, kind: str, integration: str | None = None, tag: str = "") -> Point:
    return next(
        p for p in bms.points
        if (p.thing, p.type, p.integration) == (thing, kind, integration) and tag in p.path
    )  # fmt: skip


def payload(value: float | None, quality: int = 1) -> bytes:
    return json.dumps({"value": value, "timestamp": 1, "quality": quality}).encode()


def ask(
    bms: Bms, thing: str, kind: str, value: float | None, *, who: str = "IOLAUS", quality: int = 1
) -> Response:
    bms.heard(point(bms, thing, kind, who).value_topic, payload(value, quality))
    return bms.judged[-1].response


def beat(bms: Bms, who: str = "IOLAUS", value: float = 123.0) -> Sequence[Message]:
    topic = point(bms, who, "HeartbeatTimestampIntegration", who).value_topic
    return bms.heard(topic, payload(value))


def said(messages: Iterable[Message], point: Point) -> list[dict[str, Any]]:
    return [json.loads(m.payload) for m in messages if m.topic == point.value_topic]


def value(bms: Bms, point: Point) -> float | None:
    found = said(bms.due(), point)
    assert found, f"{point.path} was not said"
    return found[-1]["value"]  # type: ignore[no-any-return]


@pytest.mark.shared
def test_every_metadata_message_keeps_the_contract(bms: Bms, contract: Contract) -> None:
    messages = list(bms.metadata())
    assert len(messages) == len({m.topic for m in messages}) == len(bms.points)
    for message in messages:
        data = json.loads(message.payload)
        contract.check(message.topic, data, data["pointType"])
        assert (message.retain, message.qos) == (True, 1)
        assert message.topic.split("/")[4:6] == [data["objectType"], data["pointType"]]


@pytest.mark.shared
def test_every_value_message_keeps_the_contract(
    bms: Bms, contract: Contract, clock: HandClock, faults: Faults
) -> None:
    beats = beat(bms)
    first = [*bms.due(), *beats]
    for message in first:
        contract.check(message.topic, json.loads(message.payload))
        assert not message.retain
    own = {p.value_topic for p in bms.points if p.integration is None}
    assert own - {m.topic for m in first} == {point(bms, "MEPAI1", "HeartbeatEchoBms").value_topic}
    faults.arm("no-value", what="RackPower")
    for message in bms.due():
        contract.check(message.topic, json.loads(message.payload))


@pytest.mark.shared
def test_integration_topics_are_those_the_contract_derives(bms: Bms, contract: Contract) -> None:
    theirs = [p for p in bms.points if p.integration]
    assert {p.integration for p in theirs} == {"IOLAUS", "MEPAI1"}
    for p in theirs:
        derived = p.metadata_topic.replace("/PUB/Metadata/", f"/{p.integration}/Value/")
        assert p.value_topic == derived
        contract.check(p.value_topic, json.loads(payload(1.0)))


def values(messages: Iterable[Message]) -> set[str]:
    return {m.topic for m in messages if "/Value/" in m.topic}


def test_values_on_change_and_every_hundred_seconds(bms: Bms, clock: HandClock) -> None:
    everything = values(bms.due())
    assert len(list(bms.due())) == 0
    clock._elapsed += 99.0
    assert len(values(bms.due())) < len(everything) / 2
    clock._elapsed += 1.0
    still = point(bms, RACK, "RackLeakDetect").value_topic
    assert still in values(bms.due())


def test_metadata_at_each_connection_and_evenly_every_hundred_seconds_after_it(
    bms: Bms, clock: HandClock
) -> None:
    metadata = list(bms.metadata())
    clock._elapsed += 60.0
    assert list(bms.first()) == metadata
    for _ in range(2):
        told = []
        for _ in range(100):
            clock._elapsed += 1.0
            turn = [m for m in bms.due() if "/Metadata/" in m.topic]
            assert len(turn) <= len(metadata) / 100 + 1
            told += turn
        assert told == metadata
    clock._elapsed += 1000.0
    assert sum("/Metadata/" in m.topic for m in bms.due()) == len(metadata)


def test_heartbeat_every_ten_seconds_and_echo(bms: Bms, clock: HandClock, faults: Faults) -> None:
    own = point(bms, "BMS", "HeartbeatTimestampBms")
    beats = 0
    for _ in range(60):
        beats += len(said(bms.due(), own))
        clock._elapsed += 1.0
    assert beats == 6
    echo = point(bms, "IOLAUS", "HeartbeatEchoBms")
    assert said(beat(bms, value=987.0), echo)[0]["value"] == 987.0
    online = point(bms, "IOLAUS", "Status")
    assert value(bms, online) == 1.0
    clock._elapsed += 31.0
    assert value(bms, online) == 0.0
    faults.arm("late-heartbeat", thing="bms")
    clock._elapsed += 20.0
    assert not said(bms.due(), own)
    assert not beat(bms)


def test_leaks_and_sensor_faults_are_told_apart(bms: Bms, plant: LivePlant) -> None:
    leak, fault = (point(bms, RACK, kind) for kind in ("RackLeakDetect", "RackLeakSensorFault"))
    list(bms.due())
    plant.spill(RACK)
    assert value(bms, leak) == 1.0
    plant.break_sensor(RACK)
    messages = list(bms.due())
    assert said(messages, leak)[0]["value"] == 0.0
    assert said(messages, fault)[0]["value"] == 1.0


def test_power_is_cut_before_coolant(bms: Bms, plant: LivePlant, clock: HandClock) -> None:
    """A request that had to wait is done as soon as it may be."""
    assert ask(bms, RACK, "RackLiquidIsolationRequest", 1.0) is Response.STILL_POWERED
    shut = point(bms, RACK, "RackLiquidIsolationStatus")
    assert value(bms, shut) == 0.0
    assert ask(bms, RACK, "RackElectricalIsolationRequest", 1.0) is Response.ACCEPTED
    clock._elapsed += 1.0
    messages = list(bms.due())
    assert said(messages, point(bms, RACK, "RackElectricalIsolationStatus"))[0]["value"] == 1.0
    assert said(messages, point(bms, RACK, "RackPower"))[0]["value"] == 0.0
    clock._elapsed += 10.0
    messages = list(bms.due())
    assert said(messages, shut)[0]["value"] == 1.0
    assert said(messages, point(bms, RACK, "RackLiquidFlow"))[0]["value"] < 10.0
    assert plant.read("h1-r01-ps1", "working") == 0.0


def test_what_was_wet_stays_shut_until_dry_and_asked_again(
    bms: Bms, plant: LivePlant, clock: HandClock
) -> None:
    plant.spill(RACK)
    ask(bms, RACK, "RackElectricalIsolationRequest", 1.0)
    clock._elapsed += 1.0
    ask(bms, RACK, "RackLiquidIsolationRequest", 1.0)
    clock._elapsed += 10.0
    assert ask(bms, RACK, "RackLiquidIsolationRequest", 0.0) is Response.MAY_BE_WET
    plant.spill(RACK, wet=False)
    list(bms.due())
    assert plant.read(RACK, "liquid_isolated") == 1.0
    assert ask(bms, RACK, "RackElectricalIsolationRequest", 0.0) is Response.NO_COOLANT
    assert ask(bms, RACK, "RackLiquidIsolationRequest", 0.0) is Response.ACCEPTED
    clock._elapsed += 10.0
    assert ask(bms, RACK, "RackElectricalIsolationRequest", 0.0) is Response.ACCEPTED
    clock._elapsed += 1.0
    assert plant.read(RACK, "electrical_isolated") == 0.0
    assert (plant.read("h1-r01-ps1", "working"), plant.racks[RACK].loads[0].on) == (6.0, [True])


def test_broken_sensor_isolates_nothing_and_opens_nothing(bms: Bms, plant: LivePlant) -> None:
    plant.break_sensor(RACK)
    list(bms.due())
    assert plant.read(RACK, "electrical_isolated") == 0.0
    assert ask(bms, RACK, "RackElectricalIsolationRequest", -1.0) is Response.NONE
    assert ask(bms, RACK, "RackElectricalIsolationRequest", 1.0, quality=0) is Response.BAD_QUALITY
    assert ask(bms, RACK, "RackElectricalIsolationRequest", 7.0) is Response.NOT_UNDERSTOOD
    assert plant.read(RACK, "electrical_isolated") == 0.0


def test_set_points_within_guardrails(bms: Bms, plant: LivePlant, clock: HandClock) -> None:
    kind = "LiquidTemperatureSpRequest"
    assert ask(bms, UNIT, kind, 34.0) is Response.INTEGRATION_SILENT
    beat(bms)
    assert ask(bms, UNIT, kind, 60.0) is Response.OUT_OF_RANGE
    assert ask(bms, UNIT, kind, 28.0) is Response.TOO_FAR
    assert ask(bms, UNIT, kind, 34.0, quality=0) is Response.BAD_QUALITY
    feedback = point(bms, UNIT, "LiquidTemperature", tag="supply-temp-sp")
    response = point(bms, UNIT, "GenericPoint", tag="supply-temp-sp-response")
    answered = bms.heard(point(bms, UNIT, kind, "IOLAUS").value_topic, payload(34.0))
    assert said(answered, response)[0]["value"] == Response.ACCEPTED
    assert value(bms, feedback) == 34.0
    clock._elapsed += 31.0
    messages = list(bms.due())
    assert said(messages, feedback)[0]["value"] == 36.0
    assert said(messages, response)[0]["value"] == Response.INTEGRATION_SILENT


def test_last_that_asked_holds_the_set_point(bms: Bms, plant: LivePlant) -> None:
    kind = "LiquidTemperatureSpRequest"
    beat(bms)
    beat(bms, "MEPAI1")
    ask(bms, UNIT, kind, 34.0)
    ask(bms, UNIT, kind, 38.0, who="MEPAI1")
    ask(bms, UNIT, kind, None)
    assert plant.read(UNIT, "supply_wanted_c") == 38.0
    ask(bms, UNIT, kind, None, who="MEPAI1")
    assert plant.read(UNIT, "supply_wanted_c") == 36.0


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"value": "x"}', b"9" * 5000])
def test_nonsense_is_said_to_be_nonsense(bms: Bms, data: bytes) -> None:
    bms.heard(point(bms, RACK, "RackElectricalIsolationRequest", "IOLAUS").value_topic, data)
    assert bms.judged[-1].response is Response.NOT_UNDERSTOOD
    assert bms.heard("BMS/v1/IOLAUS/Value/Rack/RackPower/x", payload(1.0)) == ()
    assert bms.ignored == 1


def test_faults_of_values(bms: Bms, clock: HandClock, faults: Faults) -> None:
    power = point(bms, RACK, "RackPower")
    first = value(bms, power)
    faults.arm("bad-quality", thing=RACK, what="RackPower")
    assert said(bms.due(), power)[0]["quality"] == 0
    faults.disarm()
    faults.arm("no-value", thing=RACK, what="RackPower")
    assert said(bms.due(), power)[0] | {"timestamp": 0} == {
        "value": None, "timestamp": 0, "quality": 0}  # fmt: skip
    faults.disarm()
    first = value(bms, power)
    faults.arm("stale-values", thing=RACK, what="mqtt")
    clock._elapsed += 100.0
    stale = said(bms.due(), power)[0]
    assert stale["value"] == first
    assert stale["timestamp"] == round(1000 * clock.now())


def test_deaf(bms: Bms, plant: LivePlant, faults: Faults) -> None:
    faults.arm("deaf", thing="bms")
    topic = point(bms, RACK, "RackElectricalIsolationRequest", "IOLAUS").value_topic
    assert bms.heard(topic, payload(1.0)) == ()
    assert (bms.ignored, plant.read(RACK, "breaker_closed")) == (1, 1.0)
