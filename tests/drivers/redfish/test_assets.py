"""Which resources make which asset."""

from __future__ import annotations

import pytest

from iolaus.drivers.redfish import RedfishDriver
from iolaus.model.asset import Asset, AssetKind, Report
from iolaus.model.fact import Health, Known, PowerState, Unknown
from tests.drivers.redfish import trees
from tests.drivers.redfish.fake import ROOT, FakeDevice, Tree


async def read(tree: Tree) -> Report:
    return await RedfishDriver().inventory(FakeDevice(tree))


def kinds(report: Report) -> list[tuple[str, AssetKind]]:
    return [(asset.key, asset.kind) for asset in report.assets]


async def only(tree: Tree) -> Asset:
    report = await read(tree)
    assert len(report.assets) == 1
    return report.assets[0]


async def test_a_server_is_one_node_with_all_its_parts() -> None:
    node = await only(trees.server())
    assert (node.key, node.kind) == ("Systems/1", AssetKind.NODE)
    assert (node.vendor, node.model, node.identity.serial) == ("Acme", "A1", "S-1")
    assert node.raw["vendor"] == "Acme Inc."
    assert node.counts == {
        "cpu": 2,
        "gpu": 0,
        "memory": 3,
        "nic": 1,
        "dpu": 0,
        "drive": 2,
        "psu": 2,
        "fan": 1,
    }
    assert (node.memory_gib, node.bmc_firmware, node.hostname) == (192.0, "1.2", "n1")
    assert isinstance(node.power_state, Known)
    assert node.power_state.value is PowerState.ON
    assert isinstance(node.health, Known)
    assert node.health.value is Health.OK


async def test_a_baseboard_with_the_gpus_is_part_of_its_host() -> None:
    node = await only(trees.tray())
    assert node.key == "Systems/System_0"
    assert node.resources[:2] == (f"{ROOT}/Systems/System_0", f"{ROOT}/Systems/Baseboard_0")
    assert (node.counts["cpu"], node.counts["gpu"]) == (1, 2)
    assert (node.vendor, node.identity.serial) == ("Maker", "B-9")
    assert node.raw["serial_source"] == f"{ROOT}/Systems/Baseboard_0"


async def test_a_baseboard_alone_is_a_node() -> None:
    tree = trees.tray()
    tree[f"{ROOT}/Systems"]["Members"] = [trees.link("Systems/Baseboard_0")]
    node = await only(tree)
    assert (node.key, node.counts["gpu"]) == ("Systems/Baseboard_0", 2)


async def test_blades_are_nodes_and_their_enclosure_an_asset_of_its_own() -> None:
    report = await read(trees.blades())
    assert kinds(report) == [
        ("Systems/Blade1", AssetKind.NODE),
        ("Systems/Blade2", AssetKind.NODE),
        ("Chassis/Box", AssetKind.CHASSIS),
    ]
    assert [asset.counts["psu"] for asset in report.assets] == [0, 0, 2]


async def test_hosts_without_links_own_the_chassis_of_the_same_id() -> None:
    tree = trees.blades()
    for name in ("Blade1", "Blade2"):
        del tree[f"{ROOT}/Systems/{name}"]["Links"]
    del tree[f"{ROOT}/Chassis/Box"]["Links"]
    report = await read(tree)
    assert f"{ROOT}/Chassis/Blade1" in report.assets[0].resources
    assert f"{ROOT}/Chassis/Blade2" in report.assets[1].resources


async def test_a_dpu_is_an_asset_of_its_own_and_counted_in_its_host() -> None:
    report = await read(trees.with_dpu())
    assert kinds(report) == [("Systems/1", AssetKind.NODE), ("Systems/Dpu", AssetKind.DPU)]
    host, dpu = report.assets
    assert (host.counts["nic"], host.counts["dpu"]) == (1, 1)
    assert (dpu.counts["nic"], dpu.counts["dpu"]) == (1, 0)


async def test_a_dpu_controller_alone_is_a_dpu() -> None:
    tree = trees.with_dpu()
    tree[f"{ROOT}/Systems"]["Members"] = [trees.link("Systems/Dpu")]
    report = await read(tree)
    assert kinds(report)[0] == ("Systems/Dpu", AssetKind.DPU)


async def test_a_system_on_a_card_with_network_adapters_is_a_dpu_though_it_does_not_say_so() -> (
    None
):
    tree = trees.with_dpu()
    del tree[f"{ROOT}/Systems/Dpu"]["SystemType"]
    assert kinds(await read(tree))[1] == ("Systems/Dpu", AssetKind.DPU)


async def test_virtual_machines_and_pseudo_systems_are_no_hardware() -> None:
    tree = trees.server()
    trees.put(tree, "Systems/Vm", "ComputerSystem", SystemType="Virtual")
    trees.put(tree, "Systems/1/Settings", "ComputerSystem")
    for path in ("Systems/Vm", "Systems/1/Settings"):
        tree[f"{ROOT}/Systems"]["Members"].append(trees.link(path))
    assert kinds(await read(tree)) == [("Systems/1", AssetKind.NODE)]


@pytest.mark.parametrize(
    ("root", "group", "resource", "equipment_type", "kind"),
    [
        (
            "PowerEquipment",
            "PowerShelves",
            "PowerDistribution",
            "PowerShelf",
            AssetKind.POWER_SHELF,
        ),
        ("PowerEquipment", "RackPDUs", "PowerDistribution", "RackPDU", AssetKind.PDU),
        (
            "PowerEquipment",
            "TransferSwitches",
            "PowerDistribution",
            "TransferSwitch",
            AssetKind.PDU,
        ),
        ("ThermalEquipment", "CDUs", "CoolingUnit", "CDU", AssetKind.CDU),
    ],
)
async def test_equipment_is_told_by_its_type(
    root: str, group: str, resource: str, equipment_type: str, kind: AssetKind
) -> None:
    unit = await only(trees.equipment(root, group, resource, equipment_type))
    assert (unit.kind, unit.identity.serial) == (kind, "E-1")
    assert f"{ROOT}/Chassis/X" in unit.resources


async def test_a_switch_tray_is_a_switch_and_not_a_node() -> None:
    assert (await only(trees.switch_tray())).kind is AssetKind.SWITCH


async def test_a_shelf_chassis_shown_twice_is_one_power_shelf() -> None:
    tree = trees.rooted("Chassis")
    power = {"PowerSubsystem": trees.link("Chassis/A/PowerSubsystem")}
    shelf = {"ChassisType": "Shelf", "SerialNumber": "Z-7", "Model": "P", **power}
    trees.put_all(tree, "Chassis", "Chassis", {"A": shelf, "a": shelf})
    unit = await only(tree)
    assert unit.kind is AssetKind.POWER_SHELF
    assert len(unit.resources) == 2


async def test_leak_detectors_alone_are_a_leak_asset() -> None:
    tree = trees.rooted("Chassis")
    leaks = {"ChassisType": "Module", "LeakDetectors": trees.link("Chassis/L/LeakDetectors")}
    trees.put_all(tree, "Chassis", "Chassis", {"L": leaks})
    trees.put_all(tree, "Chassis/L/LeakDetectors", "LeakDetector", {"1": {"DetectorState": "OK"}})
    assert (await only(tree)).kind is AssetKind.LEAK


async def test_what_is_not_said_is_unknown_with_a_reason() -> None:
    tree = trees.server(PowerState="Dozing", SerialNumber="   ", UUID="0" * 8, HostName=None)
    node = await only(tree)
    assert isinstance(node.power_state, Unknown)
    assert "Dozing" in node.power_state.reason
    assert (node.identity.serial, node.raw["serial_source"]) == ("C-1", f"{ROOT}/Chassis/1")
    assert node.identity.uuid is None
    assert node.gaps["uuid"].startswith("a placeholder")
    assert node.gaps["hostname"] == "not reported"
