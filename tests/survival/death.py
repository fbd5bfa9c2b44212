"""A device that dies: unknown with a reason within two polls, never green, back by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from iolaus.observe.collect import Job
from tests.survival.scenario import DEATH, scenario
from tests.survival.stage import UNKNOWN, Json, Stage, conditions, machine, staged

SYSTEM = "/redfish/v1/Systems/1"


async def assert_not_green(on: Stage, *, up: bool = False) -> None:
    """No channel shows the dead device's health or power as if it were known."""
    node = await on.asset()
    told = conditions(node)
    assert (node["health"], node["power_state"], node["stale"]) == (None, None, True)
    assert (told["Healthy"]["status"], told["PoweredOn"]["status"]) == ("Unknown", "Unknown")
    assert told["Healthy"]["message"]
    assert told["Fresh"]["status"] == "False" or told["Reachable"]["status"] == "False"
    assert "node_power_w" not in node["readings"]
    assert {each["health"] for each in await on.listed("components")} == {None} or up
    sensors = await on.listed("sensors")
    assert all(each["stale"] for each in sensors if each["role"] == "node_power")
    assert all(each["status"] is None for each in sensors if each["stale"])
    for metric in ("health", "state"):
        assert await on.cell(node["name"], metric) == UNKNOWN
    await assert_metrics_not_green(on, up=up)


async def assert_metrics_not_green(on: Stage, *, up: bool) -> None:
    told = await on.metrics()
    states = [(labels, value) for labels, value in told["hw_status"] if "component" not in labels]
    assert {labels["state"] for labels, value in states if value} == {"unknown"}
    parts = [labels["state"] for labels, value in told["hw_status"] if "component" in labels]
    assert set(parts) <= {"unknown"} or up
    assert [value for _, value in told["iolaus_endpoint_up"]] == [float(up)]
    assert not told.get("hw_host_power_watts")
    assert not told.get("iolaus_power_on")
    assert told["iolaus_reading_age_seconds"]


async def unknown(on: Stage) -> Json:
    """Wait until its health is not known."""

    async def check() -> Json:
        node = await on.asset()
        return node if node["health"] is None else {}

    found: Json = await on.until(check, "its health is unknown")
    return found


async def lost(on: Stage, state: str = "unreachable") -> Json:
    async def check() -> Json:
        found = await on.endpoint()
        return found if found["state"] == state else {}

    found: Json = await on.until(check, f"the endpoint is {state}")
    return found


async def dies_and_comes_back(
    on: Stage, die: Callable[[], Awaitable[None]], live: Callable[[], Awaitable[None]]
) -> None:
    await on.green()
    await on.polled(1)
    before = on.polls
    await die()
    endpoint = await lost(on)
    assert on.polls - before <= 3, "the poll under way, and two more"
    assert endpoint["last_error"]
    assert endpoint["next_step"]
    for _ in range(2):
        await assert_not_green(on)
        await on.polled(1)
    requests = on.device.counters.requests
    await live()
    await on.green()
    await on.until(lambda: whole_again(on, requests), "it was read whole again")
    assert (on.lines("endpoint_lost"), on.lines("endpoint_back")) == (1, 1)
    assert [e["type"] for e in await on.events() if e["type"].startswith("Endpoint")] == [
        "EndpointBack",
        "EndpointLost",
    ]
    assert not [e for e in await on.events() if e["type"] == "ComponentRemoved"]


async def whole_again(on: Stage, requests: int) -> bool:
    held = on.house.state.facts.held(on.device.address)
    assert held is not None
    assert held.report is not None
    assert held.status is not None
    again = held.report.observed_at >= held.status.since
    return again and on.device.counters.requests > requests + 40


@scenario(DEATH, "refuses", played="its address refuses connections, then answers again")
async def refuses(folder: Path) -> str:
    async with staged(folder) as on:
        await dies_and_comes_back(on, on.down, on.up)
    return (
        "unknown with the reason within two polls in REST, metrics and hall map; one line each "
        "way; read whole when back"
    )


@scenario(DEATH, "says nothing", played="connections are accepted and nothing is ever said")
async def says_nothing(folder: Path) -> str:
    async with staged(folder) as on:

        async def silence() -> None:
            await on.down("silence")

        await dies_and_comes_back(on, silence, on.up)
    return "the same; a request is given up after one period"


@scenario(DEATH, "cut off in the middle", played="every answer is reset half-way")
async def cut_off(folder: Path) -> str:
    async with staged(folder) as on:

        async def cut() -> None:
            await on.fault({"effect": "die", "how": "reset"})

        await dies_and_comes_back(on, cut, on.clear)
    return "the same"


@scenario(DEATH, "on the command line", played="dead; `iolaus get -o json` beside it")
async def on_the_command_line(folder: Path) -> str:
    async with staged(folder) as on:
        await on.green()
        await on.down()
        await lost(on)
        (node,) = (await on.command("get", "nodes"))["items"]
        (endpoint,) = (await on.command("get", "endpoints"))["items"]
        assert (node["health"], node["power_state"]) == (None, None)
        assert conditions(node)["Healthy"]["status"] == "Unknown"
        assert conditions(node)["Reachable"]["message"]
        assert endpoint["state"] == "unreachable"
        assert endpoint["last_error"]
    return "null with the reason in its conditions"


@scenario(DEATH, "only 503", played="a front that lives, and 503 to everything behind it")
async def only_503(folder: Path) -> str:
    async with staged(folder) as on:
        await on.green()
        await on.fault({"effect": "status", "status": 503})
        node = await unknown(on)
        assert "two polls" in conditions(node)["Healthy"]["message"]

        async def check() -> bool:
            await assert_not_green(on, up=True)
            return True

        await on.polled(2)
        await check()
        assert (await on.endpoint())["state"] == "reachable"
        assert "503" in (await on.endpoint())["last_error"]
        await on.clear()
        await on.green()
        assert on.lines("endpoint_lost") == 0
    return "reachable, and all that it said before is unknown after two polls; no line is logged"


@scenario(DEATH, "dies while it is read", played="dead in the middle of an inventory")
async def dies_while_read(folder: Path) -> str:
    async with staged(folder) as on:
        await on.green()
        counts = (await on.asset())["counts"]
        await on.fault({"effect": "latency", "seconds": 0.05})
        requests = on.device.counters.requests
        on.read_again(Job.INVENTORY)

        async def begun() -> bool:
            return on.device.counters.requests > requests + 20

        await on.until(begun, "the inventory is under way")
        await on.down()
        await lost(on)
        await on.polled(4)
        await assert_not_green(on)
        await on.clear()
        await on.up()
        await on.green()
        await on.inventoried()
        assert (await on.asset())["counts"] == counts
        kinds = {event["type"] for event in await on.events()}
        assert not kinds & {"ComponentRemoved", "CountChanged", "AssetLost", "IdentityChanged"}
        assert (on.lines("endpoint_lost"), on.lines("endpoint_back")) == (1, 1)
    return "one line each way; nothing that was not seen is reported as gone"


@scenario(DEATH, "one of several", played="one of three dies")
async def one_of_several(folder: Path) -> str:
    devices = [machine(name=f"bmc-{n}", number=n) for n in range(3)]
    async with staged(folder, *devices) as on:
        for device in reversed(devices):
            on.device = device
            await on.green()
        await on.down()
        await lost(on)
        on.device = devices[1]
        await on.polled(3)
        await on.green()
        assert on.lines("endpoint_lost") == 1
        told = (await on.metrics())["iolaus_endpoints"]
        counts = {labels["state"]: value for labels, value in told}
        assert (counts["reachable"], counts["unreachable"]) == (2.0, 1.0)
    return "the others are followed as before"
