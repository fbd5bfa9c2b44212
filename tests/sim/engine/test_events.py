"""Server-sent events and subscriptions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from iolaus.sim.device import Options
from iolaus.sim.push import is_local
from tests.sim.engine.conftest import Client, Played, played
from tests.sim.engine.tree import V1, device

SSE = f"{V1}/EventService/SSE"
SUBSCRIPTIONS = f"{V1}/EventService/Subscriptions"
TEST = f"{V1}/EventService/Actions/EventService.SubmitTestEvent"
Frame = tuple[int, dict[str, Any]]


async def frames(response: aiohttp.ClientResponse, count: int) -> list[Frame]:
    found: list[Frame] = []
    number = 0
    async with asyncio.timeout(90):
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                found.append((number, json.loads(line[6:])))
                if len(found) == count:
                    break
    return found


async def send(client: Client, text: str) -> None:
    assert await client.status("POST", TEST, json={"Message": text}) == 204


def texts(found: list[Frame]) -> list[str]:
    return [record["Message"] for _, event in found for record in event["Events"]]


async def test_a_stream_tells_what_happens_and_can_be_resumed(play: Played) -> None:
    async with play.first.request("GET", SSE) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        await send(play.first, "one")
        await send(play.first, "two")
        found = await frames(response, 2)
    assert texts(found) == ["one", "two"]
    await send(play.first, "three")
    last = {"Last-Event-ID": str(found[0][0])}
    async with play.first.request("GET", SSE, headers=last) as response:
        assert texts(await frames(response, 2)) == ["two", "three"]


async def test_a_new_stream_starts_now(play: Played) -> None:
    await send(play.first, "before")
    async with play.first.request("GET", SSE) as response:
        await send(play.first, "after")
        assert texts(await frames(response, 1)) == ["after"]
    async with play.first.request("GET", SSE, headers={"Last-Event-ID": "nonsense"}) as response:
        await send(play.first, "later")
        assert texts(await frames(response, 1)) == ["later"]


async def test_a_reset_is_told(play: Played) -> None:
    system = f"{V1}/Systems/1"
    async with play.first.request("GET", SSE) as response:
        target = f"{system}/Actions/ComputerSystem.Reset"
        await play.first.status("POST", target, json={"ResetType": "ForceOff"})
        _, event = (await frames(response, 1))[0]
    record = event["Events"][0]
    assert record["OriginOfCondition"] == {"@odata.id": system}
    assert "Off" in record["Message"]


async def test_a_stream_that_the_client_leaves_is_forgotten(play: Played) -> None:
    response = await play.first.request("GET", SSE)
    assert play.device.events.streams == 1
    response.close()
    async with asyncio.timeout(90):
        while play.device.events.streams:
            await asyncio.sleep(0.01)
    await send(play.first, "to nobody")


async def test_subscriptions_are_made_listed_limited_and_deleted() -> None:
    async with played([device(options=Options(subscription_limit=2))]) as play:
        body = {"Destination": "https://127.0.0.1/events", "Context": "mine"}
        places = []
        for _ in range(2):
            async with play.first.request("POST", SUBSCRIPTIONS, json=body) as response:
                assert response.status == 201
                places.append(response.headers["Location"])
        assert await play.first.status("POST", SUBSCRIPTIONS, json=body) == 503
        assert (await play.first.json(places[0]))["Context"] == "mine"
        assert (await play.first.json(SUBSCRIPTIONS))["Members@odata.count"] == 2
        assert await play.first.status("DELETE", places[0]) == 204
        assert await play.first.status("POST", SUBSCRIPTIONS, json={}) == 400
        play.device.restart()
        await play.hall.places["n1"].settled()
        play.device.up()
        await play.hall.places["n1"].settled()
        assert (await play.first.json(SUBSCRIPTIONS))["Members"] == []


@asynccontextmanager
async def subscriber(status: int = 204) -> AsyncIterator[tuple[str, list[str]]]:
    """Somebody who listens: where, and what was heard."""
    heard: list[str] = []

    async def take(request: web.Request) -> web.Response:
        heard.append(await request.text())
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/events", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/events", heard
    finally:
        await runner.cleanup()


async def until(heard: list[str], count: int) -> None:
    async with asyncio.timeout(90):
        while len(heard) < count:
            await asyncio.sleep(0.01)


async def test_subscribers_are_pushed_to_in_order(play: Played) -> None:
    async with subscriber() as (where, heard):
        assert await play.first.status("POST", SUBSCRIPTIONS, json={"Destination": where}) == 201
        for text in ("one", "two"):
            await send(play.first, text)
        await until(heard, 2)
        assert texts([(0, json.loads(each)) for each in heard]) == ["one", "two"]
        play.device.events.lies = frozenset({"duplicate", "malformed"})
        await send(play.first, "three")
        await until(heard, 5)
        assert heard[3] == heard[4]


async def test_a_subscription_whose_events_nobody_takes_ends_unless_it_is_for_ever(
    play: Played,
) -> None:
    async with subscriber(status=500) as (where, heard):
        for policy in ({}, {"DeliveryRetryPolicy": "RetryForever"}):
            body = {"Destination": where, **policy}
            assert await play.first.status("POST", SUBSCRIPTIONS, json=body) == 201
        await send(play.first, "nobody takes it")
        async with asyncio.timeout(90):
            while play.device.events.pusher.undelivered < 2:
                await asyncio.sleep(0.01)
        assert (await play.first.json(SUBSCRIPTIONS))["Members@odata.count"] == 1
        assert len(heard) == 6


def test_only_this_machine_is_ever_called() -> None:
    assert is_local("http://127.0.0.1:8080/x")
    assert is_local("https://[::1]/x")
    for other in ("http://10.0.0.1/x", "https://example.com/", "ftp://127.0.0.1/", "http://[", ""):
        assert not is_local(other)
