"""What writes and actions bring about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from iolaus.sim.device import Device, Options, Outcome
from iolaus.sim.tree import Resource
from tests.sim.engine.conftest import Client, Played, played
from tests.sim.engine.tree import QUICK, RESOURCES, V1, device

SYSTEM = f"{V1}/Systems/1"
CHASSIS = f"{V1}/Chassis/1"
BIOS = f"{SYSTEM}/Bios"


async def until(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(90):
        while not await found():
            await asyncio.sleep(0.01)


async def until_power(client: Client, state: str, path: str = SYSTEM) -> None:
    async def so() -> bool:
        return bool((await client.json(path))["PowerState"] == state)

    await until(so)


async def reset(client: Client, kind: str | None, path: str = SYSTEM) -> int:
    body = {} if kind is None else {"ResetType": kind}
    target = f"{path}/Actions/ComputerSystem.Reset"
    return await client.status("POST", target, json=body)


async def test_power_goes_off_and_on_with_the_chassis(play: Played) -> None:
    assert await reset(play.first, "ForceOff") == 204
    await until_power(play.first, "Off")
    assert (await play.first.json(CHASSIS))["PowerState"] == "Off"
    assert await reset(play.first, "On") == 204
    await until_power(play.first, "On")
    await until_power(play.first, "On", CHASSIS)


async def test_a_cycle_passes_through_off_and_a_later_reset_overtakes() -> None:
    seen: list[str] = []

    class Watching:
        def written(
            self, device: Device, path: str, before: Resource | None, after: Resource | None
        ) -> None:
            if path == SYSTEM and after is not None:
                seen.append(after["PowerState"])

        def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
            return None

    async with played([device(effects=Watching())]) as play:
        await reset(play.first, "PowerCycle")
        await until_power(play.first, "On")
        assert seen == ["PoweringOff", "Off", "PoweringOn", "On"]
        seen.clear()
        await reset(play.first, "PowerCycle")
        await reset(play.first, "ForceOff")
        await until_power(play.first, "Off")
        await asyncio.sleep(0.1)
        assert seen[-1] == "Off"


@pytest.mark.parametrize("kind", ["Explode", "on"])
async def test_a_reset_that_is_not_offered(play: Played, kind: str) -> None:
    assert await reset(play.first, kind) == 400
    assert (await play.first.json(SYSTEM))["PowerState"] == "On"


async def test_effects_may_do_an_action_themselves() -> None:
    asked: list[tuple[str, str, Resource]] = []

    class Stubborn:
        def written(
            self, device: Device, path: str, before: Resource | None, after: Resource | None
        ) -> None:
            return

        def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
            asked.append((path, action, body))
            return Outcome(status=409, message="ServiceInUnknownState")

    async with played([device(effects=Stubborn())]) as play:
        assert await reset(play.first, "ForceOff") == 409
        assert asked == [(SYSTEM, "ComputerSystem.Reset", {"ResetType": "ForceOff"})]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"SerialNumber": "x"}, "PropertyNotWritable"),
        ({"Nonsense": "x"}, "PropertyUnknown"),
        ({"AssetTag": 5}, "PropertyValueTypeError"),
        ({"Boot": {"BootSourceOverrideTarget": "Moon"}}, "PropertyValueNotInList"),
        ({}, "EmptyJSON"),
    ],
)
async def test_what_may_not_be_written(play: Played, body: dict[str, Any], word: str) -> None:
    before = await play.first.json(SYSTEM)
    async with play.first.request("PATCH", SYSTEM, json=body) as response:
        assert response.status == 400
        found = (await response.json())["error"]["@Message.ExtendedInfo"]
    assert [m["MessageId"].rpartition(".")[2] for m in found] == [word]
    assert await play.first.json(SYSTEM) == before


async def test_the_good_part_of_a_mixed_write_is_done(play: Played) -> None:
    body = {"AssetTag": "rack 7", "SerialNumber": "x"}
    async with play.first.request("PATCH", SYSTEM, json=body) as response:
        assert response.status == 200
        found = await response.json()
    assert found["AssetTag"] == "rack 7"
    assert found["@Message.ExtendedInfo"][0]["RelatedProperties"] == ["#/SerialNumber"]
    assert "@Message.ExtendedInfo" not in await play.first.json(SYSTEM)


async def test_a_power_limit_is_one_thing_in_two_dialects(play: Played) -> None:
    metrics, control = f"{CHASSIS}/EnvironmentMetrics", f"{CHASSIS}/Controls/Limit"
    body: dict[str, Any] = {"PowerLimitWatts": {"SetPoint": 700}}
    assert await play.first.status("PATCH", metrics, json=body) == 200
    assert (await play.first.json(control))["SetPoint"] == 700
    assert await play.first.status("PATCH", control, json={"SetPoint": 800}) == 200
    assert (await play.first.json(metrics))["PowerLimitWatts"]["SetPoint"] == 800
    assert await play.first.status("PATCH", control, json={"SetPoint": 5000}) == 400
    body = {"PowerLimitWatts": {"SetPoint": 1}}
    assert await play.first.status("PATCH", metrics, json=body) == 400


async def test_settings_are_staged_and_take_effect_at_the_next_boot(play: Played) -> None:
    staged = f"{BIOS}/Settings"
    body = {"Attributes": {"Smt": "Disabled"}}
    assert await play.first.status("PATCH", staged, json=body) == 200
    assert (await play.first.json(staged))["Attributes"] == {"Smt": "Disabled"}
    assert (await play.first.json(BIOS))["Attributes"] == {"Smt": "Enabled", "Cores": 8}
    for wrong in ({"Turbo": "On"}, {"Cores": "many"}):
        assert await play.first.status("PATCH", staged, json={"Attributes": wrong}) == 400
    await reset(play.first, "ForceRestart")

    async def applied() -> bool:
        found = (await play.first.json(BIOS))["Attributes"]
        return bool(found == {"Smt": "Disabled", "Cores": 8})

    await until(applied)


async def test_a_boot_override_lasts_one_boot(play: Played) -> None:
    once = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}
    assert await play.first.status("PATCH", SYSTEM, json={"Boot": once}) == 200
    await reset(play.first, "ForceRestart")

    async def spent() -> bool:
        boot = (await play.first.json(SYSTEM))["Boot"]
        return bool(boot["BootSourceOverrideEnabled"] == "Disabled")

    await until(spent)


async def test_an_outlet_switches(play: Played) -> None:
    outlet = f"{V1}/PowerEquipment/RackPDUs/1/Outlets/A1"
    target = f"{outlet}/Actions/Outlet.PowerControl"
    assert await play.first.status("POST", target, json={"PowerState": "Off"}) == 204
    await until_power(play.first, "Off", outlet)
    assert await play.first.status("POST", target, json={"PowerState": "PowerCycle"}) == 204
    await until_power(play.first, "On", outlet)


async def test_a_log_is_cleared(play: Played) -> None:
    log = f"{V1}/Managers/1/LogServices/Log"
    assert await play.first.status("POST", f"{log}/Actions/LogService.ClearLog", json={}) == 204
    assert (await play.first.json(f"{log}/Entries"))["Members"] == []
    assert await play.first.status("GET", f"{log}/Entries/1") == 404


async def test_an_update_is_a_task_that_progresses_and_ends(play: Played) -> None:
    firmware = f"{V1}/UpdateService/FirmwareInventory/bmc"
    target = f"{V1}/UpdateService/Actions/UpdateService.SimpleUpdate"
    body = {"ImageURI": "https://example/bmc-2.1.7.fwpkg", "Targets": [firmware]}
    async with play.first.request("POST", target, json=body) as response:
        assert response.status == 202
        monitor = response.headers["Location"]
        task = (await response.json())["@odata.id"]
    found = await play.first.json(task)
    assert (found["TaskState"], found["PercentComplete"] < 100) == ("Running", True)
    assert (await play.first.json(firmware))["Version"] == "1.0.0"
    assert await play.first.status("GET", monitor) == 202

    async def done() -> bool:
        return await play.first.status("GET", monitor) == 200

    await until(done)
    found = await play.first.json(task)
    assert (found["TaskState"], found["PercentComplete"]) == ("Completed", 100)
    assert (await play.first.json(firmware))["Version"] == "2.1.7"
    members = (await play.first.json(f"{V1}/TaskService/Tasks"))["Members"]
    assert members == [{"@odata.id": task}]
    assert await play.first.status("DELETE", task) == 204
    assert await play.first.status("GET", task) == 404


async def test_an_update_needs_an_image_and_targets_that_exist(play: Played) -> None:
    target = f"{V1}/UpdateService/Actions/UpdateService.SimpleUpdate"
    assert await play.first.status("POST", target, json={}) == 400
    body = {"ImageURI": "x", "Targets": [f"{V1}/Nothing"]}
    assert await play.first.status("POST", target, json=body) == 400


async def test_an_image_can_be_pushed(play: Played) -> None:
    path = f"{V1}/UpdateService/push"
    assert await play.first.status("POST", path, data=b"image") == 202


async def test_the_controller_restarts_and_forgets() -> None:
    options = Options(bmc_reset_s=0.3)
    async with played([device(options=options)]) as play:
        sessions = f"{V1}/SessionService/Sessions"
        login = {"UserName": "root", "Password": "iolaus-sim"}
        async with play.first.request("POST", sessions, json=login) as response:
            token = {"X-Auth-Token": response.headers["X-Auth-Token"]}
        target = f"{V1}/Managers/1/Actions/Manager.Reset"
        assert await play.first.status("POST", target, json={"ResetType": "ForceRestart"}) == 204

        async def gone() -> bool:
            try:
                await play.first.status("GET", V1)
            except OSError:
                return True
            return False

        async def back() -> bool:
            return not await gone()

        await until(gone)
        await until(back)
        assert await play.first.status("GET", SYSTEM, headers=token) == 401
        assert (await play.first.json(SYSTEM))["PowerState"] == "On"


async def test_an_action_nobody_plays_is_501() -> None:
    path = f"{V1}/Odd"
    target = {"target": f"{path}/Actions/Odd.Dance"}
    odd = {"Id": "Odd", "Name": "Odd", "Actions": {"#Odd.Dance": target}}
    found = device(options=QUICK)
    found.put(path, odd)
    async with played([found]) as play:
        assert await play.first.status("POST", f"{path}/Actions/Odd.Dance", json={}) == 501


def test_the_template_is_never_changed() -> None:
    first, second = device("a"), device("b")
    first.patch(SYSTEM, {"AssetTag": "x", "Boot": {"BootSourceOverrideEnabled": None}})
    untouched = second.get(SYSTEM)
    assert untouched is not None
    assert untouched["Boot"] == RESOURCES[SYSTEM]["Boot"]
    assert list(first.changed()) == [SYSTEM]
    first.forget(SYSTEM)
    assert (first.get(SYSTEM) or {})["AssetTag"] == ""
