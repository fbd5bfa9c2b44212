"""The hall as it is, and the instruments and paths between it and its controller.

Everything a controller sees is late, rounded and noisy; some of it is old, and old values keep the
time at which they were taken. A cap is a request over a network: it arrives after a while, in the
order it was sent to that rack, is rounded and a little wrong, and slews in the device. A node that
cannot be reached answers nothing; one write in three to it counts all the same.
"""

from __future__ import annotations

import heapq
from dataclasses import replace
from itertools import count
from typing import Final

import numpy as np

from bench.energy.hall import Hall, Limits, PowerPlant, rate
from bench.energy.scenario import CURVES, SECONDS, Happening, Scenario
from bench.energy.seen import Answers, Plan, Seen, Signal, Write
from iolaus.sim.physics import actuators as do
from iolaus.sim.physics import faults
from iolaus.sim.physics.arrays import F64, Bools, Ints, totals

DT: Final = 0.05
NODE_PERIOD_S: Final = 1.0
NEAR_DELAY_S, FAR_DELAY_S = 0.1, 0.35
NEAR_WRITE_S, FAR_WRITE_S = (0.06, 0.14), (0.25, 0.45)
ANSWER_S, SILENCE_S = 0.03, 0.5
SIGNAL_S, TOLD_S = (0.02, 0.06), 0.2
NODE_NOISE, RACK_NOISE, CAP_ERROR = 0.01, 0.005, 0.004
CHARGE_SHARE: Final = 0.1
PUMPS_RESERVE, CHARGE_RESERVE = 1.2, 1.05
"""What has no cap and is left free below every limit: pumps, and batteries that charge slowly."""
GRID_NOTICE_S: Final = 10.0


class World:
    """`step` moves it; `seen` is what a controller may know; `write` is what it may do."""

    def __init__(self, scenario: Scenario, hall: Hall, limits: Limits, *, dt: float = DT) -> None:
        self.scenario, self.hall, self.limits, self.dt = scenario, hall, limits, dt
        self.rng = np.random.default_rng((scenario.seed, 2))
        self.plant = PowerPlant(hall.topology, seed=scenario.seed)
        scenario.begin(self.plant)
        self._commission()
        nodes = hall.loads.count
        self.gain: F64 = 1.0 + self.rng.uniform(-NODE_NOISE, NODE_NOISE, nodes)
        self.cap_gain: F64 = 1.0 + self.rng.uniform(-CAP_ERROR, CAP_ERROR, nodes)
        self.phase: F64 = self.rng.uniform(0.0, NODE_PERIOD_S, nodes)
        self._taken_w, self._taken_at = np.zeros(nodes), np.full(nodes, -9.0)
        self._near = [np.zeros(nodes), np.full(nodes, -9.0)]
        self._far = [np.zeros(nodes), np.full(nodes, -9.0)]
        self._racks: list[F64] = []
        self._due: list[tuple[float, int, Write]] = []
        self._back: list[tuple[float, int, Answers]] = []
        self._signals: list[tuple[float, int, Signal, bool]] = []
        self._last_landing: dict[int, float] = {}
        self.unanswered_w: F64 = np.zeros(nodes)
        """The highest that was written to each of those who did not answer; whoever reads it takes
        back what was answered meanwhile."""
        self._number = count()
        self._announce()
        do.limit_each(self.plant, hall.loads.floor_w, nodes=np.arange(nodes))
        self.plant.gpus.cap_w[:] = self.plant.hosts.share_w(self.plant.fans.watts)

    @property
    def t(self) -> float:
        return self.plant.t_s

    @property
    def plan(self) -> Plan:
        jobs = self.hall.topology.jobs
        serves = np.array([job.work == "serving" for job in jobs], dtype=np.bool_)
        return Plan(
            hall=self.hall,
            limits=self.limits,
            dt=self.dt,
            seed=self.scenario.seed,
            serving=serves[self.hall.loads.job],
        )

    def _commission(self) -> None:
        hall, plant = self.hall, self.plant
        do.limit_charge(plant, CHARGE_SHARE, supplies=hall.shelves)
        source = np.maximum(hall.topology.loop_source, 0)
        pumps = totals(source, plant.coolant.pumping_w, hall.topology.supplies)[hall.ways[:, 0]]
        charger = CHARGE_SHARE * float(plant.supply.stores.charge_w[0])
        racks = np.bincount(hall.rack_row, minlength=hall.rows)
        extra = PUMPS_RESERVE * pumps + CHARGE_RESERVE * charger * racks
        self.extra_w = float(extra.sum())
        breaker_k = CURVES[self.scenario.curve]
        rate(plant, hall, self.limits, breaker_k=breaker_k, extra_w=extra)

    # What befalls it

    def _announce(self) -> None:
        """Put all happenings into virtual time: to the plant, and as signals."""
        for h in self.scenario.happenings:
            self._strike(h)
            for when, on in ((h.start_s, True), (h.end_s, False)):
                if h.what in ("feed", "psu", "flow") and when < SECONDS:
                    self._signal(h, when, on=on)

    def _strike(self, h: Happening) -> None:
        lasts = None if h.end_s >= SECONDS else h.end_s - h.start_s
        if h.what == "feed":
            roots = self.hall.topology.supply_a[self.hall.feeds[list(h.who)]]
            faults.schedule(self.plant, "feed-loss", roots, at_s=h.start_s, for_s=lasts)
        if h.what == "psu":
            units = float(self.plant.supply.stores.units[0])
            lost = round((1.0 - h.amount) * units)
            shelves = self.hall.shelves[list(h.who)]
            faults.schedule(
                self.plant, "psu-loss", shelves, at_s=h.start_s, for_s=lasts, amount=lost
            )

    def _signal(self, h: Happening, when: float, *, on: bool) -> None:
        everyone = tuple(range(self.hall.racks))
        for who in h.who:
            racks = everyone if h.what == "feed" else self.flow_racks(who)
            racks = (who,) if h.what == "psu" else racks
            signal = Signal(what=h.what, subject=who, racks=racks, on=on, amount=h.amount)
            if self.scenario.signalled:
                late = float(self.rng.uniform(*SIGNAL_S))
                heapq.heappush(self._signals, (when + late, next(self._number), signal, True))
            heapq.heappush(self._signals, (when + TOLD_S, next(self._number), signal, False))

    def flow_racks(self, loop: int) -> tuple[int, ...]:
        return tuple(np.flatnonzero(self.hall.topology.rack_loop == loop).tolist())

    def marked(self, what: str, size: int) -> Bools:
        """Which of `size` things this befalls now."""
        mask = np.zeros(size, dtype=np.bool_)
        for h in self.scenario.during(what, self.t):
            mask[list(h.who)] = True
        return mask

    # Limits

    def limits_now(self, *, told: bool = False, ahead_s: float = 0.0) -> Limits:
        """What counts now, or in a while. A told limit comes a little later, but a grid target
        before it is due."""
        t = self.t + ahead_s - (TOLD_S if told else 0.0)
        s = self.scenario
        site = self.limits.site_w
        if s.during("feed", t):
            site = min(site, self.limits.feed_w)
        for h in s.during("grid", t):
            if told or t >= h.start_s + GRID_NOTICE_S:
                site = min(site, h.amount * self.limits.site_w)
        rack = self.limits.rack_w
        for h in s.during("psu", t):
            rack = rack.copy()
            rack[list(h.who)] *= self.psu_share(h.amount)
        return replace(self.limits, site_w=site, rack_w=rack)

    def psu_share(self, amount: float) -> float:
        units = float(self.plant.supply.stores.units[0])
        return 1.0 - round((1.0 - amount) * units) / units

    # What is seen

    def seen(self) -> Seen:
        s, t, hall = self.scenario, self.t, self.hall
        rack_w = self._racks[-1] if self._racks else np.zeros(hall.racks)
        late = max(0, len(self._racks) - 1 - round(FAR_DELAY_S / self.dt))
        far = self._racks[late] if self._racks else rack_w
        noise = 1.0 + RACK_NOISE * self.rng.uniform(-1.0, 1.0, (2, hall.racks))
        return Seen(
            t=t,
            far_w=self._far[0],
            far_at=self._far[1],
            near_w=self._near[0],
            near_at=self._near[1],
            rack_w=rack_w * noise[0],
            rack_far_w=far * noise[1],
            site_far_w=float((far * noise[1]).sum()),
            limits=self.limits_now(told=True),
            centre_up=not s.during("centre", t),
            bus_up=not s.during("bus", t),
            edge_up=~self.marked("edge", hall.racks),
            joined=~self.marked("partition", hall.racks),
            bad_frames=max((h.amount for h in s.during("frames", t)), default=0.0),
            bad_clocks=max((h.amount for h in s.during("clocks", t)), default=0.0),
            signals=self._ripe(local=True),
            told=self._ripe(local=False),
            answers=self._answered(),
        )

    def _ripe(self, *, local: bool) -> list[Signal]:
        ripe = [s for s in self._signals if s[0] <= self.t and s[3] == local]
        for item in ripe:
            self._signals.remove(item)
        return [item[2] for item in ripe]

    def _answered(self) -> list[Answers]:
        found = []
        while self._back and self._back[0][0] <= self.t:
            found.append(heapq.heappop(self._back)[2])
        return found

    def _sample(self) -> None:
        """Instruments take their readings, each node at its own time, and hand them on later."""
        t, dt = self.t, self.dt
        due = (t + self.phase) % NODE_PERIOD_S < dt
        due &= ~self.marked("stale", due.size) & ~self.marked("unreachable", due.size)
        self._taken_w = np.where(due, np.rint(self.plant.node_w * self.gain), self._taken_w)
        self._taken_at = np.where(due, t, self._taken_at)
        cut = self._cut()
        for view, delay, hidden in (
            (self._near, NEAR_DELAY_S, None),
            (self._far, FAR_DELAY_S, cut),
        ):
            ripe = t - self._taken_at >= delay
            if hidden is not None:
                ripe &= ~hidden
            view[0] = np.where(ripe, self._taken_w, view[0])
            view[1] = np.where(ripe, self._taken_at, view[1])
        self._racks.append(totals(self.hall.loads.rack, self.plant.node_w, self.hall.racks))
        del self._racks[:-30]

    def _cut(self) -> Bools:
        """Nodes that the centre's own network does not reach."""
        if self.scenario.during("bus", self.t):
            return np.ones(self.hall.loads.count, dtype=np.bool_)
        return self.marked("partition", self.hall.racks)[self.hall.loads.rack]

    # What is done

    def write(self, write: Write) -> None:
        low, high = NEAR_WRITE_S if write.near else FAR_WRITE_S
        racks = self.hall.loads.rack[write.nodes]
        for rack in np.unique(racks):
            mine = racks == rack
            lands = self.t + float(self.rng.uniform(low, high))
            lands = max(lands, self._last_landing.get(int(rack), 0.0))
            self._last_landing[int(rack)] = lands
            part = Write(
                nodes=write.nodes[mine],
                watts=write.watts[mine],
                tickets=write.tickets[mine],
                near=write.near,
            )
            heapq.heappush(self._due, (lands, next(self._number), part))

    def _land(self) -> None:
        while self._due and self._due[0][0] <= self.t:
            _, _, write = heapq.heappop(self._due)
            lost = self.marked("unreachable", self.hall.loads.count)[write.nodes]
            cut = np.zeros_like(lost) if write.near else self._cut()[write.nodes]
            counts = ~cut & (~lost | (self.rng.random(lost.size) < 0.3)) & np.isfinite(write.watts)
            unsure = lost & np.isfinite(write.watts)
            np.maximum.at(self.unanswered_w, write.nodes[unsure], write.watts[unsure])
            self._apply(write.nodes[counts], write.watts[counts])
            self._answer(write, lost | cut)

    def _apply(self, nodes: Ints, watts: F64) -> None:
        if nodes.size:
            do.limit_each(self.plant, np.rint(watts) * self.cap_gain[nodes], nodes=nodes)

    def _answer(self, write: Write, silent: Bools) -> None:
        in_force = np.rint(self.plant.hosts.cap_w[write.nodes] / self.cap_gain[write.nodes])
        for which, late in ((~silent, ANSWER_S), (silent, SILENCE_S)):
            if which.any():
                read = in_force[which] if late == ANSWER_S else np.full(which.sum(), np.nan)
                back = Answers(nodes=write.nodes[which], watts=read, tickets=write.tickets[which])
                heapq.heappush(self._back, (self.t + late, next(self._number), back))

    def step(self) -> None:
        self._land()
        self.plant.step(self.dt)
        self._sample()
