"""The nodes around their GPUs: switched on or off, booting, capped as a whole, throttled by heat.

A node is on when someone wants it on and its feed is live; after power came it boots for a while
at idle. Its cap covers what it takes from the feed, so its GPUs share what the cap leaves when
conversion and the rest of the machine are paid. When its hottest part passes the throttle point
the share shrinks until it does not.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from iolaus.sim.physics.arrays import F32, F64, Bools, Ints, table, within
from iolaus.sim.physics.gpus import VBIOS
from iolaus.sim.physics.kinds import NO_LIMIT
from iolaus.sim.physics.topology import Topology

EASE_DOWN_S: Final = 0.25
EASE_UP_S: Final = 0.03
EASE_LEAST: Final = 0.25


class Hosts:
    """Per node: `on`, `ready` (on and booted, all GPUs well), `in_w`, `cpu_w`, `rest_w` (heat in
    the machine beside its GPUs), `direct_w` (heat straight to the air), `ease` (1: no throttle)."""

    def __init__(self, topology: Topology, fed: Bools, rng: np.random.Generator) -> None:
        kinds, which = topology.node_kinds, topology.node_kind
        rows = [
            (
                *(k.cpu_idle_w, k.cpu_max_w, k.base_w, k.standby_w, k.boot_s, k.throttle_c),
                *(k.trip_c, k.losses.fixed_w, k.losses.slope, k.losses.bend / k.most_w),
                *(k.gpus, k.gpu_tdp_w, k.gpu_idle_w),
            )
            for k in kinds
        ]
        parts = table(rows, 13)[:, which]
        self.cpu_idle_w, self.cpu_max_w, self.base_w, self.standby_w, self.boot_s = parts[:5]
        self.throttle_c, self.trip_c = parts[5:7].astype(np.float32)
        self._fixed, self._slope, self._bend = parts[7:10]
        self._gpus, self._least_w = np.maximum(parts[10], 1.0), parts[12]
        self._most_w: F32 = (VBIOS * parts[11]).astype(np.float32)
        self._serves = np.flatnonzero(parts[10] == 0.0)
        self._sway = rng.random((3, self._serves.size))
        self.wanted: Bools = np.ones(topology.nodes, dtype=np.bool_)
        self.broken: Bools = np.zeros(topology.nodes, dtype=np.bool_)
        self.on: Bools = fed.copy()
        self.fed: Bools = fed.copy()
        self.up_s: F64 = self.boot_s.copy()
        self.cap_w: F64 = np.full(topology.nodes, NO_LIMIT)
        self._inside_w: F64 = self.cap_w.copy()
        self.ease: F32 = np.ones(topology.nodes, dtype=np.float32)
        self.in_w, self.cpu_w, self.rest_w, self.direct_w = np.zeros((4, topology.nodes))
        self.ready: Bools = self.on.copy()
        self._stale = True

    # Verbs

    def limit(self, nodes: Ints, watts: float | F64 | None) -> None:
        """Cap what these nodes take from their feed (None: no cap)."""
        self.cap_w[nodes] = NO_LIMIT if watts is None else watts
        bend, rest = self._bend[nodes], self.cap_w[nodes] - self._fixed[nodes]
        straight = 1.0 + self._slope[nodes]
        self._inside_w[nodes] = 2.0 * rest / (straight + np.sqrt(straight**2 + 4.0 * bend * rest))

    def switch(self, nodes: Ints, on: bool) -> None:
        self.wanted[nodes] = on
        self._stale = True

    # The step

    def feed(self, fed: Bools, dt: float) -> Ints:
        """Which nodes went on or off just now."""
        self.up_s += dt
        if self._stale or fed is not self.fed:
            self._stale, self.fed = False, fed
            on = self.wanted & fed
            moved: Ints = np.flatnonzero(on != self.on)
            self.on = on
            self.up_s[moved] = 0.0
        else:
            moved = np.zeros(0, dtype=np.intp)
        self.ready = self.on & (self.up_s >= self.boot_s) & ~self.broken
        return moved

    def share_w(self, fan_w: F32) -> F32:
        """The most each GPU of a node may draw by its node's cap and heat."""
        share = self.ease * self._most_w
        capped = np.flatnonzero(self.cap_w < NO_LIMIT)
        if capped.size:
            rest = self.cpu_w[capped] + self.base_w[capped] + fan_w[capped]
            left = (self._inside_w[capped] - rest) / self._gpus[capped]
            share[capped] = np.clip(left, self._least_w[capped], share[capped])
        return share

    def draw(self, level: F32, gpu_w: F32, fan_w: F32, t: float) -> None:
        """What each node takes in this step, given what its GPUs draw."""
        self.cpu_w = self.on * (
            self.cpu_idle_w + (self.cpu_max_w - self.cpu_idle_w) * self._load(level, t)
        )
        self.rest_w = self.cpu_w + np.where(self.on, self.base_w, self.standby_w * self.fed)
        inside = self.rest_w + gpu_w + fan_w * self.on
        lost = self.fed * (self._fixed + inside * (self._slope + self._bend * inside))
        self.direct_w = inside - self.rest_w - gpu_w + lost
        self.in_w = inside + lost

    def dim(self, nodes: Ints, part: F64) -> None:
        """Only this part of the step was carried."""
        for values in (self.in_w, self.rest_w, self.cpu_w, self.direct_w):
            values[nodes] *= part

    def _load(self, level: F32, t: float) -> F64:
        """Of the host processors: a training host's follow its GPUs; others sway slowly."""
        load: F64 = 0.15 * self.ready + 0.35 * level
        if self._serves.size:
            slow, fast, phase = self._sway
            swing = 0.25 * np.sin(t / (600.0 + 600.0 * slow) + 6.28 * phase)
            load[self._serves] = 0.42 + swing + 0.08 * np.sin(t / (5.0 + 5.0 * fast) + 6.28 * slow)
        return load

    def throttle(self, hottest_c: F32, dt: float) -> None:
        hot = hottest_c > self.throttle_c
        if hot.any() or (self.ease < 1.0).any():
            change = np.where(hot, np.float32(-EASE_DOWN_S * dt), np.float32(EASE_UP_S * dt))
            self.ease = within(self.ease + change, EASE_LEAST, 1.0)
