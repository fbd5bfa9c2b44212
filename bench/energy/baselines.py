"""What others do: the controllers that ours is judged against, each in a page.

All are central: they read what reaches the centre, decide once a period, and write over the
building's network. They honour priority where their model does. `TUNED` are parameters found by
`python -m bench.energy tune`, which a controller takes by its name; the constants here are where
the search starts from. None of them may see the plant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from bench.energy.fill import water_fill
from bench.energy.seen import Plan, Seen, Write
from iolaus.sim.physics.arrays import F64, Bools, Ints, totals

Params = Mapping[str, float]
LEAST_CHANGE: Final = 0.004
PEAK_S: Final = 6
STALE_S: Final = 2.5


class Central:
    """Decides once in `period_s`; writes what changed. `caps_w` is what it last asked for."""

    name = "central"
    period_s = 1.0
    start: Mapping[str, float] = {}

    def __init__(self, plan: Plan, params: Params | None = None) -> None:
        self.plan, self.p = plan, dict(self.start) | dict(params or {})
        self.loads = plan.hall.loads
        self.caps_w: F64 = self.loads.floor_w.copy()
        self.rng = np.random.default_rng((plan.seed, 5))
        self._next_s = 0.2
        self.seen: Seen | None = None

    def observe(self, seen: Seen) -> None:
        self.seen = seen

    def tick(self, t: float) -> list[Write]:
        if self.seen is None or not self.seen.centre_up or t < self._next_s - 1e-9:
            return []
        self._next_s = t + self.period_s
        wanted = np.clip(self.decide(self.seen), self.loads.floor_w, self.loads.nameplate_w)
        moved = np.abs(wanted - self.caps_w) > LEAST_CHANGE * self.loads.nameplate_w
        nodes: Ints = np.flatnonzero(moved)
        if not nodes.size:
            return []
        self.caps_w[nodes] = wanted[nodes]
        return [Write(nodes=nodes, watts=wanted[nodes], tickets=np.zeros_like(nodes))]

    def decide(self, seen: Seen) -> F64:
        raise NotImplementedError

    def measured(self, seen: Seen) -> tuple[float, F64, F64]:
        """Watts of the site, its rows and its racks, as the centre reads them."""
        rows = totals(self.plan.hall.rack_row, seen.rack_far_w, self.plan.hall.rows)
        return seen.site_far_w, rows, seen.rack_far_w

    def lowest(self, site: float, rows: F64, racks: F64) -> F64:
        """For each node the least of its levels' values."""
        under: F64 = np.minimum(np.minimum(rows[self.loads.row], racks[self.loads.rack]), site)
        return under


class Nothing(Central):
    """No cap at all."""

    name = "none"

    def decide(self, _: Seen) -> F64:
        return self.loads.nameplate_w


class Static(Central):
    """One cap for ever, such that everybody at it, with a feed lost or a shelf's supplies gone,
    fits every limit. It sees nothing, so it keeps what every controller starts with below a limit:
    the guard of 1.5 % and a cap error of 1 % that nobody has measured. It is not tuned."""

    name = "static"
    start = {"guard": 0.025, "psu": 0.7}

    def decide(self, _: Seen) -> F64:
        limits, loads, hall = self.plan.limits, self.loads, self.plan.hall
        ones = np.ones(loads.count)
        row = limits.row_w / totals(loads.row, ones, hall.rows)
        rack = self.p["psu"] * limits.rack_w / totals(loads.rack, ones, hall.racks)
        share = self.lowest(limits.feed_w / loads.count, row, rack)
        return np.minimum(share, loads.cord_w) * (1.0 - self.p["guard"])


class Uniform(Central):
    """One level for all nodes under a limit, scaled by how full it is, once a second."""

    name = "uniform"
    start = {"target": 0.95, "grow": 0.05}

    def __init__(self, plan: Plan, params: Params | None = None) -> None:
        super().__init__(plan, params)
        self.site = 0.6
        self.rows, self.racks = np.full(plan.hall.rows, 0.6), np.full(plan.hall.racks, 0.6)

    def decide(self, seen: Seen) -> F64:
        site, rows, racks = self.measured(seen)
        limits = seen.limits
        self.site = float(self._next(np.array([self.site]), np.array([site]), limits.site_w)[0])
        self.rows = self._next(self.rows, rows, limits.row_w)
        self.racks = self._next(self.racks, racks, limits.rack_w)
        share = self.lowest(self.site, self.rows, self.racks)
        return np.minimum(share * self.loads.nameplate_w, self.loads.cord_w * 0.98)

    def _next(self, level: F64, measured: F64, limit: F64 | float) -> F64:
        full = self.p["target"] * limit / np.maximum(measured, 1.0)
        return np.clip(level * np.clip(full, 0.5, 1.0 + self.p["grow"]), 0.3, 1.0)


class Proportional(Central):
    """Each node's share of a limit is its share of what is drawn."""

    name = "proportional"
    start = {"target": 0.95, "room": 1.15}

    def decide(self, seen: Seen) -> F64:
        draw = np.maximum(seen.far_w, self.loads.idle_w) * self.p["room"]
        limits, target = seen.limits, self.p["target"]
        caps = draw * min(1.0, target * limits.site_w / float(draw.sum()))
        for group, limit in ((self.loads.row, limits.row_w), (self.loads.rack, limits.rack_w)):
            full = target * limit / np.maximum(totals(group, caps, limit.size), 1.0)
            caps = caps * np.minimum(1.0, full)[group]
        return np.minimum(caps, self.loads.cord_w * 0.98)


class ThreeBand(Central):
    """Cap above one threshold to a target, uncap below another; lowest priority and highest draw
    first. Racks every period, rows and the site every `upper` periods."""

    name = "three-band"
    start = {"cap": 0.99, "target": 0.95, "uncap": 0.90, "upper": 3.0, "period_s": 3.0}

    def __init__(self, plan: Plan, params: Params | None = None) -> None:
        super().__init__(plan, params)
        self.period_s = self.p["period_s"]
        loads, hall = self.loads, plan.hall
        self.held = np.tile(loads.nameplate_w, (3, 1))
        site = np.zeros(loads.count, dtype=np.intp)
        self.groups = ((site, 1), (loads.row, hall.rows), (loads.rack, hall.racks))
        self.rounds = 0

    def decide(self, seen: Seen) -> F64:
        site, rows, racks = self.measured(seen)
        limits = seen.limits
        levels = ((np.array([site]), np.array([limits.site_w])), (rows, limits.row_w))
        if self.rounds % max(1, round(self.p["upper"])) == 0:
            for level, (measured, limit) in enumerate(levels):
                self._band(level, measured, limit, seen.far_w)
        self._band(2, racks, limits.rack_w, seen.far_w)
        self.rounds += 1
        least: F64 = self.held.min(axis=0)
        return np.minimum(least, self.loads.cord_w * 0.98)

    def _band(self, level: int, measured: F64, limit: F64, draw: F64) -> None:
        group, count = self.groups[level]
        over, under = measured > self.p["cap"] * limit, measured < self.p["uncap"] * limit
        for number in range(count):
            members = np.flatnonzero(group == number)
            if over[number]:
                need = float(measured[number] - self.p["target"] * limit[number])
                self._cut(level, members, draw, need)
            elif under[number]:
                self.held[level, members] = self.loads.nameplate_w[members]

    def _cut(self, level: int, members: Ints, draw: F64, need: float) -> None:
        """Lowest priority first, and within it whoever draws most."""
        for priority in range(4):
            mine = members[self.loads.priority[members] == priority]
            if need <= 0.0 or not mine.size:
                continue
            low = float(self.loads.floor_w[mine].min())
            line = _line(draw[mine], need, low)
            cut = np.maximum(draw[mine] - line, 0.0)
            self.held[level, mine] = np.where(cut > 0.0, line, self.held[level, mine])
            need -= float(cut.sum())


def _line(draw: F64, need: float, low: float) -> float:
    """The level to which the highest are cut so that `need` watts are freed, not under `low`."""
    under, over = low, float(draw.max(initial=low))
    for _ in range(30):
        middle = 0.5 * (under + over)
        if float(np.maximum(draw - middle, 0.0).sum()) > need:
            under = middle
        else:
            over = middle
    return over


class Decrease(Central):
    """Two thresholds: cut by a factor, hard above the higher; let go by a coin, a step at a
    time."""

    name = "multiplicative-decrease"
    start = {"high": 0.99, "low": 0.95, "hard": 0.7, "soft": 0.95, "chance": 0.3, "step": 0.05}

    def decide(self, seen: Seen) -> F64:
        site, rows, racks = self.measured(seen)
        limits, p = seen.limits, self.p
        row, rack = rows / limits.row_w, racks / limits.rack_w
        full = np.maximum(row[self.loads.row], rack[self.loads.rack])
        full = np.maximum(full, site / limits.site_w)
        factor = np.where(full > p["high"], p["hard"], np.where(full > p["low"], p["soft"], 1.0))
        lucky = (full < p["low"]) & (self.rng.random(full.size) < p["chance"])
        basis = np.where(full > p["low"], np.minimum(self.caps_w, 1.1 * seen.far_w), self.caps_w)
        caps = basis * factor + lucky * p["step"] * self.loads.nameplate_w
        return np.minimum(caps, self.loads.cord_w * 0.98)


class Pid(Central):
    """A PID per limit on one level for all below it."""

    name = "pid"
    start = {"target": 0.95, "p": 0.3, "i": 0.2, "d": 0.0}

    def __init__(self, plan: Plan, params: Params | None = None) -> None:
        super().__init__(plan, params)
        count = 1 + plan.hall.rows + plan.hall.racks
        self.sum, self.last = np.full(count, 0.55), np.zeros(count)

    def decide(self, seen: Seen) -> F64:
        site, rows, racks = self.measured(seen)
        limits, p = seen.limits, self.p
        measured = np.concatenate([[site], rows, racks])
        limit = np.concatenate([[limits.site_w], limits.row_w, limits.rack_w])
        error = p["target"] - measured / limit
        self.sum = np.clip(self.sum + p["i"] * error, 0.3, 1.0)
        level = np.clip(self.sum + p["p"] * error + p["d"] * (error - self.last), 0.3, 1.0)
        self.last = error
        split = 1 + self.plan.hall.rows
        share = self.lowest(float(level[0]), level[1:split], level[split:])
        return np.minimum(share * self.loads.nameplate_w, self.loads.cord_w * 0.98)


class LastApplied(Central):
    """Priority water-filling over peaks from the centre alone, without a lease: when the centre
    dies, what it applied last stays."""

    name = "last-applied"
    start = {"guard": 0.025}

    def __init__(self, plan: Plan, params: Params | None = None) -> None:
        super().__init__(plan, params)
        self.peaks: F64 = np.tile(self.loads.nameplate_w, (PEAK_S, 1))
        self.shrunk = False

    def decide(self, seen: Seen) -> F64:
        fresh: Bools = seen.t - seen.far_at <= STALE_S
        self.peaks = np.roll(self.peaks, 1, axis=0)
        self.peaks[0] = np.where(fresh, seen.far_w, self.loads.nameplate_w)
        peak = self.peaks.max(axis=0)
        held = peak >= 0.97 * self.caps_w
        demand = np.where(held, self.loads.nameplate_w, 1.03 * peak)
        caps = water_fill(self.plan.hall, seen.limits, demand, guard=self.p["guard"])
        if (caps < self.caps_w - 1.0).any() and not self.shrunk:
            self.shrunk = True
            return np.minimum(caps, self.caps_w)
        self.shrunk = False
        return caps


BASELINES: Final[tuple[type[Central], ...]] = (
    Nothing,
    Static,
    Uniform,
    Proportional,
    ThreeBand,
    Decrease,
    Pid,
    LastApplied,
)
