"""The firmware inventory as the update service lists it."""

from __future__ import annotations

from typing import Any

from iolaus.drivers.redfish import RedfishDriver
from iolaus.model.asset import Firmware
from tests.drivers.redfish import trees
from tests.drivers.redfish.fake import ROOT, FakeDevice


async def entries(**fields: object) -> dict[str, Firmware]:
    tree = trees.server()
    tree[f"{ROOT}/UpdateService/Firmware/bmc"].update(fields)
    report = await RedfishDriver().inventory(FakeDevice(tree))
    return {each.component: each for each in report.firmware}


async def test_every_entry_is_told_with_version_state_and_owner() -> None:
    found = await entries()
    assert set(found) == {"bmc", "bios"}
    bmc = found["bmc"]
    assert (bmc.version, bmc.updateable, bmc.state) == ("1.2", True, "Enabled")
    assert bmc.asset == "Systems/1"


async def test_blanks_zeros_and_wrong_types_become_none() -> None:
    assert (await entries(Version="1.07   "))["bmc"].version == "1.07"
    assert (await entries(Version="0.00"))["bmc"].version is None
    assert (await entries(Version="1.1"))["bmc"].version == "1.1"
    assert (await entries(Version="undefined"))["bmc"].version is None
    assert (await entries(Version="0\x14"))["bmc"].version is None
    assert (await entries(Version="-"))["bmc"].version is None
    assert (await entries(Version=7, Updateable="yes", Status=[]))["bmc"].version is None


async def test_an_entry_belongs_to_what_it_is_related_to() -> None:
    tree = trees.blades()
    tree[ROOT]["UpdateService"] = trees.link("UpdateService")
    trees.put(tree, "UpdateService", "UpdateService", FirmwareInventory=trees.link("U"))
    related: dict[str, dict[str, Any]] = {
        "b": {"RelatedItem": [trees.link("Systems/Blade2")]},
        "box": {"RelatedItem": None},
    }
    trees.put_all(tree, "U", "SoftwareInventory", related)
    report = await RedfishDriver().inventory(FakeDevice(tree))
    owners = {each.component: each.asset for each in report.firmware}
    assert owners == {"b": "Systems/Blade2", "box": "Chassis/Box"}
