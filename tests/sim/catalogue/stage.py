"""A small hall over the real wire, its oracle, and a client with no manners of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp

from iolaus.sim.catalogue.entry import Asked
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import parse_site
from iolaus.sim.oracle import Oracle
from iolaus.sim.server import Hall, Place

Json = dict[str, Any]
PATIENCE_S = 60.0
SILENCE = (aiohttp.ClientError, OSError, asyncio.TimeoutError)
AUTH = {"Authorization": aiohttp.encode_basic_auth("root", "iolaus-sim")}
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  seed: 3
  network: {cidr: 127.66.0.0/16}
  racks:
    wet:
      place:
        - {persona: orv3-shelf, u: 1}
        - {persona: gb300-tray, u: 8, count: 2}
    dry:
      place:
        - {persona: rack-pdu}
        - {persona: dl365-cpu, u: 4, count: 2}
  halls:
    - name: h1
      rows:
        - name: a
          racks: [{template: wet}, {template: dry}]
          equip: [{persona: cdu-row}, {persona: leak-ropes}]
"""
QUICK: Json = {"power_on_s": 0.1, "power_off_s": 0.1, "bmc_reset_s": 0.2, "task_s": 0.1}
CPU, CPU_2, TRAY, SHELF = "h1-r02-u04", "h1-r02-u05", "h1-r01-u08", "h1-r01-ps1"
ROPE = "h1-a-rope1"
SYSTEM = "/redfish/v1/Systems/1"


class Stage:
    def __init__(self, hall: Hall, oracle: Oracle, http: aiohttp.ClientSession) -> None:
        self.hall, self.oracle, self.http = hall, oracle, http
        self.name = CPU

    @property
    def place(self) -> Place:
        return self.hall.places[self.name]

    @property
    def url(self) -> str:
        return self.place.device.address

    # the oracle, over its wire

    async def tell(self, method: str, path: str, body: object = None, *, status: int = 200) -> Json:
        headers = {"Authorization": f"Bearer {self.oracle.token}"}
        url = self.oracle.url + path
        async with self.http.request(method, url, json=body, headers=headers) as response:
            told: Json = await response.json()
            assert response.status == status, told
            return told

    async def strike(
        self, fault: str, select: str = "", *, given: Mapping[str, Any] | None = None, **more: Any
    ) -> Json:
        order = {"fault": fault, "select": select, "with": dict(given or {}), **more}
        return await self.tell("POST", "/faults", order)

    async def mend(self, word: str = "") -> Json:
        return await self.tell("DELETE", f"/faults/{word}" if word else "/faults")

    # the device, as a stock client sees it

    def ask(self, method: str, path: str, **more: Any) -> Any:
        headers = more.pop("headers", AUTH)
        return self.http.request(method, self.url + path, headers=headers, **more)

    async def status(self, method: str, path: str, **more: Any) -> int:
        async with self.ask(method, path, **more) as response:
            await response.read()
            return int(response.status)

    async def get(self, path: str, **more: Any) -> Json:
        async with self.ask("GET", path, **more) as response:
            found: Json = json.loads(await response.read())
            return found

    async def quiet(self, *, seconds: float = 0.3) -> bool:
        """Whether no answer comes to a GET."""
        try:
            await self.status("GET", SYSTEM, timeout=aiohttp.ClientTimeout(total=seconds))
        except SILENCE:
            return True
        return False


async def until(check: Callable[[], Awaitable[object]], what: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await check():
            await asyncio.sleep(0.02)
    assert what


@asynccontextmanager
async def staged(
    site: str = SITE, *, beside: Mapping[str, Asked] | None = None
) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        devices = hall_devices(parse_site(site, source="test"), HallOptions())
        for device in devices:
            device.options = replace(device.options, **QUICK)
        hall = Hall(devices)
        stack.push_async_callback(hall.stop)
        await hall.start()
        oracle = Oracle(hall)
        oracle.beside = beside or {}
        stack.push_async_callback(oracle.stop)
        await oracle.start()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connector = aiohttp.TCPConnector(ssl=context, force_close=True)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        yield Stage(hall, oracle, http)
