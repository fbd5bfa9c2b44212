"""The liquid: racks' branches, loops, and coolant units that control themselves.

Hydraulics are algebra: pumps in parallel (dp = H s^2 - a Q^2 each) against branches in parallel
(Q = G sqrt(dp)), so shutting one branch raises the others. Heat is three stirred volumes in a
ring - supply pipe, each rack's manifold, return pipe - each stepped exactly, and each hands on
the mean of what left it, so that joules add up whatever dt is. The exchanger is a counterflow
eps-NTU; its unit's valve holds the supply temperature and its pumps hold the pressure, each by a
PI controller behind a first-order actuator.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from iolaus.sim.physics.arrays import F64, Bools, Ints, Lag, table, totals, weighted, within
from iolaus.sim.physics.kinds import COOLANT_J_LK, LoopKind
from iolaus.sim.physics.topology import Topology

J_PER_LPM_K: Final = COOLANT_J_LK / 60.0
HEAD_MARGIN: Final = 1.3
BYPASS: Final = 0.04
RACK_LITRES_PER_KW: Final = 0.05
MOST_SPEED: Final = 1.15


class Coolant:
    """Per loop: `supply_c`, `return_c`, `flow_lpm`, `drop_kpa`, `valve`, `pump`, `facility_lpm`,
    `heat_w` (to the facility), `level_l` (in the reservoir). Per rack: `rack_c`, `rack_lpm`."""

    def __init__(self, topology: Topology) -> None:
        kinds = [topology.loop_kinds[n] for n in topology.loop_kind]
        self.topology = topology
        self.loops, self.racks = topology.loops, np.flatnonzero(topology.rack_loop >= 0)
        self.loop_of: Ints = topology.rack_loop[self.racks]
        (
            self.design_w,
            per_kw,
            approach,
            self.target_c,
            self.facility_c,
            litres,
            self.reservoir_l,
            self.pumps,
            self.pump_w,
            self.design_kpa,
            valve_tau_s,
            pump_tau_s,
            self.valve_gain,
            valve_reset_s,
            self.pump_gain,
            pump_reset_s,
        ) = _columns(kinds)
        self._valve_lag, self._pump_lag = Lag(valve_tau_s), Lag(pump_tau_s)
        self._valve_s, self._pump_s = self.valve_gain / valve_reset_s, self.pump_gain / pump_reset_s
        self._design(topology, per_kw, approach)
        self._pipe_j_k = 0.5 * litres * COOLANT_J_LK
        self.rack_j_k: F64 = RACK_LITRES_PER_KW * self.rack_design_w / 1000.0 * COOLANT_J_LK
        self.supply_c: F64 = self.target_c.copy()
        self.return_c: F64 = self.target_c.copy()
        self._from_hx_c: F64 = self.target_c.copy()
        self.rack_c: F64 = self.target_c[self.loop_of].copy()
        self.level_l: F64 = self.reservoir_l.copy()
        self.valve, self.pump = np.full(self.loops, 0.4), np.full(self.loops, 0.8)
        self.valve_wish, self.pump_wish = self.valve.copy(), self.pump.copy()
        self._valve_sum, self._pump_sum = self.valve.copy(), self.pump.copy()
        self.pumps_ok: F64 = self.pumps.copy()
        self.branch: F64 = np.ones(self.racks.size)
        self.fault_share: F64 = np.ones(self.racks.size)
        self.manual: F64 = np.full(self.loops, np.nan)
        self.manual_pump: F64 = np.full(self.loops, np.nan)
        self.heat_w, self.drop_kpa, self.flow_lpm = np.zeros((3, self.loops))
        self.facility_lpm: F64 = self.valve * self.facility_full_lpm
        self.facility_return_c: F64 = self.facility_c.copy()
        self.rack_lpm: F64 = np.zeros(self.racks.size)
        self.powered: Bools = np.ones(self.loops, dtype=np.bool_)
        self.supply_mean_c, self.return_mean_c = self.supply_c, self.return_c
        self._hydraulics()

    def _design(self, topology: Topology, per_kw: F64, approach: F64) -> None:
        self.rack_design_w: F64 = np.maximum(topology.rack_liquid_w[self.racks], 1.0)
        self.rack_nominal_lpm: F64 = per_kw[self.loop_of] * self.rack_design_w / 1000.0
        heat_w = totals(self.loop_of, self.rack_design_w, self.loops)
        self.nominal_lpm: F64 = np.maximum(
            totals(self.loop_of, self.rack_nominal_lpm, self.loops), 1.0
        )
        self.facility_full_lpm: F64 = self.nominal_lpm * (1.0 + BYPASS)
        self.ua_w_k: F64 = heat_w / approach
        self._conductance: F64 = self.rack_nominal_lpm / np.sqrt(self.design_kpa[self.loop_of])
        self._leakage: F64 = BYPASS * self.nominal_lpm / np.sqrt(self.design_kpa)
        full = np.maximum(self.pumps - 1.0, 1.0)
        self._head: F64 = HEAD_MARGIN * self.design_kpa
        self._fall: F64 = (self._head - self.design_kpa) / (self.nominal_lpm / full) ** 2

    # The step

    def step(self, rack_w: F64, dt: float) -> None:
        """`rack_w` is the heat each rack gave its branch, in the mean of the step."""
        if not self.loops:
            return
        self._control(dt)
        self._hydraulics()
        flow = np.maximum(self.flow_lpm * J_PER_LPM_K, 1e-9)
        supply_mean, self.supply_c = stirred(
            self.supply_c, self._from_hx_c, flow, self._pipe_j_k, dt
        )
        inlet = supply_mean[self.loop_of]
        through = np.maximum(self.rack_lpm * J_PER_LPM_K, 1e-9)
        rack_mean, self.rack_c = stirred(
            self.rack_c, inlet + rack_w / through, through, self.rack_j_k, dt
        )
        bypass = flow - totals(self.loop_of, through, self.loops)
        mixed = (
            totals(self.loop_of, through * rack_mean, self.loops) + bypass * supply_mean
        ) / flow
        return_mean, self.return_c = stirred(self.return_c, mixed, flow, self._pipe_j_k, dt)
        self.heat_w = flow * (return_mean - self._from_hx_c)
        self._from_hx_c = self._exchange(return_mean, flow)
        self.supply_mean_c, self.return_mean_c = supply_mean, return_mean

    def _exchange(self, hot_c: F64, hot: F64) -> F64:
        """What leaves the exchanger on the loop's side: counterflow eps-NTU."""
        cold = np.maximum(self.facility_lpm * J_PER_LPM_K, 1e-9)
        effect = effectiveness(self.ua_w_k, hot, cold)
        moved = effect * np.minimum(hot, cold) * (hot_c - self.facility_c)
        self.facility_return_c = self.facility_c + moved / cold
        left: F64 = hot_c - moved / hot
        return left

    def stored_j(self) -> float:
        pipes = weighted(self._pipe_j_k, self.supply_c + self.return_c)
        return pipes + weighted(self.rack_j_k, self.rack_c)

    def _hydraulics(self) -> None:
        branch = self._conductance * self.branch * self.fault_share
        total = totals(self.loop_of, branch, self.loops) + self._leakage
        prime = within(self.level_l / (0.1 * self.reservoir_l), 0.0, 1.0)
        speed = self.pump * self.powered * prime
        running = np.maximum(self.pumps_ok, 1e-9)
        head = np.where(self.pumps_ok > 0.0, self._head * speed**2, 0.0)
        self.flow_lpm = np.sqrt(head / (self._fall / running**2 + 1.0 / total**2))
        self.drop_kpa = (self.flow_lpm / total) ** 2
        self.rack_lpm = branch * np.sqrt(self.drop_kpa)[self.loop_of]

    def _control(self, dt: float) -> None:
        """PI of each unit: the valve against supply temperature, the pumps against pressure."""
        error = self.supply_c - self.target_c
        self._valve_sum = within(self._valve_sum + self._valve_s * error * dt, 0.02, 1.0)
        wish = within(self._valve_sum + self.valve_gain * error, 0.02, 1.0)
        self.valve_wish = np.where(np.isnan(self.manual), wish, self.manual)
        lack = 1.0 - self.drop_kpa / self.design_kpa
        able = self.powered & (self.pumps_ok > 0.0)
        grown = within(self._pump_sum + self._pump_s * lack * dt, 0.2, MOST_SPEED)
        self._pump_sum = np.where(able, grown, self._pump_sum)
        speed = within(self._pump_sum + self.pump_gain * lack, 0.2, MOST_SPEED)
        self.pump_wish = np.where(np.isnan(self.manual_pump), speed, self.manual_pump)
        self.valve += (self.valve_wish - self.valve) * self._valve_lag.over(dt)
        self.pump += (np.where(able, self.pump_wish, 0.0) - self.pump) * self._pump_lag.over(dt)
        self.pump[self.pump < 1e-9] = 0.0
        self.facility_lpm = self.valve * self.facility_full_lpm

    @property
    def pumping_w(self) -> F64:
        """Electric power of the pumps, by the cube of their speed."""
        drawn: F64 = self.pump_w * self.pump**3 * (self.pumps_ok > 0.0) * self.powered
        return drawn

    @property
    def flow_share(self) -> F64:
        """Each rack's flow over its nominal."""
        return self.rack_lpm / self.rack_nominal_lpm


def stirred(at_c: F64, into_c: F64, flow_w_k: F64, heat_j_k: F64, dt: float) -> tuple[F64, F64]:
    """A stirred volume with constant flow and inlet: the mean of what leaves, and where it ends.
    Heat added is a warmer inlet. Exact, and mean x flow x dt is exactly what left."""
    change = (into_c - at_c) * -np.expm1(-flow_w_k * dt / heat_j_k)
    return into_c - change * heat_j_k / (flow_w_k * dt), at_c + change


def effectiveness(ua_w_k: F64, hot_w_k: F64, cold_w_k: F64) -> F64:
    """Of a counterflow exchanger, by the number of transfer units and the ratio of capacities."""
    least, most = np.minimum(hot_w_k, cold_w_k), np.maximum(hot_w_k, cold_w_k)
    units, ratio = ua_w_k / least, least / most
    same = np.abs(1.0 - ratio) < 1e-6
    fade = np.exp(-units * (1.0 - ratio))
    effect: F64 = np.where(
        same, units / (1.0 + units), (1.0 - fade) / np.where(same, 1.0, 1.0 - ratio * fade)
    )
    return effect


def _columns(kinds: list[LoopKind]) -> F64:
    rows = [
        (
            *(k.design_w, k.lpm_per_kw, k.approach_k, k.supply_c, k.facility_c, k.litres),
            *(k.reservoir_l, k.pumps, k.pump_w, k.drop_kpa, k.valve_tau_s, k.pump_tau_s),
            *(k.valve_gain, k.valve_reset_s, k.pump_gain, k.pump_reset_s),
        )
        for k in kinds
    ]
    return table(rows, 16)
