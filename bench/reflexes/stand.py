"""A simulated hall with its building and its gear, a house that holds it, and the second door.

The hall is a process of its own, as beside `iolaus up`, so that nothing is shared but the wire:
Redfish over TLS, Modbus, MQTT. What happens there is played and looked at through its oracle, which
tells what is and not what was said of it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx

from iolaus.app.demo import UpOptions, join_building, simulated_hall, take_on, wiring
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.oracle import Place
from iolaus.observe.collect import Periods
from iolaus.wire.modbus.bus import Rates

PATIENCE_S: Final = 90.0
SETTLE_S: Final = 600.0
TELL_S: Final = 20.0
WRITING: Final = ("POST", "PATCH", "PUT", "DELETE")
LOOK_S: Final = 0.02
GROWN: Final = 0.9
SITE = """\
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: reflexes}
spec:
  seed: 7
  network: {cidr: 127.47.0.0/16}
  racks:
    two:
      place:
        - {persona: orv3-shelf, u: 1, count: 2}
        - {persona: gb300-tray, u: 8, count: 2}
    one:
      place:
        - {persona: orv3-shelf, u: 1}
        - {persona: gb300-tray, u: 8}
  halls:
    - name: h1
      rows:
        - name: a
          racks: [{template: two, count: 3}]
          equip: [{persona: cdu-row}]
        - name: b
          racks: [{template: one, count: 2}]
          equip: [{persona: cdu-row}, {persona: leak-ropes}]
        - name: c
          racks: [{template: one}]
          equip: [{persona: cdu-row}]
"""
FEW = """\
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: few}
spec:
  seed: 7
  network: {cidr: 127.48.0.0/16}
  racks:
    wet:
      place:
        - {persona: orv3-shelf, u: 1}
        - {persona: gb300-tray, u: 8, count: 2}
  halls:
    - name: h1
      rows:
        - name: a
          racks: [{template: wet, count: 2}]
          equip: [{persona: cdu-row}]
"""
POWER = """\
apiVersion: iolaus.dev/v1
kind: Plant
metadata: {name: h1}
spec:
  domains:
    - {name: site, kind: site, limit: 400 kW}
    - {name: main-a, kind: feed, parent: site, limit: 300 kW}
    - {name: h1, kind: hall, parent: main-a, limit: none}
    - {name: "h1-[a,b,c]", kind: row, parent: h1, limit: none}
    - {name: "h1-r[01-03]", kind: rack, parent: h1-a, limit: 60 kW}
    - {name: "h1-r[04-05]", kind: rack, parent: h1-b, limit: 60 kW}
    - {name: h1-r06, kind: rack, parent: h1-c, limit: 60 kW}
---
apiVersion: iolaus.dev/v1
kind: PowerPolicy
metadata: {name: hall}
spec: {mode: control}
---
apiVersion: iolaus.dev/v1
kind: LeakPolicy
metadata: {name: hall}
spec: {mode: control, warningDwell: 2s, coolantMaxC: 39}
"""


SILENT: Final = {
    "id": "no-streams",
    "effect": "replace",
    "only": "EventService",
    "merge": {"ServerSentEventUri": None},
}


class Command(NamedTuple):
    """A write that reached a device, on the machine's monotonic clock."""

    at_s: float
    device: str
    method: str
    path: str


class Stand:
    """`house` holds the hall. `played_s` is when something was last done to it, `struck` whom that
    concerned: those are no bystanders of what is done later."""

    def __init__(self, house: House, place: Place, http: httpx.AsyncClient) -> None:
        self.house, self._place, self._http = house, place, http
        self.racks = 0
        self.struck: set[str] = set()
        self.played_s = time.monotonic()

    async def ask(self, verb: str, **body: Any) -> Any:
        """A question of the building side's oracle."""
        return await self.tell("POST", f"/beside/building/{verb}", body)

    async def tell(self, method: str, path: str, body: object = None) -> Any:
        answer = await self._http.request(method, path, json=body)
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    async def strike(self, fault: str, select: str, **given: Any) -> None:
        """A fault of the catalogue; times are counted from here."""
        self.played_s = time.monotonic()
        await self.tell("POST", "/faults", {"fault": fault, "select": select, "with": given})

    async def mend(self) -> None:
        """Everything that was struck."""
        await self.tell("DELETE", "/faults")

    async def play(self, verb: str, **body: Any) -> None:
        """Do something to the building side; times are counted from here."""
        self.played_s = time.monotonic()
        await self.ask(verb, **body)

    async def truth(self, device: str, path: str) -> dict[str, Any]:
        """A resource of a device as it is, behind its front."""
        told = await self.tell("GET", f"/devices/{device}/truth?path={quote(path)}")
        return told["resource"] or {}

    async def record(self) -> None:
        """From now on every device notes what it is asked, and when."""
        for device in (await self.tell("GET", "/devices"))["devices"]:
            await self.tell("POST", f"/devices/{device['name']}/record", {"on": True})

    async def commands(self, word: str = "") -> list[Command]:
        """What was written to devices since `record`, in order; `word` is of its path."""
        found: list[Command] = []
        for device in (await self.tell("GET", "/devices"))["devices"]:
            told = await self.tell("GET", f"/devices/{device['name']}")
            found += [
                Command(at_s, device["name"], method, path)
                for at_s, method, path in told["order"] or ()
                if method in WRITING and word in path and "/Sessions" not in path
            ]
        return sorted(found)

    async def cap_w(self, node: str) -> float:
        """The cap that is in force at a node."""
        seat = self.house.edges.edges.hands.seats[node]
        assert seat.cap_uri is not None
        path, _, pointer = seat.cap_uri.partition("#")
        found: Any = await self.truth(node, path)
        for step in pointer.split("/")[1:]:
            found = found[int(step)] if isinstance(found, list) else found[step]
        limit = found.get("PowerLimitWatts", found)
        return float(limit.get("SetPoint", limit.get("LimitInWatts")))

    async def read(self, thing: str, point: str) -> float | None:
        """What is so."""
        value: float | None = (await self.ask("read", thing=thing, point=point))["value"]
        return value

    async def when(
        self, check: Callable[[], Awaitable[object]], *, patience_s: float = PATIENCE_S
    ) -> float | None:
        """Seconds since `play` until it is so; None where it never came to that."""
        while time.monotonic() - self.played_s < patience_s:
            if await check():
                return time.monotonic() - self.played_s
            await asyncio.sleep(LOOK_S)
        return None

    def unknown(self) -> list[str]:
        """What the edges do not know now."""
        return [
            f"{each.rack}: {alarm.because}"
            for each in self.house.edges.standings()
            for alarm in each.alarms
        ]

    async def settled(self) -> None:
        """Until all is known and every rack has grown into its budget. Raises `TimeoutError`."""
        async with asyncio.timeout(SETTLE_S):
            told_s = time.monotonic()
            while not self.is_settled():
                await asyncio.sleep(LOOK_S)
                if time.monotonic() - told_s > TELL_S:
                    told_s = time.monotonic()
                    print(f"not settled: {self.unsettled()}", file=sys.stderr, flush=True)

    def unsettled(self) -> str:
        """What is waited for."""
        edges = [
            f"{each.rack} {each.state} {each.applied_w:.0f} of {each.nameplate_w:.0f} W"
            for each in self.house.edges.standings()
        ]
        held, unknown = self.held()[:6], self.unknown()[:3]
        return f"{self.racks} racks; {', '.join(edges)}; held by {held}; {unknown}"

    def is_settled(self) -> bool:
        edges = self.house.edges.standings()
        grown = [
            each.state == "leased" and each.applied_w > GROWN * each.nameplate_w for each in edges
        ]
        return len(edges) == self.racks and all(grown) and not self.unknown()

    def held(self) -> list[str]:
        """Latches and losses that hold racks down now."""
        return [
            f"{each.rack} {name}"
            for each in self.house.edges.standings()
            for name in [*(row.name for row in each.latches), *(row.name for row in each.holds)]
        ]


@asynccontextmanager
async def stand(
    folder: Path,
    *,
    site: str = SITE,
    power: str = "",
    hot_s: float = 10.0,
    streams: bool = True,
) -> AsyncIterator[Stand]:
    """A hall of this site file and a house that reads it; `power` is its file of power. Without
    `streams` no controller offers events. It begins at once: wait for `Stand.settled` where that
    matters."""
    state = folder / "state"
    state.mkdir(mode=0o700)
    (folder / "site.yaml").write_text(site)
    if power:
        (state / "power.yaml").write_text(power)
    async with AsyncExitStack() as stack:
        up = UpOptions(site=folder / "site.yaml")
        hosts, password, place, ready = await stack.enter_async_context(simulated_hall(up, folder))
        assert place is not None
        options = HouseOptions(
            state_dir=state, demo=True, periods=Periods(hot_s=hot_s), registers=Rates()
        )
        house = await stack.enter_async_context(open_house(options))
        take_on(house, hosts, password, wiring(ready))
        join_building(house, ready)
        headers = {"Authorization": f"Bearer {place.token}"}
        http = httpx.AsyncClient(
            base_url=place.url, headers=headers, timeout=PATIENCE_S, trust_env=False
        )
        await stack.enter_async_context(http)
        on = Stand(house, place, http)
        labels = [held.target.labels for held in house.state.facts.all_held()]
        on.racks = len({each["rack"] for each in labels if each.get("rack")})
        if not streams:
            await on.tell("POST", "/faults", SILENT)
        house.begin_all(spread=False)
        yield on
