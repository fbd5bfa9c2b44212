"""Tolerant typed reading: one bad field costs that field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.redfish.reading import read_as


class Status(msgspec.Struct, frozen=True, rename="pascal"):
    state: str | None = None
    health: str | None = None


class Sensor(msgspec.Struct, frozen=True, rename="pascal"):
    name: str | None = None
    reading: float | None = None
    count: int | None = None
    enabled: bool | None = None
    status: Status = Status()
    tags: list[str] = []
    parts: tuple[Status, ...] = ()
    limits: dict[str, float] = {}
    children: list[Sensor] | None = None
    uri: str | None = msgspec.field(default=None, name="@odata.id")


CLEAN = {
    "@odata.id": "/s",
    "Name": "Inlet",
    "Reading": 41.5,
    "Status": {"State": "Enabled", "Health": "OK"},
    "Tags": ["a"],
    "Limits": {"High": 80.0},
    "Children": [{"Name": "child"}],
    "Oem": {"ignored": True},
}


def test_clean_payloads_have_no_deviations() -> None:
    sensor, deviations = read_as(Sensor, CLEAN, "/s")
    assert (sensor.name, sensor.status.health, sensor.uri) == ("Inlet", "OK", "/s")
    assert deviations == ()


@pytest.mark.parametrize(
    ("name", "given_", "attribute", "expected", "pointers"),
    [
        ("Reading", "41.5", "reading", 41.5, ["Reading"]),
        ("Reading", "n/a", "reading", None, ["Reading"]),
        ("Reading", "NaN", "reading", None, ["Reading"]),
        ("Reading", True, "reading", None, ["Reading"]),
        ("Count", 3.0, "count", 3, []),
        ("Count", "3", "count", 3, ["Count"]),
        ("Count", 3.5, "count", None, ["Count"]),
        ("Enabled", "true", "enabled", None, ["Enabled"]),
        ("Name", 7, "name", None, ["Name"]),
        ("Status", None, "status", Status(), ["Status"]),
        ("Status", "OK", "status", Status(), ["Status"]),
        ("Status", {"State": 1, "Health": "OK"}, "status", Status(None, "OK"), ["Status/State"]),
        ("Tags", None, "tags", [], ["Tags"]),
        ("Tags", ["a", 7, "b"], "tags", ["a", "b"], ["Tags/1"]),
        ("Parts", {"Health": "OK"}, "parts", (Status(None, "OK"),), ["Parts"]),
        ("Limits", {"a/b": "x", "c": 1}, "limits", {"c": 1.0}, ["Limits/a~1b"]),
        ("Children", [{"Name": 1}, None], "children", [Sensor()], ["Children/0/Name", "Children/1"]),  # noqa: E501
    ],
)  # fmt: skip
def test_one_bad_field_costs_that_field(
    name: str, given_: Any, attribute: str, expected: Any, pointers: list[str]
) -> None:
    sensor, deviations = read_as(Sensor, {"Name": "x", "Tags": [], name: given_}, "/s")
    assert getattr(sensor, attribute) == expected
    assert [pointer for pointer, _, _ in deviations] == [f"/s#/{each}" for each in pointers]
    assert sensor.name == ("x" if name != "Name" else None)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["Name", "Count", "Status", "Tags", "Parts", "Limits", "Children"]),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(_ANY)
def test_any_payload_is_read(payload: Any) -> None:
    sensor, deviations = read_as(Sensor, payload, "/s")
    assert isinstance(sensor, Sensor)
    assert len(deviations) <= 200
    if not isinstance(payload, dict):
        assert deviations


def test_depth_is_bounded() -> None:
    payload: Any = {"Name": 1}
    for _ in range(200):
        payload = {"Name": 1, "Children": [payload]}
    sensor, deviations = read_as(Sensor, payload, "/s")
    assert sensor.children
    assert deviations
