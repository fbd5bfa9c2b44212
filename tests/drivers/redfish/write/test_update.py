"""Firmware over the real wire: three ways in, tasks that lie or vanish, and inventory as proof."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from iolaus.drivers.ports import How, Image, Priority
from iolaus.kernel.errors import DeviceLied, DeviceRefused, OperatorMust
from iolaus.sim.firmware.examples import example
from iolaus.wire.redfish.errors import Code
from iolaus.wire.redfish.task import State
from tests.drivers.redfish.write.stage import INVENTORY, V1, on
from tests.sim.firmware.stage import mend, strike

TRAY, BMC, GPU = "gb300-tray", "FW_BMC_0", "HGX_FW_GPU_0"
UPDATE = f"{V1}/UpdateService"


def image_of(folder: Path, data: bytes, name: str = "image.fwpkg") -> Image:
    file = folder / name
    file.write_bytes(data)
    return Image(name=name, path=str(file), uri=file.as_uri())


@pytest.mark.parametrize("how", ["multipart", "push", "simple", None])
async def test_each_way_leads_to_the_new_version(how: How | None, tmp_path: Path) -> None:
    async with on(TRAY) as at:
        image = image_of(tmp_path, example(TRAY, {BMC: "GB200Nvl-25.10-1"}, revision=4))
        receipt = await at.driver.update(at.writer, image, how=how)
        assert receipt.status == 202
        assert receipt.task is not None
        assert "Monitor" not in receipt.task
        await at.shows(BMC, "GB200Nvl-25.10-1")
        found = {each.component: each.version for each in (await at.inventory()).firmware}
        assert found[BMC] == "GB200Nvl-25.10-1"


@pytest.mark.parametrize(
    ("persona", "entry", "version"),
    [
        ("dl365-cpu", "6", "0x1D"),
        ("sys-hgx-b200", "PSU_1", "1.2"),
        ("orv3-shelf", "PSU0", "1.7.3"),
        ("sd665-twin", "LXPM", "KAL119A"),
        ("g893-mi325x", "BMCImage1", "13.07.12"),
        ("xe9680-h200", "", ""),
    ],
)
async def test_every_make_takes_an_image_in_the_way_that_it_offers(
    persona: str, entry: str, version: str, tmp_path: Path
) -> None:
    async with on(persona) as at:
        if not entry:
            known = [e.component for e in (await at.inventory()).firmware]
            entry, version = next(e for e in known if "Dell." in e), "9.9.9"
        image = image_of(tmp_path, example(persona, {entry: version}))
        receipt = await at.driver.update(at.writer, image)
        assert (await at.ended(receipt)).state in (State.SUCCEEDED, State.GONE)


async def test_a_target_and_an_apply_time_are_honoured(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        package = example(TRAY, {GPU: "97.20.01", BMC: "GB200Nvl-25.10-1"})
        receipt = await at.driver.update(
            at.writer,
            image_of(tmp_path, package),
            [f"{INVENTORY}/{BMC}"],
            apply_time="OnReset",
            force=False,
        )
        ended = await at.ended(receipt)
        assert ended.state is State.SUCCEEDED
        assert not any(GPU in text for text in ended.messages)
        before = at.device.restarts
        again = await at.driver.reset_manager(at.writer, f"{V1}/Managers/BMC_0")
        assert again.status in (200, 204)
        await at.shows(BMC, "GB200Nvl-25.10-1")
        assert at.device.restarts == before + 1


async def test_an_image_is_held_until_it_is_started(tmp_path: Path) -> None:
    async with on("sys-hgx-b200") as at:
        image = image_of(tmp_path, example("sys-hgx-b200", {"PSU_1": "1.2"}))
        receipt = await at.driver.update(at.writer, image, apply_time="OnStartUpdateRequest")
        assert (await at.ended(receipt)).state is State.SUCCEEDED
        assert (await at.get(f"{INVENTORY}/PSU_1"))["Version"] != "1.2"
        started = await at.driver.activate(at.writer)
        assert started is not None
        assert (await at.ended(started)).state is State.SUCCEEDED
        await at.shows("PSU_1", "1.2")


async def test_where_a_reset_activates_there_is_nothing_to_start() -> None:
    async with on("dl365-cpu") as at:
        assert await at.driver.activate(at.writer) is None


# --- refused ------------------------------------------------------------------------------------


async def test_a_damaged_image_fails_in_its_task(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        package = bytearray(example(TRAY, {BMC: "GB200Nvl-25.10-1"}))
        package[40] ^= 0xFF
        receipt = await at.driver.update(at.writer, image_of(tmp_path, bytes(package)))
        ended = await at.ended(receipt)
        assert ended.state is State.FAILED
        assert any("damaged" in text for text in ended.messages)


async def test_an_unknown_target_and_a_second_update_are_refused(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        image = image_of(tmp_path, example(TRAY, {BMC: "GB200Nvl-25.10-1"}))
        with pytest.raises(DeviceRefused) as unknown:
            await at.driver.update(at.writer, image, [f"{INVENTORY}/None"])
        assert unknown.value.status == 400
        strike("update-never-finishes", at.device)
        await at.driver.update(at.writer, image)
        with pytest.raises(DeviceRefused) as busy:
            await at.driver.update(at.writer, image)
        assert (busy.value.code, busy.value.retry_after_s) == (Code.BUSY, 30.0)
        mend("update-never-finishes", at.device)


async def test_what_a_device_does_not_offer_is_not_sent(tmp_path: Path) -> None:
    async with on("dl365-cpu") as at:
        image = image_of(tmp_path, example("dl365-cpu", {"6": "0x1D"}))
        at.device.patch(UPDATE, {"HttpPushUri": None, "MultipartHttpPushUri": None})
        before = at.device.counters.by_method.get("POST", 0)
        for how in ("multipart", "push"):
            with pytest.raises(DeviceRefused) as refused:
                await at.driver.update(at.writer, image, how=how)
            assert (refused.value.code, refused.value.status) == (Code.NOT_SUPPORTED, 0)
        nowhere = Image(name="x", path=image.path)
        with pytest.raises(DeviceRefused, match="the image has no URI"):
            await at.driver.update(at.writer, nowhere)
        assert at.device.counters.by_method.get("POST", 0) == before
        assert (await at.driver.update(at.writer, image)).uri.endswith("SimpleUpdate")


async def test_an_apply_time_that_is_not_known_is_not_sent(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        image = image_of(tmp_path, example(TRAY, {BMC: "GB200Nvl-25.10-1"}))
        with pytest.raises(OperatorMust, match="Immediate or OnReset, not Tomorrow"):
            await at.driver.update(at.writer, image, apply_time="Tomorrow")


# --- tasks --------------------------------------------------------------------------------------


async def test_a_task_that_vanished_is_gone_and_says_nothing(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        image = image_of(tmp_path, example(TRAY, {BMC: "GB200Nvl-25.10-1"}))
        receipt = await at.driver.update(at.writer, image, apply_time="OnReset")
        at.rules({"preset": "tasks-vanish"})
        assert (await at.driver.progress(at.writer, receipt)).state is State.GONE
        at.hall.clear()


async def test_completed_and_critical_is_failed(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        at.device.tasks.flaws.add("critical")
        image = image_of(tmp_path, example(TRAY, {BMC: "GB200Nvl-25.10-1"}))
        receipt = await at.driver.update(at.writer, image, apply_time="OnReset")
        ended = await at.ended(receipt)
        assert (ended.state, ended.raw_state, ended.health) == (
            State.FAILED,
            "Completed",
            "Critical",
        )


async def test_an_answer_that_names_only_the_monitor_leads_to_the_task(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        at.rules(
            {
                "effect": "replace",
                "raw": "empty",
                "select": {"path": "*/update-multipart", "method": ["POST"]},
            }
        )
        image = image_of(tmp_path, example(TRAY, {BMC: "GB200Nvl-25.10-1"}))
        receipt = await at.driver.update(at.writer, image, apply_time="OnReset")
        assert receipt.status == 202
        assert receipt.task == f"{V1}/TaskService/Tasks/1"
        assert (await at.ended(receipt)).state is State.SUCCEEDED
        assert not any("TaskMonitors" in path for path in at.device.counters.by_path)


async def test_a_receipt_without_a_task_is_gone_from_the_beginning(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        at.rules({"preset": "tasks-vanish"})
        at.rules({"effect": "replace", "raw": "empty", "select": {"method": ["POST"]}})
        image = image_of(tmp_path, example(TRAY, {BMC: "GB200Nvl-25.10-1"}))
        receipt = await at.driver.update(at.writer, image, apply_time="OnReset")
        assert receipt.task is None
        assert (await at.driver.progress(at.writer, receipt)).state is State.GONE


async def test_a_session_that_ran_out_is_renewed_and_the_image_sent_whole(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        image = image_of(tmp_path, example(TRAY, {BMC: "GB200Nvl-25.10-1"}))
        await at.inventory()
        push = at.driver.update(at.writer, image, apply_time="OnReset")
        task = asyncio.create_task(push)
        await at.comes(UPDATE, lambda _: True)
        at.device.gate.drop_all()
        assert (await at.ended(await task)).state is State.SUCCEEDED


# --- odd answers --------------------------------------------------------------------------------


async def test_an_update_service_that_is_a_web_page_is_a_lie(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        at.rules({"effect": "replace", "raw": "html", "select": {"path": UPDATE}})
        image = image_of(tmp_path, b"x")
        with pytest.raises(DeviceLied, match="web page"):
            await at.driver.update(at.writer, image)


async def test_an_action_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async with on(TRAY) as at:
        at.rules({"effect": "status", "status": 404, "select": {"path": "*SimpleUpdate"}})
        with pytest.raises(DeviceRefused) as refused:
            await at.driver.update(at.writer, image_of(tmp_path, b"x"), how="simple")
        assert refused.value.code == Code.NOT_FOUND


async def test_a_safety_write_goes_beside_an_image_under_way(tmp_path: Path) -> None:
    async with on(TRAY, slots=2) as at:
        at.rules({"effect": "latency", "seconds": 600.0, "select": {"path": "*/update-multipart"}})
        image = image_of(tmp_path, example(TRAY, {BMC: "GB200Nvl-25.10-1"}))
        await at.inventory()
        at.device.counters.order = order = list[tuple[float, str, str]]()
        pushing = asyncio.create_task(at.driver.update(at.writer, image, apply_time="OnReset"))
        async with asyncio.timeout(90):
            while not any("multipart" in path for _, _, path in order):
                await asyncio.sleep(0.01)
        safety = at.lane.writer(Priority.SAFETY)
        async with asyncio.timeout(90):
            await at.driver.set_power(safety, at.system, "ForceOff")
        assert not pushing.done()
        pushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pushing
        assert at.device.counters.max_in_flight <= 2
