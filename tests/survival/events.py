"""Behaviour 10: subscriptions vanish, events come malformed, twice, late, or not at all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from iolaus.observe.collect import Job
from tests.survival.death import lost
from tests.survival.scenario import scenario
from tests.survival.stage import Json, Stage, machine, staged

SUBSCRIPTIONS = "/redfish/v1/EventService/Subscriptions"
ENTRIES = "/redfish/v1/Systems/1/LogServices/IML/Entries"
OTHERS = {"Destination": "https://127.0.0.1:9/other", "Context": "another manager"}
SHELF = "orv3-shelf"


async def streams(on: Stage, count: int = 1) -> None:
    async def check() -> bool:
        return bool((await on.counters())["streams"] == count)

    await on.until(check, f"{count} event streams are open")


async def heard(on: Stage, *texts: str) -> list[str]:
    """Wait until all of these were heard; everything that was, newest first."""

    async def check() -> list[str]:
        found = [event["message"] for event in await on.events("DeviceEvent")]
        return found if set(texts) <= set(found) else []

    found: list[str] = await on.until(check, f"heard: {texts}")
    return found


def subscribed(on: Stage) -> list[Json]:
    members = (on.device.get(SUBSCRIPTIONS) or {}).get("Members", [])
    return [on.device.get(member["@odata.id"]) or {} for member in members]


async def ours(on: Stage, count: int = 1) -> list[Json]:
    async def check() -> list[Json]:
        found = [each for each in subscribed(on) if each.get("Context") == "iolaus"]
        return found if len(found) == count else []

    found: list[Json] = await on.until(check, f"{count} subscription of ours")
    return found


@scenario(10, "bad events on a stream", played="duplicate, malformed and dated a day back")
async def bad_events(folder: Path) -> str:
    lies = {
        "effect": "lie",
        "lie": "bad_events",
        "names": ["duplicate", "malformed", "time_travel"],
    }
    async with staged(folder, faults=[lies]) as on:
        await on.green()
        await streams(on)
        for number in range(5):
            await on.emit({"Message": f"event {number}"})
        found = await heard(on, *(f"event {number}" for number in range(5)))
        assert found == [f"event {number}" for number in (4, 3, 2, 1, 0)]
    return "each once, in the order of receipt; what cannot be read is skipped"


@scenario(10, "streams end", played="the preset: every few events the stream is gone")
async def streams_end(folder: Path) -> str:
    gone = {"effect": "lie", "lie": "subscriptions_vanish", "count": 2}
    texts = [f"event {number}" for number in range(6)]
    async with staged(folder) as on:
        await on.green()
        for number in range(0, 6, 2):
            await streams(on)
            await on.fault(gone)
            for text in texts[number : number + 2]:
                await on.emit({"Message": text})
        found = await heard(on, *texts)
        assert Counter(found) == Counter(texts)
        assert on.lines("endpoint_lost") == 0
    return "opened again from the last event on: each event once, none missing"


@scenario(10, "a gap", played="dead while things happen; it remembers no event, but its log does")
async def gap(folder: Path) -> str:
    async with staged(folder) as on:
        await on.green()
        await streams(on)
        on.read_again(Job.LOGS)
        await on.down()
        await lost(on)
        uri = f"{ENTRIES}/9001"
        entry = {"Id": "9001", "Name": "Entry", "Message": "while you were away"}
        await on.change(uri, {**entry, "Severity": "Warning", "Created": "2026-11-20T12:00:00Z"})
        on.device.enlist(ENTRIES, uri)
        await on.up()
        await on.green()

        async def backfilled() -> bool:
            entries = await on.house.state.facts.logs(on.device.address, limit=500)
            return any(entry.message == "while you were away" for entry in entries)

        await on.until(backfilled, "the gap is filled from the log")
        await streams(on)
    return "the log is read for the gap, and the stream is opened again"


@scenario(10, "the stream is refused", played="503 to the stream for a while, then it is offered")
async def stream_refused(folder: Path) -> str:
    no = {"effect": "status", "status": 503, "select": {"path": "*/SSE"}}
    off = {"PowerState": "Off"}
    async with staged(folder, faults=[no]) as on:
        await on.green()
        await on.change("/redfish/v1/Systems/1", off)

        async def polled() -> bool:
            return bool((await on.asset())["power_state"] == "Off")

        await on.until(polled, "polling sees the change")
        assert (await on.counters())["streams"] == 0
        await on.clear()
        await streams(on)
        await on.emit({"Message": "by stream again"})
        await heard(on, "by stream again")
    return "polling goes on and sees all; the stream is taken up again when it is offered"


@scenario(10, "subscriptions vanish", played="a reboot loses the subscription of a managed device")
async def subscriptions_vanish(folder: Path) -> str:
    device = machine(SHELF, bmc_reset_s=0.2)
    async with staged(folder, device, managed=True, receives=True) as on:
        await ours(on)
        await on.emit({"Message": "first"})
        await heard(on, "first")
        device.restart()
        await on.green("powershelves")
        await ours(on)
        await on.emit({"Message": "second"})
        found = await heard(on, "second")
        assert found.count("first") == found.count("second") == 1
    assert not [each for each in subscribed(on) if each.get("Context") != "iolaus"]
    return "made again by the audit; each pushed event once"


@scenario(10, "pushed events come twice", played="duplicate and malformed pushes")
async def pushed_twice(folder: Path) -> str:
    lies = {"effect": "lie", "lie": "bad_events", "names": ["duplicate", "malformed"]}
    async with staged(folder, machine(SHELF), managed=True, receives=True, faults=[lies]) as on:
        await ours(on)
        for text in ("one", "two"):
            await on.emit({"Message": text})
        found = await heard(on, "one", "two")
        assert found.count("one") == found.count("two") == 1
    return "each once; what cannot be read is dropped"


@scenario(10, "the table is full", played="a limit of 20, all taken by others")
async def table_is_full(folder: Path) -> str:
    device = machine(SHELF)
    for _ in range(20):
        device.events.subscribe(OTHERS)
    async with staged(folder, device, managed=True, receives=True) as on:
        await on.green("powershelves")

        async def told() -> list[Json]:
            return await on.events("SubscriptionRefused")

        await on.until(told, "the refusal is told")
        assert len(subscribed(on)) == 20
        device.events.unsubscribe(f"{SUBSCRIPTIONS}/iolaus-1")
        await ours(on)
        assert len(subscribed(on)) == 20, "nobody else's was touched"
        await on.emit({"Message": "at last"})
        await heard(on, "at last")
        assert (await on.endpoint())["state"] == "reachable"
    return "an event says so, polling goes on; subscribed as soon as there is room"


@scenario(10, "read-only is read-only", played="a device that offers subscriptions, not managed")
async def read_only(folder: Path) -> str:
    device = machine(SHELF)
    async with staged(folder, device, receives=True) as on:
        await on.green("powershelves")
        await on.inventoried()
        await on.polled(2)
        assert subscribed(on) == []
        assert set(device.counters.by_method) <= {"GET", "POST", "DELETE"}
        assert device.counters.by_method.get("POST") == 1, "the login"
    return "nothing is subscribed and nothing written: it is polled"
