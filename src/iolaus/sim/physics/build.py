"""Halls to try things on, from a handful of numbers.

`uniform_hall` makes the ordinary shape: rows of equal racks; each liquid-cooled rack behind one
shelf on a busbar that hangs on two busways, or each air-cooled rack behind two strips; a coolant
unit per so many racks; busways on two feeds, each behind a transformer. Ratings follow from the
nameplates with a margin, as an electrician would do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from iolaus.sim.physics.arrays import Ints, ints
from iolaus.sim.physics.kinds import (
    SLOW_BREAKER,
    Job,
    LoopKind,
    Losses,
    NodeKind,
    SupplyKind,
    ZoneKind,
    orv3_shelf,
)
from iolaus.sim.physics.topology import NONE, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """`margin` is rating over nameplate at the rack, `upstream` further up (less than 1 is
    oversubscription)."""

    nodes: int = 72
    node: NodeKind = field(default_factory=NodeKind)
    nodes_per_rack: int = 18
    racks_per_row: int = 16
    nodes_per_job: int = 288
    serving_share: float = 0.0
    margin: float = 1.1
    upstream: float = 1.1
    battery: bool = True
    breaker_k: float = SLOW_BREAKER
    loop: LoopKind = field(default_factory=LoopKind)
    zone: ZoneKind = field(default_factory=ZoneKind)


@dataclass(slots=True)
class Tree:
    """Supplies as they are added; `add` gives the number of the new one."""

    kinds: list[SupplyKind] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    a: list[int] = field(default_factory=list)
    b: list[int] = field(default_factory=list)
    zone: list[int] = field(default_factory=list)

    def add(self, kind: SupplyKind, *, a: int = NONE, b: int = NONE, zone: int = NONE) -> int:
        if kind not in self.kinds:
            self.kinds.append(kind)
        self.kind.append(self.kinds.index(kind))
        self.a.append(a)
        self.b.append(b)
        self.zone.append(zone)
        return len(self.kind) - 1


def upstream(tree: Tree, rated_w: float, breaker_k: float) -> tuple[int, int]:
    """Two feeds, each behind a transformer of its own."""
    transformer = SupplyKind(
        name="transformer",
        rated_w=rated_w,
        losses=Losses(fixed_w=0.001 * rated_w, bend=0.008),
        outside=True,
    )
    feed = SupplyKind(
        name="feed", rated_w=rated_w, losses=Losses(bend=0.003), breaker_k=breaker_k, outside=True
    )
    first, second = (tree.add(feed, a=tree.add(transformer)) for _ in range(2))
    return first, second


def busways(
    tree: Tree, feeds: tuple[int, int], rated_w: float, breaker_k: float, *, zone: int
) -> tuple[int, int]:
    kind = SupplyKind(
        name="busway", rated_w=rated_w, losses=Losses(bend=0.006), breaker_k=breaker_k
    )
    first, second = (tree.add(kind, a=feed, zone=zone) for feed in feeds)
    return first, second


def strips(
    tree: Tree, ways: tuple[int, int], rated_w: float, breaker_k: float, *, zone: int
) -> tuple[int, int]:
    kind = SupplyKind(name="pdu", rated_w=rated_w, losses=Losses(bend=0.005), breaker_k=breaker_k)
    first, second = (tree.add(kind, a=way, zone=zone) for way in ways)
    return first, second


def uniform_hall(shape: Shape) -> Topology:
    racks = -(-shape.nodes // shape.nodes_per_rack)
    rows = -(-racks // shape.racks_per_row)
    node_rack = ints(np.arange(shape.nodes) // shape.nodes_per_rack)
    rack_zone = ints(np.arange(racks) // shape.racks_per_row)
    tree = Tree()
    rack_w = shape.nodes_per_rack * shape.node.most_w
    feeds = upstream(tree, shape.upstream * rack_w * racks * 1.06, shape.breaker_k)
    row_w = shape.upstream * rack_w * shape.racks_per_row * 1.05
    ways = [busways(tree, feeds, row_w, shape.breaker_k, zone=row) for row in range(rows)]
    sources = [_rack(tree, ways[row], shape, row) for row in rack_zone.tolist()]
    first, second = (ints([pair[side] for pair in sources])[node_rack] for side in (0, 1))
    jobs = _jobs(shape)
    rack_loop, loop_source = _loops(shape, rack_zone, [way[0] for way in ways])
    return Topology(
        node_kinds=(shape.node,),
        node_kind=np.zeros(shape.nodes, dtype=np.intp),
        node_rack=node_rack,
        node_a=first,
        node_b=second,
        node_job=ints(np.arange(shape.nodes) // shape.nodes_per_job),
        jobs=jobs,
        supply_kinds=tuple(tree.kinds),
        supply_kind=ints(tree.kind),
        supply_a=ints(tree.a),
        supply_b=ints(tree.b),
        supply_zone=ints(tree.zone),
        rack_zone=rack_zone,
        zones=(shape.zone,) * rows,
        rack_loop=rack_loop,
        loop_kinds=(shape.loop,),
        loop_kind=np.zeros(len(loop_source), dtype=np.intp),
        loop_source=loop_source,
    )


def _rack(tree: Tree, ways: tuple[int, int], shape: Shape, row: int) -> tuple[int, int]:
    rated = shape.margin * shape.nodes_per_rack * shape.node.most_w
    if not shape.node.liquid:
        return strips(tree, ways, rated, shape.breaker_k, zone=row)
    gpus = shape.nodes_per_rack * shape.node.gpus
    shelf = orv3_shelf(rated, gpus=gpus, battery=shape.battery)
    return tree.add(shelf, a=ways[0], b=ways[1], zone=row), NONE


def _jobs(shape: Shape) -> Sequence[Job]:
    count = -(-shape.nodes // shape.nodes_per_job)
    serving = round(shape.serving_share * count)
    return tuple(
        Job(name=f"job{n}", work="serving" if n >= count - serving else "training")
        for n in range(count)
    )


def _loops(shape: Shape, rack_zone: Ints, sources: Sequence[int]) -> tuple[Ints, Ints]:
    """As many coolant units to a row as its heat needs; neighbouring racks share one. The loop of
    each rack, and the supply of each loop."""
    if not shape.node.liquid:
        return np.full(len(rack_zone), NONE, dtype=np.intp), ints([])
    heat_w = shape.nodes_per_rack * (shape.node.gpus * shape.node.gpu_tdp_w + 1000.0)
    per_unit = max(1, int(shape.loop.design_w // heat_w))
    rack_loop: list[int] = []
    loop_source: list[int] = []
    for row, source in enumerate(sources):
        racks = int(np.count_nonzero(rack_zone == row))
        for start, end in pairwise([*range(0, racks, per_unit), racks]):
            rack_loop += [len(loop_source)] * (end - start)
            loop_source.append(source)
    return ints(rack_loop), ints(loop_source)
