"""The plant beside a hall's devices: stepped with the hall's clock, struck by name, truthful.

`serve_twin(devices)` wires a plant to the devices' lives and steps it ten times a second of the
clock's time. Every reading then comes from it, and every switch and limit goes to it. A machine
whose feed is gone is off the network with it, and comes back with it. Water that a detector sees
shows in its machine's health, and as an event.

Ways to ask (the oracle's `/beside/twin/VERB`): `strike` and `mend` a physical fault on devices by
name, `truth`, and `advance` by seconds at once: all of the hall where its time is virtual, else the
plant alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.tasks import end
from iolaus.sim.clock import VirtualClock
from iolaus.sim.device import Device
from iolaus.sim.hall_life import DRY, Life
from iolaus.sim.physics import faults
from iolaus.sim.physics.arrivals import Arrivals
from iolaus.sim.physics.plant import Plant
from iolaus.sim.physics.truth import over_limit
from iolaus.sim.timekeeper import Timekeeper
from iolaus.sim.twin.stepped import Stepped
from iolaus.sim.twin.wiring import Row, Wiring, wire

STEP_S: Final = 0.1
BEHIND_S: Final = 2.0
"""A process that was held up for longer lets that time go: it never steps in a burst."""
SETTLE_S, SETTLE_STEP_S = 180.0, 0.5
ADVANCE_MOST_S: Final = 3600.0


class Twin:
    """`plant` and its `wiring`; `node_j` and `supply_j` count joules since the start. `works` is
    what rows do, `arrivals` what serving ones are asked (else made up from the seed)."""

    def __init__(
        self,
        devices: Sequence[Device],
        *,
        clock: Clock,
        seed: int = 0,
        works: Mapping[Row, str] | None = None,
        arrivals: Arrivals | None = None,
    ) -> None:
        self.clock = clock
        self.wiring: Wiring = wire(devices, works)
        self.plant = Plant(self.wiring.topology, seed=seed, arrivals=arrivals)
        self.node_j = np.zeros(self.wiring.topology.nodes)
        self.supply_j = np.zeros(self.wiring.topology.supplies)
        self._devices = {device.name: device for device in devices}
        self._struck: dict[str, tuple[str, list[int]]] = {}
        self._dark: set[str] = set()
        self._wet: dict[str, str | None] = {}
        self._owner = {n: name for name, nodes in self.wiring.nodes.items() for n in nodes}
        self._fed = self.plant.hosts.fed.copy()
        self._units: list[Stepped] = []
        self._feels: dict[str, Stepped] = {}
        self.lives = {d.name: d.live for d in devices if isinstance(d.live, Life)}
        self.plant.run(SETTLE_S, dt=SETTLE_STEP_S)
        for name, life in self.lives.items():
            self._attach(name, life)

    def _attach(self, name: str, life: Life) -> None:
        words, wiring = self._devices[name].labels, self.wiring
        rack = wiring.racks.get(words.get("rack", ""))
        row = wiring.racks_of(words.get("hall", ""), words.get("row", ""))
        floors = row if rack is None else [rack]
        life.physics = stepped = Stepped(
            life,
            self.plant,
            self,
            nodes=wiring.nodes.get(name, ()),
            supply=wiring.supply.get(name),
            loop=wiring.loop.get(name),
            rack=rack,
            floors=floors if life.persona.kind == "leak" else (),
            began=self.clock.now(),
        )
        for host, on in enumerate(life.on):
            if not on:
                stepped.switched(host, on=False)
        for part, watts in life.limit.items():
            stepped.capped(part, watts)
        for n, how in life.smooth.items():
            stepped.smoothed(n, how)
        if stepped.loop is not None:
            self._units.append(stepped)
        self._feels |= {name: stepped} if stepped.sites else {}

    # Time

    async def run(self) -> None:
        """Step with the clock until cancelled."""
        while isinstance(self.clock, VirtualClock):  # it is never late
            await self.clock.sleep(STEP_S)
            self.step()
        at = self.clock.monotonic()
        while True:
            await self.clock.sleep(STEP_S)
            behind = self.clock.monotonic() - at
            if behind > BEHIND_S:
                at += behind - STEP_S
                behind = STEP_S
            for _ in range(int(behind / STEP_S + 1e-9)):
                self.step()
                at += STEP_S

    def step(self) -> None:
        now = self.clock.now()
        for unit in self._units:
            unit.steer(now)
        self.plant.step(STEP_S)
        self.node_j += self.plant.hosts.in_w * STEP_S
        self.supply_j += self.plant.supply.out_w * STEP_S
        self._watch()

    async def _advance(self, seconds: float) -> None:
        """In virtual time all of the hall moves; in real time the plant alone, at once."""
        if isinstance(self.clock, VirtualClock):
            keeper = Timekeeper(tuple(self._devices.values()), self.clock)
            await keeper.asked("advance", {"seconds": seconds})
        else:
            self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """The plant alone, at once: nothing outside it moves."""
        for _ in range(round(min(seconds, ADVANCE_MOST_S) / STEP_S)):
            self.step()

    # What follows for the devices

    def _watch(self) -> None:
        fed = self.plant.hosts.fed
        if fed is not self._fed and not np.array_equal(fed, self._fed):
            moved = np.flatnonzero(fed != self._fed).tolist()
            self._fed = fed.copy()
            for name in dict.fromkeys(self._owner[n] for n in moved):
                self._power(name)
        if self.plant.leaks.active or self._wet:
            self._water()

    def _power(self, name: str) -> None:
        """A controller hangs on the feed of its machine, and boots when it is back."""
        dark = not self._fed[list(self.wiring.nodes[name])].any()
        if dark and name not in self._dark:
            self._dark.add(name)
            self._devices[name].mains(on=False)
        elif not dark and name in self._dark:
            self._dark.discard(name)
            self._devices[name].mains(on=True)

    def _water(self) -> None:
        says = self.plant.leaks.says
        for name, stepped in self._feels.items():
            if not says[stepped.sites].any() and name not in self._wet:
                continue
            level = stepped.leak(0) if stepped.life.persona.leaks else DRY
            if level != self._wet.get(name, DRY):
                self._tell(name, stepped.life, level)
            if level == DRY:
                self._wet.pop(name, None)
            else:
                self._wet[name] = level

    def _tell(self, name: str, life: Life, level: str | None) -> None:
        """Its machine's health follows a detector; one that says nothing changes nothing."""
        if level is None:
            return
        device = self._devices[name]
        health = "OK" if level == DRY else level
        for path in shown_at(device):
            device.patch(path, {"Status": {"Health": health, "HealthRollup": health}})
        detector = life.persona.leaks[-1]
        said = "Leak detected by" if level != DRY else "No leak any more at"
        words = {"Severity": health, "Message": f"{said} {detector}."}
        found = "Normal" if level == DRY else level
        device.emit(
            {"EventType": "Alert", "MessageId": f"Environmental.1.4.LeakDetected{found}", **words}
        )

    # What may be asked of it

    def told(self) -> Mapping[str, Any]:
        top = self.wiring.topology
        return {"nodes": top.nodes, "supplies": top.supplies, "loops": top.loops, "step_s": STEP_S}

    async def asked(self, verb: str, body: Mapping[str, Any]) -> Any:
        """Raises ValueError for a verb that is not known, OperatorMust for a fault that is not."""
        if verb == "advance":
            await self._advance(float(body["seconds"]))
            return {"t_s": round(self.plant.t_s, 3)}
        if verb not in _VERBS:
            raise ValueError(f"unknown verb; known are {sorted([*_VERBS, 'advance'])}")
        return _VERBS[verb](self, body)

    def strike(self, fault: str, names: Iterable[str], key: str, amount: float | None) -> None:
        which = self.members(fault, names)
        faults.strike(self.plant, fault, which, amount)
        self._struck[key] = fault, which

    def mend(self, key: str) -> None:
        fault, which = self._struck.pop(key, ("", []))
        if fault:
            faults.mend(self.plant, fault, which)
        if fault.startswith("leak-"):
            self._mop()

    def _mop(self) -> None:
        """Whoever mends a leak mops up: all of it, if it was the last."""
        leaks = self.plant.leaks
        if not leaks.rate_lpm.any():
            leaks.dry(np.arange(leaks.water_l.size))

    def members(self, fault: str, names: Iterable[str]) -> list[int]:
        """The plant's numbers that this fault befalls on these devices."""
        find = _FINDERS[faults.fault_of(fault).befalls]
        if fault == "feed-loss":
            find = Twin._root
        return sorted({number for name in names for number in find(self, name)})

    def _nodes(self, name: str) -> Sequence[int]:
        return self.wiring.nodes.get(name, ())

    def _rack(self, name: str) -> Sequence[int]:
        number = self.wiring.racks.get(self._devices[name].labels.get("rack", ""))
        return () if number is None else (number,)

    def _supply(self, name: str) -> Sequence[int]:
        number = self.wiring.supply.get(name)
        return () if number is None else (number,)

    def _root(self, name: str) -> Sequence[int]:
        """The first end of the grid of the hall in which it stands."""
        roots = self.wiring.roots.get(self._devices[name].labels.get("hall", ""))
        return roots[:1] if roots else ()

    def _loop(self, name: str) -> Sequence[int]:
        number = self.wiring.loop.get(name)
        return () if number is None else (number,)

    def _zone(self, name: str) -> Sequence[int]:
        words = self._devices[name].labels
        number = self.wiring.zones.get((words.get("hall", ""), words.get("row", "")))
        return () if number is None else (number,)

    def _sites(self, name: str) -> Sequence[int]:
        return self._feels[name].sites if name in self._feels else ()

    def truth(self) -> Mapping[str, Any]:
        """By name, what is really so."""
        plant, wiring = self.plant, self.wiring
        hosts, supply, leaks = plant.hosts, plant.supply, plant.leaks
        nodes = wiring.topology.nodes
        wet = leaks.water_l >= leaks.threshold_l
        racks = list(wiring.racks)
        over, tripped = over_limit(plant), supply.tripped
        return {
            "t_s": round(plant.t_s, 3),
            "grid_w": supply.grid_w,
            "nodes_w": float(plant.node_w.sum()),
            "hottest_c": float(plant.heat.hottest_c.max(initial=-273.0)),
            "off": self._owners(~hosts.on),
            "dark": self._owners(~hosts.fed),
            "leaking": sorted(self._names_of(leaks.rate_lpm > 0.0, nodes, racks)),
            "wet": sorted(self._names_of(wet, nodes, racks)),
            "over_limit": sorted(n for n, s in wiring.supply.items() if over[s]),
            "tripped": sorted(n for n, s in wiring.supply.items() if tripped[s]),
            "throttled": sorted(
                {self._owner[n] for n in np.flatnonzero(hosts.ease < 1.0).tolist()}
            ),
            "struck": {key: fault for key, (fault, _) in self._struck.items()},
        }

    def _owners(self, mask: np.ndarray) -> list[str]:
        return sorted({self._owner[n] for n in np.flatnonzero(mask).tolist()})

    def _names_of(self, mask: np.ndarray, nodes: int, racks: Sequence[str]) -> set[str]:
        """Trays by their machine, pans and floors by their rack."""
        found = np.flatnonzero(mask).tolist()
        trays = {self._owner[n] for n in found if n < nodes}
        return trays | {racks[(n - nodes) % len(racks)] for n in found if n >= nodes}


def shown_at(device: Device) -> Iterable[str]:
    """Where a tray's trouble shows: its systems and its first chassis."""
    life = device.live
    assert isinstance(life, Life)
    chassis = [path for path in device.tree.paths() if path.count("/") == 4 and "/Chassis/" in path]
    return [*life.persona.systems, *sorted(chassis)[:1]]


_FINDERS: Final[Mapping[str, Callable[[Twin, str], Sequence[int]]]] = {
    "nodes": Twin._nodes,
    "racks": Twin._rack,
    "supplies": Twin._supply,
    "loops": Twin._loop,
    "zones": Twin._zone,
    "sites": Twin._sites,
}


def _strike(twin: Twin, body: Mapping[str, Any]) -> Any:
    amount = body.get("amount")
    given = None if amount is None else float(amount)
    twin.strike(str(body["fault"]), body["devices"], str(body["key"]), given)
    return {"struck": body["fault"]}


def _mend(twin: Twin, body: Mapping[str, Any]) -> Any:
    twin.mend(str(body["key"]))
    return {"mended": body["fault"]}


_VERBS: Final[Mapping[str, Callable[[Twin, Mapping[str, Any]], Any]]] = {
    "strike": _strike,
    "mend": _mend,
    "truth": lambda twin, _: twin.truth(),
}


@contextlib.asynccontextmanager
async def serve_twin(
    devices: Sequence[Device],
    *,
    clock: Clock | None = None,
    seed: int = 0,
    works: Mapping[Row, str] | None = None,
    arrivals: Arrivals | None = None,
) -> AsyncIterator[Twin]:
    """The plant of these devices, stepped until the block ends."""
    twin = Twin(devices, clock=clock or WallClock(), seed=seed, works=works, arrivals=arrivals)
    stepping = asyncio.create_task(twin.run())
    try:
        yield twin
    finally:
        await end(stepping)
