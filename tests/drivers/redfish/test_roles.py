"""Roles that an asset has once: whose claim wins, and what that makes of the reading."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.drivers.redfish.assets import survey
from iolaus.drivers.redfish.harvest import ROOT
from iolaus.drivers.redfish.sensors import read_readings
from iolaus.model.asset import AssetKind, Reading
from tests.drivers.redfish.build import BOX, HOST, harvest_of, link, sensor, typed

MODULE = f"{ROOT}/Chassis/Module"
Entry = tuple[str, str, float]


def heat(name: str, context: str, value: float | None) -> dict[str, Any]:
    return sensor(name, "Temperature", value, "Cel", PhysicalContext=context)


def inlets(tree: dict[str, Any]) -> list[Reading]:
    """The readings with the inlet's role of a host that stands in the box."""
    systems = {f"{ROOT}/Systems": {"Members": [link(HOST)]}}
    host = typed("ComputerSystem", PowerState="On", Links={"Chassis": [link(BOX)]})
    harvest = harvest_of(
        {
            **systems,
            HOST: host,
            BOX: typed("Chassis", ChassisType="RackMount", Links={"Contains": [link(MODULE)]}),
            MODULE: typed("Chassis", ChassisType="Module", Links={"ContainedBy": link(BOX)}),
            **tree,
        },
        root={"Systems": link(f"{ROOT}/Systems")},
    )
    hall = survey(harvest)
    kinds = {group.key: group.kind for group in hall.groups}
    found = read_readings(harvest, hall.owned.owner, kinds=kinds, components={MODULE: "Module"})
    return [each for each in found.readings if each.role == "inlet_temperature"]


def in_box(*sensors: dict[str, Any], place: str = BOX) -> dict[str, Any]:
    return {f"{place}/Sensors/{n}": each for n, each in enumerate(sensors)}


@pytest.mark.parametrize("first", [True, False])
def test_an_intake_beats_a_board_sensor_that_has_inlet_in_its_name(first: bool) -> None:
    pair = [heat("01-Inlet Ambient", "Intake", 21.0), heat("32-Board Inlet", "SystemBoard", 31.0)]
    found = inlets(in_box(*(pair if first else reversed(pair))))
    assert [(each.name, each.value) for each in found] == [("01-Inlet Ambient", 21.0)]


def test_a_board_sensor_is_the_inlet_where_nothing_says_intake() -> None:
    found = inlets(in_box(heat("System Board Inlet Temp", "SystemBoard", 22.0)))
    assert [each.value for each in found] == [22.0]


def test_of_two_intakes_the_one_nearest_to_the_machine_is_its_inlet() -> None:
    tree = in_box(heat("Module Inlet", "Intake", 35.0), place=MODULE)
    tree |= in_box(heat("Front", "Intake", 24.0))
    assert [each.name for each in inlets(tree)] == ["Front"]


def test_an_inlet_without_a_value_yields_to_one_that_has_one() -> None:
    tree = in_box(heat("Front", "Intake", None), heat("Board Inlet", "SystemBoard", 27.0))
    assert [each.value for each in inlets(tree)] == [27.0]


def test_what_a_gpu_breathes_is_not_the_inlet() -> None:
    assert inlets(in_box(heat("64-GPU 1 Inlet", "SystemBoard", 40.0))) == []


def test_the_inlet_is_the_machine_s_and_no_component_s() -> None:
    found = inlets(in_box(heat("Module Inlet", "Intake", 25.0), place=MODULE))
    assert [each.component for each in found] == [None]


def test_the_total_of_a_strip_is_its_own_though_its_mains_show_it_too() -> None:
    strip = f"{ROOT}/PowerEquipment/RackPDUs/1"
    total = {"DataSourceUri": f"{BOX}/Sensors/Total", "Reading": 4000.0}
    harvest = harvest_of(
        {
            BOX: typed("Chassis"),
            f"{BOX}/Sensors/Total": sensor("Total", "Power", 4000.0, "W"),
            strip: typed("PowerDistribution", Links={"Chassis": [link(BOX)]}),
            f"{strip}/Metrics": typed("PowerDistributionMetrics", PowerWatts=total),
            f"{strip}/Mains/AC1": typed("Circuit", PowerWatts=total),
        }
    )
    found = read_readings(
        harvest,
        lambda _: "strip",
        kinds={"strip": AssetKind.PDU},
        components={f"{strip}/Mains/AC1": "AC1"},
    )
    roles = [(each.role, each.value, each.component) for each in found.readings]
    assert roles == [("pdu_power", 4000.0, None)]
