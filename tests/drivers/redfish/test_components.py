"""What counts as a part, and what is only another word for one."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import DeviceRefused
from iolaus.model.asset import Component, ComponentKind, Report
from tests.drivers.redfish import trees
from tests.drivers.redfish.fake import ROOT, FakeDevice, Tree


async def read(tree: Tree, **failures: Any) -> Report:
    return await RedfishDriver().inventory(FakeDevice(tree, failures.get("failures")))


def of(report: Report, kind: ComponentKind) -> list[Component]:
    return [part for part in report.components if part.kind is kind]


async def test_legacy_arrays_count_where_the_modern_collection_is_missing() -> None:
    tree = trees.server()
    del tree[f"{ROOT}/Chassis/1"]["PowerSubsystem"]
    del tree[f"{ROOT}/Chassis/1"]["ThermalSubsystem"]
    counts = (await read(tree)).assets[0].counts
    assert (counts["psu"], counts["fan"]) == (2, 2)


async def test_a_legacy_supply_with_a_modern_serial_is_the_same_supply() -> None:
    tree = trees.server()
    trees.put(tree, "Chassis/2", "Chassis", Power=trees.link("Chassis/2/Power"))
    tree[f"{ROOT}/Chassis"]["Members"].append(trees.link("Chassis/2"))
    same = [{"SerialNumber": "P", "Status": trees.OK}, {"SerialNumber": "Q", "Status": trees.OK}]
    trees.put(tree, "Chassis/2/Power", "Power", PowerSupplies=same)
    assert (await read(tree)).assets[0].counts["psu"] == 3


async def test_disabled_parts_are_listed_and_not_counted_and_absent_ones_are_neither() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Systems/1/Memory/D2"]["Status"] = {"State": "Disabled"}
    report = await read(tree)
    assert len(of(report, ComponentKind.MEMORY)) == 3
    assert report.assets[0].counts["memory"] == 2


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (None, ComponentKind.CPU),
        ("GPU", ComponentKind.GPU),
        ("FPGA", ComponentKind.ACCELERATOR),
        ("Core", None),
        ("NPU", ComponentKind.OTHER),
    ],
)
async def test_a_processor_is_what_it_says(said: str | None, kind: ComponentKind | None) -> None:
    tree = trees.server()
    tree[f"{ROOT}/Systems/1/Processors/CPU2"]["ProcessorType"] = said
    found = [p.kind for p in (await read(tree)).components if p.uri.endswith("/CPU2")]
    assert found == ([kind] if kind else [])


async def test_a_compute_function_is_a_gpu_where_no_processor_says_so() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Chassis/1"]["PCIeDevices"] = trees.link("Chassis/1/PCIeDevices")
    device = {"PCIeFunctions": trees.link("Chassis/1/PCIeDevices/9/PCIeFunctions"), "Model": "X9"}
    trees.put_all(tree, "Chassis/1/PCIeDevices", "PCIeDevice", {"9": device})
    function = {"1": {"ClassCode": "0x030200"}}
    trees.put_all(tree, "Chassis/1/PCIeDevices/9/PCIeFunctions", "PCIeFunction", function)
    report = await read(tree)
    assert [part.model for part in of(report, ComponentKind.GPU)] == ["X9"]
    tree[f"{ROOT}/Systems/1/Processors/CPU2"]["ProcessorType"] = "GPU"
    assert (await read(tree)).assets[0].counts["gpu"] == 1


async def test_a_drive_under_chassis_and_storage_is_one_drive_but_serials_merge_nothing_else() -> (
    None
):
    tree = trees.server()
    tree[f"{ROOT}/Systems/1/Storage/A/Drives/0"]["SerialNumber"] = "D"
    tree[f"{ROOT}/Systems/1/Storage/A/Drives/1"]["SerialNumber"] = "D"
    tree[f"{ROOT}/Chassis/1"]["Drives"] = trees.link("Chassis/1/Drives")
    trees.put_all(tree, "Chassis/1/Drives", "Drive", {"0": {"SerialNumber": "D"}})
    assert (await read(tree)).assets[0].counts["drive"] == 2


async def test_a_class_that_could_not_be_read_counts_none_with_the_reason() -> None:
    uri = f"{ROOT}/Chassis/1/NetworkAdapters"
    broken = DeviceRefused("HTTP 500", operation="GET", subject=uri, status=500)
    node = (await read(trees.server(), failures={uri: broken})).assets[0]
    assert node.counts["nic"] is None
    assert node.gaps["counts.nic"] == "HTTP 500"


async def test_names_are_unique_within_a_kind() -> None:
    tree = trees.server()
    for name in ("CPU1", "CPU2"):
        tree[f"{ROOT}/Systems/1/Processors/{name}"]["Name"] = "Processor"
    assert [p.name for p in of(await read(tree), ComponentKind.CPU)] == ["CPU1", "CPU2"]


async def test_a_gpus_own_memory_is_a_module_but_not_the_hosts_memory() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Systems/1/Memory/D2"]["MemoryDeviceType"] = "HBM3"
    node = (await read(tree)).assets[0]
    assert (node.counts["memory"], node.memory_gib) == (3, 128.0)


async def test_a_cage_inside_the_machine_is_a_board_and_what_the_machine_stands_in_is_none() -> (
    None
):
    tree = trees.server()
    for name, links in (
        ("Cage", {"ContainedBy": trees.link("Chassis/1")}),
        ("Around", {"Contains": [trees.link("Chassis/1")]}),
    ):
        trees.put(tree, f"Chassis/{name}", "Chassis", ChassisType="Enclosure", Links=links)
        tree[f"{ROOT}/Chassis"]["Members"].append(trees.link(f"Chassis/{name}"))
    boards = of(await read(tree), ComponentKind.BOARD)
    assert [part.uri for part in boards] == [f"{ROOT}/Chassis/Cage"]


async def test_the_metrics_of_a_battery_are_read() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Chassis/1/PowerSubsystem"]["Batteries"] = trees.link("B")
    trees.put_all(tree, "B", "Battery", {"1": {"Metrics": trees.link("B/1/Metrics")}})
    charge = {"ChargePercent": {"Reading": 97}}
    trees.put(tree, "B/1/Metrics", "BatteryMetrics", **charge)
    report = await read(tree)
    assert [(r.role, r.value) for r in report.readings if "/B/1/" in r.uri] == [
        ("battery_charge", 97.0)
    ]
