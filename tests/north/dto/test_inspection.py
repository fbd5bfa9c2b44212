"""`inspect`: one object, every key, plain JSON; and the same fields as everywhere."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.asset import Capability
from iolaus.model.endpoint import Target
from iolaus.north.dto import AssetView, ComponentView, EndpointView, SensorView, inspect_view
from iolaus.north.dto.make import when
from tests.north import hall

NOW = 1_700_000_000.0


def test_it_has_every_part_in_the_agreed_fields() -> None:
    found = inspect_view(hall.report(0, at=NOW), hall.status(0, at=NOW), NOW)
    json.dumps(found)
    assert set(found) == {
        "endpoint",
        "nodes",
        "devices",
        "components",
        "sensors",
        "firmware",
        "capabilities",
        "deviations",
    }
    assert set(found["endpoint"]) == set(EndpointView.__struct_fields__)
    assert set(found["nodes"][0]) == set(AssetView.__struct_fields__)
    assert set(found["components"][0]) == set(ComponentView.__struct_fields__)
    assert set(found["sensors"][0]) == set(SensorView.__struct_fields__)
    assert (len(found["nodes"]), len(found["devices"]), len(found["components"])) == (1, 0, 9)
    node = found["nodes"][0]
    assert (node["name"], node["health"], node["stale"], node["age_s"]) == (
        "127.1.0.1",
        "OK",
        False,
        0.0,
    )
    assert found["deviations"][0]["rule"] == "missing"


def test_what_is_not_a_node_is_a_device() -> None:
    found = inspect_view(
        hall.cdu(at=NOW), hall.status(0, at=NOW), NOW, target=Target(address="https://c", name="c")
    )
    assert found["nodes"] == []
    device = found["devices"][0]
    assert (device["kind"], device["name"], device["counts"]) == ("cdu", "c", {"pump": 2})
    assert device["readings"] == {"coolant_flow_lpm": 480.0}


def test_capabilities_name_their_node() -> None:
    report = hall.report(0, at=NOW)
    capability = Capability(name="logs", asset=hall.SYSTEM, uri="/redfish/v1/x", proof="200")
    report = type(report)(
        **{
            **{name: getattr(report, name) for name in report.__struct_fields__},
            "capabilities": (capability,),
        }
    )
    found = inspect_view(report, hall.status(0, at=NOW), NOW)
    assert found["capabilities"] == [
        {"name": "logs", "node": "127.1.0.1", "uri": "/redfish/v1/x", "proof": "200"}
    ]


@given(st.floats())
def test_any_time_is_a_date_or_none(at: float) -> None:
    assert when(at) is None or when(at) is not None
