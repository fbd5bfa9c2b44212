"""BIOS attributes: applied against staged."""

from __future__ import annotations

from typing import Any

from iolaus.drivers.redfish.settings import read_settings
from iolaus.model.asset import Setting
from tests.drivers.redfish.build import HOST, harvest_of, link, one_asset, typed

BIOS = f"{HOST}/Bios"


def tree(applied: dict[str, Any], staged: dict[str, Any] | None = None) -> dict[str, Any]:
    settings = {"SettingsObject": link(f"{BIOS}/Settings")}
    return {
        BIOS: typed("Bios", Attributes=applied, **{"@Redfish.Settings": settings}),
        **({f"{BIOS}/Settings": typed("Bios", Attributes=staged)} if staged is not None else {}),
    }


def read(resources: dict[str, Any]) -> dict[str, Setting]:
    return {s.name: s for s in read_settings(harvest_of(resources), one_asset).settings}


def test_only_what_differs_is_staged() -> None:
    found = read(tree({"A": "On", "B": 1, "C": True}, {"A": "Off", "B": 1, "C": True, "D": 2}))
    assert {name: (s.value, s.staged) for name, s in found.items()} == {
        "A": ("On", "Off"),
        "B": (1, None),
        "C": (True, None),
    }


def test_without_a_staged_resource_nothing_is_staged() -> None:
    assert read(tree({"A": "On"}))["A"].staged is None


def test_secrets_and_annotations_are_left_out() -> None:
    found = read(tree({"AdminPassword": "x", "A@Redfish.AllowableValues": ["1"], "A": None}))
    assert list(found) == ["A"]
    assert found["A"].value is None


def test_a_value_that_is_no_scalar_is_a_deviation() -> None:
    told = read_settings(harvest_of(tree({"A": {"current": 1}, "B": "x"})), one_asset)
    assert [s.name for s in told.settings] == ["B"]
    assert [(d.pointer, d.rule) for d in told.deviations] == [("/Attributes/A", "attribute-type")]
    assert told.settings[0].asset == "Systems/Host"


def test_attributes_that_are_no_object_are_none() -> None:
    assert read({BIOS: typed("Bios", Attributes=["A"])}) == {}
