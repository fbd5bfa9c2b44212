"""What a run was worth: limits, trips, work, fairness, wear and what the grid saw.

Everything is measured at the plant. `over_s` and `over_j` are by level and apart for the window
after a limit fell and for all other time. Trips are counted on both curves whatever the scenario's
own is. Work is what jobs really did against the same hall without caps and without failures.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bench.energy.hall import Limits, at_feed_w
from bench.energy.inversions import Inversions
from bench.energy.scenario import CURVES
from bench.energy.stays import NEVER, Stays
from bench.energy.world import GRID_NOTICE_S, World
from iolaus.sim.physics.arrays import F64, totals

LEVELS: Final = ("site", "feed", "row", "rack", "node")
WEIGHTS: Final = (1.0, 2.0, 4.0, 8.0)
COOL_S: Final = 60.0
SETTLED_S: Final = 2.0
STEADY_S: Final = 10.0
MINUTE_S: Final = 60.0


class Score(msgspec.Struct, kw_only=True):
    """Seconds, joules, watts, shares of one. `over_*` by level; `in_window_*` within the event
    window. `to_cap_s` is the longest time from a limit's fall until the hall was under it to stay
    (0: always was); NEVER stands for never, None for what was not asked. `of_bound` is against the
    LP bound, `to_floor_s` from the loss of authority to the floor, `granted_over_w` what the caps
    in force allowed above the site's limit at worst, `band_*` the swing within 0.1 to 20 Hz,
    `writes_per_node_min` of the busiest node, in its busiest minute."""

    seed: int
    scenario: str
    controller: str
    over_s: dict[str, float]
    over_j: dict[str, float]
    in_window_s: dict[str, float]
    in_window_j: dict[str, float]
    overshoot: dict[str, float]
    trips: dict[str, int]
    to_cap_s: float
    throughput: float
    of_bound: float | None
    weighted: float
    by_priority: list[float | None]
    inversions: int
    stranded_w: float
    fairness: float
    writes_per_node_min: float
    ramp_w_s: float
    band_share: float
    band_w: float
    to_floor_s: float | None
    to_flow_cap_s: float | None
    granted_over_w: float
    wall_s: float

    @property
    def clean(self) -> bool:
        """No limit passed outside the window, no trip, no inversion."""
        return self.violation_s == 0.0 and not any(self.trips.values()) and not self.inversions

    @property
    def violation_s(self) -> float:
        return sum(self.over_s.values())


class Judge:
    """Sees every step of a run."""

    def __init__(self, world: World) -> None:
        self.world, supply = world, world.plant.supply
        self.falls = sorted(
            h.start_s + (GRID_NOTICE_S if h.what == "grid" else 0.0)
            for h in world.scenario.happenings
            if h.what in ("feed", "psu", "grid")
        )
        zeros = dict.fromkeys(LEVELS, 0.0)
        self.over_s, self.over_j = dict(zeros), dict(zeros)
        self.in_s, self.in_j, self.overshoot = dict(zeros), dict(zeros), dict(zeros)
        self.heat = {name: np.zeros(supply.rated_w.size) for name in CURVES}
        self.trips = dict.fromkeys(CURVES, 0)
        self.inversions = Inversions(world)
        self.site_w: list[float] = []
        self.limit_w: list[float] = []
        self.any_over: list[bool] = []
        self.stranded_j = 0.0
        self.writes: list[tuple[float, F64]] = []
        self.pace_sum: F64 = np.zeros(world.hall.loads.count)
        self.stays = Stays(world)

    def enter(self, limits: Limits, t: float) -> None:
        """After a step that began at `t` under these limits."""
        world, dt = self.world, self.world.dt
        supply, hall = world.plant.supply, world.hall
        ways = supply.out_w[hall.ways]
        loads = {
            "site": np.array([supply.out_w[hall.feeds].sum()]),
            "feed": supply.out_w[hall.feeds],
            "row": ways.sum(axis=1),
            "rack": supply.out_w[hall.shelves],
            "node": world.plant.node_w,
        }
        bounds = {
            "site": np.array([at_feed_w(limits.site_w, world.extra_w)]),
            "feed": supply.rated_w[hall.feeds],
            "row": supply.rated_w[hall.ways[:, 0]],
            "rack": limits.rack_w,
            "node": limits.cord_w,
        }
        self._compare(loads, bounds, t, dt)
        self._warm(dt)
        self.site_w.append(float(loads["site"][0]))
        self.limit_w.append(float(bounds["site"][0]))
        if t >= self.world.scenario.warm_s:
            self.pace_sum += world.plant.work.throughput * dt
            self._strand(loads, bounds, dt)
        self.inversions.enter(limits, t)
        self.stays.enter(limits, t, window=self.in_window(t))

    def _compare(self, loads: dict[str, F64], bounds: dict[str, F64], t: float, dt: float) -> None:
        seconds, joules = (
            (self.in_s, self.in_j) if self.in_window(t) else (self.over_s, self.over_j)
        )
        passed = False
        for level in LEVELS:
            over = loads[level] - bounds[level]
            if (over > EPS * bounds[level]).any():
                passed = passed or level != "node"
                seconds[level] += dt
                joules[level] += float(np.maximum(over, 0.0).sum()) * dt
                worst = float((over / bounds[level]).max())
                self.overshoot[level] = max(self.overshoot[level], worst)
        self.any_over.append(passed)

    def in_window(self, t: float) -> bool:
        """A limit fell a moment ago."""
        return any(0.0 <= t - fall < self.world.scenario.window_s - 1e-9 for fall in self.falls)

    def _warm(self, dt: float) -> None:
        supply = self.world.plant.supply
        rated = supply.rated_w.copy()
        rated[supply.stores.where] *= np.maximum(supply.stores.working_share, 1e-6)
        current = supply.out_w / rated
        judged = supply.breaker_k > 0.0
        for name, k in CURVES.items():
            rise = np.maximum(current * current - 1.0, 0.0) / k
            heat = np.where(current > 1.0, self.heat[name] + rise * dt, self.heat[name])
            heat = np.where(current > 1.0, heat, heat * np.exp(-dt / COOL_S))
            fresh = judged & (heat >= 1.0) & (self.heat[name] < 1.0)
            self.trips[name] += int(fresh.sum())
            self.heat[name] = np.minimum(heat, 1.0)

    def _strand(self, loads: dict[str, F64], bounds: dict[str, F64], dt: float) -> None:
        """Watts that somebody wanted and no limit forbade."""
        hall, gpus = self.world.hall, self.world.plant.gpus
        unmet = np.maximum(gpus.want_w - gpus.node_w, 0.0).astype(np.float64)
        unmet = np.minimum(unmet, np.maximum(bounds["node"] - loads["node"], 0.0))
        racks = totals(hall.loads.rack, unmet, hall.racks)
        racks = np.minimum(racks, np.maximum(bounds["rack"] - loads["rack"], 0.0))
        rows = totals(hall.rack_row, racks, hall.rows)
        rows = np.minimum(rows, np.maximum(bounds["row"] - loads["row"], 0.0))
        slack = max(0.0, float(bounds["site"][0] - loads["site"][0]))
        self.stranded_j += min(float(rows.sum()), slack) * dt

    def wrote(self, nodes: F64, t: float) -> None:
        """Count cap writes of the steady state: warm, and no event near."""
        if t >= self.world.scenario.warm_s and not self._disturbed(t):
            self.writes.append((t, nodes))

    def _disturbed(self, t: float) -> bool:
        ends = [e for h in self.world.scenario.happenings for e in (h.start_s, h.end_s)]
        return any(0.0 <= t - end < STEADY_S for end in ends)

    def busiest(self) -> float:
        """The most writes of a node within any minute."""
        sums, most, first = np.zeros(self.world.hall.loads.count), 0.0, 0
        for t, nodes in self.writes:
            sums += nodes
            while t - self.writes[first][0] >= MINUTE_S:
                sums -= self.writes[first][1]
                first += 1
            most = max(most, float(sums.max()))
        return most

    def to_cap_s(self) -> float:
        """The longest time from a fall of a limit until the hall stayed under all of them."""
        over, dt, worst = np.array(self.any_over), self.world.dt, 0.0
        stay = round(SETTLED_S / dt)
        for fall in self.falls:
            first = round(fall / dt)
            late = next((n for n in range(first, over.size) if not over[n : n + stay].any()), None)
            worst = max(worst, NEVER if late is None else (late - first) * dt)
        return worst

    def grid(self) -> tuple[float, float, float]:
        """The steepest ramp over a second; of the swing within 0.1 to 20 Hz, its share of all
        swing and its size in watts (root of the mean square)."""
        dt = self.world.dt
        power = np.array(self.site_w)[round(self.world.scenario.warm_s / dt) :]
        lag = round(1.0 / dt)
        ramp = float(np.abs(power[lag:] - power[:-lag]).max())
        window = np.hanning(power.size)
        energy = np.abs(np.fft.rfft((power - power.mean()) * window)) ** 2
        hertz = np.fft.rfftfreq(power.size, dt)
        band = float(energy[(hertz >= 0.1) & (hertz <= 20.0)].sum())
        size = (2.0 * band / (power.size * float((window**2).sum()))) ** 0.5
        return ramp, band / max(float(energy[1:].sum()), 1e-9), size


EPS: Final = 1e-6
"""A limit is passed when this part of it is passed: rounding, no allowance."""
