"""Priority inversions: someone waits for watts that someone of less priority has.

A node is inverted while its cap holds it, some node of lower priority draws more than its floor,
and no limit stands between the two: watts of the one could be the other's. Changes take time
(shrink, read back, grow, and a machine is written six times a minute at most), so only what lasts
`LASTS_S` counts, once per node and spell. One that was held a moment ago and idles now still waits,
unless its cap was raised meanwhile to what it wanted. Nodes that nobody can reach, or whose edge
has no valid budget, are left out on both sides; the watts that they may have taken count as taken,
which is the highest cap that they had, or were sent without an answer, since they were last read:
what they gave away or did not take since then nobody can know of.

A job that steps together goes at the pace of its slowest node, so what its other nodes could have
beyond that one is nothing that they wait for. None of them waits where the job has what its
weakest cord carries, or what a node that nobody can raise has; and none waits alone: the job does,
if watts could be given to every node of it that is held.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bench.energy.hall import Limits
from bench.energy.seen import in_step
from bench.energy.world import World
from iolaus.sim.physics.arrays import F64, Bools, totals

EVERY_S: Final = 0.5
HOLD_S: Final = 2.0
LASTS_S: Final = 15.0
SMALL: Final = 0.03
BOUND: Final = 0.05
"""A limit is full with so little left: the guard of 1.5 %, 2 % that hosts take above a cap for a
moment, 0.4 % of caps that are wrong, 0.5 % of the meter that says so, and what is too small a step
to be written."""


class Inversions:
    """`count` so far."""

    def __init__(self, world: World) -> None:
        self.world, nodes = world, world.hall.loads.count
        self.count, self._next_s = 0, world.scenario.warm_s
        self._held_at: F64 = np.full(nodes, -99.0)
        self._wanted_w: F64 = np.zeros(nodes)
        self._used_at: F64 = np.full(nodes, -99.0)
        self._since: F64 = np.full(nodes, np.inf)
        self._may_w: F64 = np.zeros(nodes)
        self._unit = in_step(world.plan)

    def enter(self, limits: Limits, t: float) -> None:
        if t < self._next_s:
            return
        self._next_s += EVERY_S
        world, loads = self.world, self.world.hall.loads
        gpus, caps, draw = world.plant.gpus, world.plant.hosts.cap_w, world.plant.node_w
        unmet = (gpus.want_w - gpus.node_w).astype(np.float64)
        small = SMALL * loads.nameplate_w
        reached = self._reached(t)
        useful = self._useful(reached)
        held = (unmet > small) & (caps < useful - small) & reached
        self._held_at = np.where(held, t, self._held_at)
        self._wanted_w = np.where(held, np.minimum(draw + unmet, useful), self._wanted_w)
        self._used_at = np.where(draw > loads.floor_w + small, t, self._used_at)
        waits = (t - self._held_at <= HOLD_S) & (caps < self._wanted_w - small) & reached
        gives = (t - self._used_at <= HOLD_S) & (caps > loads.floor_w + small) & reached
        known, unanswered = self._known(t), world.unanswered_w
        unanswered[known] = 0.0
        self._may_w = np.where(known, caps, np.maximum(np.maximum(caps, unanswered), self._may_w))
        could = self._could(limits, self._may_w, gives)
        blocked = np.bincount(self._unit, weights=waits & ~could) > 0.0
        self._lasting(waits & could & ~blocked[self._unit], t)

    def _useful(self, reached: Bools) -> F64:
        """The cap above which a node gains nothing: the least that a node in step with it has or
        can have."""
        able = self.world.hall.loads.cord_w.copy()
        able[~reached] = np.minimum(able, self.world.plant.hosts.cap_w)[~reached]
        least = np.full(int(self._unit.max()) + 1, np.inf)
        np.minimum.at(least, self._unit, able)
        useful: F64 = least[self._unit]
        return useful

    def _lasting(self, inverted: Bools, t: float) -> None:
        before = self._since
        self._since = np.where(inverted, np.minimum(before, t), np.inf)
        spell = t - self._since
        fresh = inverted & (spell >= LASTS_S) & (spell < LASTS_S + EVERY_S - 1e-9)
        self.count += int(fresh.sum())

    def _reached(self, t: float) -> Bools:
        """Who is under control at all."""
        stale = self.world.marked("stale", self.world.hall.loads.count)
        return self._known(t) & ~stale & ~self._flow(t)

    def _known(self, t: float) -> Bools:
        """Whose cap can be read."""
        world, s = self.world, self.world.scenario
        rack = world.hall.loads.rack
        if s.during("centre", t) or s.during("bus", t):
            return np.zeros(rack.size, dtype=np.bool_)
        apart = world.marked("edge", world.hall.racks) | world.marked("partition", world.hall.racks)
        return ~apart[rack] & ~world.marked("unreachable", rack.size)

    def _flow(self, t: float) -> Bools:
        rack = self.world.hall.loads.rack
        struck = np.zeros(rack.size, dtype=np.bool_)
        for h in self.world.scenario.happenings:
            if h.what == "flow" and t >= h.start_s:
                for loop in h.who:
                    struck |= np.isin(rack, self.world.flow_racks(loop))
        return struck

    def _could(self, limits: Limits, caps: F64, gives: Bools) -> Bools:
        """Whether some giver of lower priority could give to each node."""
        hall, loads = self.world.hall, self.world.hall.loads
        granted = np.minimum(caps, loads.nameplate_w)
        rack_w = totals(loads.rack, granted, hall.racks)
        row_w = totals(hall.rack_row, rack_w, hall.rows)
        rack_free = (rack_w < limits.rack_w * (1.0 - BOUND))[loads.rack]
        row_free = (row_w < limits.row_w * (1.0 - BOUND))[loads.row]
        inside = self._lowest(loads.rack, hall.racks, gives)[loads.rack] < loads.priority
        beside = self._lowest(loads.row, hall.rows, gives)[loads.row] < loads.priority
        whole = loads.priority[gives].min(initial=9) < loads.priority
        could: Bools = inside | rack_free & (beside | row_free & whole)
        return could

    def _lowest(self, group: np.ndarray, count: int, gives: Bools) -> np.ndarray:
        """The lowest priority of a giver in each group."""
        lowest = np.full(count, 9)
        np.minimum.at(lowest, group[gives], self.world.hall.loads.priority[gives])
        return lowest
