"""What hangs on what: the plant's wiring as index arrays.

A topology is data. Nodes, supplies, racks, loops and zones are numbered; an array says for each
node its rack, its job and its one or two sources, for each supply its own sources, and so on
(NONE where there is none). It can come from a few lines of a builder, from a seated hall or from
a file; the plant does not care. Checked once, here, so that no step has to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.physics.arrays import F64, Ints, ints, totals
from iolaus.sim.physics.kinds import Job, LoopKind, NodeKind, SupplyKind, ZoneKind

NONE: Final = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Topology:
    """`node_*` have one entry per node, `supply_*` per supply and so on. Racks of a row stand in
    the order of their numbers, which is how water runs along the floor."""

    node_kinds: Sequence[NodeKind]
    node_kind: Ints
    node_rack: Ints
    node_a: Ints
    node_b: Ints
    node_job: Ints
    jobs: Sequence[Job] = ()
    supply_kinds: Sequence[SupplyKind]
    supply_kind: Ints
    supply_a: Ints
    supply_b: Ints
    supply_zone: Ints
    rack_zone: Ints
    rack_loop: Ints
    loop_kinds: Sequence[LoopKind] = ()
    loop_kind: Ints = field(default_factory=lambda: ints([]))
    loop_source: Ints = field(default_factory=lambda: ints([]))
    zones: Sequence[ZoneKind] = (ZoneKind(),)

    def __post_init__(self) -> None:
        counts = {"kind": len(self.node_kinds), "rack": self.racks, "job": len(self.jobs)}
        for word, count in counts.items():
            self._within(f"node_{word}", count, of=self.nodes, optional=word == "job")
        for side in "ab":
            self._within(f"node_{side}", self.supplies, of=self.nodes, optional=True)
            self._within(f"supply_{side}", self.supplies, of=self.supplies, optional=True)
        self._within("supply_kind", len(self.supply_kinds), of=self.supplies)
        self._within("supply_zone", len(self.zones), of=self.supplies, optional=True)
        self._within("rack_zone", len(self.zones), of=self.racks)
        self._within("rack_loop", self.loops, of=self.racks, optional=True)
        self._within("loop_kind", len(self.loop_kinds), of=self.loops)
        self._within("loop_source", self.supplies, of=self.loops, optional=True)
        self._stores_feed_nodes()

    @property
    def nodes(self) -> int:
        return len(self.node_kind)

    @property
    def supplies(self) -> int:
        return len(self.supply_kind)

    @property
    def racks(self) -> int:
        return len(self.rack_zone)

    @property
    def loops(self) -> int:
        return len(self.loop_kind)

    @cached_property
    def slots(self) -> int:
        """GPUs of the largest node: every node has so many places."""
        return max((kind.gpus for kind in self.node_kinds), default=0)

    @cached_property
    def depth(self) -> Ints:
        """How far each supply is from the grid (0: at it). Raises OperatorMust on a ring."""
        depth = np.zeros(self.supplies, dtype=np.intp)
        for _ in range(self.supplies + 1):
            deeper = np.maximum(
                self._behind(depth, self.supply_a), self._behind(depth, self.supply_b)
            )
            if np.array_equal(deeper, depth):
                return depth
            depth = deeper
        raise _wrong("a supply feeds itself", "supply_a")

    @cached_property
    def rack_liquid_w(self) -> F64:
        """The heat each rack's branch of its loop is made for."""
        share = [
            k.gpus * k.gpu_tdp_w + k.wet_share * (k.cpu_max_w + k.base_w) if k.liquid else 0.0
            for k in self.node_kinds
        ]
        weights = np.asarray(share)[self.node_kind]
        return totals(self.node_rack, weights, self.racks)

    def _behind(self, depth: Ints, source: Ints) -> Ints:
        return np.where(source >= 0, depth[source] + 1, 0)

    def _within(self, name: str, count: int, *, of: int, optional: bool = False) -> None:
        values: Ints = getattr(self, name)
        if len(values) != of:
            raise _wrong(f"{len(values)} entries for {of}", name)
        least = NONE if optional else 0
        if len(values) and (values.min() < least or values.max() >= count):
            raise _wrong(f"an index is not within {least}..{count - 1}", name)

    def _stores_feed_nodes(self) -> None:
        """Capacitors and batteries ride through for nodes; nothing may hang between."""
        for source in (self.supply_a, self.supply_b):
            kinds = [self.supply_kinds[self.supply_kind[n]] for n in np.unique(source[source >= 0])]
            if any(kind.supplies or kind.battery_wh or kind.buffer_j for kind in kinds):
                raise _wrong("a shelf feeds another supply", "supply_a")


def _wrong(message: str, name: str) -> OperatorMust:
    return OperatorMust(
        message,
        operation="build plant",
        subject=f"topology {name}",
        code="TopologyWrong",
        next_step="Correct the index array; NONE (-1) means that there is none.",
    )
