"""Behaviour 6: slow, degrading, hung and crashed controllers (seconds stand for minutes)."""

from __future__ import annotations

from pathlib import Path

from iolaus.observe.collect import Job, Periods
from tests.survival.death import lost, unknown
from tests.survival.scenario import scenario
from tests.survival.stage import PERIODS, Json, conditions, machine, staged

SYSTEM = "/redfish/v1/Systems/1"
PATIENT = Periods(
    hot_s=PERIODS.hot_s,
    inventory_s=PERIODS.inventory_s,
    logs_s=PERIODS.logs_s,
    retry_s=PERIODS.retry_s,
    retry_max_s=PERIODS.retry_max_s,
    patience_s=8.0,
)


@scenario(6, "every answer takes 2 periods", played="answers get slow, stay slow, then recover")
async def slow_answers(folder: Path) -> str:
    async with staged(folder, periods=PATIENT) as on:
        await on.green()
        await on.fault({"effect": "latency", "seconds": 2 * PERIODS.hot_s})
        node = await unknown(on)
        assert conditions(node)["Healthy"]["message"]

        async def followed() -> bool:
            report = (await on.endpoint())["state"] == "reachable"
            latency_ms = on.lane.stats().latency_ms or 0.0
            return report and latency_ms > 500 * PERIODS.hot_s

        await on.until(followed, "the slow device is followed at its own pace")
        assert (await on.counters())["max_in_flight"] <= 5, "two, and what was given up of them"
        await on.clear()
        await on.green()
        assert on.lines("endpoint_lost") == on.lines("endpoint_back") <= 1
    return (
        "what is older than two polls is unknown; the device is waited for, not lost for good; "
        "two requests at a time"
    )


@scenario(6, "the firmware listing takes minutes", played="FirmwareInventory takes 6 periods each")
async def firmware_takes_minutes(folder: Path) -> str:
    slow = {
        "effect": "latency",
        "seconds": 6 * PERIODS.hot_s,
        "select": {"path": "*/UpdateService/FirmwareInventory"},
    }
    async with staged(folder) as on:
        await on.green()
        await on.fault(slow)
        loop, polls = on.house.loops[Job.INVENTORY], on.polls
        on.read_again(Job.INVENTORY)

        async def met() -> bool:
            assert (await on.endpoint())["state"] == "reachable"
            return on.polls >= polls + 4 and bool(loop.running)

        await on.until(met, "four polls beside one listing")
        await on.green()

        async def ended() -> bool:
            return not loop.running

        await on.until(ended, "the inventory ended")
        assert on.lines("endpoint_lost") == 0
        assert len((await on.asset())["firmware"]) > 5
    return "power state and health are polled beside it as ever; the listing is read in the end"


@scenario(6, "one resource hangs", played="the system's own resource is never answered")
async def one_hangs(folder: Path) -> str:
    hang = {"effect": "latency", "hang": True, "select": {"path": SYSTEM}}
    async with staged(folder) as on:
        await on.green()
        await on.fault(hang)
        node = await unknown(on)
        await on.polled(2)
        node = await on.asset()
        assert (node["health"], node["power_state"]) == (None, None)
        assert "could not be read" in conditions(node)["Healthy"]["message"]

        async def powered() -> Json:
            readings: Json = (await on.asset())["readings"]
            return readings if readings.get("node_power_w") else {}

        await on.until(powered, "its power is still read")
        assert (await on.endpoint())["state"] == "reachable"
        await on.clear()
        await on.green()
        assert on.lines("endpoint_lost") == 0
    return (
        "health and power state are unknown with the reason; all else is read, and nothing is lost"
    )


@scenario(6, "the API crashes", played="refuses for 4 periods in the middle of polling, by itself")
async def api_crashes(folder: Path) -> str:
    crash = {
        "effect": "die",
        "how": "refuse",
        "for_s": 4 * PERIODS.hot_s,
        "times": 1,
        "select": {"after": 3},
    }
    async with staged(folder) as on:
        await on.green()
        await on.fault(crash)
        await lost(on)
        await on.green()
        assert (on.lines("endpoint_lost"), on.lines("endpoint_back")) == (1, 1)
    return "lost and back, one line each way"


@scenario(6, "slow and degrading", played="the preset: slow, very slow, hanging, gone for a while")
async def slow_and_degrading(folder: Path) -> str:
    async with staged(folder, machine(session_limit=2)) as on:
        await on.green()
        await on.fault("slow-and-degrading")
        for _ in range(3):
            await on.polled(1)
            node = await on.asset()
            told = conditions(node)["Healthy"]
            assert (node["health"] == "OK") == (told["status"] == "True")
            assert node["health"] in (None, "OK")
        await on.clear()
        await on.up()
        await on.green()
        counters = await on.counters()
        assert counters["max_sessions"] <= 2
        assert counters["max_in_flight"] <= 3
    return "at every moment either known and fresh, or unknown with the reason; well again after it"
