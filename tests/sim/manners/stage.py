"""One machine over the real wire, quick, asked by a client without manners of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from iolaus.sim.server import running
from iolaus.sim.tls import Authority

Json = dict[str, Any]
V1 = "/redfish/v1"
XE = "xe9680-h200"
SYSTEM = f"{V1}/Systems/System.Embedded.1"
MANAGER = f"{V1}/Managers/iDRAC.Embedded.1"
PATIENCE_S = 60.0
QUICK = {"task_s": 0.1, "power_on_s": 0.05, "power_off_s": 0.05, "bmc_reset_s": 0.2}
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  seed: 11
  network: {cidr: 127.84.0.0/16}
  devices: [{name: one, persona: %s}]
"""
_AUTHORITY: list[Authority] = []


def machine(persona: str) -> Device:
    (seat,) = build_hall(parse_site(SITE % persona, source="-"))
    device = seat.device()
    for name, value in QUICK.items():
        object.__setattr__(device.options, name, value)
    return device


class Bench:
    def __init__(self, device: Device, http: aiohttp.ClientSession) -> None:
        self.device, self.http = device, http

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Json, Mapping[str, str]]:
        url = self.device.address + path
        async with self.http.request(method, url, **more) as answer:
            body = await answer.json(content_type=None) if await answer.read() else {}
            return answer.status, body, answer.headers

    async def get(self, path: str) -> Json:
        status, body, _ = await self.ask("GET", path)
        assert status == 200, (path, status, body)
        return body

    async def act(self, path: str, action: str, **body: Any) -> tuple[int, Json]:
        status, said, _ = await self.ask("POST", f"{path}/Actions/{action}", json=body)
        return status, said

    async def members(self, path: str) -> list[str]:
        return [link["@odata.id"] for link in (await self.get(path))["Members"]]


async def until(found: Callable[[], Awaitable[Any]]) -> None:
    """Until it is so; an answer that does not come is not yet so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if await found():
                    return
            except (aiohttp.ClientError, OSError, AssertionError):
                pass
            await asyncio.sleep(0.02)


def id_of(body: Json) -> str:
    return str(body["error"]["@Message.ExtendedInfo"][0]["MessageId"]).rpartition(".")[2]


def as_user(user: str, password: str = "long-enough-1") -> Json:
    return {"headers": {"Authorization": aiohttp.encode_basic_auth(user, password)}}


@asynccontextmanager
async def bench(persona: str = XE) -> AsyncIterator[Bench]:
    if not _AUTHORITY:
        _AUTHORITY.append(Authority())  # one for all tests: it takes longer than a test
    async with AsyncExitStack() as stack:
        device = machine(persona)
        await stack.enter_async_context(running([device], authority=_AUTHORITY[0]))
        http = aiohttp.ClientSession(
            headers={"Authorization": aiohttp.encode_basic_auth("root", "iolaus-sim")},
            connector=aiohttp.TCPConnector(ssl=False, force_close=True),
        )
        yield Bench(device, await stack.enter_async_context(http))


@asynccontextmanager
async def shelf(image: bytes) -> AsyncIterator[str]:
    """A server with one image; its address."""

    async def give(request: web.Request) -> web.Response:
        del request
        return web.Response(body=image)

    app = web.Application()
    app.router.add_get("/boot.iso", give)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/boot.iso"
    finally:
        await runner.cleanup()
