"""A controller is told to boot its other bank, found by the version that it holds."""

from __future__ import annotations

import pytest

from iolaus.kernel.errors import DeviceRefused, OperatorMust
from iolaus.model.asset import Firmware
from tests.drivers.redfish.write.stage import V1, On, on

MANAGER = f"{V1}/Managers/1"


async def shown(at: On) -> dict[str, Firmware]:
    found = (await at.inventory()).firmware
    return {each.component: each for each in found if each.booted_by}


async def test_the_inventory_says_whose_banks_they_are_and_which_runs() -> None:
    async with on("sys-hgx-b200") as at:
        banks = await shown(at)
        assert {(e.component, e.bank, e.booted_by) for e in banks.values()} == {
            ("BMC", "", MANAGER),
            ("Backup_BMC", "backup", MANAGER),
        }


async def test_the_bank_that_holds_a_version_boots_after_the_reset() -> None:
    async with on("sys-hgx-b200") as at:
        banks = await shown(at)
        now, other = banks["BMC"].version or "", banks["Backup_BMC"].version or ""
        assert await at.driver.next_version(at.writer, MANAGER) == now
        same = await at.driver.switch_bank(at.writer, MANAGER, now)
        assert same.already_so
        assert not (await at.driver.switch_bank(at.writer, MANAGER, other)).already_so
        assert await at.driver.next_version(at.writer, MANAGER) == other
        await at.driver.reset_manager(at.writer, MANAGER)
        await at.shows("BMC", other)
        assert await at.driver.next_version(at.writer, MANAGER) == other


async def test_a_version_that_no_bank_holds_is_said_and_nothing_is_written() -> None:
    async with on("sys-hgx-b200") as at:
        with pytest.raises(OperatorMust, match="no bank holds 77: they hold 01") as caught:
            await at.driver.switch_bank(at.writer, MANAGER, "77")
        assert caught.value.code == "BankLost"


async def test_a_controller_without_banks_is_not_asked() -> None:
    async with on("dl365-cpu") as at:
        assert await at.driver.next_version(at.writer, MANAGER) is None
        with pytest.raises(DeviceRefused, match="offers no choice"):
            await at.driver.switch_bank(at.writer, MANAGER, "77")
