"""Sensors that cross thresholds, and updates, are told in the log and as events."""

from __future__ import annotations

import asyncio

import pytest

from iolaus.sim.effects import attentive
from iolaus.sim.firmware.examples import example
from iolaus.sim.manners.thresholds import level_of
from tests.sim.manners.stage import MANAGER, PATIENCE_S, Bench, Json, bench, shelf, until

LOG = f"{MANAGER}/LogServices/Sel/Entries"
INLET = "/redfish/v1/Chassis/System.Embedded.1/Sensors/SystemBoardInletTemp"
BOUNDS = (("UpperCritical", 50.0), ("UpperCaution", 40.0), ("LowerCaution", 10.0))


async def entries(on: Bench) -> list[Json]:
    return [await on.get(path) for path in await on.members(LOG)]


async def bound(on: Bench, celsius: float) -> None:
    body = {"Thresholds": {"UpperCaution": {"Reading": celsius}}}
    assert (await on.ask("PATCH", INLET, json=body))[0] == 200


async def test_a_crossing_is_written_down_once_and_so_is_the_return() -> None:
    async with bench() as on:
        before = len(await entries(on))
        await bound(on, 5.0)
        found = (await entries(on))[before:]
        assert [each["Severity"] for each in found] == ["Warning"]
        assert found[0]["MessageId"].endswith(".ReadingAboveUpperCautionThreshold")
        assert found[0]["Links"]["OriginOfCondition"]["@odata.id"] == INLET
        assert "above its upper caution threshold of 5" in found[0]["Message"]
        assert (await on.get(INLET))["Status"]["Health"] == "Warning"
        assert attentive(on.device.effects).truth(on.device)["beyond"] == {INLET: "UpperCaution"}
        assert len(await entries(on)) == before + 1
        await bound(on, 42.0)
        last = (await entries(on))[-1]
        assert last["MessageId"].endswith(".SensorReadingNormalRange")
        assert (await on.get(INLET))["Status"]["Health"] == "OK"


async def test_healthy_machines_are_within_their_thresholds() -> None:
    for persona in ("xe9680-h200", "gb300-tray", "sys-hgx-b200", "dl365-cpu"):
        async with bench(persona) as on:
            attentive(on.device.effects).consulted(on.device, LOG)
            assert "beyond" not in attentive(on.device.effects).truth(on.device)


async def test_whoever_listens_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iolaus.sim.manners.thresholds.LOOK_S", 0.05)
    async with bench() as on:
        await bound(on, 5.0)
        place = on.device.address + on.device.events.stream_path
        query = {"$filter": "RegistryPrefix eq 'SensorEvent'"}
        async with on.http.get(place, params=query) as answer, asyncio.timeout(PATIENCE_S):
            async for line in answer.content:
                if line.startswith(b"data: "):
                    assert b"ReadingAboveUpperCautionThreshold" in line
                    break


@pytest.mark.parametrize(
    ("reading", "before", "now"),
    [
        (39.0, "", ""),
        (41.0, "", "UpperCaution"),
        (39.5, "UpperCaution", "UpperCaution"),
        (39.1, "UpperCaution", ""),
        (51.0, "UpperCaution", "UpperCritical"),
        (49.5, "UpperCritical", "UpperCritical"),
        (48.0, "UpperCritical", "UpperCaution"),
        (9.0, "", "LowerCaution"),
        (10.1, "LowerCaution", "LowerCaution"),
        (None, "UpperCaution", ""),
    ],
)
def test_a_level_is_left_by_a_dead_band(reading: float | None, before: str, now: str) -> None:
    assert level_of(BOUNDS, reading, before) == now


async def test_what_comes_of_an_update_is_written_down() -> None:
    async with bench("gb300-tray") as on, shelf(b"no package") as url:
        log = "/redfish/v1/Managers/BMC_0/LogServices/Journal/Entries"
        place = "/redfish/v1/UpdateService"
        assert (await on.act(place, "UpdateService.SimpleUpdate", ImageURI=url))[0] == 202

        async def told() -> bool:
            last = await on.get((await on.members(log))[-1])
            return "Update.1.0." in last["MessageId"] and last["Severity"] != "OK"

        await until(told)
        begun = await on.get((await on.members(log))[-2])
        assert begun["MessageId"] == "Update.1.0.UpdateInProgress"
        assert "boot.iso" in begun["Message"]
    package = example("gb300-tray", {"HGX_FW_GPU_0": "97.20.01"})
    async with bench("gb300-tray") as on, shelf(package) as url:
        assert (await on.act(place, "UpdateService.SimpleUpdate", ImageURI=url))[0] == 202

        async def waits() -> bool:
            last = await on.get((await on.members(log))[-1])
            return str(last["MessageId"]) == "Update.1.0.AwaitToActivate"

        await until(waits)
