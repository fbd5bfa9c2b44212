"""Updates that go well and updates that are refused, over the real wire."""

from __future__ import annotations

import io

import pytest

from iolaus.sim.firmware.examples import example, example_tarball
from tests.sim.firmware.stage import INVENTORY, SIMPLE, UPDATE, V1, Bench, bench, ids, until

GPU = "HGX_FW_GPU_0"
TRAY = "gb300-tray"


async def test_a_multipart_push_waits_for_the_moment_of_its_component() -> None:
    async with bench(TRAY) as on:
        package = example(TRAY, {GPU: "97.20.01", "FW_BMC_0": "GB200Nvl-25.10-1"}, revision=4)
        task = await on.flashed(package, {"@Redfish.OperationApplyTime": "OnReset"})
        assert (task["TaskState"], task["TaskStatus"]) == ("Completed", "OK")
        said = ids(task)
        assert (said[0], said[-1]) == ("TaskStarted", "TaskCompletedOK")
        for word in ("TransferringToComponent", "VerifyingAtComponent", "ApplyingOnComponent",
                     "AwaitToActivate"):  # fmt: skip
            assert said.count(word) == 5, said  # the controller and four GPUs of one kind
        assert await on.version(GPU) == "97.10.3A.00.07"
        await on.restart("BMC_0")
        await on.shows("FW_BMC_0", "GB200Nvl-25.10-1")
        assert (await on.get(f"{V1}/Managers/BMC_0"))["FirmwareVersion"] == "GB200Nvl-25.10-1"
        assert await on.version(GPU) == "97.10.3A.00.07"
        await on.mains()
        await on.shows(GPU, "97.20.01")
        assert on.truth()["flash"][GPU]["banks"] == ["97.10.3A.00.07", "97.20.01"]


async def test_immediate_restarts_the_controller_itself_and_its_tasks_are_gone() -> None:
    async with bench(TRAY) as on:
        task = await on.simple(example(TRAY, {"FW_BMC_0": "GB200Nvl-25.11-2"}))
        await until(lambda: _gone(on, task["@odata.id"]))
        await on.shows("FW_BMC_0", "GB200Nvl-25.11-2")


async def _gone(on: Bench, path: str) -> bool:
    try:
        return (await on.ask("GET", path))[0] == 404
    except OSError:
        return False


@pytest.mark.parametrize(
    ("persona", "entry", "version"),
    [("dl365-cpu", "6", "0x1D"), ("sys-hgx-b200", "PSU_1", "1.2"), ("orv3-shelf", "PSU0", "1.7.3"),
     ("sd665-twin", "LXPM", "KAL119A"), ("leak-ropes", "Controller", "1.9.4")],
)  # fmt: skip
async def test_what_is_active_at_once_and_what_a_bare_push_does(
    persona: str, entry: str, version: str
) -> None:
    async with bench(persona) as on:
        package = example(persona, {entry: version})
        place = (await on.get(UPDATE)).get("HttpPushUri")
        if place is None:
            task = await on.simple(package, Targets=[f"{INVENTORY}/{entry}"])
        else:
            status, body, _ = await on.ask("POST", place, data=package)
            assert status == 202
            task = await on.ended(body)
        assert task["TaskState"] == "Completed", ids(task)
        if "AwaitToActivate" in ids(task):
            assert await on.version(entry) != version
            await on.restart("1")
        await on.shows(entry, version)


async def test_a_host_boots_its_new_firmware_and_the_old_one_is_the_backup() -> None:
    async with bench("sys-hgx-b200") as on:
        task = await on.flashed(example("sys-hgx-b200", {"BIOS": "Ver 1.5"}))
        assert "AwaitToActivate" in ids(task)
        before = await on.version("BIOS")
        assert before is not None
        await on.reset(f"{V1}/Systems/1", "ForceRestart")
        await on.shows("BIOS", "Ver 1.5")
        assert await on.version("Backup_BIOS") == before
        assert (await on.get(f"{V1}/Systems/1"))["BiosVersion"] == "Ver 1.5"


async def test_an_update_is_held_until_it_is_started() -> None:
    async with bench("sys-hgx-b200") as on:
        wanted = {"@Redfish.OperationApplyTime": "OnStartUpdateRequest"}
        task = await on.flashed(example("sys-hgx-b200", {"PSU_1": "1.4"}), wanted)
        assert "AwaitToUpdate" in ids(task)
        assert await on.version("PSU_1") == "1.1 "
        start = f"{UPDATE}/Actions/UpdateService.StartUpdate"
        status, body, _ = await on.ask("POST", start, json={})
        assert status == 202
        assert (await on.ended(body))["TaskState"] == "Completed"
        await on.shows("PSU_8", "1.4")
        assert (await on.ask("POST", start, json={}))[0] == 400


async def test_a_tarball_goes_to_controllers_that_take_them() -> None:
    async with bench(TRAY, "g893-mi325x") as on:
        await on.flashed(example_tarball(TRAY, "FW_BMC_0", "GB200Nvl-26.01-1"))
        await on.shows("FW_BMC_0", "GB200Nvl-26.01-1")
        archive = example_tarball(TRAY, "FW_BMC_0", "GB200Nvl-26.02-1")
        spoilt = bytearray(archive)
        spoilt[archive.index(b"image-bmc\0") + 600] ^= 1
        assert "VerificationFailed" in ids(await on.flashed(bytes(spoilt)))
        assert "NoTargetsDetermined" in ids(await on.on("g893-mi325x").flashed(archive))


async def test_ids_tell_versions_with_one_maker_and_are_stable_with_others() -> None:
    async with bench("xe9680-h200") as on:
        old = "Installed-28897-25.06.10__Dell.OS.Driver.Pack"
        await on.flashed(example("xe9680-h200", {old: "25.07.01"}))
        new = old.replace("25.06.10", "25.07.01")
        await until(lambda: _listed(on, new))
        assert await on.version(new) == "25.07.01"
        assert not await _listed(on, old)


async def _listed(on: Bench, entry: str) -> bool:
    found = (await on.get(INVENTORY))["Members"]
    return {"@odata.id": f"{INVENTORY}/{entry}"} in found


async def test_tasks_of_some_makers_outlive_the_controller() -> None:
    async with bench("dl365-cpu") as on:
        task = await on.flashed(example("dl365-cpu", {"1": "1.70 Jan 05 2026"}))
        await on.restart("1")
        await on.shows("1", "1.70 Jan 05 2026")
        assert (await on.get(task["@odata.id"]))["TaskState"] == "Completed"


# what is refused


async def refused(on: Bench, image: bytes, word: str, **parameters: object) -> None:
    task = await on.flashed(image, dict(parameters))
    assert (task["TaskState"], task["TaskStatus"]) == ("Exception", "Critical")
    assert word in ids(task), ids(task)
    assert ids(task)[-1] == "TaskAborted"


async def test_images_that_are_refused() -> None:
    async with bench(TRAY) as on:
        good = example(TRAY, {GPU: "97.20.01"})
        await refused(on, good[:-1] + b"?", "VerificationFailed")
        await refused(on, b"\0" + good[1:], "NoTargetsDetermined")
        await refused(on, good[:300], "VerificationFailed")
        foreign = example(TRAY, {GPU: "97.20.01"}, images={GPU: b"homemade" * 99})
        await refused(on, foreign, "VerificationFailed")
        await refused(on, example("dl365-cpu", {"1": "2.0"}), "NoTargetsDetermined")
        wrong = [f"{INVENTORY}/FW_BMC_0"]
        await refused(on, good, "NoTargetsDetermined", Targets=wrong)
        older = example(TRAY, {GPU: "96.10.3A.00.07"})
        await refused(on, older, "ApplyFailed", ForceUpdate=True)
        task = await on.flashed(example(TRAY, {GPU: "97.10.3A.00.07"}))
        assert ids(task).count("UpdateSkipped") == 4
        assert on.truth()["flash"][GPU]["runs"] == "97.10.3A.00.07"


async def test_a_downgrade_is_taken_by_force_where_nothing_forbids_it() -> None:
    async with bench("sys-hgx-b200") as on:
        older = example("sys-hgx-b200", {"BMC": "01.04.01"})
        await refused(on, older, "ApplyFailed")
        await on.flashed(older, {"ForceUpdate": True})
        await on.shows("BMC", "01.04.01")
        assert await on.version("Backup_BMC") == "01.05.16"


async def test_requests_that_are_refused_at_once() -> None:
    async with bench(TRAY, "dl365-cpu", task_s=20.0) as on:
        package = example(TRAY, {GPU: "97.20.01"})
        assert (await on.push(package, {"Targets": [f"{V1}/Nothing"]}))[0] == 400
        assert (await on.push(package, {"Targets": "all"}))[0] == 400
        assert (await on.push(package, {"@Redfish.OperationApplyTime": "Never"}))[0] == 400
        assert (await on.push(b"", {}))[0] == 400
        assert (await on.ask("POST", SIMPLE, json={"Targets": []}))[0] == 400
        place = (await on.get(UPDATE))["MultipartHttpPushUri"]
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        body = b'--x\r\nContent-Disposition: form-data; name="UpdateParameters"\r\n\r\n[\r\n--x--'
        assert (await on.ask("POST", place, data=body, headers=headers))[0] == 400
        assert (await on.push(package))[0] == 202
        status, _, headers_back = await on.ask("POST", SIMPLE, json={"ImageURI": "http://x/y"})
        assert (status, headers_back["Retry-After"]) == (503, "30")
        on.on("dl365-cpu")
        anywhen = {"@Redfish.OperationApplyTime": "OnReset"}
        assert (await on.push(package, anywhen))[0] == 400


async def test_what_cannot_be_fetched() -> None:
    async with bench(TRAY) as on:
        away = ("http://192.0.2.1/x", "scp://127.0.0.1/x", "file:///nowhere", "127.0.0.1:1/x")
        for uri in (*away, f"{on.files}/nothing", "http://127.0.0.1:1/x", "//["):
            status, body, _ = await on.ask("POST", SIMPLE, json={"ImageURI": uri})
            assert status == 202, uri
            task = await on.ended(body)
            assert ids(task) == ["TaskStarted", "TransferFailed", "TaskAborted"], uri


async def test_adapters_are_not_flashed_nor_known_while_the_host_is_off() -> None:
    async with bench(TRAY) as on:
        await on.reset(f"{V1}/Systems/System_0", "ForceOff")
        await on.shows("FW_CX8_0", None)
        for system in ("System_0",):
            assert (await on.get(f"{V1}/Systems/{system}"))["PowerState"] == "Off"
        package = example(TRAY, {"FW_CX8_0": "40.47.1000"})
        await refused(on, package, "ApplyFailed")
        await on.reset(f"{V1}/Systems/System_0", "On")
        await on.shows("FW_CX8_0", "40.46.1006")
        await on.flashed(package)
        await on.reset(f"{V1}/Systems/System_0", "ForceRestart")
        await on.shows("FW_CX8_3", "40.47.1000")


async def test_a_large_push_is_kept_in_a_file() -> None:
    async with bench("orv3-shelf") as on:
        image = bytes(range(256)) * 20000
        package = example("orv3-shelf", {"PSU0": "1.8.0"}, images={"PSU0": image}, revision=4)
        assert len(package) > 5_000_000
        place = (await on.get(UPDATE))["HttpPushUri"]
        status, body, _ = await on.ask("POST", place, data=io.BytesIO(package))
        assert status == 202
        assert (await on.ended(body))["TaskState"] == "Completed"
        await on.shows("PSU0", "1.8.0")
        assert on.device.running[f"{INVENTORY}/PSU0"].data == image


async def test_a_full_power_cycle_is_mains_for_what_waits_for_it() -> None:
    async with bench("g893-mi325x") as on:
        await on.flashed(example("g893-mi325x", {"OAM_0_IFWI": "00168300"}))
        assert await on.version("OAM_0_IFWI") == "00168213"
        before = on.device.restarts
        await on.reset(f"{V1}/Systems/Self", "FullPowerCycle")
        await until(lambda: _restarted(on, before))
        await on.shows("OAM_0_IFWI", "00168300")
        assert (await on.get(f"{V1}/Systems/Self"))["PowerState"] == "On"


async def _restarted(on: Bench, before: int) -> bool:
    return on.device.restarts > before


async def test_a_flash_of_some_controllers_sets_their_accounts_back() -> None:
    async with bench("bluefield-dpu") as on:
        accounts = f"{V1}/AccountService/Accounts"
        made = {"UserName": "operator9", "Password": "Long-enough-3", "RoleId": "Operator"}
        assert (await on.ask("POST", accounts, json=made))[0] == 201
        await on.flashed(example("bluefield-dpu", {"BMC_Firmware": "BF-25.10-1"}))
        await until(lambda: _flashed(on))
        await on.back()
        assert (await on.get(f"{V1}/Managers/Bluefield_BMC"))["FirmwareVersion"] == "BF-25.10-1"
        assert "operator9" not in str(await on.get(accounts))


async def _flashed(on: Bench) -> bool:
    return bool(on.truth()["runs"]["BMC_Firmware"] == "BF-25.10-1")
