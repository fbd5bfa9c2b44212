"""A node enrolled at a hand-written Ironic: made once, corrected afterwards, never twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from tests.recovery.test_handover import NODE

from iolaus.app.onboarding_ironic import enrol
from iolaus.fleet.drain.peer import Peer
from iolaus.recovery.handover import Handed


class Bare:
    """Nodes and ports as Ironic's API keeps them."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.ports: set[str] = set()

    async def find(self, request: web.Request) -> web.Response:
        node = self.nodes.get(request.match_info["uuid"])
        return web.json_response(node or {}, status=200 if node else 404)

    async def make(self, request: web.Request) -> web.Response:
        node = await request.json()
        assert node["uuid"] not in self.nodes
        self.nodes[node["uuid"]] = {**node, "provision_state": "enroll"}
        return web.json_response(node, status=201)

    async def change(self, request: web.Request) -> web.Response:
        node = self.nodes[request.match_info["uuid"]]
        for each in await request.json():
            node["driver_info"][each["path"].rpartition("/")[2]] = each["value"]
        return web.json_response(node)

    async def port(self, request: web.Request) -> web.Response:
        address = (await request.json())["address"]
        status = 409 if address in self.ports else 201
        self.ports.add(address)
        return web.json_response({}, status=status)

    async def manage(self, request: web.Request) -> web.Response:
        assert (await request.json()) == {"target": "manage"}
        self.nodes[request.match_info["uuid"]]["provision_state"] = "manageable"
        return web.Response(status=202)


@asynccontextmanager
async def serving(bare: Bare) -> AsyncIterator[Peer]:
    app = web.Application()
    app.router.add_get("/v1/nodes/{uuid}", bare.find)
    app.router.add_post("/v1/nodes", bare.make)
    app.router.add_patch("/v1/nodes/{uuid}", bare.change)
    app.router.add_post("/v1/ports", bare.port)
    app.router.add_put("/v1/nodes/{uuid}/states/provision", bare.manage)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    peer = Peer(f"http://{host}:{port}", headers=dict, permission="")
    try:
        yield peer
    finally:
        await peer.aclose()
        await runner.cleanup()


async def test_twice_makes_one_node_with_the_login_of_now() -> None:
    bare = Bare()
    async with serving(bare) as peer:
        await enrol(peer, NODE)
        assert bare.nodes[NODE.uid]["provision_state"] == "manageable"
        later = Handed(**{**_fields(NODE), "password": "Sesam-2"})
        await enrol(peer, later)
    (node,) = bare.nodes.values()
    assert node["driver_info"]["redfish_password"] == "Sesam-2"
    assert bare.ports == set(NODE.macs)


def _fields(node: Handed) -> dict[str, Any]:
    return {name: getattr(node, name) for name in Handed.__struct_fields__}
