"""Power limits in the three dialects."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.drivers.redfish.harvest import ROOT
from iolaus.drivers.redfish.limits import read_limits
from iolaus.model.asset import PowerLimit
from tests.drivers.redfish.build import BOX, HOST, harvest_of, link, one_asset, typed

GPU = f"{HOST}/Processors/GPU_0"
NAMES = {GPU: "gpu-0", f"{HOST}/Processors/GPU_1": "gpu-1"}


def only(resources: dict[str, Any]) -> PowerLimit:
    (found,) = read_limits(harvest_of(resources), one_asset, components=NAMES)
    return found


def control(**more: Any) -> dict[str, Any]:
    return typed(
        "Control",
        ControlType="Power",
        ControlMode="Automatic",
        SetPoint=500,
        SetPointUnits="W",
        AllowableMin=150,
        AllowableMax=1000,
        **more,
    )


def test_a_control() -> None:
    found = only({f"{BOX}/Controls/P": control()})
    assert found == PowerLimit(
        asset="Systems/Host",
        uri=f"{BOX}/Controls/P",
        dialect="control",
        limit_w=500,
        enabled=True,
        min_w=150,
        max_w=1000,
    )


def test_a_control_of_something_else_is_none() -> None:
    other = typed("Control", ControlType="Temperature", SetPoint=24)
    assert read_limits(harvest_of({f"{BOX}/Controls/T": other}), one_asset) == ()


def test_a_control_in_kilowatts_with_the_older_words_for_its_range() -> None:
    old = typed(
        "Control",
        ControlType="Power",
        SetPoint=2,
        SetPointUnits="kW",
        SettingRangeMin=1,
        SettingRangeMax=3,
    )
    found = only({f"{BOX}/Controls/P": old})
    assert (found.limit_w, found.min_w, found.max_w, found.enabled) == (2000, 1000, 3000, None)


def test_a_disabled_cap_of_zero_is_no_cap() -> None:
    found = only({f"{BOX}/Controls/P": control() | {"ControlMode": "Disabled", "SetPoint": 0}})
    assert (found.limit_w, found.enabled, found.max_w) == (None, False, 1000)


@pytest.mark.parametrize("value", ["much", None, [], -5, float("nan"), True])
def test_what_is_no_number_of_watts_is_not_known(value: object) -> None:
    assert only({f"{BOX}/Controls/P": control() | {"SetPoint": value}}).limit_w is None


def test_the_excerpt_of_environment_metrics() -> None:
    metrics = typed(
        "EnvironmentMetrics",
        PowerLimitWatts={"SetPoint": 300, "AllowableMax": 700, "ControlMode": "Override"},
    )
    found = only({f"{GPU}/EnvironmentMetrics": metrics})
    assert (found.dialect, found.limit_w, found.max_w, found.component) == (
        "environment_metrics",
        300,
        700,
        "gpu-0",
    )


def test_a_module_s_own_chassis_names_its_processor() -> None:
    module = f"{ROOT}/Chassis/GPU_0"
    tree = {
        module: typed("Chassis", Links={"Processors": [link(GPU)]}),
        f"{module}/Controls/Cap": control(),
    }
    assert only(tree).component == "gpu-0"


def test_a_cap_of_several_components_names_none() -> None:
    both = [link(uri) for uri in NAMES]
    assert only({f"{BOX}/Controls/All": control(RelatedItem=both)}).component is None


def test_the_legacy_power_control() -> None:
    entry = {"PowerCapacityWatts": 800, "PowerLimit": {"LimitInWatts": 450}}
    found = only({f"{BOX}/Power": typed("Power", PowerControl=[entry])})
    assert (found.uri, found.dialect) == (f"{BOX}/Power#/PowerControl/0", "power_control")
    assert (found.limit_w, found.enabled, found.max_w) == (450, True, 800)


@pytest.mark.parametrize("limit", [None, 0])
def test_a_legacy_limit_of_nothing_is_off(limit: object) -> None:
    entry = {"PowerLimit": {"LimitInWatts": limit}}
    found = only({f"{BOX}/Power": typed("Power", PowerControl=[entry])})
    assert (found.limit_w, found.enabled) == (None, False)


def test_an_entry_without_a_limit_is_no_cap() -> None:
    power = typed("Power", PowerControl=[{"PowerConsumedWatts": 3}, {"PowerLimit": {}}, 7])
    assert read_limits(harvest_of({f"{BOX}/Power": power}), one_asset) == ()
