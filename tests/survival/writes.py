"""Behaviour 8: stale reads after writes, writes that are dropped, ETags of every dialect."""

from __future__ import annotations

from pathlib import Path

from iolaus.drivers.ports import Priority
from iolaus.kernel.errors import DeviceRefused
from tests.survival.scenario import scenario
from tests.survival.stage import Json, Stage, machine, staged

SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
DIALECTS = ("weak_etag", "empty_etag", "gzip_etag")


@scenario(8, "stale reads after a write", played="for 2 s after a write the old state is served")
async def stale_reads(folder: Path) -> str:
    async with staged(folder, machine(power_off_s=0.1)) as on:
        await on.green()
        await on.fault({"effect": "lie", "lie": "stale_reads", "seconds": 2.0})
        await on.lane.write("POST", RESET, {"ResetType": "ForceOff"}, priority=Priority.CONTROL)

        async def off() -> bool:
            return bool((await on.asset())["power_state"] == "Off")

        assert not await off(), "the device did lie"
        await on.until(off, "it is seen to be off")
        await on.polled(3)
        assert await off(), "and the old state does not come back"
    return "the new state is shown as soon as the device tells it; nothing old sticks"


@scenario(8, "writes without If-Match are dropped", played="200 and no effect without an ETag")
async def dropped_writes(folder: Path) -> str:
    async with staged(folder) as on:
        await on.green()
        await on.fault("stale-and-dropped-writes")
        reads = on.lane.at(Priority.CONTROL)
        answer = await on.lane.write(
            "PATCH", SYSTEM, {"AssetTag": "dropped"}, priority=Priority.CONTROL
        )
        assert answer.status == 200
        seen = await reads.get(SYSTEM)
        assert seen.body.get("AssetTag") != "dropped", "what was answered is not what is"
        assert seen.etag
        await on.lane.write(
            "PATCH",
            SYSTEM,
            {"AssetTag": "kept"},
            priority=Priority.CONTROL,
            if_match=seen.etag,
        )

        async def kept() -> bool:
            return (await reads.get(SYSTEM)).body.get("AssetTag") == "kept"

        await on.until(kept, "the write with the ETag is there")
    return "the fresh read shows that nothing was written; with If-Match it is, and is read back"


@scenario(8, "ETag dialects", played="weak, empty and -gzip ETags; If-Match demanded")
async def etag_dialects(folder: Path) -> str:
    devices = [machine(name=lie, number=n, require_if_match=True) for n, lie in enumerate(DIALECTS)]
    faults = [
        {"effect": "lie", "lie": lie, "select": {"device": lie, "method": ["GET"]}}
        for lie in DIALECTS
    ]
    async with staged(folder, *devices, faults=faults) as on:
        for device in devices:
            on.device = device
            await on.green()
            await polls_see_a_change(on)
            await writes_arrive(on)
    return "no dialect hides a change behind a 304; writes find the spelling that is taken"


async def polls_see_a_change(on: Stage) -> None:
    warning = {"Status": {"Health": "Warning", "HealthRollup": "Warning"}}
    await on.change(SYSTEM, warning)

    async def warned() -> Json:
        node = await on.asset()
        return node if node["health"] == "Warning" else {}

    await on.until(warned, "the change of health is seen")
    await on.change(SYSTEM, {"Status": {"Health": "OK", "HealthRollup": "OK"}})
    await on.green()


async def writes_arrive(on: Stage) -> None:
    reads = on.lane.at(Priority.CONTROL)
    seen = await reads.get(SYSTEM)
    try:
        await on.lane.write(
            "PATCH", SYSTEM, {"AssetTag": "x"}, priority=Priority.CONTROL, if_match=seen.etag
        )
    except DeviceRefused as refused:
        assert refused.status in (412, 428), refused
        assert not seen.etag
    else:
        assert (await reads.get(SYSTEM)).body["AssetTag"] == "x"
