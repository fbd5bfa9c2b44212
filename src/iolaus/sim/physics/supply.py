"""The way of the power: transformers, feeds, busways, strips, shelves, and their breakers.

Each step settles from the leaves to the grid: what hangs on a supply, what its stores give or
take, its losses, and its share of each source. A supply with two live sources draws half from
each; with one, all of it: that is what makes the loss of a feed a step on the other. Which way is
live changes rarely, so it is worked out only then.

A breaker integrates (i^2 - 1)/K while i > 1 and cools below; at 1 it opens, and stays open until
someone closes it. K = 49 and K = 360 are the quick and the slow edge of the standard's band.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from iolaus.sim.physics.arrays import F64, Bools, Ints, totals
from iolaus.sim.physics.storage import Drawn, Stores
from iolaus.sim.physics.topology import NONE, Topology


class Level(NamedTuple):
    """Supplies equally far from the grid, as things are live now: the curve of their losses, which
    of them (`held`) are which stores, and from whom to whom goes how much of what they take."""

    members: Ints
    ac: Bools
    fixed_w: F64
    slope: F64
    bend: F64
    held: Ints
    stores: Ints
    origin: Ints
    to: Ints
    share: F64


class Supply:
    """Per supply: `out_w`, `in_w`, `loss_w`, `live`, `closed`, `tripped`, `heat` (of its breaker,
    0 to 1). Per node: `cord_a`, `cord_b`, whether the outlet it hangs on is on. `stores` are the
    shelves' own; `grid_w` is what all of it takes."""

    def __init__(self, topology: Topology) -> None:
        kinds = [topology.supply_kinds[n] for n in topology.supply_kind]
        self.topology, count = topology, topology.supplies
        self.rated_w: F64 = np.array([k.rated_w for k in kinds])
        losses = [(k.losses.fixed_w, k.losses.slope, k.losses.bend / k.rated_w) for k in kinds]
        self._fixed, self._slope, self._bend = np.array(losses).reshape(count, 3).T.copy()
        self.breaker_k: F64 = np.array([k.breaker_k for k in kinds])
        self.cool_s: F64 = np.array([k.breaker_cool_s for k in kinds])
        self.outside: Bools = np.array([k.outside for k in kinds], dtype=np.bool_)
        stored = [k.supplies > 0 or k.battery_wh > 0.0 or k.buffer_j > 0.0 for k in kinds]
        where: Ints = np.flatnonzero(np.array(stored, dtype=np.bool_))
        self.stores = Stores([kinds[n] for n in where], where)
        self.closed: Bools = np.ones(count, dtype=np.bool_)
        self.tripped: Bools = np.zeros(count, dtype=np.bool_)
        self.grid_ok: Bools = np.ones(count, dtype=np.bool_)
        self.heat, self.out_w, self.in_w, self.loss_w = np.zeros((4, count))
        self.served: F64 = np.ones(count)
        self.cord_a, self.cord_b = np.ones((2, topology.nodes), dtype=np.bool_)
        self.carried: Bools = np.zeros(count, dtype=np.bool_)
        self.grid_w = 0.0
        self.root: Bools = (topology.supply_a < 0) & (topology.supply_b < 0)
        self._levels = self._by_depth()
        self._trace()

    def _by_depth(self) -> list[Ints]:
        """Supplies from the deepest level up."""
        depth = self.topology.depth
        return [np.flatnonzero(depth == n) for n in range(int(depth.max(initial=0)), -1, -1)]

    # Verbs

    def switch(self, supplies: Ints, closed: bool) -> None:
        """Open or close; closing resets a tripped breaker, whose heat stays what it is."""
        self.closed[supplies] = closed
        if closed:
            self.tripped[supplies] = False
            self.heat[supplies] = np.minimum(self.heat[supplies], 0.9)
        self._trace()

    def plug(self, nodes: Ints, supply: int, on: bool) -> None:
        """The outlets of this supply that these nodes hang on."""
        top = self.topology
        self.cord_a[nodes[top.node_a[nodes] == supply]] = on
        self.cord_b[nodes[top.node_b[nodes] == supply]] = on
        self._trace()

    def grid(self, supplies: Ints, there: bool) -> None:
        """The utility behind these roots is there, or gone."""
        self.grid_ok[supplies] = there
        self._trace()

    def _trace(self) -> None:
        """What is live, and what each source's share of its loads is."""
        top = self.topology
        live, ac = np.zeros(top.supplies, dtype=np.bool_), np.zeros(top.supplies, dtype=np.bool_)
        usable = self.closed & ~self.tripped
        for members in reversed(self._levels):
            a, b = top.supply_a[members], top.supply_b[members]
            fed = (a >= 0) & live[a] | (b >= 0) & live[b]
            ac[members] = np.where(self.root[members], self.grid_ok[members], fed) & usable[members]
            live[members] = ac[members] | self.carried[members] & usable[members]
        self.live, self.ac = live, ac
        self.share_a, self.share_b = shares(top.supply_a, top.supply_b, live)
        a, b = np.where(self.cord_a, top.node_a, NONE), np.where(self.cord_b, top.node_b, NONE)
        self.node_share_a, self.node_share_b = shares(a, b, live)
        self.node_fed: Bools = (self.node_share_a + self.node_share_b) > 0.0
        self._crossed = bool((self.node_share_b > 0.0).any())
        self._ways = [self._way(members) for members in self._levels]

    def _way(self, members: Ints) -> Level:
        top, ac = self.topology, self.ac[members]
        share = np.concatenate([self.share_a[members], self.share_b[members]])
        used = np.flatnonzero(share > 0.0)
        to = np.concatenate([top.supply_a[members], top.supply_b[members]])[used]
        _, held, stores = np.intersect1d(
            members, self.stores.where, assume_unique=True, return_indices=True
        )
        curve = self._fixed[members] * ac, self._slope[members], self._bend[members]
        return Level(members, ac, *curve, held, stores, used % members.size, to, share[used])

    # The step

    def node_loads(self, node_w: F64) -> F64:
        """What the nodes put on each supply."""
        top = self.topology
        load = totals(np.maximum(top.node_a, 0), node_w * self.node_share_a, top.supplies)
        if self._crossed:
            load += totals(np.maximum(top.node_b, 0), node_w * self.node_share_b, top.supplies)
        return load

    def settle(self, load_w: F64, t: float, dt: float) -> None:
        """From the leaves to the grid; then breakers, and what fell dark."""
        out_w, held = load_w.copy(), self.stores.where
        drawn = self.stores.step(np.where(self.live[held], load_w[held], 0.0), self.ac[held], t, dt)
        for level in self._ways:
            through = out_w[level.members] * level.ac
            through[level.held] = drawn.ac_w[level.stores]
            lost = level.fixed_w + through * (level.slope + level.bend * through)
            taken = through + lost
            self.loss_w[level.members], self.in_w[level.members] = lost, taken
            if level.to.size:
                out_w += totals(level.to, taken[level.origin] * level.share, out_w.size)
        self.out_w = np.where(self.live, out_w, 0.0)
        self.loss_w[held] += drawn.lost_w
        self.grid_w = float(self.in_w[self.root].sum())
        changed = self._darkened(drawn)
        if self._breakers(dt) or changed:
            self._trace()

    def _darkened(self, drawn: Drawn) -> bool:
        """Buses whose stores cannot go on are dark until AC returns; a shelf that was asked for
        more than it has switches itself off."""
        held = self.stores.where
        full = drawn.carried >= 1.0 - 1e-9
        self.served[held] = drawn.carried
        goes_on = full & self._can_carry() & self.live[held]
        overloaded = ~full & self.ac[held]
        if overloaded.any():
            self.tripped[held[overloaded]] = True
        changed = bool((goes_on != self.carried[held]).any())
        self.carried[held] = goes_on
        return changed or bool(overloaded.any())

    def _can_carry(self) -> Bools:
        """The stores have something left for a next step without AC."""
        stores = self.stores
        backed = (stores.soc > 0.0) & (stores.battery_w > 0.0) & stores.battery_ok
        left: Bools = backed | (stores.cap_j > 0.0)
        return left

    def _breakers(self, dt: float) -> bool:
        """Warm and cool them; whether one opened."""
        rated = self.rated_w.copy()
        rated[self.stores.where] *= np.maximum(self.stores.working_share, 1e-6)
        current = self.out_w / rated
        over = (self.breaker_k > 0.0) & (current > 1.0)
        if not (over | (self.heat > 0.0)).any():
            return False
        rise = np.zeros_like(current)
        np.divide(current * current - 1.0, self.breaker_k, out=rise, where=over)
        cooled = self.heat * np.exp(-dt / self.cool_s)
        cooled[cooled < 1e-12] = 0.0
        self.heat = np.minimum(np.where(over, self.heat + rise * dt, cooled), 1.0)
        trips = over & (self.heat >= 1.0) & ~self.tripped
        self.tripped |= trips
        return bool(trips.any())


def shares(a: Ints, b: Ints, live: Bools) -> tuple[F64, F64]:
    """Half and half of two live sources, all of one, nothing of none."""
    on_a, on_b = (a >= 0) & live[a], (b >= 0) & live[b]
    both = on_a & on_b
    return np.where(both, 0.5, on_a * 1.0), np.where(both, 0.5, on_b * 1.0)
