"""From a seated hall to a plant: what hangs on what, by where things stand.

Machines of a rack without supplies of their own hang on its shelves' busbar, the others on its
two strips; both hang on the row's two busways, those on the hall's two feeds, each behind a
transformer. Coolant units serve the liquid-cooled machines of their rack or else of their row,
neighbouring racks together. A row is a room of air, and its GPUs have one job: they train in step,
or serve. Ratings are those of the equipment that stands there, or follow from the nameplates where
none does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from iolaus.sim.device import Device
from iolaus.sim.hall_life import Life
from iolaus.sim.personas.persona import Body, Persona
from iolaus.sim.physics.arrays import ints
from iolaus.sim.physics.build import Tree, busways, strips, upstream
from iolaus.sim.physics.kinds import (
    PLAIN,
    SLOW_BREAKER,
    Job,
    LoopKind,
    Losses,
    NodeKind,
    ZoneKind,
    orv3_shelf,
    peaked,
)
from iolaus.sim.physics.topology import NONE, Topology

MARGIN = 1.15
UPSTREAM = 1.1
Row = tuple[str, str]


@dataclass(slots=True)
class Wiring:
    """`topology`, and by device name where it is in the plant: its `nodes` (one per host), the
    `supply` it is, the `loop` it is; by rack and row their numbers. `roots` are the two ends of
    the grid of each hall."""

    topology: Topology
    nodes: dict[str, Sequence[int]] = field(default_factory=dict)
    supply: dict[str, int] = field(default_factory=dict)
    loop: dict[str, int] = field(default_factory=dict)
    racks: dict[str, int] = field(default_factory=dict)
    zones: dict[Row, int] = field(default_factory=dict)
    roots: dict[str, tuple[int, int]] = field(default_factory=dict)

    def racks_of(self, hall: str, row: str) -> list[int]:
        """The racks that stand in a row."""
        zone = self.zones.get((hall, row))
        return [n for n in self.racks.values() if self.topology.rack_zone[n] == zone]


@dataclass(slots=True)
class Place:
    """One device as the wiring sees it."""

    name: str
    life: Life
    hall: str
    row: str
    rack: str

    @property
    def family(self) -> str:
        return self.life.body.family

    @property
    def burns(self) -> bool:
        return self.family in ("node", "switch") and bool(self.life.persona.height_u)

    @property
    def most_w(self) -> float:
        return node_kind(self.life.persona).most_w * len(self.life.on)


@cache
def node_kind(persona: Persona) -> NodeKind:
    """One host of this machine. Cold plates and sinks are made for their GPU: the hottest die of
    any make is as far under its throttle point at full load."""
    body, hosts = persona.body, max(1, persona.body.hosts)
    gpus = body.gpus // hosts
    cpu_max_w, base_w = body.cpus * body.cpu_max_w / hosts, body.base_w / hosts
    tdp_w = body.gpu_max_w or 1000.0
    scale = (1000.0 if body.liquid else 700.0) / tdp_w
    return NodeKind(
        name=persona.name,
        gpus=gpus,
        gpu_tdp_w=tdp_w,
        gpu_idle_w=body.gpu_idle_w,
        cpu_idle_w=body.cpus * body.cpu_idle_w / hosts,
        cpu_max_w=cpu_max_w,
        base_w=base_w,
        standby_w=body.standby_w / hosts,
        fan_w=body.fan_w / hosts,
        liquid=body.liquid,
        wet_share=0.6 if body.liquid else 0.0,
        smoothing=PLAIN if gpus else None,
        r1_k_w=0.02 * scale,
        r2_k_w=(0.03 if body.liquid else 0.05) * scale,
        plate_j_k=400.0 if body.liquid else 700.0,
        rest_k_w=30.0 / max(cpu_max_w + base_w, 1.0),
        losses=peaked(1.1 * _inside_w(body, hosts), peak=0.96, at=0.5, full=0.945)
        if body.supplies
        else Losses(slope=0.01),
    )


def _inside_w(body: Body, hosts: int) -> float:
    parts = body.gpus * body.gpu_max_w + body.cpus * body.cpu_max_w
    return max(100.0, (parts + body.base_w + body.fan_w) / hosts)


def wire(devices: Iterable[Device], works: Mapping[Row, str] | None = None) -> Wiring:
    """The plant of these devices; those without a life, or that neither burn, feed nor cool, are
    not in it. `works` says what the GPUs of a row do: "training" (unless said) or "serving"."""
    places = [place for device in devices if (place := _place(device)) is not None]
    return _Wirer(places, works or {}).wiring()


def _place(device: Device) -> Place | None:
    if not isinstance(device.live, Life):
        return None
    words = device.labels
    hall, row = words.get("hall", ""), words.get("row", "")
    return Place(device.name, device.live, hall, row, words.get("rack", f"{hall}-{row}"))


class _Wirer:
    def __init__(self, places: Sequence[Place], works: Mapping[Row, str]) -> None:
        self.places, self.works = places, works
        self.tree = Tree()
        self.kinds: list[NodeKind] = []
        self.loop_kinds: list[LoopKind] = []
        self.by_rack: dict[str, list[Place]] = defaultdict(list)
        self.row_of: dict[str, Row] = {}
        for place in places:
            self.by_rack[place.rack].append(place)
            self.row_of.setdefault(place.rack, (place.hall, place.row))
        rows = list(dict.fromkeys(self.row_of.values()))
        self.racks = sorted(self.by_rack, key=lambda rack: rows.index(self.row_of[rack]))
        self.out = Wiring(
            topology=None,  # type: ignore[arg-type]  # made last, of all the rest
            racks={rack: n for n, rack in enumerate(self.racks)},
            zones={row: n for n, row in enumerate(rows)},
        )
        self.node: dict[str, list[int]] = {word: [] for word in ("kind", "rack", "a", "b", "job")}
        self.jobs: dict[Row, int] = {}
        self.rack_loop = [NONE] * len(self.racks)
        self.loop_source: list[int] = []

    def wiring(self) -> Wiring:
        ways = self._ways()
        for rack in self.racks:
            self._rack(rack, ways[self.row_of[rack]])
        self._loops(ways)
        self.out.topology = self._topology()
        return self.out

    def _ways(self) -> dict[Row, tuple[int, int]]:
        """Feeds per hall and busways per row, either of which can carry all of it."""
        most_w: dict[Row, float] = defaultdict(float)
        for place in self.places:
            most_w[place.hall, place.row] += place.most_w if place.burns else 0.0
        ways: dict[Row, tuple[int, int]] = {}
        for hall in dict.fromkeys(hall for hall, _ in self.out.zones):
            rows = [row for row in self.out.zones if row[0] == hall]
            total = max(1000.0, UPSTREAM * 1.1 * sum(most_w[row] for row in rows))
            before = len(self.tree.kind)
            feeds = upstream(self.tree, total, SLOW_BREAKER)
            self.out.roots[hall] = (before, before + 2)
            for row in rows:
                rated = max(1000.0, UPSTREAM * 1.08 * most_w[row])
                zone = self.out.zones[row]
                ways[row] = busways(self.tree, feeds, rated, SLOW_BREAKER, zone=zone)
        return ways

    def _rack(self, rack: str, ways: tuple[int, int]) -> None:
        members, row = self.by_rack[rack], self.row_of[rack]
        burning = [place for place in members if place.burns]
        corded = [place for place in burning if place.life.body.supplies]
        plain = [place for place in burning if not place.life.body.supplies]
        zone = self.out.zones[row]
        bar = self._busbar(members, plain, ways, zone)
        most_w = max(1000.0, MARGIN * sum(place.most_w for place in corded))
        pair = strips(self.tree, ways, most_w, SLOW_BREAKER, zone=zone) if corded else (NONE, NONE)
        for n, place in enumerate(p for p in members if p.family == "pdu"):
            if corded:
                self.out.supply[place.name] = pair[n % 2]
        for place in plain:
            self._node(place, row, (bar, NONE) if bar != NONE else ways)
        for place in corded:
            self._node(place, row, pair)

    def _busbar(
        self, members: Sequence[Place], fed: Sequence[Place], ways: tuple[int, int], zone: int
    ) -> int:
        """The shelves of a rack as one supply; NONE where there is none, or nothing on it."""
        shelves = [place for place in members if place.family == "shelf"]
        if not shelves or not fed:
            return NONE
        rated = max(
            sum(place.life.body.capacity_w for place in shelves),
            MARGIN * sum(place.most_w for place in fed),
        )
        gpus = sum(place.life.body.gpus for place in fed)
        battery = any(place.family == "bbu" for place in members)
        kind = orv3_shelf(rated, gpus=gpus, battery=battery)
        bar = self.tree.add(kind, a=ways[0], b=ways[1], zone=zone)
        for place in members:
            if place.family in ("shelf", "bbu"):
                self.out.supply[place.name] = bar
        return bar

    def _node(self, place: Place, row: Row, sources: tuple[int, int]) -> None:
        kind = node_kind(place.life.persona)
        if kind not in self.kinds:
            self.kinds.append(kind)
        job = self.jobs.setdefault(row, len(self.jobs)) if kind.gpus else NONE
        first = len(self.node["kind"])
        for _ in place.life.on:
            values = (self.kinds.index(kind), self.out.racks[place.rack], *sources, job)
            for word, value in zip(self.node, values, strict=True):
                self.node[word].append(value)
        self.out.nodes[place.name] = range(first, first + len(place.life.on))

    def _loops(self, ways: dict[Row, tuple[int, int]]) -> None:
        """Units in a rack serve it; the others share the rest of their row's wet racks."""
        wet = [
            r for r in self.racks if any(p.burns and p.life.body.liquid for p in self.by_rack[r])
        ]
        units = [place for place in self.places if place.family == "cdu"]
        for unit in units:
            if unit.rack in wet:
                self._loop(unit, [unit.rack], ways)
        for row in self.out.zones:
            mine = [u for u in units if (u.hall, u.row) == row and u.name not in self.out.loop]
            left = [
                rack
                for rack in wet
                if self.row_of[rack] == row and self.rack_loop[self.out.racks[rack]] == NONE
            ]
            for n, unit in enumerate(mine):
                share = left[len(left) * n // len(mine) : len(left) * (n + 1) // len(mine)]
                if share:
                    self._loop(unit, share, ways)

    def _loop(self, unit: Place, racks: Sequence[str], ways: dict[Row, tuple[int, int]]) -> None:
        number = len(self.loop_source)
        for rack in racks:
            self.rack_loop[self.out.racks[rack]] = number
        self.out.loop[unit.name] = number
        self.loop_kinds.append(LoopKind(design_w=max(1.0e4, unit.life.body.capacity_w)))
        self.loop_source.append(ways[self.row_of[racks[0]]][0])

    def _topology(self) -> Topology:
        zones = [self.out.zones[self.row_of[rack]] for rack in self.racks]
        jobs = [
            Job(name="-".join(filter(None, row)), work=self.works.get(row, "training"))
            for row in self.jobs
        ]
        return Topology(
            node_kinds=tuple(self.kinds),
            **{f"node_{word}": ints(values) for word, values in self.node.items()},
            jobs=tuple(jobs),
            supply_kinds=tuple(self.tree.kinds),
            supply_kind=ints(self.tree.kind),
            supply_a=ints(self.tree.a),
            supply_b=ints(self.tree.b),
            supply_zone=ints(self.tree.zone),
            rack_zone=ints(zones),
            zones=(ZoneKind(),) * max(1, len(self.out.zones)),
            rack_loop=ints(self.rack_loop),
            loop_kinds=tuple(self.loop_kinds),
            loop_kind=ints(np.arange(len(self.loop_kinds))),
            loop_source=ints(self.loop_source),
        )
