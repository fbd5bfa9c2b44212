"""Drives erased and followed; what is counted, the simulated drives count themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iolaus.drivers.redfish.write.erase import erase_drives
from iolaus.drivers.redfish.write.remains import read_remains
from iolaus.drivers.redfish.write.wipe import read_wiped
from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import DeviceRefused
from iolaus.sim.catalogue.truth import device_truth
from tests.drivers.redfish.write.stage import On, on
from tests.sim.firmware.stage import until

QUICK_S = 0.02
DRIVES = "/redfish/v1/Systems/1/Storage/DA000000/Drives"


async def erased(at: On) -> dict[str, Any]:
    return await erase_drives(at.writer, WallClock(), poll_s=QUICK_S)


def counted(at: On) -> dict[str, int]:
    return dict(device_truth(at.device).get("erased", {}))


async def test_every_drive_that_offers_it_is_erased_once_and_the_others_are_named() -> None:
    async with on("xe9680-h200", task_s=0.1) as at:
        told = await erased(at)
        assert counted(at) == dict.fromkeys(told["wiped"], 1)
        assert len(told["wiped"]) == 8
        assert all("CryptographicErase" in words for words in told["wiped"].values())
        assert [each for each in told["not_offered"] if "BOSS" not in each] == []


async def test_a_machine_that_offers_none_has_none_erased() -> None:
    async with on("sys-hgx-b200") as at:
        told = await erased(at)
        assert told["wiped"] == {}
        assert told["not_offered"]


async def test_a_task_that_ends_badly_or_is_gone_is_no_erasure() -> None:
    async with on("dl365-cpu", task_s=0.05) as at:
        for flaw in ("critical", "gone"):
            at.device.tasks.flaws = {flaw}
            with pytest.raises(DeviceRefused) as refused:
                await erased(at)
            assert refused.value.code == "NotErased"
            assert f"{DRIVES}/DA000000: " in refused.value.message
        at.device.tasks.flaws = set()


async def test_a_drive_that_is_at_it_already_is_followed_and_not_asked_again() -> None:
    async with on("dl365-cpu", task_s=0.05) as at:
        busy = f"{DRIVES}/DA000001"
        at.device.patch(busy, {"Operations": [{"OperationName": "Sanitize"}]})
        mine = asyncio.create_task(erased(at))

        async def others() -> bool:
            return len(counted(at)) == 3

        await until(others)
        assert not mine.done()
        at.device.patch(busy, {"Operations": []})
        told = await mine
        assert sorted(told["wiped"]) == sorted([busy, *counted(at)])
        assert busy not in counted(at)


async def test_a_drive_takes_no_second_order_while_it_works() -> None:
    async with on("dl365-cpu", task_s=600.0) as at:
        order = f"{DRIVES}/DA000000/Actions/Drive.SecureErase"
        assert (await at.writer.write("POST", order, {})).status == 202
        with pytest.raises(DeviceRefused) as refused:
            await at.writer.write("POST", order, {})
        assert refused.value.status == 409


async def test_what_is_left_at_a_controller_is_read() -> None:
    async with on("dl365-cpu") as at:
        before = await read_remains(at.writer)
        assert before["accounts"] == ["root"]
        assert before["subscriptions"] == []
        uri = (await at.setting("ntp.servers")).uri
        await at.driver.set_manager(at.writer, "ntp.servers", ("10.0.0.1",), uri=uri)
        assert (await read_remains(at.writer))["servers"] == ["10.0.0.1"]


async def test_settings_are_compared_with_what_their_registry_calls_the_default() -> None:
    async with on("xe9680-h200", power_on_s=0.02, power_off_s=0.02) as at:
        (uri,) = (await read_wiped(at.writer, "bios"))["differs"]
        assert (await read_wiped(at.writer, "bios"))["differs"] == {uri: []}
        await at.driver.write_settings(at.writer, at.system, {"BootDelay": "Enabled"})
        await at.restart()
        assert (await read_wiped(at.writer, "bios"))["differs"] == {uri: ["BootDelay"]}
