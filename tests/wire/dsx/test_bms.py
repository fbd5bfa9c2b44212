"""The building as we know it: what counts, for how long, and what we say to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iolaus.kernel.errors import DeviceRefused
from iolaus.wire.dsx.bms import AGAIN_S, SILENT_S, STALE_S, Bms
from iolaus.wire.dsx.point import value_topic

FLOW, LEAK = "CDU/LiquidFlow/s/cdu1/flow", "Rack/RackLeakDetect/s/r1/leak"
ASK, STATUS = "Rack/RackLiquidIsolationRequest/s/r1/ask", "Rack/RackLiquidIsolationStatus/s/r1/is"
BEAT, OURS, ECHO = (
    "System/HeartbeatTimestampBms/s/bms",
    "System/HeartbeatTimestampIntegration/s/us",
    "System/HeartbeatEchoIntegration/s/bms/us",
)
WANT = "CDU/LiquidTemperatureSpRequest/s/cdu1/want"


class Talk:
    """A building that speaks to a `Bms` at the time `now`."""

    def __init__(self) -> None:
        self.bms, self.now = Bms("IOLAUS"), 100.0
        self.bms.linked(self.now)

    def describe(self, path: str, **more: Any) -> None:
        kind, point, *_ = path.split("/")
        about = {"objectId": more.pop("about", "cdu1")}
        if kind == "Rack":
            about = {"rackLocationId": "r1"}
        body = {"objectType": kind, "pointType": point, **about, **more}
        self._take(f"BMS/v1/PUB/Metadata/{path}", body)

    def say(self, path: str, value: float | None, *, quality: int = 1, who: str = "PUB") -> None:
        body = {"value": value, "timestamp": 1000 * self.now, "quality": quality}
        self._take(value_topic(path, publisher=who), body)

    def beat(self) -> None:
        self.say(BEAT, 1000 * self.now)

    def shown(self, path: str) -> tuple[float | None, str]:
        found = self.bms.shown(path, self.now)
        return found.value, found.reason

    def due(self) -> list[tuple[str, Any]]:
        return [
            (m.topic, json.loads(m.payload)["value"]) for m in self.bms.due(self.now, at=self.now)
        ]

    def _take(self, topic: str, body: Any) -> None:
        self.bms.take(topic, json.dumps(body).encode(), mono_s=self.now, at=self.now)


@pytest.fixture
def talk() -> Talk:
    found = Talk()
    found.describe(BEAT, about="BMS")
    found.beat()
    return found


def test_a_value_with_metadata_counts(talk: Talk) -> None:
    talk.describe(FLOW, engUnit="LPM")
    assert talk.shown(FLOW) == (None, "the building has not said it yet")
    talk.say(FLOW, 900.5)
    assert talk.shown(FLOW) == (900.5, "")


def test_a_value_without_metadata_is_kept_aside_until_they_come(talk: Talk) -> None:
    talk.say(FLOW, 900.0)
    assert list(talk.bms.aside) == [FLOW]
    assert talk.shown(FLOW)[0] is None
    talk.describe(FLOW)
    assert talk.shown(FLOW) == (900.0, "")
    assert not talk.bms.aside


def test_bad_quality_and_null_are_unknown_and_not_the_last_value(talk: Talk) -> None:
    talk.describe(LEAK)
    talk.say(LEAK, 0.0)
    talk.say(LEAK, 0.0, quality=0)
    assert talk.shown(LEAK) == (None, "its quality is 0, not good")
    talk.say(LEAK, None)
    assert talk.shown(LEAK)[0] is None


def test_what_is_not_repeated_is_unknown(talk: Talk) -> None:
    talk.describe(FLOW)
    talk.say(FLOW, 900.0)
    talk.now += STALE_S + 1
    talk.beat()
    assert "not repeated" in talk.shown(FLOW)[1]


def test_a_heartbeat_that_stops_makes_all_of_it_unknown(talk: Talk) -> None:
    talk.describe(FLOW)
    talk.say(FLOW, 900.0)
    talk.now += SILENT_S - 1
    assert talk.shown(FLOW) == (900.0, "")
    talk.now += 2
    talk.say(FLOW, 901.0)
    assert talk.shown(FLOW) == (None, "the building's heartbeat stopped 31 s ago")
    talk.beat()
    assert talk.shown(FLOW) == (901.0, "")


def test_the_same_heartbeat_again_is_none(talk: Talk) -> None:
    talk.now += 20
    talk.say(BEAT, 100_000.0)
    talk.now += 15
    assert "heartbeat stopped" in talk.bms.why_lost(talk.now)


def test_without_link_or_heartbeat_nothing_is_believed() -> None:
    talk = Talk()
    talk.describe(FLOW)
    talk.say(FLOW, 1.0)
    assert talk.shown(FLOW)[1] == "the building has sent no heartbeat"
    talk.bms.linked(None)
    assert talk.shown(FLOW)[1] == "no link to the building's broker"


def test_others_values_and_malformed_ones_are_not_taken(talk: Talk) -> None:
    talk.describe(FLOW)
    talk.say(FLOW, 5.0, who="MEPAI")
    assert talk.bms.ignored == 1
    talk.bms.take(value_topic(FLOW), b"{", mono_s=0.0, at=0.0)
    assert talk.bms.malformed == 1
    assert talk.shown(FLOW)[0] is None


def test_metadata_that_are_taken_back(talk: Talk) -> None:
    talk.describe(FLOW)
    talk.say(FLOW, 5.0)
    talk.bms.take(f"BMS/v1/PUB/Metadata/{FLOW}", b"", mono_s=0.0, at=0.0)
    assert FLOW not in talk.bms.metadata
    assert talk.shown(FLOW)[0] is None


def test_metadata_that_say_the_same_again_change_nothing(talk: Talk) -> None:
    talk.describe(OURS, about="IOLAUS", integration="IOLAUS")
    known, revision = dict(talk.bms.metadata), talk.bms.revision
    talk.describe(OURS, about="IOLAUS", integration="IOLAUS")
    talk.describe(BEAT, about="BMS")
    assert (talk.bms.metadata, talk.bms.revision) == (known, revision)


def test_a_point_is_found_by_what_its_last_metadata_say(talk: Talk) -> None:
    talk.describe(FLOW, about="cdu1")
    revision = talk.bms.revision
    talk.describe(FLOW, about="cdu2")
    assert list(talk.bms.find("LiquidFlow", "cdu1")) == []
    assert [path for path, _ in talk.bms.find("LiquidFlow", "cdu2")] == [FLOW]
    assert talk.bms.revision > revision
    talk.bms.take(f"BMS/v1/PUB/Metadata/{FLOW}", b"", mono_s=0.0, at=0.0)
    assert list(talk.bms.find("LiquidFlow", "cdu2")) == []


def test_our_heartbeat_and_echo(talk: Talk) -> None:
    talk.describe(OURS, about="IOLAUS", integration="IOLAUS")
    talk.describe(ECHO, about="BMS", integration="IOLAUS")
    assert talk.due() == [(value_topic(OURS, publisher="IOLAUS"), 100_000)]
    talk.now += 5
    talk.beat()
    assert talk.due() == [(value_topic(ECHO, publisher="IOLAUS"), 105_000)]
    talk.now += 6
    assert [topic for topic, _ in talk.due()] == [value_topic(OURS, publisher="IOLAUS")]


def test_a_request_stands_and_is_said_again(talk: Talk) -> None:
    with pytest.raises(DeviceRefused) as caught:
        talk.bms.ask_isolation("r1", "liquid", isolate=True)
    assert caught.value.code == "BuildingOffersNot"
    talk.describe(ASK, integration="OTHER")
    with pytest.raises(DeviceRefused):
        talk.bms.ask_isolation("r1", "liquid", isolate=True)
    talk.describe(ASK, integration="IOLAUS")
    message = talk.bms.ask_isolation("r1", "liquid", isolate=True)
    assert message.topic == value_topic(ASK, publisher="IOLAUS")
    assert talk.due() == [(message.topic, 1)]
    talk.now += 5
    assert talk.due() == []
    talk.now += AGAIN_S
    assert talk.due() == [(message.topic, 1)]
    talk.bms.linked(talk.now)
    assert talk.due() == [(message.topic, 1)]


def test_isolated_is_what_the_building_says(talk: Talk) -> None:
    assert talk.bms.isolated("r1", "liquid", talk.now) is None
    talk.describe(STATUS)
    talk.say(STATUS, 0.0)
    assert talk.bms.isolated("r1", "liquid", talk.now) is False
    talk.say(STATUS, 1.0)
    assert talk.bms.isolated("r1", "liquid", talk.now) is True
    talk.say(STATUS, 1.0, quality=0)
    assert talk.bms.isolated("r1", "liquid", talk.now) is None


def test_a_supply_temperature_is_asked_for_and_given_back(talk: Talk) -> None:
    talk.describe(WANT, integration="IOLAUS")
    talk.bms.ask_supply("cdu1", 38.5)
    assert talk.due() == [(value_topic(WANT, publisher="IOLAUS"), 38.5)]
    talk.bms.ask_supply("cdu1", None)
    assert talk.due() == [(value_topic(WANT, publisher="IOLAUS"), None)]
