"""A simulated hall with its building and its gear, a house that holds it, and the second door.

The hall is a process of its own, as beside `iolaus up`, so that nothing is shared but the wire:
Redfish over TLS, Modbus, MQTT. What happens there is played and looked at through its oracle, which
tells what is and not what was said of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from iolaus.app.demo import UpOptions, join_building, simulated_hall, take_on, wiring
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.oracle import Place
from iolaus.observe.collect import Periods
from iolaus.wire.modbus.bus import Rates

PATIENCE_S: Final = 60.0
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
    wet:
      place:
        - {persona: orv3-shelf, u: 1, count: 2}
        - {persona: orv3-bbu, u: 3, name: bbu}
        - {persona: gb300-tray, u: 8, count: 2}
  halls:
    - name: h1
      rows:
        - name: a
          racks: [{template: wet, count: 2}]
          equip: [{persona: cdu-row}, {persona: leak-ropes}]
"""
POWER = """\
apiVersion: iolaus.dev/v1
kind: Plant
metadata: {name: h1}
spec:
  domains:
    - {name: site, kind: site, limit: 400 kW}
    - {name: main-a, kind: feed, parent: site, limit: 200 kW}
    - {name: "h1-r[01-02]", kind: rack, parent: main-a, limit: 60 kW}
---
apiVersion: iolaus.dev/v1
kind: PowerPolicy
metadata: {name: hall}
spec: {mode: control}
---
apiVersion: iolaus.dev/v1
kind: LeakPolicy
metadata: {name: hall}
spec: {mode: control, warningDwell: 2s, coolantMaxC: 45}
"""


class Stand:
    """`house` holds the hall. `played_s` is when something was last done to it."""

    def __init__(self, house: House, place: Place, http: httpx.AsyncClient) -> None:
        self.house, self._place, self._http = house, place, http
        self.played_s = time.monotonic()

    async def ask(self, verb: str, **body: Any) -> Any:
        """A question of the building side's oracle."""
        return await self.tell("POST", f"/beside/building/{verb}", body)

    async def tell(self, method: str, path: str, body: object = None) -> Any:
        answer = await self._http.request(method, path, json=body)
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    async def play(self, verb: str, **body: Any) -> None:
        """Do something to the hall; times are counted from here."""
        self.played_s = time.monotonic()
        await self.ask(verb, **body)

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
        async with asyncio.timeout(PATIENCE_S):
            while not self.is_settled():
                await asyncio.sleep(LOOK_S)

    def is_settled(self) -> bool:
        edges = self.house.edges.standings()
        grown = [
            each.state == "leased" and each.applied_w > GROWN * each.nameplate_w for each in edges
        ]
        return len(edges) == 2 and all(grown) and not self.unknown()

    def held(self) -> list[str]:
        """Latches and losses that hold racks down now."""
        return [
            f"{each.rack} {name}"
            for each in self.house.edges.standings()
            for name in [*(row.name for row in each.latches), *(row.name for row in each.holds)]
        ]


@asynccontextmanager
async def stand(
    folder: Path, *, site: str = SITE, power: str = "", hot_s: float = 1.0
) -> AsyncIterator[Stand]:
    """A hall of this site file and a house that reads it; `power` is its file of power. It begins
    at once: wait for `Stand.unknown` to be empty where that matters."""
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
        house.begin_all(spread=False)
        yield Stand(house, place, http)
