"""Heat inside the nodes: dies, cold plates (or heat sinks), and the rest of the machine.

Each GPU is a two-body ladder, die - R1 - plate - R2 - sink, with

    Cd dTd/dt = P - (Td - Tc)/R1          Cc dTc/dt = (Td - Tc)/R1 - (Tc - Ts)/R2

and R2 falling with flow as flow^-0.8, plus what the coolant itself rises by on its way (half of
1/(m cp)). For constant P, sink and flow within a step this is linear, so it is stepped by its
matrix exponential: exact at any dt, stable when stiff, and its fixed point is the closed form.
What goes to the sink is what came in less what was stored, so no joule is lost to rounding.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from iolaus.sim.physics.arrays import F32, F64, Ints
from iolaus.sim.physics.gpus import BLOCK, Gpus, columns
from iolaus.sim.physics.kinds import COOLANT_J_LK, LoopKind
from iolaus.sim.physics.topology import Topology

FLOW_EXPONENT: Final = -0.8
LEAST_FLOW: Final = 0.02
"""Of nominal: what convection alone moves when a pump or fan stands."""

COLDEST_C: Final = np.float32(-273.15)
"""What the hottest of no GPUs at all is: a hall may have none."""


class Heat:
    """`die_c`, `plate_c` are (slot, node); `rest_c`, `hottest_c` per node."""

    def __init__(self, topology: Topology, count: Ints, start_c: F32) -> None:
        kinds, which = topology.node_kinds, topology.node_kind
        table = np.array(
            [[k.die_j_k, k.r1_k_w, k.plate_j_k, k.r2_k_w, k.rest_j_k, k.rest_k_w] for k in kinds],
            dtype=np.float32,
        )
        self._die_j, self._r1, self._plate_j, self._r2, self._rest_j, self._rest_r = table.T[
            :, which
        ]
        self._a1, self._a2 = 1.0 / (self._die_j * self._r1), 1.0 / (self._plate_j * self._r1)
        self._parts_j: F32 = np.array((self._die_j, self._plate_j))
        self._rise = _coolant_rise(topology)
        shape = (topology.slots, topology.nodes)
        self.die_c: F32 = np.broadcast_to(start_c, shape).copy()
        self.plate_c: F32 = self.die_c.copy()
        self.rest_c: F64 = start_c.astype(np.float64)
        self.hottest_c: F32 = start_c.copy()
        self.gpu_heat_w, self.rest_heat_w = np.zeros((2, topology.nodes))
        self._sums: F32 = np.empty((2, topology.nodes), dtype=np.float32)
        self._sum_up()
        self._scratch: F32 = np.empty((4, topology.slots, BLOCK), dtype=np.float32)
        self._absent = count == 0

    def resistance(self, flow: F32) -> F32:
        """R2 at this share of nominal flow, the coolant's own rise included."""
        flow = np.maximum(flow, np.float32(LEAST_FLOW))
        return self._resistance(flow, flow ** np.float32(FLOW_EXPONENT))

    def _resistance(self, flow: F32, thin: F32) -> F32:
        resistance: F32 = self._r2 * thin + self._rise / flow
        return resistance

    def step(self, gpus: Gpus, rest_w: F64, sinks_c: tuple[F32, F32], flow: F32, dt: float) -> None:
        """`sinks_c` are what takes the GPUs' and the rest's heat; `flow` is over nominal."""
        sink_c, rest_sink_c = sinks_c
        flow = np.maximum(flow, np.float32(LEAST_FLOW))
        thin = flow ** np.float32(FLOW_EXPONENT)
        r2 = self._resistance(flow, thin)
        matrix = self._matrix(r2, dt)
        for cols in columns(rest_w.size):
            self._block(cols, gpus.power_w, sink_c, r2, matrix)
        before = self._sums.astype(np.float64)
        self._sum_up()
        stored = (self._sums - before) * self._parts_j
        self.gpu_heat_w = gpus.node_w - (stored[0] + stored[1]) / dt
        self._rest(rest_w, rest_sink_c, thin, dt)

    def stored_j(self) -> float:
        """Against 0 C."""
        gpus = self._sums.astype(np.float64) * self._parts_j
        return float(gpus.sum() + (self.rest_c * self._rest_j).sum())

    def _matrix(self, r2: F32, dt: float) -> tuple[F32, F32, F32, F32]:
        """exp(A dt) of [[-a1, a1], [a2, -a2 - a3]], written so that nothing cancels."""
        a1, a2, a3 = self._a1, self._a2, 1.0 / (self._plate_j * r2)
        half, product = 0.5 * (a1 + a2 + a3), a1 * a3
        apart = np.sqrt(half * half - product)
        step, far = np.float32(dt), half + apart
        slow, fast = np.exp(-product / far * step), np.exp(-far * step)
        middle, tilt = 0.5 * (slow + fast), 0.5 * (slow - fast) / apart
        return middle + tilt * (half - a1), tilt * a1, tilt * a2, middle + tilt * (a1 - half)

    def _block(
        self, cols: slice, power_w: F32, sink_c: F32, r2: F32, matrix: tuple[F32, F32, F32, F32]
    ) -> None:
        a, b, rest_die, rest_plate = self._scratch[:, :, : cols.stop - cols.start]
        die, plate, power = self.die_c[:, cols], self.plate_c[:, cols], power_w[:, cols]
        m11, m12, m21, m22 = (part[cols] for part in matrix)
        np.multiply(power, r2[cols], out=rest_plate)
        rest_plate += sink_c[cols]
        np.multiply(power, self._r1[cols], out=rest_die)
        rest_die += rest_plate
        np.subtract(die, rest_die, out=a)
        np.subtract(plate, rest_plate, out=b)
        np.multiply(a, m11, out=die)
        die += rest_die
        np.multiply(b, m12, out=rest_die)
        die += rest_die
        a *= m21
        b *= m22
        np.add(a, b, out=plate)
        plate += rest_plate
        np.maximum.reduce(die, axis=0, out=self.hottest_c[cols], initial=COLDEST_C)

    def _sum_up(self) -> None:
        np.add.reduce(self.die_c, axis=0, out=self._sums[0])
        np.add.reduce(self.plate_c, axis=0, out=self._sums[1])

    def _rest(self, rest_w: F64, sink_c: F32, thin: F32, dt: float) -> None:
        resistance = self._rest_r * thin
        target = sink_c + rest_w * resistance
        change = (target - self.rest_c) * -np.expm1(-np.float32(dt) / (self._rest_j * resistance))
        self.rest_c += change
        self.rest_heat_w = rest_w - change * self._rest_j / dt
        np.copyto(self.hottest_c, self.rest_c, where=self._absent, casting="same_kind")


def _coolant_rise(topology: Topology) -> F32:
    """Kelvin per watt of one GPU: half of what its share of the branch's coolant rises by."""
    loops = [topology.loop_kinds[n] for n in topology.loop_kind]
    rises = [_rise_per_watt(loop) for loop in loops]
    per_rack = np.array([rises[loop] if loop >= 0 else 0.0 for loop in topology.rack_loop])
    liquid = np.array([k.liquid for k in topology.node_kinds])[topology.node_kind]
    tdp = np.array([max(k.gpu_tdp_w, 1.0) for k in topology.node_kinds])[topology.node_kind]
    rise: F32 = np.where(liquid, per_rack[topology.node_rack] / tdp, 0.0).astype(np.float32)
    return rise


def _rise_per_watt(loop: LoopKind) -> float:
    """Half the rise of the coolant at design, in kelvin, for a part drawing its TDP."""
    return 0.5 * 60_000.0 / (loop.lpm_per_kw * COOLANT_J_LK)
