"""A hall of racks, one for each script, and a server of its own process that holds it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from msgspec.structs import replace
from tests.survival.stage import ROLLOUTS, Ground, free_socket, grounded, served

from bench.recover.scripts import DL, Script
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.listening import make_server
from iolaus.app.references import References
from iolaus.drivers.lane import BreakerRules, LaneRules
from iolaus.drivers.lane.cache import CacheRules
from iolaus.kernel.clock import WallClock
from iolaus.kernel.tasks import end
from iolaus.model.endpoint import Mode, Target
from iolaus.north.context import ReferenceOrder
from iolaus.observe.attest import AttestRules
from iolaus.observe.collect import Periods
from iolaus.sim.ailments import alive
from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from iolaus.sim.roots.chain import anchors
from iolaus.sim.roots.references import as_corim, reference_values, signed
from iolaus.store.state import open_state

Json = dict[str, Any]
SITE: Final = """\
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: recover}
spec:
  seed: 7
  network: {cidr: 127.34.0.0/16}
  devices:
"""
QUICK: Final = {"power_on_s": 0.3, "power_off_s": 0.2, "graceful_off_s": 0.3, "bmc_reset_s": 0.6,
                "task_s": 0.2}  # fmt: skip
RUNGS_S: Final = {
    "wait": 15, "settle-login": 60, "close-sessions": 30, "reset-manager": 30, "nmi": 10,
    "restart": 10, "force-restart": 30, "power-on": 30, "power-cycle": 30, "switch-bank": 30,
    "mains": 30, "outlet": 60, "rescue": 60, "hold-off": 20,
}  # fmt: skip
"""Seconds that a rung may take: machines here start in a moment."""
PERIODS: Final = Periods(hot_s=5.0, inventory_s=60.0, logs_s=60.0, retry_s=0.5, retry_max_s=1.0,
                         patience_s=6.0)  # fmt: skip
LANES: Final = LaneRules(
    breaker=BreakerRules(pause_s=0.2, pause_max_s=0.5), cache=CacheRules(hold_off_s=1.0)
)
ROLLS: Final = replace(
    ROLLOUTS,
    pace=replace(ROLLOUTS.pace, longest_look_s=20.0, longest_held_s=30.0),
    budgets={"reset": 10, "reset-manager": 10, "ac-cycle": 10},
)
"""A look that is slow because this machine is busy is no silence."""
SAID_S, AGAIN_S, READ_S, LOOK_S = 1.0, 15.0, 1.0, 0.5
PATIENCE_S: Final = 150.0


def policy(image: str, least_s: int) -> str:
    rungs = "\n".join(
        f"    {name}: {{timeout: {max(seconds, least_s)}s, perHour: 99, perRackHour: 12}}"
        for name, seconds in RUNGS_S.items()
    )
    return f"""\
apiVersion: iolaus.dev/v1
kind: RecoveryPolicy
metadata: {{name: bench}}
spec:
  silentFor: 3s
  wedgedAfter: 3s
  signalsFor: 60s
  rescue: {{boot: Cd, image: "{image}"}}
  rungs:
{rungs}
"""


class Rack:
    """Where a script plays: its machines, the first of them ill, and its strips."""

    def __init__(self, script: Script, devices: Sequence[Device]) -> None:
        self.script = script
        self.nodes = [each for each in devices if each.labels["role"] == "node"]
        self.strips = [each for each in devices if each.labels["role"] == "pdu"]
        self.ill = self.nodes[: script.ill + script.spent]


def site_of(scripts: Sequence[Script]) -> str:
    rows = [row for script in scripts for row in _rows(script)]
    return SITE + "\n".join(f"    - {json.dumps(row)}" for row in rows)


def _rows(script: Script) -> list[Json]:
    rack, cords = script.name, {}
    rows: list[Json] = []
    count = script.nodes + script.spent
    for number in range(1, count + 1):
        labels = {"rack": rack if not script.switch else f"{rack}-{number}"}
        if script.switch:
            labels["switch"] = f"{rack}-sw"
        if script.cords:
            cords = {"outlets": f"{rack}-pdu1/{number},{rack}-pdu2/{number}"}
        persona = script.persona if number <= script.ill + script.spent else DL
        rows.append({"name": f"{rack}-n{number}", "persona": persona,
                     "labels": {**labels, **cords, "script": rack}})  # fmt: skip
    strips = (1, 2) if script.cords else ()
    return rows + [
        {"name": f"{rack}-pdu{n}", "persona": "rack-pdu", "labels": {"rack": rack, "script": rack}}
        for n in strips
    ]


def racks_of(scripts: Sequence[Script]) -> list[Rack]:
    devices = [seat.device() for seat in build_hall(parse_site(site_of(scripts), source="-"))]
    for device in devices:
        device.counters.order = []
        for name, value in QUICK.items():
            object.__setattr__(device.options, name, value)
    return [
        Rack(script, [each for each in devices if each.labels["script"] == script.name])
        for script in scripts
    ]


# --- the server -------------------------------------------------------------------------------


async def prepare(folder: Path, hall: Sequence[Device], rules: str) -> None:
    """What an operator did before: logins, endpoints with their labels, the policy."""
    state = open_state(folder / "state", clock=WallClock())
    await state.start()
    state.secrets.put("hall", user="root", password="iolaus-sim")
    for device in hall:
        labels = {k: v for k, v in device.labels.items() if k != "script"}
        state.facts.put_target(
            Target(address=device.address, name=device.name, fingerprint=device.fingerprint,
                   credential="hall", mode=Mode.MANAGED, labels=labels)
        )  # fmt: skip
    await state.close()
    (folder / "state" / "recovery.yaml").write_text(rules)


@asynccontextmanager
async def opened(folder: Path, door: socket.socket) -> AsyncIterator[House]:
    """A house on the folder's state, that has begun; it listens where the door is."""
    host, port = door.getsockname()
    options = HouseOptions(
        state_dir=folder / "state", demo=True, listen=f"{host}:{port}", periods=PERIODS,
        lanes=LANES, rollouts=ROLLS, attesting=AttestRules(look_s=0.1, settle_s=0.5),
    )  # fmt: skip
    async with open_house(options) as house:
        attesting = house.attesting
        attesting.anchors.mkdir(exist_ok=True)
        (attesting.anchors / "hall.pem").write_text(anchors("7"))
        order = ReferenceOrder(
            source="hall.corim", data=signed(as_corim(reference_values()), seed="7"),
            anchors=(("hall.pem", anchors("7").encode()),),
        )  # fmt: skip
        shelf = References(shelf=house.state.references, clock=house.clock)
        await shelf.take(order, by="bench", keep=True)
        house.begin_all(spread=False)
        yield house


async def serve(folder: Path, door: socket.socket) -> None:
    """A server on the folder's state, until it is ended."""
    async with opened(folder, door) as house:
        await make_server(house).serve(sockets=[door])


class Server:
    """The running server, as a program meets it. It listens at `door`."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession, door: socket.socket) -> None:
        self._folder, self._http, self._door = folder, http, door
        self._child: asyncio.subprocess.Process | None = None
        self._hosts: dict[str, list[str]] = {}
        self._reach: dict[str, Json] = {}
        self._until, self._asking = 0.0, asyncio.Lock()
        self.url = f"http://127.0.0.1:{door.getsockname()[1]}"

    @asynccontextmanager
    async def child(self) -> AsyncIterator[None]:
        """In a process of its own."""
        door = self._door.fileno()
        words = ("-m", "bench.recover", "--serve", str(self._folder), str(door))
        with (self._folder / "server.log").open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, *words, stdout=log, stderr=log, pass_fds=(door,)
            )
        try:
            yield
        finally:
            await self._stop()

    @asynccontextmanager
    async def inside(self) -> AsyncIterator[None]:
        """In this process."""
        async with opened(self._folder, self._door) as house, served(house, self._door):
            yield

    async def _stop(self) -> None:
        if self._child is not None and self._child.returncode is None:
            os.kill(self._child.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(self._child.wait(), 20.0)
            except TimeoutError:
                self._child.kill()
                await self._child.wait()

    def check(self) -> None:
        """Raises `RuntimeError` where it has ended."""
        if self._child is not None and self._child.returncode is not None:
            log = (self._folder / "server.log").read_text(errors="replace")
            raise RuntimeError(f"the server has ended: {log[-600:]}")

    async def ask(self, method: str, path: str, body: object = None) -> Json:
        async with self._http.request(method, f"{self.url}/api/v1/{path}", json=body) as answer:
            found: Json = await answer.json(content_type=None)
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {found}")
            return found

    async def listed(self, path: str) -> list[Json]:
        return [item["status"] for item in (await self.ask("GET", f"{path}?limit=10000"))["items"]]

    async def reach(self) -> dict[str, Json]:
        """The condition Reach of every node, by name; none while the server starts. Whoever asks
        within a second of another is told the same."""
        self.check()
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if now >= self._until:
                self._reach = await self._read()
                self._until = asyncio.get_running_loop().time() + READ_S
        return self._reach

    async def _read(self) -> dict[str, Json]:
        try:
            nodes = await self.listed("nodes")
        except (aiohttp.ClientError, RuntimeError):
            return {}
        for node in nodes:
            names = self._hosts.setdefault(node["endpoint"], [])
            if node["name"] not in names:
                names.append(node["name"])
        return {
            node["name"]: each
            for node in nodes
            for each in node["conditions"]
            if each["type"] == "Reach"
        }

    def hosts_of(self, device: Device) -> list[str]:
        """The names of its nodes: two where its controller has two hosts; none before it was
        read."""
        return self._hosts.get(device.address, [])


class Band:
    """Somebody in band who says of every host what is really so, and of some nothing: at once what
    changed, and again and again what did not."""

    def __init__(self, racks: Sequence[Rack], server: Server) -> None:
        self._server = server
        self._watched = [d for rack in racks if rack.script.watched for d in rack.nodes]
        self._said: dict[str, tuple[bool, float]] = {}

    async def run(self) -> None:
        while True:
            for device in self._watched:
                for name in self._server.hosts_of(device):
                    await self._say(name, is_alive=alive(device))
            await asyncio.sleep(SAID_S)

    async def _say(self, name: str, *, is_alive: bool) -> None:
        now = asyncio.get_running_loop().time()
        before, at = self._said.get(name, (None, 0.0))
        if is_alive is before and now - at < AGAIN_S:
            return
        said = {"alive": is_alive, "source": "monitor", "detail": "port 22"}
        with contextlib.suppress(aiohttp.ClientError, RuntimeError):
            await self._server.ask("POST", f"nodes/{name}/signal", said)
            self._said[name] = (is_alive, now)


@asynccontextmanager
async def shelf_of_images() -> AsyncIterator[str]:
    """Where an operator keeps the image that hosts are rescued with; its URI."""

    async def give(_: web.Request) -> web.Response:
        return web.Response(body=b"rescue" * 1000)

    app = web.Application()
    app.router.add_get("/rescue.iso", give)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/rescue.iso"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def hall(
    folder: Path, scripts: Sequence[Script], *, least_s: int = 0, inside: bool = False
) -> AsyncIterator[tuple[Ground, list[Rack], Server]]:
    """The racks on the wire, and a server that knows them all, in a process of its own or `inside`
    of this one. No rung gets less than `least_s`."""
    racks = racks_of(scripts)
    devices = [each for rack in racks for each in (*rack.nodes, *rack.strips)]
    async with (
        grounded(folder, *devices) as ground,
        aiohttp.ClientSession() as http,
        shelf_of_images() as image,
    ):
        await prepare(folder, devices, policy(image, least_s))
        with free_socket() as door:
            server = Server(folder, http, door)
            async with server.inside() if inside else server.child():
                telling = asyncio.create_task(Band(racks, server).run())
                try:
                    yield ground, racks, server
                finally:
                    await end(telling)


async def until(check: Callable[[], Any], what: str, *, patience_s: float = PATIENCE_S) -> Any:
    """What the check gives once it is true. Raises `TimeoutError` with what never came."""
    ends = asyncio.get_running_loop().time() + patience_s
    while not (found := await check()):
        if asyncio.get_running_loop().time() > ends:
            raise TimeoutError(f"it never came to this: {what}")
        await asyncio.sleep(LOOK_S)
    return found
