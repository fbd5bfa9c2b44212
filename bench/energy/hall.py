"""A hall to be judged in: its wiring, its limits by level, its loads.

Limits are in watts at the nodes' inlets, as a controller is told them; `rated_w` of the plant is
the same limit seen from the other side of conversion, with the pumps on top. A hall has two feeds,
either of which carries 80 % of what both may: the loss of one is a step of a fifth on everybody.
Rows and racks have a little more than their even share, so that the work's placement matters, and
one node in twenty has a cord that does not carry its peak.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from iolaus.sim.physics.arrays import F64, Ints, totals
from iolaus.sim.physics.build import Shape, uniform_hall
from iolaus.sim.physics.kinds import PLAIN, Job, LoopKind, NodeKind
from iolaus.sim.physics.plant import Plant
from iolaus.sim.physics.topology import Topology

ALPHAS = (0.3, 0.5, 0.7)
FEED_SHARE = 0.8
ROW_SHARE, RACK_SHARE = 1.06, 1.15
FLOOR_SHARE = 0.35
SHELF_LOSS, WAY_LOSS = 1.0363, 1.0062
NODES_PER_RACK = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """What hangs on the hall, per node: watts, `priority` 0 to 3, `job` and `rack` numbers."""

    rack: Ints
    row: Ints
    job: Ints
    priority: Ints
    floor_w: F64
    nameplate_w: F64
    idle_w: F64
    cord_w: F64

    @property
    def count(self) -> int:
        return len(self.rack)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Watts at the nodes' inlets. `feed_w` is what either feed carries alone."""

    site_w: float
    feed_w: float
    row_w: F64
    rack_w: F64
    cord_w: F64

    def less(self, part: float) -> Limits:
        """Each of them by this part lower."""
        left = 1.0 - part
        return Limits(
            site_w=left * self.site_w,
            feed_w=left * self.feed_w,
            row_w=left * self.row_w,
            rack_w=left * self.rack_w,
            cord_w=left * self.cord_w,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hall:
    topology: Topology
    loads: Loads
    rack_row: Ints
    feeds: Ints
    ways: Ints
    shelves: Ints

    @property
    def racks(self) -> int:
        return len(self.rack_row)

    @property
    def rows(self) -> int:
        return len(self.ways)


class PowerPlant(Plant):
    """The plant without its heat: what is judged in a minute or two is electrical."""

    def _heat(self, _: float) -> None:
        self.ambient_w = 0.0

    def _watch(self, _: float) -> None:
        return None


def build(
    jobs: list[Job],
    sizes: list[int],
    rng: np.random.Generator,
    *,
    racks_per_row: int = 6,
    smooths: bool = False,
) -> Hall:
    """`sizes` are nodes per job; jobs stand side by side, across racks where they do not fit.
    `smooths`: the GPUs can smooth their power, and are not told to."""
    nodes = sum(sizes)
    shape = Shape(
        nodes=nodes,
        nodes_per_rack=NODES_PER_RACK,
        racks_per_row=racks_per_row,
        loop=LoopKind(design_w=5e5),
    )
    plain = uniform_hall(shape)
    job_of = np.repeat(np.arange(len(jobs)), sizes)
    way = PLAIN if smooths else None
    kinds = tuple(
        replace(shape.node, name=f"alpha-{alpha}", alpha=alpha, smoothing=way) for alpha in ALPHAS
    )
    job_kind = rng.integers(0, len(kinds), len(jobs))
    changes = {
        "node_kinds": kinds,
        "node_kind": job_kind[job_of].astype(np.intp),
        "node_job": job_of.astype(np.intp),
        "jobs": tuple(jobs),
        "supply_kinds": tuple(replace(kind, buffer_j=0.0) for kind in plain.supply_kinds),
    }
    old = {field.name: getattr(plain, field.name) for field in fields(Topology)}
    topology = Topology(**(old | changes))
    priority = rng.permutation(np.arange(len(jobs)) % 4)[job_of].astype(np.intp)
    return _hall(topology, shape.node, priority, rng)


def _hall(topology: Topology, kind: NodeKind, priority: Ints, rng: np.random.Generator) -> Hall:
    nodes, rack_row = topology.nodes, topology.rack_zone
    most = np.full(nodes, kind.most_w)
    weak = rng.random(nodes) < 0.05
    names = np.array([topology.supply_kinds[n].name for n in topology.supply_kind])
    ways = np.flatnonzero(names == "busway").reshape(-1, 2)
    loads = Loads(
        rack=topology.node_rack,
        row=rack_row[topology.node_rack],
        job=topology.node_job,
        priority=priority,
        floor_w=FLOOR_SHARE * most,
        nameplate_w=most,
        idle_w=np.full(nodes, 0.2) * most,
        cord_w=np.where(weak, 0.75 * most, most),
    )
    return Hall(
        topology=topology,
        loads=loads,
        rack_row=rack_row,
        feeds=np.flatnonzero(names == "feed"),
        ways=ways,
        shelves=np.flatnonzero(names == "shelf"),
    )


def limits_for(hall: Hall, mean_w: float, *, pressure: float = 1.07) -> Limits:
    """Limits that a mean demand of `mean_w` exceeds by `pressure`."""
    site = mean_w / pressure
    nodes = hall.loads.count
    row = totals(hall.loads.row, np.ones(nodes), hall.rows)
    rack = totals(hall.loads.rack, np.ones(nodes), hall.racks)
    return Limits(
        site_w=site,
        feed_w=FEED_SHARE * site,
        row_w=ROW_SHARE * site * row / nodes,
        rack_w=RACK_SHARE * site * rack / nodes,
        cord_w=hall.loads.cord_w,
    )


def rate(plant: Plant, hall: Hall, limits: Limits, *, breaker_k: float, extra_w: F64) -> None:
    """Give the plant's gear the ratings these limits stand for; `extra_w` is what has no cap at
    each row (pumps, chargers)."""
    supply = plant.supply
    supply.rated_w[hall.shelves] = limits.rack_w
    supply.rated_w[hall.ways] = (SHELF_LOSS * limits.row_w + extra_w)[:, None]
    supply.rated_w[hall.feeds] = at_feed_w(limits.feed_w, float(extra_w.sum()))
    supply.breaker_k[supply.breaker_k > 0.0] = breaker_k


def at_feed_w(limit_w: float, extra_w: float) -> float:
    """What flows at the feeds when the nodes draw `limit_w`: conversion and the rest on top."""
    return WAY_LOSS * (SHELF_LOSS * limit_w + extra_w)
