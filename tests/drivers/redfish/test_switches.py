"""A switch is the box that an operator points at; what switches inside it are its chips."""

from __future__ import annotations

from typing import Any

from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import DeviceRefused
from iolaus.model.asset import AssetKind, ComponentKind, Report
from iolaus.model.fact import Health, Known, PowerState
from tests.drivers.redfish import trees
from tests.drivers.redfish.fake import ROOT, FakeDevice, Tree
from tests.drivers.redfish.trees import link, put, put_all

FABRIC = "Fabrics/F/Switches"
TRAY = "Chassis/Tray"


async def read(tree: Tree, *, refused: str = "") -> Report:
    failures = {
        f"{ROOT}/{refused}": DeviceRefused("HTTP 500", operation="GET", subject="", status=500)
    }
    return await RedfishDriver().inventory(FakeDevice(tree, failures if refused else {}))


def sensors(tree: Tree, chassis: str, **readings: tuple[str, float, str]) -> None:
    """Sensors of a chassis: name -> (quantity, reading, context)."""
    units = {"Power": "W", "Temperature": "Cel"}
    put_all(
        tree,
        f"{chassis}/Sensors",
        "Sensor",
        {
            name: {
                "Name": name,
                "ReadingType": quantity,
                "ReadingUnits": units[quantity],
                "Reading": value,
                "PhysicalContext": context,
            }
            for name, (quantity, value, context) in readings.items()
        },
    )
    tree[f"{ROOT}/{chassis}"]["Sensors"] = link(f"{chassis}/Sensors")


def excerpt(path: str, reading: float) -> dict[str, Any]:
    return {"DataSourceUri": f"{ROOT}/{path}", "Reading": reading}


def tray(*, box: str = "RackMount", part: str = "Module") -> Tree:
    """A tray with two chips, each on a board of its own inside the tray."""
    tree = trees.rooted("Fabrics", "Chassis", "Managers")
    boards = [f"Chassis/Board{n}" for n in range(2)]
    fields = {"Manufacturer": "Acme", "Model": "T72", "SerialNumber": "T-1", "Status": trees.OK}
    chassis: dict[str, dict[str, Any]] = {
        "Tray": {"ChassisType": box, "Links": {"Contains": [link(b) for b in boards]}, **fields}
    }
    for n in range(2):
        links = {"Switches": [link(f"{FABRIC}/S{n}")], "ContainedBy": link(TRAY)}
        chassis[f"Board{n}"] = {"ChassisType": part, "Links": links}
    put_all(tree, "Chassis", "Chassis", chassis)
    sensors(tree, TRAY, Total=("Power", 900.0, "Chassis"), Inlet=("Temperature", 24.0, "Intake"))
    tree[f"{ROOT}/{TRAY}"]["EnvironmentMetrics"] = link(f"{TRAY}/EnvironmentMetrics")
    total = excerpt(f"{TRAY}/Sensors/Total", 900.0)
    put(tree, f"{TRAY}/EnvironmentMetrics", "EnvironmentMetrics", PowerWatts=total)
    put_all(tree, "Fabrics", "Fabric", {"F": {"Switches": link(FABRIC)}})
    put_all(tree, FABRIC, "Switch", {f"S{n}": chip(n) for n in range(2)})
    for n in range(2):
        chip_parts(tree, n)
    manages = {"ManagerForChassis": [link(TRAY)]}
    put_all(tree, "Managers", "Manager", {"BMC": {"FirmwareVersion": "1.4", "Links": manages}})
    return tree


def chip(number: int) -> dict[str, Any]:
    path = f"{FABRIC}/S{number}"
    return {
        "SwitchType": "NVLink",
        "Model": "Chip",
        "SerialNumber": f"C-{number}",
        "PowerState": "On",
        "Status": trees.OK,
        "EnvironmentMetrics": link(f"{path}/EnvironmentMetrics"),
        "Ports": link(f"{path}/Ports"),
        "Links": {"Chassis": link(f"Chassis/Board{number}")},
    }


def chip_parts(tree: Tree, number: int) -> None:
    board, path = f"Chassis/Board{number}", f"{FABRIC}/S{number}"
    sensors(
        tree, board, Heat=("Temperature", 60.0 + number, "ASIC"), Watts=("Power", 200.0, "ASIC")
    )
    put(
        tree,
        f"{path}/EnvironmentMetrics",
        "EnvironmentMetrics",
        PowerWatts=excerpt(f"{board}/Sensors/Watts", 200.0),
        TemperatureCelsius=excerpt(f"{board}/Sensors/Heat", 60.0 + number),
    )
    put_all(tree, f"{path}/Ports", "Port", {f"P{n}": {} for n in range(3)})
    tree[f"{ROOT}/{path}/Ports"]["Members@odata.count"] = 36


async def test_two_chips_in_one_tray_are_one_switch_named_by_the_tray() -> None:
    report = await read(tray())
    assert [(asset.key, asset.kind) for asset in report.assets] == [(TRAY, AssetKind.SWITCH)]
    switch = report.assets[0]
    assert (switch.vendor, switch.model, switch.identity.serial) == ("Acme", "T72", "T-1")
    assert (switch.counts["switch"], switch.counts["port"]) == (2, 72)
    assert switch.bmc_firmware == "1.4"
    chips = [p for p in report.components if p.kind is ComponentKind.SWITCH]
    assert [(p.name, p.serial, p.asset) for p in chips] == [
        ("Switch S0", "C-0", TRAY),
        ("Switch S1", "C-1", TRAY),
    ]


async def test_the_tray_stands_as_its_chips_do() -> None:
    tree = tray()
    tree[f"{ROOT}/{FABRIC}/S1"]["Status"] = {"State": "Enabled", "Health": "Critical"}
    switch = (await read(tree)).assets[0]
    assert isinstance(switch.power_state, Known)
    assert isinstance(switch.health, Known)
    assert (switch.power_state.value, switch.health.value) == (PowerState.ON, Health.CRITICAL)


async def test_the_readings_of_the_tray_and_of_its_boards_are_the_switch_s() -> None:
    report = await read(tray())
    assert {each.asset for each in report.readings} == {TRAY}
    assert report.assets[0].readings == {"switch_power_w": 900.0, "inlet_temperature_c": 24.0}
    chips = [(r.role, r.value, r.component) for r in report.readings if r.component]
    assert sorted(chips) == [
        ("asic_power", 200.0, "Switch S0"),
        ("asic_power", 200.0, "Switch S1"),
        ("asic_temperature", 60.0, "Switch S0"),
        ("asic_temperature", 61.0, "Switch S1"),
    ]


async def test_the_hot_set_follows_the_tray_and_each_chip() -> None:
    hot = (await read(tray())).hot
    for path in (TRAY, f"{FABRIC}/S0", f"{FABRIC}/S1"):
        assert f"{ROOT}/{path}" in hot


async def test_a_pass_over_the_hot_set_hears_a_chip_fail() -> None:
    tree = tray()
    driver, device = RedfishDriver(), FakeDevice(tree)
    last = await driver.inventory(device)
    device.tree[f"{ROOT}/{FABRIC}/S1"] |= {"Status": {"State": "Enabled", "Health": "Warning"}}
    health = (await driver.hot(device, last)).healths[TRAY]
    assert isinstance(health, Known)
    assert health.value is Health.WARNING


async def test_chips_that_no_link_places_stand_in_the_only_box() -> None:
    tree = tray()
    for n in range(2):
        del tree[f"{ROOT}/{FABRIC}/S{n}"]["Links"]
        del tree[f"{ROOT}/Chassis/Board{n}"]["Links"]["Switches"]
    assert [asset.key for asset in (await read(tree)).assets] == [TRAY]


async def test_switches_in_boxes_of_their_own_are_two_and_what_they_share_is_a_chassis() -> None:
    tree = tray(box="Enclosure", part="Blade")
    report = await read(tree)
    assert [(asset.key, asset.kind) for asset in report.assets] == [
        (f"{FABRIC}/S0", AssetKind.SWITCH),
        (f"{FABRIC}/S1", AssetKind.SWITCH),
        (TRAY, AssetKind.CHASSIS),
    ]
    owners = {r.name: r.asset for r in report.readings}
    assert (owners["Total"], owners["Inlet"]) == (TRAY, TRAY)
    own = [dict(asset.readings) for asset in report.assets[:2]]
    assert own == [
        {"switch_power_w": 200.0, "asic_temperature_c": 60.0},
        {"switch_power_w": 200.0, "asic_temperature_c": 61.0},
    ]


async def test_a_rack_makes_no_switch_of_the_switches_in_it() -> None:
    report = await read(tray(box="Rack"))
    assert [asset.key for asset in report.assets if asset.kind is AssetKind.SWITCH] == [
        f"{FABRIC}/S0",
        f"{FABRIC}/S1",
    ]


async def test_one_switch_keeps_its_name_and_owns_the_box_round_its_board() -> None:
    tree = tray()
    tree[f"{ROOT}/{FABRIC}"]["Members"].pop()
    for path in (f"{FABRIC}/S1", "Chassis/Board1"):
        del tree[f"{ROOT}/{path}"]
    report = await read(tree)
    switch = report.assets[0]
    assert (switch.key, switch.counts["port"]) == (f"{FABRIC}/S0", 36)
    assert "switch" not in switch.counts
    assert f"{ROOT}/{TRAY}" in switch.resources
    assert {each.asset for each in report.readings} == {switch.key}
    assert switch.readings["switch_power_w"] == 900.0, "the box with its fans, not the chip alone"


async def test_ports_that_cannot_be_counted_are_not_known() -> None:
    report = await read(tray(), refused=f"{FABRIC}/S1/Ports")
    assert report.assets[0].counts["port"] is None


async def test_a_switch_inside_a_host_is_a_part_of_it() -> None:
    tree = trees.server()
    root = tree[ROOT]
    root["Fabrics"] = link("Fabrics")
    put_all(tree, "Fabrics", "Fabric", {"F": {"Switches": link(FABRIC)}})
    inside = {"SwitchType": "PCIe", "Links": {"Chassis": link("Chassis/1")}}
    put_all(tree, FABRIC, "Switch", {"S0": inside, "S1": inside})
    report = await read(tree)
    assert [asset.kind for asset in report.assets] == [AssetKind.NODE]
    parts = [p.asset for p in report.components if p.kind is ComponentKind.SWITCH]
    assert parts == ["Systems/1", "Systems/1"]


async def test_a_circle_of_containment_ends() -> None:
    tree = tray(box="Module")
    tree[f"{ROOT}/{TRAY}"]["Links"]["ContainedBy"] = link("Chassis/Board0")
    assert len((await read(tree)).assets) >= 1
