"""A real house and simulated devices on one machine, and what everybody outside would see.

Faults come in by the simulator's control channel; what the product makes of them is read where a
person, a program or a scraper would read it: REST, metrics, the hall map's socket, the command
line. Waiting is for conditions, never for a time; how soon is counted in polls.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from iolaus.act.looking import Pace
from iolaus.act.term import Rules
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.listening import make_server
from iolaus.drivers.lane import BreakerRules, Lane, LaneRules
from iolaus.drivers.lane.cache import CacheRules
from iolaus.model.endpoint import Mode, Target
from iolaus.observe.collect import Job, Key, Periods
from iolaus.observe.events import StreamRules
from iolaus.observe.subscribe import SubscriptionRules
from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from iolaus.sim.oracle import Oracle
from iolaus.sim.rules import parse_rules
from iolaus.sim.server import Hall
from iolaus.sim.tls import Authority

Json = dict[str, Any]
Check = Callable[[], Awaitable[object]]
PATIENCE_S = 120.0
PERIODS = Periods(
    hot_s=0.4, inventory_s=60.0, logs_s=1.0, retry_s=0.2, retry_max_s=0.6, patience_s=0.6
)
CALM = msgspec.structs.replace(PERIODS, hot_s=3.0)
"""For roll-outs: who was not heard for half a second on a busy machine that tests is not away, and
what was seen a second ago is not stale."""
LANES = LaneRules(
    breaker=BreakerRules(pause_s=0.1, pause_max_s=0.3), cache=CacheRules(hold_off_s=1.0)
)
ROLLOUTS = Rules(
    budgets={"reset": 3, "reset-manager": 2, "ac-cycle": 1},
    settle_s=0.05, poll_s=0.3, retry_s=0.3, pace=Pace(look_s=0.2, slowest_s=0.5, agree_s=0.1,
    refused_s=0.3, refused_slowest_s=1.0, grace_s=10.0, longest_look_s=3.0, longest_held_s=4.0),
)  # fmt: skip
STREAMS = StreamRules(retry_s=0.1, retry_max_s=0.4, settle_s=0.05, refused_s=0.5)
SUBSCRIPTIONS = SubscriptionRules(audit_s=0.5, refused_s=0.5, test_s=1.0)
UNKNOWN = 0xFFFF
SITE = """\
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: survival}
spec:
  network: {cidr: 127.31.%(number)d.0/24}
  racks:
    one: {height: 48, place: [{persona: %(persona)s, u: 1}]}
  halls: [{name: h1, rows: [{name: a, racks: [{template: one}]}]}]
"""


def machine(
    persona: str = "dl365-cpu", name: str = "bmc", *, number: int = 0, **options: Any
) -> Device:
    """A simulated machine. Those of one `number` and persona are one machine: same serial, same
    UUID, wherever they stand."""
    (seat,) = build_hall(parse_site(SITE % {"number": number, "persona": persona}, source="-"))
    return Device(
        seat.tree,
        name=name,
        labels=seat.labels,
        options=replace(seat.options(None), **options),
        live=seat.life,
        live_paths=seat.tree.paths_that_move,
        effects=seat.life,
    )


class Stage:
    """One hall, one open house, one outside; `device` is the one that is played with."""

    def __init__(self, ground: Ground, house: House, http: aiohttp.ClientSession, url: str) -> None:
        self.hall, self.house, self.url = ground.hall, house, url
        self.device, self.logs = self.hall.devices[0], list[Any]()
        self._oracle, self._http = ground.oracle, http
        self.polls = 0
        house.state.facts.on_change(self._count)

    # --- the simulator's control channel ------------------------------------------------------

    async def fault(self, *rules: str | Json) -> None:
        await self._tell("POST", "/faults", list(rules))

    async def strike(self, fault: str, select: str = "", **given: Any) -> Json:
        """A fault of the catalogue, on the device or on whom `select` means."""
        select = select or self.device.name
        return await self._tell(
            "POST", "/faults", {"fault": fault, "select": select, "with": given}
        )

    async def clear(self) -> None:
        await self._tell("DELETE", "/faults")

    async def down(self, how: str = "refuse") -> None:
        await self._tell("POST", f"/devices/{self.device.name}/down", {"how": how})

    async def up(self) -> None:
        await self._tell("POST", f"/devices/{self.device.name}/up", {})

    async def change(self, path: str, changes: Json) -> None:
        body = {"path": path, "changes": changes}
        await self._tell("POST", f"/devices/{self.device.name}/patch", body)

    async def emit(self, *records: Json) -> None:
        await self._tell("POST", f"/devices/{self.device.name}/events", {"records": records})

    async def counters(self) -> Json:
        return await self._tell("GET", f"/devices/{self.device.name}")

    async def _tell(self, method: str, path: str, body: object = None) -> Json:
        headers = {"Authorization": f"Bearer {self._oracle.token}"}
        async with self._http.request(
            method, self._oracle.url + path, json=body, headers=headers
        ) as response:
            told: Json = await response.json()
            assert response.status == 200, told
            return told

    # --- what the product shows ---------------------------------------------------------------

    async def get(self, path: str) -> Json:
        async with self._http.get(f"{self.url}/api/v1/{path}") as response:
            assert response.status == 200, (path, await response.text())
            found: Json = await response.json(loads=strict)
            return found

    async def listed(self, path: str) -> list[Json]:
        return [item["status"] for item in (await self.get(path))["items"]]

    async def asset(self, kind: str = "nodes") -> Json:
        """The one asset of this kind at the device's address, as REST tells it."""
        found = [a for a in await self.listed(kind) if a["endpoint"] == self.device.address]
        return found[0] if found else {}

    async def endpoint(self) -> Json:
        found = await self.listed("endpoints")
        return next(each for each in found if each["address"] == self.device.address)

    async def events(self, kind: str | None = None) -> list[Json]:
        """Newest first."""
        found = await self.listed("events")
        return [event for event in found if kind in (None, event["type"])]

    async def metrics(self) -> dict[str, list[tuple[Mapping[str, str], float]]]:
        async with self._http.get(f"{self.url}/metrics") as response:
            text = await response.text()
        return {
            family.name: [(sample.labels, sample.value) for sample in family.samples]
            for family in text_string_to_metric_families(text)
        }

    async def cell(self, name: str, metric: str = "health") -> int:
        """The asset's value on the hall map's socket, as a browser gets it."""
        address = f"{self.url}/ui/ws/hall?metric={metric}"
        names: list[str] = []
        async with self._http.ws_connect(address) as ws, asyncio.timeout(PATIENCE_S):
            async for message in ws:
                if message.type is aiohttp.WSMsgType.TEXT:
                    names = json.loads(message.data).get("names", names)
                elif message.type is aiohttp.WSMsgType.BINARY:
                    at = 2 * names.index(name)
                    return int.from_bytes(message.data[at : at + 2], "little")
        raise AssertionError("the map's socket closed")

    async def command(self, *words: str) -> Json:
        """What the command line prints as JSON."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "iolaus", *words, "-o", "json"),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "IOLAUS_URL": self.url, "PYTHONPATH": "src"},
        )
        out, _ = await child.communicate()
        printed: Json = strict(out.decode())
        return printed

    # --- waiting and counting -----------------------------------------------------------------

    async def until(self, check: Check, what: str, *, patience_s: float = PATIENCE_S) -> Any:
        """What the check gives once that is true."""
        deadline = time.monotonic() + patience_s
        while not (found := await check()):
            if time.monotonic() >= deadline:
                raise AssertionError(f"it never came to this: {what}{await self._held()}")
            await asyncio.sleep(0.05)
        return found

    async def _held(self) -> str:
        """What the roll-outs wait for."""
        going = [each for each in await self.house.rolling.all() if each.progress]
        return "".join(
            f"; roll-out {each.plan.id} is {each.progress.state.value} "
            f"({each.progress.reason}), waves {each.progress.waves}, holds {dict(each.holds)}"
            for each in going
            if each.progress
        )

    async def green(self, kind: str = "nodes") -> Json:
        async def check() -> Json:
            found = await self.asset(kind)
            return found if found.get("health") == "OK" else {}

        found: Json = await self.until(check, f"{kind} of {self.device.name} are well")
        return found

    async def polled(self, times: int = 2) -> None:
        """Wait for so many whole polls from now on."""
        wanted = self.polls + times + 1

        async def check() -> bool:
            return self.polls >= wanted

        await self.until(check, f"{times} polls")

    def read_again(self, *jobs: Job) -> None:
        for job in jobs or (Job.INVENTORY,):
            self.house.wake(Key(self.device.address, job), 0.0)

    async def inventoried(self) -> None:
        """Wait for an inventory that begins now."""
        facts, address = self.house.state.facts, self.device.address

        async def idle() -> bool:
            return not self.house.loops[Job.INVENTORY].running

        await self.until(idle, "no inventory runs")
        before = facts.report_of(address)
        self.read_again()

        async def check() -> bool:
            return facts.report_of(address) is not before

        await self.until(check, "a new inventory")

    def lines(self, event: str) -> int:
        return sum(line["event"] == event for line in self.logs)

    @property
    def lane(self) -> Lane:
        lane = self.house.lanes.find(self.device.address)
        assert lane is not None
        return lane

    def _count(self, topic: str, payload: Any) -> None:
        self.polls += topic == "facts.status" and payload == self.device.address


def strict(text: str) -> Any:
    """JSON without NaN and Infinity, which are none."""
    return json.loads(text, parse_constant=lambda word: refuse(word))


def refuse(word: str) -> Any:
    raise AssertionError(f"{word} is no JSON")


def conditions(view: Json) -> dict[str, Json]:
    return {each["type"]: each for each in view["conditions"]}


class Ground(NamedTuple):
    """A running hall with its control channel and its authority's certificate."""

    hall: Hall
    oracle: Oracle
    ca_file: Path


@asynccontextmanager
async def grounded(
    folder: Path, *devices: Device, faults: Sequence[str | Json] = ()
) -> AsyncIterator[Ground]:
    """The hall alone; `faults` are armed before anybody looks."""
    async with AsyncExitStack() as stack:
        authority, ca_file = Authority(), folder / "ca.pem"
        ca_file.write_bytes(authority.pem)
        hall = Hall(devices or (machine(),), authority=authority)
        stack.push_async_callback(hall.stop)
        await hall.start()
        oracle = Oracle(hall)
        await oracle.start()
        stack.push_async_callback(oracle.stop)
        hall.inject(*parse_rules(list(faults), source="scenario"))
        yield Ground(hall, oracle, ca_file)


@asynccontextmanager
async def housed(
    folder: Path,
    ground: Ground,
    *,
    periods: Periods = PERIODS,
    lanes: LaneRules = LANES,
    password: str = "iolaus-sim",
    managed: bool = False,
    pinned: bool = True,
    receives: bool = False,
) -> AsyncIterator[Stage]:
    """A house on this ground, opened on the folder's state, and the outside. `pinned` targets
    carry their certificate's fingerprint, others are judged by the hall's authority; `receives`
    opens the door for pushed events."""
    async with AsyncExitStack() as stack:
        said = stack.enter_context(capture_logs())
        door = free_socket()
        stack.callback(door.close)
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        options = HouseOptions(
            state_dir=folder / "state",
            demo=True,
            ca_file=None if pinned else str(ground.ca_file),
            receiver_url=f"{url}/redfish-events" if receives else None,
            periods=periods,
            lanes=lanes,
            streams=STREAMS,
            subscriptions=SUBSCRIPTIONS,
            rollouts=ROLLOUTS,
        )
        house = await stack.enter_async_context(open_house(options))
        house.state.secrets.put("hall", user="root", password=password)
        for device in ground.hall.devices:
            target = target_of(device, managed=managed, pinned=pinned)
            known = house.state.facts.target_of(device.address)
            pin = known.fingerprint if known and pinned else target.fingerprint
            house.state.facts.put_target(msgspec.structs.replace(target, fingerprint=pin))
        await stack.enter_async_context(served(house, door))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        stage = Stage(ground, house, http, url)
        stage.logs = said
        house.begin_all(spread=False)
        yield stage


@asynccontextmanager
async def staged(
    folder: Path, *devices: Device, faults: Sequence[str | Json] = (), **options: Any
) -> AsyncIterator[Stage]:
    """A hall and a house on it; see `grounded` and `housed`."""
    async with (
        grounded(folder, *devices, faults=faults) as ground,
        housed(folder, ground, **options) as stage,
    ):
        yield stage


def target_of(device: Device, *, managed: bool = False, pinned: bool = True) -> Target:
    return Target(
        address=device.address,
        name=device.name,
        fingerprint=device.fingerprint if pinned else None,
        credential="hall",
        mode=Mode.MANAGED if managed else Mode.READ_ONLY,
    )


def free_socket() -> socket.socket:
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    return door


@asynccontextmanager
async def served(house: House, door: socket.socket) -> AsyncIterator[None]:
    server = make_server(house)
    task = asyncio.create_task(server.serve(sockets=[door]))
    while not server.started:
        assert not task.done(), task.result()
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task
