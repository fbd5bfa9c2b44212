"""Topics, values and metadata: what is good is read, and nothing that comes raises."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.wire.dsx.point import (
    Topic,
    encode_value,
    parse_metadata,
    parse_topic,
    parse_value,
    value_topic,
)

PATH = "CDU/LiquidTemperature/site/h1/cdu1/supply"
TOPIC = Topic("PUB", True, PATH)


def test_topics() -> None:
    assert parse_topic(f"BMS/v1/PUB/Metadata/{PATH}") == TOPIC
    found = parse_topic(value_topic(PATH, publisher="IOLAUS"))
    assert found == Topic("IOLAUS", False, PATH)
    assert (TOPIC.object_type, TOPIC.point_type) == ("CDU", "LiquidTemperature")
    for wrong in (
        "BMS/v1/PUB/Value/CDU/x",
        f"BMS/v2/PUB/Value/{PATH}",
        f"BMS/v1/X/Metadata/{PATH}",
        "",
        "grid/v1",
    ):
        assert parse_topic(wrong) is None


def test_values() -> None:
    value = parse_value(b'{"value": 32.5, "timestamp": 1743620423000, "quality": 1}')
    assert value is not None
    assert (value.value, value.quality, value.is_good) == (32.5, 1, True)
    bad = parse_value(b'{"value": null, "timestamp": 1, "quality": 1}')
    assert bad is not None
    assert not bad.is_good


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"NaN", b"{}", b'{"value": "3", "timestamp": 1, "quality": 1}',
        b'{"value": true, "timestamp": 1, "quality": 1}', b'{"value": 3, "quality": 1}',
        b'{"value": 3, "timestamp": 1}', b'{"value": 3, "timestamp": 1, "quality": true}',
        b'{"value": 1e999, "timestamp": 1, "quality": 1}', b"[" * 100_000, b"\xff",
    ],
)  # fmt: skip
def test_what_is_no_value(payload: bytes) -> None:
    found = parse_value(payload)
    assert found is None or not found.is_good


def test_metadata_say_whose_point_it_is() -> None:
    body = {
        "objectType": "CDU", "pointType": "LiquidTemperature", "objectName": "CDU 1",
        "objectId": "cdu1", "engUnit": "C", "processArea": ["Secondary", "Supply"],
        "servesId": ["r1", 7], "isSetpoint": True, "stateText": [{"value": 0, "text": "No"}, 3],
    }  # fmt: skip
    found = parse_metadata(json.dumps(body).encode(), TOPIC)
    assert found is not None
    assert (found.about, found.name, found.unit, found.area) == (
        "cdu1", "CDU 1", "C", ("Secondary", "Supply"),
    )  # fmt: skip
    assert (found.serves, found.is_setpoint, found.states) == (("r1",), True, {0: "No"})
    assert parse_metadata(json.dumps(body | {"objectType": "Rack"}).encode(), TOPIC) is None
    assert parse_metadata(json.dumps(body | {"objectId": ""}).encode(), TOPIC) is None


def test_values_are_written_as_the_contract_has_them() -> None:
    assert json.loads(encode_value(1.0, at_ms=5)) == {"value": 1, "timestamp": 5, "quality": 1}
    assert json.loads(encode_value(None, at_ms=5, quality=0))["value"] is None


@given(st.binary(max_size=200), st.text(max_size=60))
@settings(max_examples=100)
def test_any_bytes_are_a_point_or_nothing(data: bytes, text: str) -> None:
    value = parse_value(data)
    assert value is None or value.value is None or isinstance(value.value, float)
    parse_metadata(data, TOPIC)
    for topic in (text, f"BMS/v1/PUB/Value/{text}", f"BMS/v1/PUB/Metadata/{text}"):
        parse_topic(topic)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=8,
)
KEYS = (
    "value",
    "timestamp",
    "quality",
    "objectType",
    "objectId",
    "stateText",
    "servesId",
    "processArea",
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
@settings(max_examples=100)
def test_any_json_is_a_point_or_nothing(body: dict[str, object]) -> None:
    data = json.dumps(body).encode()
    parse_value(data)
    parse_metadata(
        json.dumps({**body, "objectType": "CDU", "pointType": "LiquidTemperature"}).encode(), TOPIC
    )
