"""What the GPUs draw: demand by work, held by limits, smoothed where they can, in watts.

Arrays are (slot, node): values of a node broadcast over its GPUs without being copied, and sums
over a node are plain additions of rows, whose order is fixed. The work is done in blocks of
columns that stay in the cache; millions of values cost what arithmetic costs.

A GPU takes the least of its limits (persistent, one-shot, host, out-of-band) and its share of
the node's cap. The effective cap slews towards that (about 150 ms) and the power follows demand
and cap (25 ms); both are integrated exactly, so any step is stable. Power is constant within a
step: what is counted as energy is what heats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from iolaus.sim.physics.arrays import F32, Bools, Ints, Lag
from iolaus.sim.physics.kinds import NO_LIMIT, PLAIN
from iolaus.sim.physics.topology import Topology

LIMITS: Final = ("persistent", "one-shot", "host", "out-of-band")
BLOCK: Final = 8192
CAP_TAU_S: Final = 0.15
POWER_TAU_S: Final = 0.025
FADE_S: Final = 2.0
VBIOS: Final = 1.03
"""The limit a GPU is born with, of its TDP: short bursts go over it, and it holds them."""


def columns(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


class Gpus:
    """`power_w`, `cap_w` are (slot, node); `node_w`, `want_w`, `given_w` sums per node."""

    def __init__(self, topology: Topology, rng: np.random.Generator) -> None:
        kinds, which = topology.node_kinds, topology.node_kind
        shape = (topology.slots, topology.nodes)
        self.count: Ints = np.array([k.gpus for k in kinds], dtype=np.intp)[which]
        here = np.arange(topology.slots)[:, None] < self.count[None, :]
        self.tdp_w: F32 = _of([k.gpu_tdp_w for k in kinds], which)
        self.least_w: F32 = _of([k.gpu_idle_w for k in kinds], which)
        spread = (1.0 + 0.012 * np.clip(rng.standard_normal(shape), -2.5, 2.5)).astype(np.float32)
        self.peak_w: F32 = np.where(here, self.tdp_w * spread, 0.0).astype(np.float32)
        self.idle_w: F32 = np.where(here, self.least_w * spread, 0.0).astype(np.float32)
        self.here, self.broken = here, np.zeros(shape, dtype=np.bool_)
        self._ceiling_w: F32 = np.where(here, VBIOS * self.tdp_w, 0.0).astype(np.float32)
        self.limits_w: F32 = np.full((len(LIMITS), *shape), NO_LIMIT, dtype=np.float32)
        self.limit_w: F32 = self._ceiling_w.copy()
        self.cap_w: F32 = self.limit_w.copy()
        self.power_w: F32 = np.zeros(shape, dtype=np.float32)
        self._peak, self._idle = self.peak_w.copy(), self.idle_w.copy()
        self._scratch: F32 = np.empty((2, topology.slots, BLOCK), dtype=np.float32)
        self.node_w, self.want_w, self.given_w = np.zeros((3, topology.nodes), dtype=np.float32)
        self._fading: list[tuple[float, Ints]] = []
        self._slew, self._follow = Lag(CAP_TAU_S), Lag(POWER_TAU_S)
        self._init_smoothing(topology)

    def _init_smoothing(self, topology: Topology) -> None:
        """Smoothing costs nothing until some GPU is smoothed."""
        kinds, which = topology.node_kinds, topology.node_kind
        ways = [k.smoothing or PLAIN for k in kinds]
        self.smooths: Bools = np.array([k.smoothing is not None for k in kinds])[which]

        def spread(values: list[float]) -> F32:
            rows = self.here.shape[0] if self.smooths.any() else 0
            return np.broadcast_to(_of(values, which), (rows, which.size)).copy()

        self.floor_w = spread([way.floor * k.gpu_tdp_w for way, k in zip(ways, kinds, strict=True)])
        self.up_w_s, self.down_w_s = (
            spread([way.up_w_s for way in ways]),
            spread([way.down_w_s for way in ways]),
        )
        self.hold_s = spread([way.hold_s for way in ways])
        self.left_s = np.zeros_like(self.hold_s)
        self._held_w, self._smoothing = self._idle.copy(), False
        self._follow_smoothing()

    def _follow_smoothing(self) -> None:
        moved = (self.floor_w > 0.0) | (self.up_w_s < NO_LIMIT) | (self.down_w_s < NO_LIMIT)
        on = bool(moved.any())
        if on and not self._smoothing and self.power_w.any():
            self._held_w = self.power_w.copy()
        self._smoothing = on

    # Verbs

    def limit(self, kind: str, nodes: Ints, slots: Ints, watts: float | None) -> None:
        """Set one of the four limits (None lifts it). A GPU cannot be held under idle."""
        at = np.ix_(slots, nodes)
        self.limits_w[LIMITS.index(kind)][at] = NO_LIMIT if watts is None else watts
        least = self.limits_w[:, slots[:, None], nodes].min(axis=0)
        self.limit_w[at] = np.maximum(np.minimum(least, self._ceiling_w[at]), self.idle_w[at])

    def smooth(
        self, nodes: Ints, slots: Ints, *, floor: float, up_w_s: float, down_w_s: float,
        hold_s: float,
    ) -> None:  # fmt: skip
        """Change the smoothing of GPUs that have it; `floor` is a share of the TDP."""
        nodes = nodes[self.smooths[nodes]]
        if not nodes.size:
            return
        at = np.ix_(slots, nodes)
        self.floor_w[at] = floor * self.tdp_w[nodes]
        self.up_w_s[at], self.down_w_s[at] = up_w_s, down_w_s
        self.hold_s[at] = hold_s
        self._follow_smoothing()

    def light(self, nodes: Ints, lit: Bools, t: float) -> None:
        """These nodes' GPUs have power from now on, or have not."""
        alive = lit & ~self.broken[:, nodes]
        self._peak[:, nodes] = np.where(alive, self.peak_w[:, nodes], 0.0)
        self._idle[:, nodes] = np.where(alive, self.idle_w[:, nodes], 0.0)
        self._fading.append((t + FADE_S, nodes))

    def cut(self, nodes: Ints) -> None:
        """Their power is gone at once."""
        self.power_w[:, nodes] = 0.0

    # The step

    def step(self, level: F32, share_w: F32, t: float, dt: float) -> None:
        """`level` is the demand of each node as a share of TDP, `share_w` the most each of its
        GPUs may draw by what holds the node as a whole."""
        slew, follow = self._slew.over(dt), self._follow.over(dt)
        floor_w = self._floor(level, dt) if self._smoothing else None
        for cols in columns(level.size):
            self._block(cols, level, share_w, floor_w, np.float32(slew), np.float32(follow), dt)
        self._fade(t)

    def _block(
        self,
        cols: slice,
        level: F32,
        share_w: F32,
        floor_w: F32 | None,
        slew: np.float32,
        follow: np.float32,
        dt: float,
    ) -> None:
        width = cols.stop - cols.start
        want, goal = self._scratch[0, :, :width], self._scratch[1, :, :width]
        power, cap = self.power_w[:, cols], self.cap_w[:, cols]
        np.multiply(self._peak[:, cols], level[cols], out=want)
        np.maximum(want, self._idle[:, cols], out=want)
        np.add.reduce(want, axis=0, out=self.want_w[cols])
        np.minimum(self.limit_w[:, cols], share_w[cols], out=goal)
        goal -= cap
        goal *= slew
        cap += goal
        if floor_w is not None:
            self._smoothed(cols, want, goal, floor_w, dt)
        np.minimum(want, cap, out=goal)
        if floor_w is not None:
            self._held_w[:, cols] = goal
        np.add.reduce(goal, axis=0, out=self.given_w[cols])
        goal -= power
        goal *= follow
        power += goal
        np.add.reduce(power, axis=0, out=self.node_w[cols])

    def _smoothed(self, cols: slice, want: F32, spare: F32, floor_w: F32, dt: float) -> None:
        held, step = self._held_w[:, cols], np.float32(dt)
        np.maximum(want, floor_w[:, cols], out=want)
        np.minimum(want, self._peak[:, cols], out=want)
        np.subtract(held, self.down_w_s[:, cols] * step, out=spare)
        np.minimum(spare, self._peak[:, cols], out=spare)
        np.maximum(want, spare, out=want)
        np.add(held, self.up_w_s[:, cols] * step, out=spare)
        np.maximum(spare, self._idle[:, cols], out=spare)
        np.minimum(want, spare, out=want)

    def _floor(self, level: F32, dt: float) -> F32:
        """The floor of each GPU now: it holds while there is work, and `hold_s` after."""
        working = level * self.tdp_w >= self.floor_w
        self.left_s = np.where(working, self.hold_s, np.maximum(self.left_s - np.float32(dt), 0.0))
        return np.where(self.left_s > 0.0, self.floor_w, np.float32(0.0))

    def _fade(self, t: float) -> None:
        """A power that has decayed is zero: the tail of the exponential would be denormal."""
        while self._fading and self._fading[0][0] <= t:
            _, nodes = self._fading.pop(0)
            dark = self._idle[:, nodes] == 0.0
            self.power_w[:, nodes] = np.where(dark, 0.0, self.power_w[:, nodes])


def _of(values: list[float], which: Ints) -> F32:
    return np.array(values, dtype=np.float32)[which]
