"""Behaviours 12 and 15 as far as they concern seeing: who stands there, who has fallen silent."""

from __future__ import annotations

from pathlib import Path

from iolaus.sim.device import Device
from tests.survival.death import lost
from tests.survival.scenario import scenario
from tests.survival.stage import Json, conditions, machine, staged

ROPE = "/redfish/v1/Chassis/LeakController/ThermalSubsystem/LeakDetection/LeakDetectors/Rope_1"


def become(device: Device, other: Device) -> None:
    """Another machine stands at this device's place from now on."""
    device.tree, device.live, device.live_paths = other.tree, other.live, other.live_paths
    device.effects = other.effects
    device.gate.drop_all()


@scenario(12, "another machine", played="swapped during an outage; trusted authority")
async def swapped(folder: Path) -> str:
    async with staged(folder, pinned=False) as on:
        before = await on.green()
        await on.down()
        await lost(on)
        become(on.device, machine(number=77))
        await on.up()

        async def noticed() -> Json:
            found = await on.asset()
            return found if found.get("serial") not in (None, before["serial"]) else {}

        after = await on.until(noticed, "the other machine is seen")
        assert after["uuid"] != before["uuid"]
        (event,) = await on.events("IdentityChanged")
        assert before["serial"] in event["before"]
        assert after["serial"] in event["after"]
    return "IdentityChanged with both serials; the newcomer has a history of its own"


@scenario(12, "swapped between two polls", played="another make at the address, without an outage")
async def swapped_unseen(folder: Path) -> str:
    async with staged(folder, pinned=False) as on:
        before = await on.green()
        become(on.device, machine("sd665-twin", number=5))
        await on.inventoried()
        nodes = await on.listed("nodes")
        assert before["serial"] not in {node["serial"] for node in nodes}
        kinds = {event["type"] for event in await on.events()}
        assert kinds & {"IdentityChanged", "AssetLost"}
    return "told by the next inventory: who is gone, and who is there"


@scenario(12, "a new address", played="DHCP moves a device; both addresses are targets")
async def new_address(folder: Path) -> str:
    old, new = machine(name="old"), machine(name="new")
    async with staged(folder, old, new, faults=[dead("new")]) as on:
        before = await on.green()
        uid = (await on.get("nodes"))["items"][0]["metadata"]["uid"]
        await on.down()
        await lost(on)
        await on.clear()
        on.device = new
        await on.up()
        after = await on.green()
        assert after["serial"] == before["serial"]
        (item,) = (await on.get("nodes"))["items"]
        assert item["metadata"]["uid"] == uid
        assert item["status"]["endpoint"] == new.address
        assert await on.events("AssetMoved")
        assert not await on.events("IdentityConflict")
    return "one node with its old uid at the new address, and AssetMoved"


def dead(name: str) -> Json:
    return {"effect": "die", "select": {"device": name}}


@scenario(12, "two claim one identity", played="the same serial and UUID at two addresses at once")
async def two_claim(folder: Path) -> str:
    async with staged(folder, machine(name="one"), machine(name="two")) as on:

        async def told() -> list[Json]:
            return await on.events("IdentityConflict")

        await on.until(told, "the conflict is told")
        for device in on.hall.devices:
            on.device = device
            await on.green()
        assert len(await on.listed("nodes")) == 2
    return "a conflict that is told, and two nodes; nothing is merged"


@scenario(15, "the leak detector is lost", played="a leak is detected, then its controller dies")
async def detector_lost(folder: Path) -> str:
    async with staged(folder, machine("leak-ropes")) as on:

        async def state(wanted: str) -> Json:
            found = next((e for e in await on.listed("leaks") if e["name"] == "Rope 1"), {})
            return found if found.get("state") == wanted else {}

        await on.until(lambda: state("dry"), "it is dry")
        await on.change(ROPE, {"DetectorState": "Critical", "Status": {"Health": "Critical"}})
        await on.until(lambda: state("leak"), "the leak is seen")
        await on.down()
        await lost(on)
        await on.polled(3)
        (controller,) = [e for e in await on.listed("leaks") if e["node"] == e["name"]]
        told = conditions(controller)["LeakFree"]
        assert (told["status"], told["reason"]) == ("False", "LeakDetected")
        assert await state("leak")
        await on.up()
        await on.change(ROPE, {"DetectorState": "OK", "Status": {"Health": "OK"}})
        await on.until(lambda: state("dry"), "its own word clears it")
    return "the leak stands until the detector itself says dry"
