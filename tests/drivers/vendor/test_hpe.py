"""GPUs that older controllers of this maker list only as OEM devices."""

from __future__ import annotations

from typing import Any

from iolaus.drivers import registry
from tests.drivers.redfish import trees
from tests.drivers.redfish.fake import ROOT, FakeDevice


async def test_oem_gpus_of_an_older_generation_are_counted_once() -> None:
    driver = registry.find_driver({"vendor": "HPE", "product": "ProLiant XL675d Gen10 Plus"})
    tree = trees.server()
    links = {"Hpe": {"Links": {"Devices": trees.link("Chassis/1/Devices")}}}
    tree[f"{ROOT}/Chassis/1"]["Oem"] = links
    gpu: dict[str, Any] = {
        "DeviceType": "GPU",
        "Location": "PCI-E Slot 2",
        "SerialNumber": "G",
        "Name": "A",
    }
    devices = {
        "1": gpu | {"FirmwareVersion": {"Current": {"VersionString": "92.0"}}},
        "2": gpu | {"Location": "GPU Baseboard"},
        "3": gpu | {"SerialNumber": " "},
        "4": gpu | {"DeviceType": "LOM/NIC"},
        "5": gpu | {"Status": {"State": "Absent"}, "SerialNumber": "H"},
    }
    trees.put_all(tree, "Chassis/1/Devices", "HpeServerDevice", devices)
    report = await driver.inventory(FakeDevice(tree))
    assert report.assets[0].counts["gpu"] == 1
    assert [p.firmware for p in report.components if p.kind == "gpu"] == ["92.0"]
    tree[f"{ROOT}/Systems/1/Processors/CPU2"] |= {"ProcessorType": "GPU", "SerialNumber": "G"}
    assert (await driver.inventory(FakeDevice(tree))).assets[0].counts["gpu"] == 1
