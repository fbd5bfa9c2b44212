"""The hot pass: a few requests, the same readings, and unknown instead of stale."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iolaus.drivers.redfish.driver import report
from iolaus.drivers.redfish.harvest import ROOT, Harvest
from iolaus.drivers.redfish.hot import BUDGET, read_hot
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.model.asset import HotUpdate, Reading, Report
from iolaus.model.fact import Health, Known, PowerState, Unknown
from tests.drivers.redfish.build import BOX, HOST, harvest_of, link, sensor, typed
from tests.drivers.redfish.fake import FakeDevice

SENSORS = f"{BOX}/Sensors"
METRICS = f"{BOX}/EnvironmentMetrics"
THERMAL = f"{BOX}/ThermalSubsystem/ThermalMetrics"
EXPAND = f"{SENSORS}?$expand=.($levels=1)"


def host(**more: Any) -> dict[str, Any]:
    return {
        f"{ROOT}/Systems": {"Members": [link(HOST)]},
        HOST: typed(
            "ComputerSystem",
            PowerState="On",
            BiosVersion="1",
            Links={"Chassis": [link(BOX)]},
            **more,
        ),
        BOX: typed("Chassis", ChassisType="RackMount"),
    }


def sensors(*given: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    members = {f"{SENSORS}/{name}": payload for name, payload in given}
    return members | {SENSORS: {"Members": [link(uri) for uri in members]}}


def rich() -> dict[str, Any]:
    """A machine that shows its temperatures and power as Sensors and as excerpts of them."""
    inlet, cpu, power = f"{SENSORS}/Inlet", f"{SENSORS}/CPU", f"{SENSORS}/Power"
    return (
        host()
        | sensors(
            ("Inlet", sensor("Inlet", "Temperature", 22, "Cel", PhysicalContext="Intake")),
            (
                "CPU",
                sensor(
                    "CPU 1",
                    "Temperature",
                    55,
                    "Cel",
                    PhysicalContext="CPU",
                    Thresholds={"UpperCritical": {"Reading": 95}},
                ),
            ),
            ("Power", sensor("Power", "Power", 400, "W")),
        )
        | {
            METRICS: typed(
                "EnvironmentMetrics", PowerWatts={"Reading": 400, "DataSourceUri": power}
            ),
            THERMAL: typed(
                "ThermalMetrics",
                TemperatureReadingsCelsius=[
                    {"Reading": 22, "DataSourceUri": inlet},
                    {"Reading": 55, "DataSourceUri": cpu},
                ],
            ),
        }
    )


EXPANDS = {"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": True, "Levels": True}}}


def harvested(tree: dict[str, Any], root: dict[str, Any] | None = None) -> Harvest:
    links = {"Systems": link(f"{ROOT}/Systems"), "Chassis": link(f"{ROOT}/Chassis")}
    return harvest_of(tree, root=links | (root or {}))


def told(tree: dict[str, Any], root: dict[str, Any] | None = None) -> tuple[FakeDevice, Report]:
    return FakeDevice(tree), report(harvested(tree, root))


def by_name(update: HotUpdate) -> dict[str, Reading]:
    return {each.name: each for each in update.readings}


async def test_three_requests_give_power_health_and_temperatures() -> None:
    device, last = told(rich())
    assert last.hot == (HOST, f"{SENSORS}/Power", THERMAL)
    update = await read_hot(device, last)
    assert sorted(device.asked) == sorted(last.hot)
    (key,) = [asset.key for asset in last.assets]
    assert update.power_states[key] == Known(value=PowerState.ON, at=1000.0, source=HOST)
    assert update.healths[key] == Known(value=Health.OK, at=1000.0, source=HOST)
    assert {each.name: each.value for each in update.readings} == {
        "Power": 400,
        "Inlet": 22,
        "CPU 1": 55,
    }


async def test_a_fresh_value_keeps_what_the_reading_is() -> None:
    device, last = told(rich())
    device.tree[THERMAL]["TemperatureReadingsCelsius"][1]["Reading"] = 60
    before = next(each for each in last.readings if each.name == "CPU 1")
    after = by_name(await read_hot(device, last))["CPU 1"]
    assert after == msgspec.structs.replace(before, value=60, at=1000.0)


async def test_a_verdict_does_not_outlive_a_crossed_limit() -> None:
    device, last = told(rich())
    device.tree[THERMAL]["TemperatureReadingsCelsius"][1]["Reading"] = 99
    after = by_name(await read_hot(device, last))["CPU 1"]
    assert (after.value, after.status) == (99, None)


async def test_what_is_not_plausible_becomes_unknown() -> None:
    device, last = told(rich())
    device.tree[THERMAL]["TemperatureReadingsCelsius"][0]["Reading"] = "NaN"
    after = by_name(await read_hot(device, last))["Inlet"]
    assert after.value is None
    assert after.reason


async def test_the_host_going_off_is_seen_and_its_zeros_are_no_measurements() -> None:
    device, last = told(rich())
    device.tree[HOST]["PowerState"] = "Off"
    device.tree[f"{SENSORS}/Power"]["Reading"] = 0
    update = await read_hot(device, last)
    (state,) = update.power_states.values()
    assert isinstance(state, Known)
    assert state.value is PowerState.OFF
    power = by_name(update)["Power"]
    assert power.value is None
    assert "host is off" in power.reason


# --- failures -----------------------------------------------------------------------------------


async def test_a_part_that_fails_is_unknown_with_the_reason() -> None:
    device, last = told(rich())
    device.failures[THERMAL] = DeviceRefused("HTTP 500", operation="r", subject="s", status=500)
    update = await read_hot(device, last)
    found = by_name(update)
    assert found["Power"].value == 400
    assert (found["CPU 1"].value, found["CPU 1"].reason) == (None, "could not be read: HTTP 500")
    assert found["CPU 1"].status is None


@pytest.mark.parametrize("kind", [DeviceRefused, DeviceLied])
async def test_a_system_that_cannot_be_read_is_an_error(kind: type[DeviceRefused]) -> None:
    device, last = told(rich())
    device.failures[HOST] = kind("gone", operation="read", subject=HOST)
    with pytest.raises(kind):
        await read_hot(device, last)


async def test_a_system_that_hangs_is_unknown_while_the_rest_answers() -> None:
    device, last = told(rich())
    device.failures[HOST] = DeviceSilent("hung", operation="read", subject=HOST)
    update = await read_hot(device, last)
    assert isinstance(next(iter(update.power_states.values())), Unknown)
    assert isinstance(next(iter(update.healths.values())), Unknown)
    assert by_name(update)["Power"].value == 400


async def test_nothing_but_silence_is_a_silent_device() -> None:
    device, last = told(rich())
    for uri in last.hot:
        device.failures[uri] = DeviceSilent("gone", operation="read", subject=uri)
    with pytest.raises(DeviceSilent):
        await read_hot(device, last)


async def test_one_of_two_hosts_failing_is_unknown_and_not_an_error() -> None:
    other, box = f"{ROOT}/Systems/Other", f"{ROOT}/Chassis/Other"
    tree = rich() | {
        other: typed(
            "ComputerSystem", PowerState="On", BiosVersion="1", Links={"Chassis": [link(box)]}
        ),
        box: typed("Chassis", ChassisType="RackMount"),
        f"{ROOT}/Systems": {"Members": [link(HOST), link(other)]},
    }
    device, last = told(tree)
    device.failures[other] = DeviceRefused("HTTP 404", operation="r", subject="s", status=404)
    update = await read_hot(device, last)
    assert isinstance(update.power_states["Systems/Host"], Known)
    state, health = update.power_states["Systems/Other"], update.healths["Systems/Other"]
    assert isinstance(state, Unknown)
    assert isinstance(health, Unknown)
    assert "HTTP 404" in state.reason


# --- what is chosen -----------------------------------------------------------------------------


def test_leaks_are_chosen_beyond_any_budget() -> None:
    detectors = {
        f"{BOX}/LeakDetectors/{n}": typed("LeakDetector", Name=f"L{n}", DetectorState="OK")
        for n in range(30)
    }
    _, last = told(rich() | detectors)
    assert set(detectors) <= set(last.hot)


def test_a_group_of_detectors_is_one_request() -> None:
    uris = [f"{BOX}/LeakDetectors/{n}" for n in range(30)]
    detectors = {uri: typed("LeakDetector", Name=uri[-2:], DetectorState="OK") for uri in uris}
    group = {"Detectors": [{"DataSourceUri": uri, "DetectorState": "OK"} for uri in uris]}
    leaks = {f"{BOX}/LeakDetection": typed("LeakDetection", LeakDetectorGroups=[group])}
    _, last = told(rich() | detectors | leaks)
    assert len(last.hot) == 4


def test_the_budget_holds_where_every_sensor_is_a_request() -> None:
    many = sensors(
        *(
            (f"T{n}", sensor(f"CPU {n}", "Temperature", 50, "Cel", PhysicalContext="CPU"))
            for n in range(40)
        )
    )
    _, last = told(host() | many)
    assert len(last.hot) == BUDGET


def test_legacy_arrays_are_two_requests() -> None:
    legacy = {
        f"{BOX}/Thermal": typed(
            "Thermal",
            Temperatures=[
                {"Name": "Inlet", "ReadingCelsius": 20, "PhysicalContext": "Intake"},
                *({"Name": f"CPU {n}", "ReadingCelsius": 50} for n in range(8)),
            ],
        ),
        f"{BOX}/Power": typed("Power", PowerControl=[{"PowerConsumedWatts": 300}]),
    }
    _, last = told(host() | legacy)
    assert sorted(last.hot) == sorted((HOST, f"{BOX}/Thermal", f"{BOX}/Power"))


async def test_a_legacy_array_that_is_blank_where_sensors_are_not_is_not_chosen() -> None:
    tree = rich() | {
        f"{BOX}/Thermal": typed(
            "Thermal", Temperatures=[{"Name": "Inlet"}, {"Name": "CPU 1", "ReadingCelsius": -60}]
        )
    }
    del tree[THERMAL]
    device, last = told(tree)
    assert f"{BOX}/Thermal" not in last.hot
    assert by_name(await read_hot(device, last))["Inlet"].value == 22


# --- $expand ------------------------------------------------------------------------------------


def many() -> dict[str, Any]:
    gpus = (
        (f"G{n}", sensor(f"GPU {n}", "Temperature", 40 + n, "Cel", PhysicalContext="GPU"))
        for n in range(8)
    )
    return host() | sensors(*gpus)


def expanded(tree: dict[str, Any]) -> dict[str, Any]:
    members = [
        {"@odata.id": uri, **payload} for uri, payload in tree.items() if f"{SENSORS}/" in uri
    ]
    return {EXPAND: {"@odata.type": "#SensorCollection.SensorCollection", "Members": members}}


async def test_one_expanded_request_instead_of_eight() -> None:
    tree = many()
    device, last = told(tree | expanded(tree), EXPANDS)
    assert last.hot == (HOST, EXPAND)
    update = await read_hot(device, last)
    assert [each.value for each in update.readings] == [40 + n for n in range(8)]
    assert len(device.asked) == 2


async def test_an_expanded_answer_over_two_pages() -> None:
    tree = many()
    more = expanded(tree)
    members = more[EXPAND]["Members"]
    more[EXPAND] = {"Members": members[:5], "Members@odata.nextLink": f"{EXPAND}&$skip=5"}
    more[f"{EXPAND}&$skip=5"] = {"Members": members[5:]}
    device, last = told(tree, EXPANDS)
    device.tree |= more
    assert len((await read_hot(device, last)).readings) == 8


async def test_where_nothing_is_advertised_nothing_is_expanded() -> None:
    _, last = told(many())
    assert not [uri for uri in last.hot if "?" in uri]


@pytest.mark.parametrize("how", ["links", "dropped", "refused"])
async def test_an_expanded_answer_that_drops_values_is_made_good_one_by_one(how: str) -> None:
    tree = many()
    device, last = told(tree, EXPANDS)
    if how != "refused":
        device.tree |= expanded(tree)
        for member in device.tree[EXPAND]["Members"]:
            for name in list(member):
                if name == "Reading" or (how == "links" and name != "@odata.id"):
                    del member[name]
    update = await read_hot(device, last)
    assert [each.value for each in update.readings] == [40 + n for n in range(8)]
    assert len(device.asked) == 10
