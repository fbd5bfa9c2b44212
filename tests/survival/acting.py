"""Behaviours of machines that are acted on, as far as they concern seeing: 1 to 4, 7 to 15.

Somebody acts (here: a plain write on the lane), the machine misbehaves as the catalogue says, and
what Iolaus shows is what is so, or unknown; never what was answered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iolaus.drivers.ports import Priority
from iolaus.observe.collect import Job
from tests.survival.death import lost
from tests.survival.scenario import scenario
from tests.survival.stage import Json, Stage, conditions, machine, staged

SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
UPDATE = "/redfish/v1/UpdateService"
FIRMWARE = f"{UPDATE}/FirmwareInventory"
QUICK: Json = {"power_on_s": 0.1, "power_off_s": 0.1, "task_s": 0.3, "bmc_reset_s": 0.5}


async def order(on: Stage, path: str, body: Json, *, method: str = "POST") -> Any:
    return await on.lane.write(method, path, body, priority=Priority.CONTROL)


async def power_is(on: Stage, wanted: str) -> None:
    async def check() -> bool:
        return bool((await on.asset())["power_state"] == wanted)

    await on.until(check, f"its power is seen to be {wanted}")


async def update(on: Stage, version: str = "9.9.9") -> None:
    action = f"{UPDATE}/Actions/UpdateService.SimpleUpdate"
    image = f"https://127.0.0.1:9/bmc-{version}.fwpkg"
    await order(on, action, {"ImageURI": image, "Targets": [f"{FIRMWARE}/1"]})


async def version_of(on: Stage, component: str = "1") -> str | None:
    found = [f["version"] for f in await on.listed("firmware") if f["component"] == component]
    return found[0] if found else None


@scenario(1, "a reset does nothing", played="a power-off is answered with 204, and nothing happens")
async def reset_does_nothing(folder: Path) -> str:
    async with staged(folder, machine(**QUICK)) as on:
        await on.green()
        await on.strike("accepts-and-ignores")
        answer = await order(on, RESET, {"ResetType": "ForceOff"})
        assert answer.status == 204
        for _ in range(3):
            await on.polled(1)
            assert (await on.asset())["power_state"] == "On"
        assert not [e for e in await on.events() if e["type"] == "PowerChanged"]
    return "the power state is what is observed, On; no event claims a change"


@scenario(2, "the controller reboots in the middle of an update", played="all tasks are lost")
async def reboot_mid_update(folder: Path) -> str:
    async with staged(folder, machine(**{**QUICK, "task_s": 30.0})) as on:
        await on.green()
        await on.inventoried()
        before = await version_of(on)
        await update(on)
        await on.strike("controller-reboots")
        await lost(on)
        await on.green()
        await on.inventoried()
        assert await version_of(on) == before
        assert not await on.events("FirmwareChanged")
        assert (await on.endpoint())["sessions"] == 1
    return "lost and back with one session; the version is what the inventory says: the old one"


@scenario(3, "a task lies", played="Completed, 100 % and Critical, while the update is done")
async def task_lies(folder: Path) -> str:
    async with staged(folder, machine(**QUICK)) as on:
        await on.green()
        await on.inventoried()
        await on.fault("tasks-lie")
        await update(on)

        async def changed() -> list[Json]:
            on.read_again(Job.INVENTORY)
            return await on.events("FirmwareChanged")

        events = await on.until(changed, "the new version is seen")
        assert {event["after"] for event in events} == {"9.9.9"}
        assert await version_of(on) == "9.9.9"
    return "the version that the inventory says, with one FirmwareChanged; no task is believed"


@scenario(4, "the version appears late", played="a new version, and inventory ids that are renamed")
async def version_late(folder: Path) -> str:
    async with staged(folder, machine(**QUICK)) as on:
        await on.green()
        await on.inventoried()
        count = len(await on.listed("firmware"))
        before = on.device.get(f"{FIRMWARE}/1") or {}
        for _ in range(2):
            await on.inventoried()
        assert not await on.events("FirmwareChanged")
        renamed = f"{FIRMWARE}/renamed"
        on.device.delist(FIRMWARE, f"{FIRMWARE}/1")
        on.device.remove(f"{FIRMWARE}/1")
        on.device.put(
            renamed, {**before, "@odata.id": renamed, "Id": "renamed", "Version": "9.9.9"}
        )
        on.device.enlist(FIRMWARE, renamed)
        await on.inventoried()
        assert await version_of(on, "renamed") == "9.9.9"
        assert await version_of(on) is None
        assert len(await on.listed("firmware")) == count
        await on.green()
    return "nothing changes before it is read; then the new id with its version, once, and no ghost"


@scenario(7, "passing refusals", played="SecureBoot answers 500, then 200; others never fail")
async def passing_refusals(folder: Path) -> str:
    async with staged(folder, machine(**QUICK)) as on:
        await on.green()
        await on.strike("secureboot-500", times=1)
        await on.inventoried()
        await on.green()
        await on.inventoried()
        told = conditions(await on.asset())["InventoryComplete"]
        assert told["status"] == "True", told
        assert on.lines("endpoint_lost") == 0
    return "the next reading has it; health and power are known all the time"


@scenario(9, "staged against applied", played="a BIOS setting is staged, then applied by a reset")
async def staged_settings(folder: Path) -> str:
    async with staged(folder, machine(**QUICK)) as on:
        await on.green()
        await on.inventoried()
        first = next(s for s in settings(on) if isinstance(s.value, str))
        wanted = {"Attributes": {first.name: "Changed"}}
        await order(on, f"{SYSTEM}/Bios/Settings", wanted, method="PATCH")
        await on.inventoried()
        (seen,) = [s for s in settings(on) if s.name == first.name]
        assert (seen.value, seen.staged) == (first.value, "Changed")
        await order(on, RESET, {"ResetType": "ForceOff"})
        await power_is(on, "Off")
        await order(on, RESET, {"ResetType": "On"})
        await power_is(on, "On")
        await on.inventoried()
        (seen,) = [s for s in settings(on) if s.name == first.name]
        assert (seen.value, seen.staged) == ("Changed", None)
    return "what applies and what is staged are two values; after the reset one is left"


def settings(on: Stage) -> tuple[Any, ...]:
    report = on.house.state.facts.report_of(on.device.address)
    assert report is not None
    return report.settings


@scenario(
    11, "a flash resets the accounts", played="our password is gone; three wrong ones lock it"
)
async def accounts_reset(folder: Path) -> str:
    async with staged(folder, machine(**QUICK)) as on:
        await on.green()
        await on.strike("account-locks", tries=3)
        account = on.device.gate.accounts["root"]
        ours, account.password = account.password, "factory"
        on.device.gate.drop_all()
        endpoint = await lost(on, "unauthenticated")
        assert endpoint["next_step"]
        await on.polled(2)
        assert (await on.counters())["auth_failures"] <= 2, "it is not tried until it locks"
        assert account.locked_until == 0.0
        node = await on.asset()
        assert (node["health"], node["power_state"]) == (None, None)
        assert ours != "factory"
    return "unauthenticated with the next step; the account is not locked; nothing old is shown"


@scenario(12, "blank identities", played="two machines lose serial number and UUID")
async def blank_identities(folder: Path) -> str:
    devices = [machine(name=f"blank{n}", number=n) for n in range(2)]
    async with staged(folder, *devices) as on:
        for device in devices:
            on.device = device
            await on.green()
        await on.strike("identity-blank", "blank*")
        for device in devices:
            on.device = device
            await on.inventoried()
        nodes = await on.listed("nodes")
        assert len(nodes) == 2
        assert not await on.events("IdentityConflict")
        for node in nodes:
            assert node["uuid"] != "00000000-0000-0000-0000-000000000000"
    return "two nodes as before; zeros and blanks are no identity, and nothing is merged"


@scenario(12, "one controller, two hosts", played="a second host appears behind a controller")
async def two_hosts(folder: Path) -> str:
    async with staged(folder, machine(**QUICK)) as on:
        first = await on.green()
        await on.strike("second-system")
        await on.inventoried()
        nodes = await on.listed("nodes")
        assert len(nodes) == 2
        assert len({node["uuid"] for node in nodes}) == 2
        assert first["name"] in {node["name"] for node in nodes}
        await on.clear()
        await on.inventoried()
        assert not await on.events("IdentityConflict")
    return "two nodes with names and identities of their own; the first keeps its name"


@scenario(15, "the host's path is dead", played="it answers, and knows nothing of its host")
async def host_path_dead(folder: Path) -> str:
    async with staged(folder, machine("gb300-tray")) as on:
        await on.green()
        await on.strike("host-path-dead")
        await on.inventoried()
        await on.polled(2)
        assert (await on.endpoint())["state"] == "reachable"
        sensors = [s for s in await on.listed("sensors") if "/Sensors/" in s["uri"]]
        assert sensors
        silent = [s for s in sensors if "#" not in s["uri"]]
        left = [s["uri"] for s in silent if s["value"] is not None]
        assert not left, left
        assert all(s["reason"] for s in silent)
    return "reachable; every sensor is null with its reason, and none keeps an old value"


@scenario(15, "somebody else switches it on", played="it is switched off, and on again by another")
async def somebody_else(folder: Path) -> str:
    async with staged(folder, machine(**QUICK)) as on:
        await on.green()
        await on.strike("someone-powers-on", after_s=2.0)
        await order(on, RESET, {"ResetType": "ForceOff"})
        await power_is(on, "Off")
        before = on.polls
        await power_is(on, "On")
        assert on.polls > before
        changes = [e["after"] for e in await on.events("PowerChanged")]
        assert changes[0] == "On"
    return "Off, then On again within two polls, each as an event: nobody's wish is shown"
