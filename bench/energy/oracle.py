"""What could be had at best: a linear program over the same limits, with nothing hidden from it.

Two uses. `Oracle` is a controller that cheats: it knows what every node wants at its peak now, and
a loss half a second before it happens; its caps take effect without a network; it leaves no guard.
It honours priority as ours does: a watt to a higher class is worth thirty to the next. It knows
that a job that steps together goes at the pace of its slowest node, and gives its nodes one level.
`bound` is
an upper bound of work that no controller can pass: every second it shares out that second's mean
demand of the hall without caps, to whoever does most with a watt.

Work is (power / demand)^alpha, a concave function, which `SEGMENTS` straight pieces stand for.
"""

from __future__ import annotations

from typing import Final

import highspy
import numpy as np

from bench.energy.hall import Hall, Limits
from bench.energy.run import Reference
from bench.energy.scenario import Scenario
from bench.energy.seen import Seen, Write, in_step
from bench.energy.world import CAP_ERROR, DT, World
from iolaus.sim.physics import actuators as do
from iolaus.sim.physics.arrays import F64, Ints

SEGMENTS: Final = 6
REST_W: Final = 886.0
CONVERTED: Final = 1.02
EVERY_S, AHEAD_S = 0.5, 0.6
RANK: Final = 30.0
PREFILL: Final = 0.99


class Program:
    """Shares out watts over the tree of a hall by one linear program, made once. `unit` numbers
    what gets one level: nodes that step together, or each node alone."""

    def __init__(self, hall: Hall, unit: Ints | None = None) -> None:
        self.hall, nodes = hall, hall.loads.count
        self.unit: Ints = np.arange(nodes, dtype=np.intp) if unit is None else unit
        self.first: Ints = np.unique(self.unit, return_index=True)[1]
        self.size: F64 = np.bincount(self.unit).astype(np.float64)
        kinds = hall.topology.node_kinds
        self.alpha: F64 = np.array([kind.alpha for kind in kinds])[hall.topology.node_kind]
        self.solver = highspy.Highs()  # type: ignore[no-untyped-call]
        self.solver.setOptionValue("output_flag", False)
        self.solver.setOptionValue("threads", 1)
        self.columns: Ints = np.arange(self.size.size * SEGMENTS, dtype=np.intp)
        self._pass()

    def _pass(self) -> None:
        """Rows are racks, rows of racks, and the site; a column is a watt to each of a unit."""
        hall, racks, rows = self.hall, self.hall.racks, self.hall.rows
        counts = np.zeros((racks + rows + 1, self.size.size))
        np.add.at(counts, (hall.loads.rack, self.unit), 1.0)
        np.add.at(counts, (racks + hall.loads.row, self.unit), 1.0)
        counts[-1] = self.size
        table = np.repeat(counts, SEGMENTS, axis=1).T
        column, row = np.nonzero(table)
        model, count = highspy.HighsLp(), self.columns.size
        model.num_col_, model.num_row_ = count, racks + rows + 1
        model.col_cost_, model.col_lower_ = np.zeros(count), np.zeros(count)
        model.col_upper_ = np.ones(count)
        model.row_lower_ = np.full(model.num_row_, -highspy.kHighsInf)
        model.row_upper_ = np.full(model.num_row_, highspy.kHighsInf)
        model.sense_ = highspy.ObjSense.kMaximize
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        starts = np.searchsorted(column, np.arange(count + 1))
        model.a_matrix_.start_ = starts
        model.a_matrix_.index_ = row
        model.a_matrix_.value_ = table[column, row]
        self.solver.passModel(model)

    def solve(self, limits: Limits, floor_w: F64, demand_w: F64, weight: F64) -> tuple[F64, F64]:
        """The caps, and the work of each node at them. Watts at the nodes' inlets."""
        first, unit = self.first, self.unit
        top = np.maximum(np.minimum(demand_w, limits.cord_w), floor_w)
        least = np.full(first.size, np.inf)
        np.minimum.at(least, unit, top)
        low, wanted = floor_w[first], demand_w[first]
        marks = low[:, None] + (least - low)[:, None] * np.linspace(0, 1, SEGMENTS + 1)
        work = _work(marks, wanted[:, None], self.alpha[first, None])
        width = np.diff(marks, axis=1)
        gain = np.diff(work, axis=1) * (weight[first] * self.size)[:, None]
        slope = gain / np.maximum(width, 1e-6)
        self._bind(limits, floor_w, slope.ravel(), width.ravel())
        self.solver.run()
        given = np.array(self.solver.getSolution().col_value).reshape(-1, SEGMENTS).sum(axis=1)
        caps: F64 = floor_w + given[unit]
        return caps, self.work(caps, demand_w)

    def _bind(self, limits: Limits, floor_w: F64, cost: F64, width: F64) -> None:
        loads, hall, solver, count = self.hall.loads, self.hall, self.solver, self.columns.size
        rack = np.bincount(loads.rack, weights=floor_w, minlength=hall.racks)
        row = np.bincount(loads.row, weights=floor_w, minlength=hall.rows)
        room = np.concatenate(
            [limits.rack_w - rack, limits.row_w - row, [limits.site_w - floor_w.sum()]]
        )
        columns = self.columns.astype(np.int32)
        solver.changeColsCost(count, columns, cost * 1e3)
        solver.changeColsBounds(count, columns, np.zeros(count), width)
        for at, watts in enumerate(room.tolist()):
            solver.changeRowBounds(at, -highspy.kHighsInf, max(0.0, watts))

    def work(self, cap_w: F64, demand_w: F64) -> F64:
        """The share of its pace that a node keeps at a cap."""
        return _work(cap_w, demand_w, self.alpha)


def _work(cap_w: F64, demand_w: F64, alpha: F64) -> F64:
    wanted = np.maximum(demand_w / CONVERTED - REST_W, 1.0)
    given = np.clip(cap_w / CONVERTED - REST_W, 1.0, wanted)
    kept: F64 = (given / wanted) ** alpha
    return kept


class Oracle:
    """It is given the world, which no other controller is."""

    name = "oracle"
    guard = 0.0

    def __init__(self, world: World) -> None:
        self.world, self.plan = world, world.plan
        self.program = Program(world.hall, in_step(world.plan))
        self.weight: F64 = RANK ** world.hall.loads.priority.astype(np.float64)
        self._next_s = 0.0

    def observe(self, seen: Seen) -> None:
        """It needs no instruments."""

    def tick(self, t: float) -> list[Write]:
        if t < self._next_s - 1e-9:
            return []
        self._next_s = t + EVERY_S
        limits = self.world.limits_now(ahead_s=AHEAD_S).less(self.guard)
        loads = self.plan.hall.loads
        caps, _ = self.program.solve(limits, loads.floor_w, self._wants(), self.weight)
        do.limit_each(self.world.plant, caps, nodes=np.arange(loads.count))
        return []

    def _wants(self) -> F64:
        """The peak of what every node is at now: a job's high level unless it waits or saves."""
        plant, loads = self.world.plant, self.plan.hall.loads
        work = plant.work
        resting = (work.saving_s > EVERY_S) | (work.stalled_s > 0.0)
        level = np.where(resting, 0.15, work.high)[loads.job]
        busy = np.zeros(loads.count)
        busy[work.serving.nodes] = np.where(work.serving.prompt > 0.0, PREFILL, 0.65)
        level = np.where(self.plan.serving, busy, level)
        peak = plant.gpus.peak_w.sum(axis=0) * level
        rest = plant.hosts.cpu_idle_w + 0.4 * plant.hosts.cpu_max_w + plant.hosts.base_w + 150.0
        wants: F64 = np.minimum(CONVERTED * (peak + rest), loads.nameplate_w)
        return wants


class SafeOracle(Oracle):
    """The same, and it leaves what nobody who is never to pass a limit may give away: the guard and
    what caps may be wrong by. What it does over a static cap is what these limits hold."""

    name = "oracle-safe"
    guard = 0.015 + CAP_ERROR


def bound(given: Scenario, base: Reference) -> float:
    """The most work, as a share of that without caps, that these limits allow."""
    hall = base.hall
    world, program = World(given, hall, base.limits), Program(hall)
    per_s, ones = round(1.0 / DT), np.ones(hall.loads.count)
    floor = np.minimum(hall.loads.floor_w, hall.loads.idle_w)
    total = []
    for start in range(0, len(base.want_w), per_s):
        demand = np.mean(base.want_w[start : start + per_s], axis=0)
        limits = world.limits_now(ahead_s=given.warm_s + start * DT)
        low = np.minimum(floor, demand)
        _, work = program.solve(limits, low, demand, ones)
        total.append(float(work.mean()))
    return float(np.mean(total))
