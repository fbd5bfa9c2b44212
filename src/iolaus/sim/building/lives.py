"""A plant made of the lives of a hall's devices: `Values` and `Commands` over what is there.

`LivePlant.of(devices)` finds what stands where from labels and personas, and gives each piece of
equipment, rack, row and hall a thing to ask (`things`, and racks here). What the building does to
a rack has effect on its machines: a rack that is cut off is dark on every protocol until it is
closed again. Leaks in a rack's pan and their sensors are the rack's own, set by whoever plays
the hall (`spill`, `break_sensor`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from iolaus.kernel.clock import Clock
from iolaus.sim.building.plant import Family, Floor, Gear, Medium, Rack
from iolaus.sim.building.things import (
    BREAKER_S,
    VALVE_S,
    BatteryShelf,
    Cdu,
    Now,
    Rope,
    Shelf,
    Slew,
    Thing,
    number,
)
from iolaus.sim.device import Device
from iolaus.sim.hall_life import Life

LITRES_KW_K: Final = 0.0647
DROP_KPA: Final = 65.0
FAMILIES: Final[Mapping[str, Family]] = {"shelf": "shelf", "bbu": "bbu", "cdu": "cdu", "pdu": "pdu"}
EQUIPMENT: Final = frozenset(
    f"/redfish/v1/{place}"
    for place in (
        "PowerEquipment/PowerShelves",
        "PowerEquipment/RackPDUs",
        "ThermalEquipment/CDUs",
    )
)
MODULES: Final = {
    "shelf": "psu",
    "bbu": "battery",
    "cdu": "pump",
    "pdu": "outlet",
    "rope": "leakdetector",
}


class RackThing:
    """A rack: what its machines draw, its branch of the loop, its breaker, its pan."""

    def __init__(self, rack: Rack, members: Sequence[Device], now: Now) -> None:
        self.rack, self.now = rack, now
        self.members = members
        self.loads = [life for life in _lives(members) if life.body.family in ("node", "switch")]
        self.shelves: list[Shelf] = []
        self.wet = self.faulty = False
        self.drop_wanted_kpa = DROP_KPA
        self.valve = Slew(1.0, 1.0, 0.0, VALVE_S)
        self.breaker = Slew(1.0, 1.0, 0.0, BREAKER_S)
        self._were_on: list[list[bool]] | None = None

    def power_w(self) -> float:
        return 0.0 if self.dark else sum(life.drawn_w(self.now()) for life in self.loads)

    @property
    def dark(self) -> bool:
        return self.breaker.target < 0.5

    def heat_kw(self) -> float:
        return 0.87 * sum(life.drawn_w(self.now()) for life in self.loads if life.body.liquid) / 1e3

    def is_wet(self) -> bool:
        return self.wet or any(life.physics.rack_is_wet() for life in self.loads[:1])

    def unit(self) -> Life | None:
        return next((life.coolant for life in self.loads if life.coolant is not None), None)

    def flow_lpm(self) -> float | None:
        """Its share of its coolant unit's flow, through its valve."""
        unit = self.unit()
        if unit is None:
            return None
        mine = sum(life.coolant is not None for life in self.loads)
        flow = unit.flow_lpm(self.now()) / unit.share
        return flow * mine / max(1, len(unit.feeds)) * self.valve.at(self.now())

    def supply_c(self) -> float | None:
        unit = self.unit()
        return None if unit is None else unit.supply_c(self.now())

    def return_c(self) -> float | None:
        flow, supply = self.flow_lpm(), self.supply_c()
        if flow is None or supply is None:
            return None
        return supply if flow < 5.0 else supply + self.heat_kw() / (LITRES_KW_K * flow)

    def valve_pct(self) -> float:
        return 100.0 * self.valve.at(self.now()) * (0.45 + 0.004 * self.drop_wanted_kpa)

    def read(self, word: str, n: int) -> float | None:
        del n
        return _RACK[word](self) if word in _RACK else None

    def set(self, word: str, n: int, value: float) -> None:
        del n
        if word == "drop_wanted_kpa":
            self.drop_wanted_kpa = value

    def isolate(self, medium: Medium, isolated: bool) -> None:
        way = self.valve if medium == "liquid" else self.breaker
        way.to(0.0 if isolated else 1.0, self.now())
        if medium == "liquid" and self.loads:
            self.loads[0].physics.rack_valve(0.0 if isolated else 1.0)
        if medium == "electrical":
            self._cut(isolated)

    def _cut(self, isolated: bool) -> None:
        """Dark is dark: supplies without AC, hosts off, controllers off the network."""
        for shelf in self.shelves:
            shelf.isolate(isolated)
        if isolated and self._were_on is None:
            self._were_on = [list(life.on) for life in self.loads]
            self._switch([[False] * len(life.on) for life in self.loads])
        elif not isolated and self._were_on is not None:
            self._switch(self._were_on)
            self._were_on = None
        for device in self.members:
            device.down("refuse") if isolated else device.up()

    def _switch(self, states: Iterable[list[bool]]) -> None:
        t = self.now()
        for life, on in zip(self.loads, states, strict=True):
            for host, state in enumerate(on):
                life.switch(host, on=state, t=t)


_RACK: Final[Mapping[str, Callable[[RackThing], float | None]]] = {
    "power_w": RackThing.power_w,
    "power_kw": lambda r: r.power_w() / 1000.0,
    "heat_kw": RackThing.heat_kw,
    "supply_c": RackThing.supply_c,
    "return_c": RackThing.return_c,
    "flow_lpm": RackThing.flow_lpm,
    "drop_kpa": lambda r: r.drop_wanted_kpa * r.valve.at(r.now()) ** 2,
    "drop_wanted_kpa": lambda r: r.drop_wanted_kpa,
    "valve_pct": RackThing.valve_pct,
    "leak": lambda r: float(r.is_wet() and not r.faulty),
    "leak_fault": lambda r: float(r.faulty),
    "liquid_isolated": lambda r: float(r.valve.at(r.now()) < 0.05),
    "electrical_isolated": lambda r: float(r.breaker.at(r.now()) < 0.05),
    "isolation_valve_open": lambda r: float(r.valve.at(r.now()) >= 0.05),
    "breaker_closed": lambda r: float(not r.dark),
}


class Strip(Thing):
    """A rack PDU. Outlets are switched on its device, so that every protocol sees it."""

    def __init__(self, life: Life, now: Now, device: Device) -> None:
        super().__init__(life, now)
        self.device = device
        self._paths = sorted(
            (path for path in device.tree.paths() if "/Outlets/" in path),
            key=lambda path: int(path.rpartition("/")[2]),
        )

    def read(self, word: str, n: int) -> float | None:
        t = self.now()
        if word == "outlet":
            return float(n not in self.life.outlets_off)
        if word in ("in_w", "out_w"):
            return number(self.life, "pdu_w", t)
        if word in ("outlet_w", "outlet_a", "phase_w", "phase_a", "phase_v"):
            return number(self.life, f"{word}.{n}", t)
        if word == "in_a":
            amps = [number(self.life, f"phase_a.{k}", t) or 0.0 for k in range(3)]
            return sum(amps) / 3.0
        if word == "in_v":
            return number(self.life, "phase_v.0", t)
        return super().read(word, n)

    def set(self, word: str, n: int, value: float) -> None:
        if word == "outlet" and n < len(self._paths):
            self.device.patch(self._paths[n], {"PowerState": "On" if value else "Off"})


class Area:
    """A row, a hall or the site: the sum of its racks."""

    def __init__(self, racks: Sequence[RackThing]) -> None:
        self.racks = racks

    def read(self, word: str, n: int) -> float | None:
        del n
        if word == "power_w":
            return sum(rack.power_w() for rack in self.racks)
        if word == "in_w":
            return sum(rack.power_w() for rack in self.racks) / 0.97
        return None

    def set(self, word: str, n: int, value: float) -> None: ...


class LivePlant:
    """`floor` is what stands where; `racks` are the racks to play with."""

    def __init__(self, devices: Sequence[Device], clock: Clock) -> None:
        self._clock = clock
        self._devices = [device for device in devices if isinstance(device.live, Life)]
        self.floor = floor_of(self._devices)
        self.racks: dict[str, RackThing] = {}
        self._things: dict[str, Thing | RackThing | Area] = {}
        self._place()

    @classmethod
    def of(cls, devices: Sequence[Device], clock: Clock) -> LivePlant:
        return cls(devices, clock)

    def thing(self, name: str) -> Thing | RackThing | Area | None:
        """For whoever plays the hall."""
        return self._things.get(name)

    def read(self, thing: str, point: str) -> float | None:
        found = self._things.get(thing)
        if found is None:
            return None
        word, _, n = point.partition(".")
        return found.read(word, int(n or 0))

    def set_point(self, thing: str, point: str, value: float) -> None:
        if thing in self._things:
            word, _, n = point.partition(".")
            self._things[thing].set(word, int(n or 0), value)

    def isolate(self, rack: str, medium: Medium, *, isolated: bool) -> None:
        if rack in self.racks:
            self.racks[rack].isolate(medium, isolated)

    def override_charge(self, thing: str, module: int, *, amps: float, seconds: float) -> None:
        found = self._things.get(thing)
        if isinstance(found, BatteryShelf):
            found.override(module, amps, seconds)

    def spill(self, rack: str, *, wet: bool = True) -> None:
        """Water in the rack's pan, or someone who mops it up."""
        self.racks[rack].wet = wet

    def break_sensor(self, rack: str, *, faulty: bool = True) -> None:
        self.racks[rack].faulty = faulty

    # What stands where

    def _place(self) -> None:
        now = self._clock.now
        by_rack: dict[str, list[Device]] = defaultdict(list)
        for device in self._devices:
            by_rack[device.labels.get("rack", "")].append(device)
        for name, rack in self.floor.racks.items():
            self.racks[name] = self._things[name] = RackThing(rack, by_rack[name], now)
        gear = {item.name: item for item in self.floor.gear}
        mine = [device for device in self._devices if device.name in gear]
        for device in sorted(mine, key=lambda device: gear[device.name].family == "bbu"):
            self._things[device.name] = self._thing(device, gear[device.name])
        self._areas()

    def _thing(self, device: Device, gear: Gear) -> Thing:
        life, now = _life(device), self._clock.now
        if gear.family == "shelf":
            shelf = Shelf(life, now, gear)
            self.racks[gear.rack].shelves.append(shelf)
            return shelf
        if gear.family == "bbu":
            return BatteryShelf(life, now, gear, self.racks[gear.rack].shelves)
        if gear.family == "cdu":
            return Cdu(life, now, gear)
        return Strip(life, now, device) if gear.family == "pdu" else Rope(life, now)

    def _areas(self) -> None:
        areas: dict[str, list[RackThing]] = defaultdict(list)
        for thing in self.racks.values():
            areas[f"{thing.rack.hall}-{thing.rack.row}"].append(thing)
            areas[thing.rack.hall].append(thing)
            areas[self.floor.site].append(thing)
        self._things |= {name: Area(members) for name, members in areas.items()}


def floor_of(devices: Sequence[Device]) -> Floor:
    """What stands where, by labels, personas and wiring."""
    names = {id(device.live): device for device in devices}
    racks = _racks(devices)
    gear = [item for device in devices if (item := _gear(device, names)) is not None]
    site = next((device.labels["site"] for device in devices if "site" in device.labels), "site")
    return Floor(site=site, gear=gear, racks=racks)


def _racks(devices: Iterable[Device]) -> dict[str, Rack]:
    members: dict[str, list[Device]] = defaultdict(list)
    for device in devices:
        if "rack" in device.labels:
            members[device.labels["rack"]].append(device)
    return {
        name: Rack(
            name=name,
            hall=inside[0].labels.get("hall", ""),
            row=inside[0].labels.get("row", ""),
            liquid=any(life.coolant is not None for life in _lives(inside)),
            trays=[d.name for d in inside if _life(d).persona.kind == "node"],
        )
        for name, inside in members.items()
    }


def _gear(device: Device, names: Mapping[int, Device]) -> Gear | None:
    life = _life(device)
    persona = life.persona
    family = "rope" if persona.kind == "leak" else FAMILIES.get(persona.body.family)
    if family is None:
        return None
    rack = device.labels.get("rack", "")
    fed = {names[id(other)].labels.get("rack", "") for other in life.feeds if id(other) in names}
    return Gear(
        name=device.name,
        family=family,
        host=device.host,
        hall=device.labels.get("hall", ""),
        row=device.labels.get("row", ""),
        rack=rack,
        modules=persona.counts.get(MODULES[family], 0),
        racks=sorted({name for name in fed | {rack} if name}),
        make=persona.make,
        model=persona.model,
        serial=_serial(device),
        capacity_w=persona.body.capacity_w,
    )


def _serial(device: Device) -> str:
    """The one its controller tells: both channels speak of one thing."""
    own = sorted(path for path in device.tree.paths() if path.rpartition("/")[0] in EQUIPMENT)
    told = device.tree.get(own[0]) if own else None
    serial = told.get("SerialNumber") if told else None
    return serial if isinstance(serial, str) and serial else device.name.upper()


def _life(device: Device) -> Life:
    assert isinstance(device.live, Life)
    return device.live


def _lives(devices: Iterable[Device]) -> list[Life]:
    return [_life(device) for device in devices]
