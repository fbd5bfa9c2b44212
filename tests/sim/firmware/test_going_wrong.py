"""Updates that go wrong: each fault on and off over the wire, and what is really in the flash."""

from __future__ import annotations

import asyncio
import base64
from hashlib import sha384

from iolaus.sim.firmware.examples import example
from iolaus.sim.roots.firmware import Image
from tests.sim.firmware.stage import INVENTORY, V1, Bench, Json, bench, ids, mend, strike, until

TRAY, GPU, BMC = "gb300-tray", "HGX_FW_GPU_0", "FW_BMC_0"
OLD = "97.10.3A.00.07"
SERVER = "sys-hgx-b200"


async def measured(on: Bench, root: str = "HGX_ERoT_GPU_0", index: int = 3) -> bytes:
    body = await on.get(f"{V1}/ComponentIntegrity/{root}")
    blocks = body["SPDM"]["MeasurementSet"]["Measurements"]
    (found,) = (b["Measurement"] for b in blocks if b["MeasurementIndex"] == index)
    return base64.b64decode(found)


def digest(version: str) -> bytes:
    return sha384(Image("NVIDIA:HGX_FW_GPU", version).data).digest()


async def test_measurements_are_those_of_the_image_that_runs() -> None:
    async with bench(TRAY) as on:
        assert await measured(on) == digest(OLD)
        await on.flashed(example(TRAY, {GPU: "97.20.01"}))
        assert await measured(on) == digest(OLD), "staged is not running"
        await on.mains()
        await on.shows(GPU, "97.20.01")
        assert await measured(on) == digest("97.20.01")


async def test_old_firmware_under_a_new_name_is_seen_by_its_measurement() -> None:
    async with bench(TRAY) as on:
        strike("image-old-under-new-name", on.device)
        await on.flashed(example(TRAY, {GPU: "97.20.01"}))
        await on.mains()
        await on.shows(GPU, "97.20.01")
        assert await measured(on) == digest(OLD)
        assert on.truth()["flash"][GPU]["build"] == "old"
        mend("image-old-under-new-name", on.device)
        await on.flashed(example(TRAY, {GPU: "97.21.01"}))
        await on.mains()
        await on.shows(GPU, "97.21.01")
        assert await measured(on) == digest("97.21.01")


async def test_an_update_that_never_finishes_blocks_until_the_controller_restarts() -> None:
    async with bench(SERVER) as on:
        strike("update-never-finishes", on.device)
        package = example(SERVER, {"BIOS": "Ver 1.6"})
        status, task = await on.push(package)
        assert status == 202
        await until(lambda: _stuck(on, task))
        assert (await on.push(package))[0] == 503
        assert on.truth()["updating"] is True
        mend("update-never-finishes", on.device)
        await on.restart("1")
        assert (await on.ask("GET", task["@odata.id"]))[0] == 404
        assert on.truth()["flash"]["BIOS"]["banks"][1] is None
        await on.flashed(package)
        await on.reset(f"{V1}/Systems/1", "ForceRestart")
        await on.shows("BIOS", "Ver 1.6")


async def _stuck(on: Bench, task: Json) -> bool:
    found = await on.get(task["@odata.id"])
    assert found["TaskState"] in ("New", "Starting", "Running")
    return bool(found["PercentComplete"] == 99 and "ApplyingOnComponent" in ids(found))


async def test_an_update_that_is_ignored() -> None:
    async with bench(SERVER) as on:
        strike("update-ignored", on.device)
        task = await on.flashed(example(SERVER, {"PSU_1": "1.9"}))
        assert (task["TaskState"], task["TaskStatus"]) == ("Completed", "OK")
        assert "UpdateSuccessful" in ids(task)
        assert await on.version("PSU_1") == "1.1 "
        mend("update-ignored", on.device)
        await on.flashed(example(SERVER, {"PSU_1": "1.9"}))
        await on.shows("PSU_1", "1.9")


async def test_an_image_that_does_not_boot_falls_back_to_the_other_bank() -> None:
    async with bench(TRAY) as on:
        strike("image-does-not-boot", on.device)
        await on.flashed(example(TRAY, {GPU: "97.20.01"}))
        await on.mains()
        assert await on.version(GPU) == OLD
        assert on.truth()["flash"][GPU]["banks"] == [OLD, None]
        assert await measured(on) == digest(OLD)
        mend("image-does-not-boot", on.device)
        await on.flashed(example(TRAY, {GPU: "97.20.02"}))
        await on.mains()
        await on.shows(GPU, "97.20.02")


async def test_a_single_bank_that_does_not_boot_is_dead_until_it_is_flashed_again() -> None:
    async with bench("sd665-twin") as on:
        strike("image-does-not-boot", on.device)
        await on.flashed(example("sd665-twin", {"UEFI-1": "KAE140A"}))
        await on.reset(f"{V1}/Systems/1", "ForceRestart")
        await on.shows("UEFI-1", None)
        entry = await on.get(f"{INVENTORY}/UEFI-1")
        assert entry["Status"]["Health"] == "Critical"
        mend("image-does-not-boot", on.device)
        await on.flashed(example("sd665-twin", {"UEFI-1": "KAE141A"}))
        await on.reset(f"{V1}/Systems/1", "ForceRestart")
        await on.shows("UEFI-1", "KAE141A")


async def test_a_bricked_controller_comes_back_after_mains_only() -> None:
    async with bench(TRAY) as on:
        strike("image-bricks-controller", on.device)
        held = {"@Redfish.OperationApplyTime": "OnReset"}
        await on.flashed(example(TRAY, {BMC: "GB200Nvl-26.01-1"}), held)
        await on.reset(f"{V1}/Managers/BMC_0", "ForceRestart")
        await until(lambda: _dead(on))
        mend("image-bricks-controller", on.device)
        on.device.up()
        await on.hall.places[TRAY].settled()
        assert on.hall.places[TRAY].state != "up"
        await on.mains()
        assert await on.version(BMC) == "GB200Nvl-25.08-9"


async def _dead(on: Bench) -> bool:
    return on.device.dead


async def test_an_image_for_another_component_is_taken_by_one_that_does_not_look() -> None:
    async with bench(SERVER) as on:
        strike("image-not-checked", on.device)
        package = example("orv3-shelf", {"PSU0": "9.9"})
        task = await on.flashed(package, {"Targets": [f"{INVENTORY}/PSU_1"]})
        assert "UpdateSuccessful" in ids(task)
        await on.shows("PSU_1", "9.9")
        assert on.device.running[f"{INVENTORY}/PSU_1"].data == Image("PSU0", "9.9").data
        mend("image-not-checked", on.device)
        task = await on.flashed(package, {"Targets": [f"{INVENTORY}/PSU_1"]})
        assert "NoTargetsDetermined" in ids(task)


async def test_power_that_is_lost_in_mid_flash() -> None:
    """One bank: dead. Two: the old one runs. And the host comes back as it was."""
    async with bench("dl365-cpu", SERVER, task_s=2.0) as on:
        for name, entry, banks in (("dl365-cpu", "6", 1), (SERVER, "BMC", 2)):
            on.on(name)
            before = await on.version(entry)
            status, task = await on.push(example(name, {entry: "77.1.1"}))
            assert status == 202
            await until(lambda path=task["@odata.id"]: _writing(on, path))  # type: ignore[misc]
            strike("mains-lost", on.device)
            assert on.device.kept(f"{V1}/Systems/1")["PowerState"] == "Off"  # type: ignore[index]
            await asyncio.sleep(0)
            mend("mains-lost", on.device)
            await on.back()
            assert await on.version(entry) == (None if banks == 1 else before)
            assert (await on.get(f"{V1}/Systems/1"))["PowerState"] == "On"


async def _writing(on: Bench, path: str) -> bool:
    return "ApplyingOnComponent" in ids(await on.get(path))


async def test_a_controller_that_restarts_in_mid_update_has_lost_its_tasks() -> None:
    async with bench(TRAY, task_s=20.0) as on:
        status, task = await on.push(example(TRAY, {GPU: "97.20.01"}))
        assert status == 202
        await on.restart("BMC_0")
        assert (await on.ask("GET", task["@odata.id"]))[0] == 404
        assert on.truth()["updating"] is False
        assert await on.version(GPU) == OLD
