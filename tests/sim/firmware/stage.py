"""A few machines of different makes over the real wire, quick, with a server of images."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from iolaus.sim.device import Device
from iolaus.sim.effects import attentive
from iolaus.sim.firmware.faults import CATALOGUE
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from iolaus.sim.server import Hall, running
from iolaus.sim.tls import Authority

V1 = "/redfish/v1"
UPDATE = f"{V1}/UpdateService"
INVENTORY = f"{UPDATE}/FirmwareInventory"
SIMPLE = f"{UPDATE}/Actions/UpdateService.SimpleUpdate"
PATIENCE_S = 60.0
OVER = ("Completed", "Exception", "Cancelled", "Killed")
Json = dict[str, Any]
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  seed: 11
  network: {cidr: 127.83.0.0/16}
  devices:
%s
"""


def machines(*personas: str, **options: Any) -> list[Device]:
    """One machine of each kind, named like it; flashing takes a moment only."""
    rows = "\n".join(f"    - {{name: {p}, persona: {p}}}" for p in personas)
    found = [seat.device() for seat in build_hall(parse_site(SITE % rows, source="-"))]
    quick = {"task_s": 0.2, "power_on_s": 0.05, "power_off_s": 0.05, "bmc_reset_s": 0.2}
    for device in found:
        for name, value in {**quick, **options}.items():
            object.__setattr__(device.options, name, value)
    return found


class Bench:
    """One machine, asked with Basic by a client that has no manners of its own."""

    def __init__(self, hall: Hall, http: aiohttp.ClientSession, files: str) -> None:
        self.hall, self.http, self.files = hall, http, files
        self.images: dict[str, bytes] = {}
        self.device = hall.devices[0]

    def on(self, name: str) -> Bench:
        self.device = self.hall[name]
        return self

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Json, Mapping[str, str]]:
        url = self.device.address + path
        async with self.http.request(method, url, **more) as answer:
            body = await answer.json(content_type=None) if await answer.read() else {}
            return answer.status, body, answer.headers

    async def get(self, path: str) -> Json:
        status, body, _ = await self.ask("GET", path)
        assert status == 200, (path, status, body)
        return body

    async def version(self, entry: str) -> str | None:
        return (await self.get(f"{INVENTORY}/{entry}")).get("Version")

    async def push(self, image: bytes, parameters: Json | None = None) -> tuple[int, Json]:
        """A multipart push as the standard has it."""
        form = aiohttp.FormData()
        form.add_field("UpdateParameters", aiohttp.JsonPayload(parameters or {}))
        form.add_field("UpdateFile", image, filename="image.fwpkg",
                       content_type="application/octet-stream")  # fmt: skip
        place = (await self.get(UPDATE))["MultipartHttpPushUri"]
        status, body, _ = await self.ask("POST", place, data=form)
        return status, body

    async def flashed(self, image: bytes, parameters: Json | None = None) -> Json:
        status, body = await self.push(image, parameters)
        assert status == 202, body
        return await self.ended(body)

    async def simple(self, image: bytes, **more: Any) -> Json:
        """The task of a SimpleUpdate, as it ended."""
        self.images["image.fwpkg"] = image
        wanted = {"ImageURI": f"{self.files}/image.fwpkg", **more}
        status, body, _ = await self.ask("POST", SIMPLE, json=wanted)
        assert status == 202, body
        return await self.ended(body)

    async def ended(self, task: Json) -> Json:
        """The task as it was last seen: over, or gone in a restart."""
        found = task

        async def over() -> bool:
            nonlocal found
            try:
                status, said, _ = await self.ask("GET", task["@odata.id"])
            except (aiohttp.ClientError, OSError):
                return False
            found = said if status == 200 else found
            return status == 404 or found["TaskState"] in OVER

        await until(over)
        return found

    async def reset(self, path: str, kind: str) -> None:
        action = "Manager.Reset" if "/Managers/" in path else "ComputerSystem.Reset"
        target = f"{path}/Actions/{action}"
        status, body, _ = await self.ask("POST", target, json={"ResetType": kind})
        assert status < 300, body

    async def restart(self, manager: str) -> None:
        """The controller restarts, and is back."""
        before = self.device.restarts

        async def begun() -> bool:
            return self.device.restarts > before

        await self.reset(f"{V1}/Managers/{manager}", "ForceRestart")
        await until(begun)
        await self.back()

    async def back(self) -> None:
        async def there() -> bool:
            try:
                return (await self.ask("GET", V1))[0] == 200
            except (aiohttp.ClientError, OSError, ssl.SSLError):
                return False

        await until(there)

    async def mains(self) -> None:
        """The plug is pulled and put back."""
        strike("mains-lost", self.device)
        await asyncio.sleep(0)
        mend("mains-lost", self.device)
        await self.back()

    async def shows(self, entry: str, version: str | None) -> None:
        """Wait until the inventory tells this version."""
        await until(lambda: self._is(entry, version))

    async def _is(self, entry: str, version: str | None) -> bool:
        try:
            return await self.version(entry) == version
        except (aiohttp.ClientError, OSError):
            return False

    def truth(self) -> Json:
        return attentive(self.device.effects).truth(self.device)


def strike(fault: str, device: Device) -> None:
    CATALOGUE[fault].strike(device)


def mend(fault: str, device: Device) -> None:
    CATALOGUE[fault].mend(device)


def ids(task: Json) -> list[str]:
    """The messages of a task, by the last word of their ids."""
    return [message["MessageId"].rpartition(".")[2] for message in task["Messages"]]


async def until(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await found():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def bench(*personas: str, **options: Any) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        devices: Sequence[Device] = machines(*personas, **options)
        hall = await stack.enter_async_context(running(devices, authority=_authority()))
        auth = aiohttp.encode_basic_auth("root", "iolaus-sim")
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                headers={"Authorization": auth},
                connector=aiohttp.TCPConnector(ssl=False, force_close=True),
            )
        )
        found = Bench(hall, http, await stack.enter_async_context(_images()))
        _served["bench"] = found
        yield found


_AUTHORITY: list[Authority] = []
_served: dict[str, Bench] = {}


def _authority() -> Authority:
    """One for all tests: making it takes longer than a test."""
    if not _AUTHORITY:
        _AUTHORITY.append(Authority())
    return _AUTHORITY[0]


@asynccontextmanager
async def _images() -> AsyncIterator[str]:
    """A server of what `Bench.images` holds; its URL."""

    async def answer(request: web.Request) -> web.Response:
        body = _served["bench"].images.get(request.match_info["name"])
        return web.Response(status=404) if body is None else web.Response(body=body)

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
