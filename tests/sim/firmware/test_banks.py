"""The other bank of a controller over the wire: chosen by the manager's link, booted by a reset."""

from __future__ import annotations

import pytest

from iolaus.sim.firmware.examples import example
from tests.sim.firmware.stage import INVENTORY, V1, Bench, Json, bench

MANAGERS = {
    "sys-hgx-b200": ("1", "BMC", "Backup_BMC"),
    "g893-mi325x": ("Self", "BMCImage1", "BMCImage2"),
    "sd665-twin": ("1", "BMC-Primary", "BMC-Backup"),
}


async def choose(on: Bench, manager: str, entry: str) -> int:
    body = {"Links": {"ActiveSoftwareImage": {"@odata.id": f"{INVENTORY}/{entry}"}}}
    status, _, _ = await on.ask("PATCH", f"{V1}/Managers/{manager}", json=body)
    return status


async def active(on: Bench, manager: str) -> str:
    links: Json = (await on.get(f"{V1}/Managers/{manager}"))["Links"]
    named = [each["@odata.id"] for each in links["SoftwareImages"]]
    assert links["ActiveSoftwareImage"]["@odata.id"] in named
    return str(links["ActiveSoftwareImage"]["@odata.id"]).rpartition("/")[2]


@pytest.mark.parametrize("persona", ["sys-hgx-b200", "g893-mi325x"])
async def test_a_flash_is_taken_back_by_the_other_bank_and_a_reset(persona: str) -> None:
    manager, runs, backup = MANAGERS[persona]
    async with bench(persona) as on:
        old = await on.version(runs)
        assert await active(on, manager) == runs
        new = "99.1"
        await on.flashed(
            example(persona, {runs: new}), {"@Redfish.OperationApplyTime": "Immediate"}
        )
        await on.shows(runs, new)
        await on.back()
        assert await active(on, manager) == runs
        assert await on.version(backup) == old
        assert await choose(on, manager, backup) == 200
        assert await active(on, manager) == backup
        assert await on.version(runs) == new, "nothing runs before the reset"
        await on.restart(manager)
        await on.shows(runs, old)
        assert await on.version(backup) == new
        assert await active(on, manager) == runs
        assert (await on.get(f"{V1}/Managers/{manager}"))["FirmwareVersion"] == old


async def test_what_is_written_boots_next_and_may_be_chosen_away_again() -> None:
    manager, runs, backup = MANAGERS["sys-hgx-b200"]
    async with bench("sys-hgx-b200", task_s=0.2) as on:
        old = await on.version(runs)
        await on.flashed(
            example("sys-hgx-b200", {runs: "99.1"}),
            {"@Redfish.OperationApplyTime": "OnStartUpdateRequest"},
        )
        start = f"{V1}/UpdateService/Actions/UpdateService.StartUpdate"
        _, task, _ = await on.ask("POST", start, json={})
        await on.ended(task)
        await on.shows(backup, "99.1")
        assert await active(on, manager) == backup
        assert await choose(on, manager, runs) == 200
        await on.restart(manager)
        assert await on.version(runs) == old


async def test_only_banks_of_the_manager_that_hold_something_are_taken() -> None:
    manager, runs, _ = MANAGERS["sys-hgx-b200"]
    async with bench("sys-hgx-b200", "dl365-cpu") as on:
        assert await choose(on, manager, "BIOS") == 400
        assert await choose(on, manager, "Nothing") == 400
        assert await active(on, manager) == runs
        assert await choose(on.on("dl365-cpu"), "1", "1") == 400, "it shows no banks"


async def test_rollback_protection_holds_for_a_switch_as_for_a_push() -> None:
    """A security version that the new image raised is in the device for good."""
    manager, runs, backup = MANAGERS["sd665-twin"]
    async with bench("sd665-twin") as on:
        await on.flashed(example("sd665-twin", {runs: "99.1"}))
        await on.shows(runs, "99.1")
        await on.back()
        assert await choose(on, manager, backup) == 400
        assert await active(on, manager) == runs
