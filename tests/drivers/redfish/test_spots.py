"""A few values read afresh mean what the inventory means by them, and find a renamed part."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.spots import Spots
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from tests.drivers.redfish import trees
from tests.drivers.redfish.fake import ROOT, FakeDevice
from tests.survival.stage import machine

PERSONAS = ("bluefield-dpu", "dl365-cpu", "g893-mi325x", "gb300-tray", "orv3-shelf", "rack-pdu",
            "sd665-twin", "sys-hgx-b200", "xe9680-h200")  # fmt: skip
FIRMWARE = f"{ROOT}/UpdateService/Firmware"


async def spots(tree: dict[str, Any], now: dict[str, Any], *subjects: str) -> Spots:
    driver = RedfishDriver()
    last = await driver.inventory(FakeDevice(tree))
    return await driver.spots(FakeDevice(now), last, last.assets[0], subjects)


@pytest.mark.parametrize("persona", PERSONAS)
async def test_every_spot_is_what_the_inventory_says(persona: str) -> None:
    simulated = machine(persona)
    tree = {path: simulated.tree.get(path) for path in simulated.tree.paths()}
    driver = RedfishDriver()
    last = await driver.inventory(FakeDevice(tree))
    asset = last.assets[0]
    told: dict[str, Any] = {
        f"firmware/{f.component}": f.version for f in last.firmware if f.asset == asset.key
    }
    told |= {f"bios/{s.name}": s.value for s in last.settings if s.asset == asset.key}
    for setting in last.manager_settings:
        if setting.asset in (None, asset.key):
            value = setting.value
            told[f"bmc/{setting.name}"] = list(value) if isinstance(value, tuple) else value
    found = await driver.spots(FakeDevice(tree), last, asset, told)
    known = {subject: value for subject, value in told.items() if value is not None}
    assert len(known) > 5
    assert found.values == known
    assert found.reasons.keys() == told.keys() - known.keys()
    assert all(found.reasons.values())


async def test_standing_and_the_time_of_the_last_start() -> None:
    tree = trees.server(LastResetTime="2026-11-20T10:00:00Z")
    subjects = ("endpoint/reachable", "power/state", "health", "boot/count-or-time")
    found = await spots(tree, tree, *subjects)
    assert found.values == {
        "endpoint/reachable": True,
        "power/state": "On",
        "health": "OK",
        "boot/count-or-time": "2026-11-20T10:00:00Z",
    }
    bare = await spots(trees.server(), trees.server(), "boot/count-or-time")
    assert bare.values == {"boot/count-or-time": None}


async def test_a_part_whose_id_is_another_now_is_found_by_what_it_is() -> None:
    before, now = trees.server(), trees.server()
    entry = now.pop(f"{FIRMWARE}/bmc")
    now[FIRMWARE]["Members"] = [
        {"@odata.id": f"{FIRMWARE}/bios"},
        {"@odata.id": f"{FIRMWARE}/bmc-2"},
    ]
    new = {**entry, "@odata.id": f"{FIRMWARE}/bmc-2", "Id": "bmc-2", "Version": "1.3"}
    now[f"{FIRMWARE}/bmc-2"] = new
    found = await spots(before, now, "firmware/bmc")
    assert found.values == {"firmware/bmc": "1.3"}


async def test_a_part_that_was_renamed_before_it_was_last_read_is_found_by_its_kind() -> None:
    tree = trees.server()
    found = await spots(tree, tree, "firmware/FW_BMC_0", "firmware/FW_NIC_7")
    assert found.values == {"firmware/FW_BMC_0": "1.2"}
    assert "for certain" in found.reasons["firmware/FW_NIC_7"]


async def test_what_two_parts_may_be_is_unknown() -> None:
    before, now = trees.server(), trees.server()
    entry = now.pop(f"{FIRMWARE}/bmc")
    names = [f"{FIRMWARE}/{name}" for name in ("bmc-a", "bmc-b")]
    now[FIRMWARE]["Members"] = [{"@odata.id": name} for name in names]
    for name in names:
        now[name] = {**entry, "@odata.id": name, "Id": name.rpartition("/")[2]}
    found = await spots(before, now, "firmware/bmc")
    assert found.values == {}
    assert "for certain" in found.reasons["firmware/bmc"]


async def test_a_refusal_that_passes_is_the_caller_s_to_meet() -> None:
    driver, tree = RedfishDriver(), trees.server()
    last = await driver.inventory(FakeDevice(tree))
    asset = last.assets[0]
    for error in (
        DeviceSilent("no answer", operation="GET", subject="x"),
        DeviceRefused("busy", operation="GET", subject="x", status=503),
    ):
        device = FakeDevice(tree, {asset.resources[0]: error})
        with pytest.raises(type(error)):
            await driver.spots(device, last, asset, ("health",))
