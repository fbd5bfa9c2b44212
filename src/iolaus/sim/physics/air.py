"""The air: fans of the nodes, and the rooms they breathe in.

A zone is one volume of air that its handlers cool towards their supply temperature; machines
breathe it. A node's fans follow its hottest part and its inlet, with a lag, and cost the cube of
their speed; lost fans are lost flow.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from iolaus.sim.physics.arrays import F32, F64, Bools, Ints, Lag, totals, within
from iolaus.sim.physics.topology import Topology

FAN_TAU_S: Final = 4.0
FAN_NOMINAL: Final = 0.7
FAN_LEAST: Final = 0.25
FAN_FROM_C: Final = 55.0
FAN_PER_K: Final = 0.025


class Fans:
    """Per node: `duty` (0 to 1), `flow` (over nominal), `lost` (share of fans), `watts`."""

    def __init__(self, topology: Topology) -> None:
        kinds, which = topology.node_kinds, topology.node_kind
        self.full_w: F32 = np.array([k.fan_w for k in kinds], dtype=np.float32)[which]
        self.from_c: F32 = np.array([k.throttle_c - 30.0 for k in kinds], dtype=np.float32)[which]
        self.duty: F32 = np.full(topology.nodes, FAN_LEAST, dtype=np.float32)
        self.lost: F32 = np.zeros(topology.nodes, dtype=np.float32)
        self.flow: F32 = np.zeros(topology.nodes, dtype=np.float32)
        self.watts: F32 = np.zeros(topology.nodes, dtype=np.float32)
        self._lag = Lag(FAN_TAU_S)

    def step(self, hottest_c: F32, on: Bools, dt: float) -> None:
        wish = within(FAN_LEAST + FAN_PER_K * (hottest_c - self.from_c), FAN_LEAST, 1.0)
        change = np.where(on, wish, np.float32(0.0)) - self.duty
        self.duty += change * self._lag.over(dt).astype(np.float32)
        self.duty[self.duty < 1e-6] = 0.0
        turning: F32 = self.duty * (1.0 - self.lost)
        self.flow = turning / np.float32(FAN_NOMINAL)
        self.watts = self.full_w * self.duty * self.duty * turning


class Rooms:
    """Per zone: `air_c` (what machines breathe), `heat_w` (taken away), `capacity` (share of the
    handlers that works), `supply_c`."""

    def __init__(self, topology: Topology, design_w: F64) -> None:
        zones = topology.zones
        self.supply_c: F64 = np.array([zone.supply_c for zone in zones])
        rise = np.array([zone.rise_k for zone in zones])
        self.gain_w_k: F64 = np.maximum(design_w, 1000.0) / rise
        self.heat_j_k: F64 = self.gain_w_k * np.array([zone.tau_s for zone in zones])
        self.air_c: F64 = self.supply_c.copy()
        self.capacity: F64 = np.ones(len(zones))
        self.heat_w: F64 = np.zeros(len(zones))

    def step(self, into_w: F64, dt: float) -> None:
        gain = np.maximum(self.gain_w_k * self.capacity, 1e-9)
        change = (self.supply_c + into_w / gain - self.air_c) * -np.expm1(
            -gain * dt / self.heat_j_k
        )
        self.air_c = self.air_c + change
        self.heat_w = into_w - change * self.heat_j_k / dt

    def stored_j(self) -> float:
        return float((self.air_c * self.heat_j_k).sum())


def air_design_w(topology: Topology) -> F64:
    """The heat each zone's air is made for: what its nodes do not give to liquid, and losses."""
    kinds = topology.node_kinds
    dry = [
        k.most_w
        - (k.gpus * k.gpu_tdp_w + k.wet_share * (k.cpu_max_w + k.base_w) if k.liquid else 0.0)
        for k in kinds
    ]
    zone: Ints = topology.rack_zone[topology.node_rack]
    nodes = totals(zone, np.array(dry)[topology.node_kind], len(topology.zones))
    shelves = topology.supply_zone >= 0
    rated = np.array([topology.supply_kinds[n].rated_w for n in topology.supply_kind])
    return nodes + totals(topology.supply_zone[shelves], 0.01 * rated[shelves], len(topology.zones))
