"""Listeners get the events that they asked for, pushed and streamed, over the real wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import redfish_utilities as tools
from aiohttp import web

from iolaus.sim.filters import BadFilter, parse_filter
from tests.sim.manners.stage import (
    MANAGER,
    PATIENCE_S,
    SYSTEM,
    V1,
    Bench,
    Json,
    bench,
    id_of,
)
from tests.sim.manners.test_stock_clients import away, client

SUBSCRIPTIONS = f"{V1}/EventService/Subscriptions"
INLET = f"{V1}/Chassis/System.Embedded.1"
ALERT = {"MessageId": "Environmental.1.4.FanFailed", "Severity": "Critical", "Message": "fan",
         "EventType": "Alert", "OriginOfCondition": {"@odata.id": INLET}}  # fmt: skip
CHANGE = {"MessageId": "ResourceEvent.1.0.ResourceChanged", "Severity": "OK", "Message": "change",
          "EventType": "ResourceUpdated", "OriginOfCondition": {"@odata.id": MANAGER}}  # fmt: skip
SENSED = {"MessageId": "SensorEvent.1.1.SensorFailure", "Severity": "Warning", "Message": "sensor",
          "EventType": "Alert",
          "OriginOfCondition": {"@odata.id": f"{INLET}/Sensors/InletTemp"}}  # fmt: skip
LAST = {"MessageId": "Base.1.0.Success", "Message": "last", "Severity": "OK"}


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, list[str], asyncio.Event]]:
    """An address, what was pushed there, and whether the last has come."""
    found: list[str] = []
    over = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        for record in (await request.json())["Events"]:
            found.append(record["Message"])
            if record["Message"] == "last":
                over.set()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/{name}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", found, over
    finally:
        await runner.cleanup()


def happen(on: Bench) -> None:
    on.device.emit(ALERT)
    on.device.emit(CHANGE, SENSED)
    on.device.emit(LAST)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({}, ["fan", "change", "sensor"]),
        ({"RegistryPrefixes": ["Environmental"]}, ["fan"]),
        ({"MessageIds": ["SensorEvent.1.0.SensorFailure"]}, ["sensor"]),
        (
            {"MessageIds": ["SensorEvent.SensorFailure"], "RegistryPrefixes": ["ResourceEvent"]},
            ["change", "sensor"],
        ),
        ({"ExcludeMessageIds": ["ResourceEvent.ResourceChanged"]}, ["fan", "sensor"]),
        ({"ExcludeRegistryPrefixes": ["SensorEvent", "ResourceEvent"]}, ["fan"]),
        ({"ResourceTypes": ["Manager"]}, ["change"]),
        ({"Severities": ["Warning", "Critical"]}, ["fan", "sensor"]),
        ({"EventTypes": ["ResourceUpdated"]}, ["change"]),
        ({"OriginResources": [{"@odata.id": INLET}]}, ["fan"]),
        (
            {"OriginResources": [{"@odata.id": INLET}], "SubordinateResources": True},
            ["fan", "sensor"],
        ),
        ({"Severities": ["Warning"], "RegistryPrefixes": ["Environmental"]}, []),
    ],
)
async def test_a_subscription_gets_what_it_wants(wish: Json, told: list[str]) -> None:
    """A second one to the same place, which wants the last, says when all has been sent."""
    async with bench() as on, receiver() as (address, found, over):
        for body in (
            {"Destination": f"{address}/one", **wish},
            {"Destination": f"{address}/two", "MessageIds": ["Base.Success"]},
        ):
            assert (await on.ask("POST", SUBSCRIPTIONS, json=body))[0] == 201
        happen(on)
        async with asyncio.timeout(PATIENCE_S):
            await over.wait()
            while on.device.events.pusher.busy:
                await asyncio.sleep(0.02)
        assert [text for text in found if text != "last"] == told


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"Severities": ["Mild"]}, "PropertyValueNotInList"),
        ({"RegistryPrefixes": ["Nobodys"]}, "PropertyValueNotInList"),
        ({"ResourceTypes": "Chassis"}, "PropertyValueTypeError"),
        ({"OriginResources": [{"@odata.id": f"{V1}/Nowhere"}]}, "ResourceMissingAtURI"),
        ({"OriginResources": [INLET]}, "PropertyValueTypeError"),
        ({"MessageIds": [f"Base.{n}" for n in range(65)]}, "PropertyValueOutOfRange"),
    ],
)
async def test_wishes_that_mean_nothing_are_refused(wish: Json, why: str) -> None:
    async with bench() as on:
        body = {"Destination": "http://127.0.0.1:9/", **wish}
        status, said, _ = await on.ask("POST", SUBSCRIPTIONS, json=body)
        assert (status, id_of(said)) == (400, why)


async def streamed(response: aiohttp.ClientResponse, last: str) -> list[str]:
    """The messages of a stream, up to this one."""
    found: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        async for raw in response.content:
            line = raw.decode()
            if line.startswith("data: "):
                found += [record["Message"] for record in json.loads(line[6:])["Events"]]
                if found[-1] == last:
                    break
    return found


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("RegistryPrefix eq 'Environmental'", ["fan"]),
        ("MessageId eq 'SensorEvent.1.0.SensorFailure' or ResourceType eq 'Manager'",
         ["change", "sensor"]),
        (f"(OriginResource eq '{INLET}') and SubordinateResources eq true", ["fan", "sensor"]),
        (f"OriginResource eq '{INLET}' and EventType eq 'StatusChange'", []),
        ("EventFormatType eq 'Event'", ["fan", "change", "sensor"]),
    ],
)  # fmt: skip
async def test_a_stream_tells_what_its_filter_says(asked: str, told: list[str]) -> None:
    async with bench() as on:
        place = on.device.events.stream_path
        query = {"$filter": f"{asked} or MessageId eq 'Base.1.0.Success'"}
        async with on.http.get(on.device.address + place, params=query) as response:
            assert response.status == 200
            happen(on)
            assert await streamed(response, "last") == [*told, "last"]
        last = {"Last-Event-ID": "0"}
        async with on.http.get(on.device.address + place, params=query, headers=last) as response:
            assert await streamed(response, "last") == [*told, "last"]


@pytest.mark.parametrize(
    "asked", ["Severity eq 'OK'", "MessageId ne 'x'", "(MessageId eq 'x'", "MessageId eq", "$", "("]
)
async def test_filters_that_are_not_understood_are_refused(asked: str) -> None:
    async with bench() as on:
        place = on.device.events.stream_path
        status, said, _ = await on.ask("GET", place, params={"$filter": asked})
        assert (status, id_of(said)) == (400, "QueryParameterValueTypeError")


def test_a_filter_is_nested_only_so_deep() -> None:
    with pytest.raises(BadFilter, match="too deeply"):
        parse_filter("$filter=" + "(" * 40 + "EventType eq Alert" + ")" * 40)
    assert parse_filter("") is None


async def test_the_dmtfs_tools_subscribe_by_type_and_power_is_told_by_its_own_id() -> None:
    async with bench() as on, receiver() as (address, found, over):
        del over

        def work() -> Any:
            with client(on) as root:
                return tools.create_event_subscription(
                    root, f"{address}/one", resource_types=["ComputerSystem"],
                    registries=["ResourceEvent"],
                ).getheader("Location")  # fmt: skip

        where = await away(work)
        assert (await on.get(where))["ResourceTypes"] == ["ComputerSystem"]
        on.device.emit(ALERT)
        await on.act(SYSTEM, "ComputerSystem.Reset", ResetType="ForceOff")
        async with asyncio.timeout(PATIENCE_S):
            while not found:
                await asyncio.sleep(0.02)
        assert found == ["The power state of System.Embedded.1 is Off."]
