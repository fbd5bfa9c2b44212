"""The map's socket over the wire: what it says first, what it says next, and to whom."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from iolaus.kernel.clock import WallClock
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.ui.measures import ABSENT, TOP, UNKNOWN
from tests.north.ui import scene
from tests.north.ui.serving import Serving, serving

WAIT_S = 90


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving(scene.build(40, WallClock())) as running:
        yield running


def address_of(server: Serving, query: str = "") -> str:
    return f"{server.url.replace('http', 'ws')}/ui/ws/hall{query}"


@pytest.fixture
async def socket(server: Serving) -> AsyncIterator[ClientConnection]:
    async with connect(address_of(server), open_timeout=WAIT_S) as opened:
        yield opened


async def told(socket: ClientConnection) -> dict[str, Any]:
    """The next text message; frames in between are dropped."""
    while isinstance(message := await socket.recv(), bytes):
        pass
    found: dict[str, Any] = json.loads(message)
    return found


async def frame(socket: ClientConnection) -> bytes:
    while isinstance(message := await socket.recv(), str):
        pass
    return message


async def test_layout_then_scale_then_frames(socket: ClientConnection) -> None:
    layout = await told(socket)
    assert (layout["type"], len(layout["names"])) == ("layout", 47)
    scale = await told(socket)
    assert (scale["type"], scale["metric"], scale["version"]) == (
        "scale",
        "health",
        layout["version"],
    )
    data = await frame(socket)
    assert len(data) == 47 * 2 + 6


async def test_a_browser_changes_its_metric(socket: ClientConnection) -> None:
    names = (await told(socket))["names"]
    await socket.send("power")
    while (scale := await told(socket))["metric"] != "power":
        pass
    data = await frame(socket)
    codes = memoryview(data[: 2 * len(names)]).cast("H").tolist()
    assert codes[names.index("h1-a01-u20")] == UNKNOWN
    assert codes[names.index("h1-a01-sw1")] == ABSENT
    watts = codes[names.index("h1-a01-u02")] / TOP * scale["high"]
    assert abs(watts - scene.watts_of(0)) < 0.2


async def test_nonsense_is_not_a_metric(socket: ClientConnection) -> None:
    await socket.send("<script>")
    await socket.send("power" * 1000)
    assert (await told(socket))["type"] == "layout"
    assert (await told(socket))["metric"] == "health"
    assert await frame(socket)


async def test_changes_arrive(server: Serving, socket: ClientConnection) -> None:
    names = (await told(socket))["names"]
    await socket.send("inlet")
    while (await told(socket))["metric"] != "inlet":
        pass
    before = await frame(socket)
    at = names.index("h1-a01-u02")
    facts, clock = server.context.facts, server.context.clock
    server.do(lambda: scene.breathe(facts, [0], clock, beat=3))
    while (after := await frame(socket))[2 * at : 2 * at + 2] == before[2 * at : 2 * at + 2]:
        pass
    assert len(after) == len(before)


async def test_there_is_a_sign_of_life(socket: ClientConnection) -> None:
    first = await frame(socket)
    assert await frame(socket) == first


async def test_another_sites_page_may_not_listen(server: Serving) -> None:
    for origin in ("https://evil.example", "http://127.0.0.1.evil.example", "null"):
        with pytest.raises(InvalidStatus):
            async with connect(address_of(server), origin=Origin(origin)):
                pass
    other = Origin("http://127.0.0.1:1")  # loopback, but not us
    with pytest.raises(InvalidStatus):
        async with connect(address_of(server), origin=other):
            pass
    async with connect(address_of(server), origin=Origin(server.url)) as socket:
        assert (await told(socket))["type"] == "layout"


async def test_a_scope_is_all_that_a_socket_shows() -> None:
    text, token = new_token(Role.VIEWER, name="guest", scope="rack=h1-a02")
    auth = Auth(tokens=TokenList(token))
    with serving(scene.build(40, WallClock()), auth=auth) as server:
        with pytest.raises(InvalidStatus):
            async with connect(address_of(server)):
                pass
        headers = {"Cookie": f"iolaus_token={text}"}
        async with connect(address_of(server), additional_headers=headers) as socket:
            layout = await told(socket)
            assert len(layout["names"]) == 20
            assert all(name.startswith("h1-a02") for name in layout["names"])
            assert len(await frame(socket)) == 20 * 2 + 3
