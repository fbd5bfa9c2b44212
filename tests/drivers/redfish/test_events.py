"""Events: known again by any channel, and never an error."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from iolaus.drivers.redfish.events import (
    Subscription,
    audit,
    events,
    parse_events,
    parse_subscription,
    parse_text,
    subscription_body,
)
from iolaus.drivers.redfish.harvest import ROOT
from iolaus.kernel.errors import DeviceRefused
from iolaus.wire.redfish.sse import Event
from tests.drivers.redfish.build import link
from tests.drivers.redfish.fake import FakeDevice

OVER = {
    "EventId": "17",
    "EventTimestamp": "2026-05-01T10:00:00Z",
    "MessageId": "Environmental.1.0.TemperatureAboveUpperCautionThreshold",
    "Message": "Inlet is hot",
    "MessageSeverity": "Warning",
    "OriginOfCondition": link(f"{ROOT}/Chassis/1/Sensors/Inlet"),
    "MemberId": "0",
}


def parse(*records: Any, stream_id: str = "", at: float = 5.0) -> list[Any]:
    return parse_events({"Events": list(records)}, received_at=at, stream_id=stream_id)


def test_an_event_as_it_should_be() -> None:
    (event,) = parse(OVER)
    assert (event.message, event.severity, event.event_id) == ("Inlet is hot", "Warning", "17")
    assert event.origin == f"{ROOT}/Chassis/1/Sensors/Inlet"
    assert event.created == "2026-05-01T10:00:00Z"


def test_the_same_event_by_another_channel_has_the_same_mark() -> None:
    (pushed,) = parse(OVER, at=1.0)
    (streamed,) = parse(OVER | {"EventId": "99", "MemberId": "4"}, stream_id="abc", at=2.0)
    assert pushed.dedup == streamed.dedup


def test_another_time_place_or_text_is_another_event() -> None:
    others = (
        {"EventTimestamp": "2026-05-01T10:00:01Z"},
        {"Message": "Inlet is cold"},
        {"MessageId": "X"},
        {"MessageArgs": ["7"]},
        {"OriginOfCondition": link("/redfish/v1/Chassis/2")},
    )
    assert len({event.dedup for event in parse(OVER, *(OVER | each for each in others))}) == 6


@pytest.mark.parametrize("stamp", [None, "", "yesterday", "1970-01-01T00:02:17Z", "0000-00-00"])
def test_without_a_usable_time_the_id_tells_events_apart(stamp: str | None) -> None:
    lost = OVER | {"EventTimestamp": stamp}
    first, second = parse(lost, lost | {"EventId": "18"})
    assert first.dedup != second.dedup
    assert parse(lost, at=9.0)[0].dedup == first.dedup


def test_without_time_and_id_each_arrival_is_its_own() -> None:
    bare = {"Message": "something"}
    assert parse(bare, at=1.0)[0].dedup != parse(bare, at=2.0)[0].dedup


def test_a_duplicate_within_one_payload_comes_once() -> None:
    assert len(parse(OVER, OVER)) == 1


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"MessageSeverity": None, "Severity": "Critical"}, "Critical"),
        ({"MessageSeverity": "critical"}, "Critical"),
        ({"MessageSeverity": "Informational"}, "OK"),
        ({"MessageSeverity": 3}, "Unknown"),
        ({"MessageSeverity": None}, "Unknown"),
    ],
)
def test_severity_under_its_old_and_new_name(fields: dict[str, Any], severity: str) -> None:
    assert parse(OVER | fields)[0].severity == severity


def test_without_an_envelope_and_with_an_object_where_a_list_belongs() -> None:
    assert len(parse_events(OVER, received_at=0.0)) == 1
    assert len(parse_events({"Events": OVER}, received_at=0.0)) == 1


def test_what_is_no_event_gives_none() -> None:
    report: dict[str, Any] = {"MetricValues": [], "Id": "x", "Events": [OVER]}
    nothing: tuple[Any, ...] = (report, {}, [], None, 3, {"Events": 7}, {"Events": [None, 3]})
    for payload in nothing:
        assert parse_events(payload, received_at=0.0) == []
    for text in ("", "{", b"\xff\xfe", "[" * 100_000, '"x"'):
        assert parse_text(text, received_at=0.0) == []


def test_a_metric_report_is_what_it_tells_and_no_text() -> None:
    power = "/redfish/v1/Chassis/C/Sensors/Power#/Reading"
    values: list[Any] = [
        {"MetricProperty": power, "MetricValue": "812.5"},
        {"MetricProperty": power, "MetricValue": None},
        {"MetricProperty": 7, "MetricValue": "1"},
        {"MetricValue": "1"},
        "no object",
    ]
    stamp = "2026-03-01T10:00:00Z"
    report = {"MetricValues": values, "Id": "Power", "Timestamp": stamp}
    (told,) = parse_events(report, received_at=5.0)
    assert told.metrics == ((power, "812.5"), (power, ""))
    assert told.created == stamp


def test_a_message_is_made_of_its_id_where_there_is_no_text() -> None:
    (event,) = parse({"MessageId": "A.1.B", "MessageArgs": ["x", "y"], "EventId": "1"})
    assert event.message == "A.1.B (x, y)"
    (event,) = parse({"EventId": "1"})
    assert event.message == "event without a message"


# --- the stream ---------------------------------------------------------------------------------


class Streaming(FakeDevice):
    """A device with an event stream."""

    heard: list[Event] = []
    asked_from: str | None = None

    async def events(
        self, uri: str, last_event_id: str | None = None
    ) -> AsyncGenerator[Event, None]:
        self.asked.append(uri)
        self.asked_from = last_event_id
        for each in self.heard:
            yield each


def tree(**service: Any) -> dict[str, Any]:
    return {
        ROOT: {"EventService": link(f"{ROOT}/EventService")},
        f"{ROOT}/EventService": service,
    }


async def test_the_stream_is_followed_where_the_service_says() -> None:
    device = Streaming(tree(ServerSentEventUri=f"{ROOT}/SSE"))
    again = json.dumps({"Events": [OVER]})
    other = json.dumps({"Events": [OVER | {"Message": "Inlet is well"}]})
    device.heard = [
        Event(data=again, id="1"),
        Event(data=": no"),
        Event(data=again),
        Event(data=other),
    ]
    found = [event.message async for event in events(device, last_event_id="0")]
    assert found == ["Inlet is hot", "Inlet is well"]
    assert (device.asked[-1], device.asked_from) == (f"{ROOT}/SSE", "0")


@pytest.mark.parametrize("service", [{}, {"ServerSentEventUri": None}, {"ServerSentEventUri": 4}])
async def test_no_stream_offered_is_a_refusal_with_a_next_step(service: dict[str, Any]) -> None:
    with pytest.raises(DeviceRefused) as refused:
        [event async for event in events(Streaming(tree(**service)), last_event_id=None)]
    assert (refused.value.code, bool(refused.value.next_step)) == ("NoEventStream", True)


async def test_a_lane_without_streams_is_a_refusal() -> None:
    device = FakeDevice(tree(ServerSentEventUri=f"{ROOT}/SSE"))
    with pytest.raises(DeviceRefused):
        [event async for event in events(device, last_event_id=None)]


# --- subscriptions ------------------------------------------------------------------------------


def test_a_subscription_in_the_words_the_service_knows() -> None:
    modern = subscription_body(
        destination="https://us.test/e",
        context="iolaus",
        service={"EventFormatTypes": ["MetricReport", "Event"], "EventTypesForSubscription": ["x"]},
    )
    assert modern["EventFormatType"] == "Event"
    assert "EventTypes" not in modern
    old = subscription_body(
        destination="https://us.test/e",
        context="iolaus",
        service={"EventTypesForSubscription": ["Alert"], "DeliveryRetryPolicy": "SuspendRetries"},
    )
    assert (old["EventTypes"], old["DeliveryRetryPolicy"]) == (["Alert"], "RetryForever")


def held(uri: str, **fields: Any) -> Subscription:
    return parse_subscription(uri, {"Destination": "https://us.test/e", "Context": "us", **fields})


def test_an_audit_knows_ours_finds_the_broken_and_leaves_others_alone() -> None:
    found = audit(
        [
            held("/1", Context="someone else"),
            held("/2", Status={"State": "Disabled"}),
            held("/3", Status={"State": "Enabled", "Health": "OK"}),
            held("/4", Destination="https://old.test/e"),
        ],
        destination="https://us.test/e",
        context="us",
    )
    assert (found.ours, found.leftovers, found.missing) == ("/3", ("/2", "/4"), False)


def test_an_audit_of_nothing_says_that_one_is_missing() -> None:
    found = audit([held("/1", Context=None)], destination="https://us.test/e", context="us")
    assert (found.ours, found.leftovers, found.missing) == (None, (), True)
