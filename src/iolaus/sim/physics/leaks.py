"""Water where it should not be: leaks that spread, and detectors that find it, or do not.

Water runs through buckets: a node's tray overflows into its rack's pan, the pan onto the floor
under the rack, the floor to the next rack of the row. Each has a detector, which sees water above
its threshold only after its own delay. So the order in which detectors come, and when, follows
from where the leak is and how fast. What leaks out is missing in the loop: its level falls, and
when the reservoir is empty its pumps lose their prime.

A detector's fault is not water: a broken one says Fault, a silent one nothing, and both stay
what they are whether it is wet or not.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

from iolaus.sim.physics.arrays import F64, Bools, Ints, totals
from iolaus.sim.physics.topology import NONE, Topology

TRAY_L, PAN_L, FLOOR_L = 0.05, 1.5, 4.0
CRITICAL: Final = 4.0
"""Times its threshold: so much water is Critical, less is a Warning."""
RUN_S: Final = 3.0
EVAPORATES_L_S: Final = 2.0e-6


class Sees(IntEnum):
    """What a detector says."""

    DRY = 0
    WARNING = 1
    CRITICAL = 2
    FAULT = 3
    SILENT = 4


class Leaks:
    """Sites are numbered trays first (by node), then pans, then floors (by rack). `water_l`,
    `wet_s`, `fault` per site; `rate_lpm` per site is what flows in at full pressure."""

    def __init__(self, topology: Topology) -> None:
        nodes, racks = topology.nodes, topology.racks
        self.nodes, self.racks = nodes, racks
        self.node_rack = topology.node_rack
        self.next: Ints = np.concatenate(
            [nodes + topology.node_rack, nodes + racks + np.arange(racks), _next_floor(topology)]
        )
        sizes = (nodes, racks, racks)
        self.capacity_l: F64 = np.repeat([TRAY_L, PAN_L, FLOOR_L], sizes)
        self.threshold_l: F64 = np.repeat([0.01, 0.1, 0.2], sizes)
        self.delay_s: F64 = np.repeat([2.0, 3.0, 4.0], sizes)
        self.water_l, self.wet_s, self.rate_lpm = np.zeros((3, nodes + 2 * racks))
        self.fault: Ints = np.zeros(nodes + 2 * racks, dtype=np.intp)
        self.lost_l: F64 = np.zeros(topology.loops)
        self.loop: Ints = np.concatenate(
            [topology.rack_loop[topology.node_rack], *[topology.rack_loop] * 2]
        )
        self.active = False

    def tray(self, node: int) -> int:
        return node

    def pan(self, rack: int) -> int:
        return self.nodes + rack

    def floor(self, rack: int) -> int:
        return self.nodes + self.racks + rack

    def open(self, site: int, lpm: float) -> None:
        """A leak above this site, of so many litres a minute at full pressure (0 mends it)."""
        self.rate_lpm[site] = lpm
        self.active = True

    def dry(self, sites: Ints) -> None:
        """Someone mops up."""
        self.water_l[sites] = 0.0
        self.wet_s[sites] = 0.0

    def step(self, pressure: F64, branch_open: Bools, dt: float) -> F64:
        """`pressure` is each loop's over nominal, `branch_open` each rack's; litres that left
        each loop."""
        if not self.active:
            return self.lost_l * 0.0
        loop = np.maximum(self.loop, 0)
        press = np.sqrt(np.maximum(pressure[loop], 0.0)) if pressure.size else np.ones(loop.size)
        inflow = self.rate_lpm / 60.0 * dt * press * self._open(branch_open)
        spill = np.maximum(0.0, self.water_l - self.capacity_l) * -np.expm1(-dt / RUN_S)
        self.water_l += inflow - spill
        runs = self.next != NONE
        np.add.at(self.water_l, self.next[runs], spill[runs])
        self.water_l = np.maximum(0.0, self.water_l - EVAPORATES_L_S * dt)
        wet = self.water_l >= self.threshold_l
        self.wet_s = np.where(wet, self.wet_s + dt, 0.0)
        self.active = bool(self.rate_lpm.any() or self.water_l.any())
        left = totals(loop, inflow, pressure.size)
        self.lost_l = self.lost_l + left
        return left

    def _open(self, branch_open: Bools) -> Bools:
        """Whether the leak's branch still has pressure; a floor's leak is the loop's own pipe."""
        always = np.ones(self.racks, dtype=np.bool_)
        return np.concatenate([branch_open[self.node_rack], branch_open, always])

    @property
    def says(self) -> Ints:
        """What every detector says now (`Sees`)."""
        felt = self.wet_s >= self.delay_s
        much = self.water_l >= CRITICAL * self.threshold_l
        seen = np.where(felt, np.where(much, Sees.CRITICAL, Sees.WARNING), Sees.DRY)
        return np.where(self.fault != 0, self.fault, seen).astype(np.intp)


def _next_floor(topology: Topology) -> Ints:
    """Where the floor under each rack drains: to its neighbour in the row, the last to nowhere."""
    after = np.arange(topology.racks) + 1
    inside = after < topology.racks
    same = np.zeros(topology.racks, dtype=np.bool_)
    same[inside] = topology.rack_zone[after[inside]] == topology.rack_zone[:-1]
    return np.where(same, after + topology.nodes + topology.racks, NONE).astype(np.intp)
