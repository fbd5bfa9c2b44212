"""Power over the real wire: asked in the device's words, done or told why not, never harsher."""

from __future__ import annotations

import pytest

from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, OperatorMust
from iolaus.wire.redfish.errors import Code
from tests.drivers.redfish.build import link, typed
from tests.drivers.redfish.write.fake import FakeWriter
from tests.drivers.redfish.write.stage import HOSTS, V1, on

HOST = f"{V1}/Systems/1"
RESET = f"{HOST}/Actions/ComputerSystem.Reset"


@pytest.mark.parametrize("persona", HOSTS)
async def test_a_host_goes_off_and_on(persona: str) -> None:
    async with on(persona) as at:
        receipt = await at.driver.set_power(at.writer, at.system, "ForceOff")
        assert (receipt.method, receipt.status, receipt.already_so) == ("POST", 204, False)
        await at.comes(at.system, lambda body: body["PowerState"] == "Off")
        await at.driver.set_power(at.writer, at.system, "on")
        await at.comes(at.system, lambda body: body["PowerState"] == "On")


async def test_an_outlet_is_switched_by_its_own_action() -> None:
    async with on("rack-pdu") as at:
        outlet = next(
            each.uri for each in (await at.inventory()).components if "Outlet" in each.uri
        )
        await at.driver.set_power(at.writer, outlet, "ForceOff")
        await at.comes(outlet, lambda body: body["PowerState"] == "Off")
        await at.driver.set_power(at.writer, outlet, "On")
        await at.comes(outlet, lambda body: body["PowerState"] == "On")


async def test_a_refusal_of_what_is_so_already_is_success() -> None:
    async with on("dl365-cpu") as at:
        at.rules({"effect": "status", "status": 409, "select": {"path": "*.Reset"}})
        receipt = await at.driver.set_power(at.writer, at.system, "On")
        assert (receipt.already_so, receipt.status) == (True, 409)
        with pytest.raises(DeviceRefused) as refused:
            await at.driver.set_power(at.writer, at.system, "ForceOff")
        assert refused.value.code == Code.TRANSIENT
        with pytest.raises(DeviceRefused):
            await at.driver.set_power(at.writer, at.system, "ForceRestart")


async def test_a_missing_action_is_not_found_even_if_it_is_so() -> None:
    async with on("dl365-cpu") as at:
        at.rules({"effect": "status", "status": 404, "select": {"path": "*.Reset"}})
        with pytest.raises(DeviceRefused) as refused:
            await at.driver.set_power(at.writer, at.system, "On")
        assert refused.value.code == Code.NOT_FOUND


async def test_a_silent_device_is_silent() -> None:
    async with on("dl365-cpu") as at:
        rule = {"effect": "die", "how": "reset", "times": 1, "select": {"path": "*.Reset"}}
        at.rules(rule)
        with pytest.raises(DeviceSilent):
            await at.driver.set_power(at.writer, at.system, "ForceOff")


async def test_a_manager_restarts() -> None:
    async with on("xe9680-h200") as at:
        before = at.device.restarts
        receipt = await at.driver.reset_manager(at.writer, f"{V1}/Managers/iDRAC.Embedded.1")
        assert receipt.uri.endswith("Manager.Reset")
        await at.comes(V1, lambda _: at.device.restarts > before)


# --- words ----------------------------------------------------------------------------------------


def host(*allowed: str, info: str = "") -> FakeWriter:
    action = {
        "target": RESET,
        **({"ResetType@Redfish.AllowableValues": list(allowed)} if allowed else {}),
        **({"@Redfish.ActionInfo": info} if info else {}),
    }
    actions = {"#ComputerSystem.Reset": action}
    return FakeWriter({HOST: typed("ComputerSystem", Actions=actions), RESET: {}})


async def test_on_is_asked_as_force_on_where_only_that_is_offered() -> None:
    device = host("ForceOn", "ForceOff")
    await RedfishDriver().set_power(device, HOST, "On")
    assert device.written[-1][2] == {"ResetType": "ForceOn"}


async def test_a_milder_word_is_not_replaced_by_a_harsher_one() -> None:
    device = host("On", "ForceOff")
    with pytest.raises(DeviceRefused, match="takes On, ForceOff, not GracefulShutdown"):
        await RedfishDriver().set_power(device, HOST, "GracefulShutdown")
    assert device.written == []


async def test_words_may_stand_in_an_action_info_that_may_be_missing() -> None:
    info = f"{HOST}/ResetActionInfo"
    device = host(info=info)
    device.tree[info] = {"Parameters": [{"Name": "ResetType", "AllowableValues": ["on"]}]}
    await RedfishDriver().set_power(device, HOST, "On")
    assert device.written[-1][2] == {"ResetType": "on"}
    del device.tree[info]
    await RedfishDriver().set_power(device, HOST, "Nmi")
    assert device.written[-1][2] == {"ResetType": "Nmi"}


async def test_what_is_no_reset_and_what_has_none() -> None:
    with pytest.raises(OperatorMust, match="no ResetType"):
        await RedfishDriver().set_power(host("On"), HOST, "Explode")
    device = FakeWriter({HOST: typed("ComputerSystem", Links=link(HOST))})
    with pytest.raises(DeviceRefused) as refused:
        await RedfishDriver().set_power(device, HOST, "On")
    assert (refused.value.code, refused.value.status) == (Code.NOT_SUPPORTED, 0)


async def test_a_manager_without_a_graceful_word_is_restarted_all_the_same() -> None:
    manager = f"{V1}/Managers/1"
    action = {"target": f"{manager}/r", "ResetType@Redfish.AllowableValues": ["ForceRestart"]}
    actions = {"#Manager.Reset": action}
    device = FakeWriter({manager: typed("Manager", Actions=actions), f"{manager}/r": {}})
    await RedfishDriver().reset_manager(device, manager)
    assert device.written[-1][2] == {"ResetType": "ForceRestart"}
