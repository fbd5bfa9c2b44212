"""One scenario under one controller, from start to score."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np

from bench.energy.hall import Hall, Limits, limits_for
from bench.energy.scenario import Scenario
from bench.energy.score import WEIGHTS, Judge, Score
from bench.energy.seen import Controller
from bench.energy.world import DT, World
from iolaus.sim.physics import actuators as do
from iolaus.sim.physics.arrays import F64

Make = Callable[[World], Controller]
"""A controller for a world, of which all but the oracle take the plan only."""

UNBOUND_W: Final = 1e12


class Reference:
    """The same hall and work without caps, limits and failures."""

    def __init__(self, given: Scenario) -> None:
        plain = Scenario(
            seed=given.seed,
            load=given.load,
            failure="quiet",
            curve=given.curve,
            jobs=given.jobs,
            sizes=given.sizes,
            starts_s=given.starts_s,
            pressure=given.pressure,
            smooths=given.smooths,
            seconds=given.seconds,
            warm_s=given.warm_s,
        )
        self.hall: Hall = plain.hall()
        nodes = self.hall.loads.count
        free = Limits(
            site_w=UNBOUND_W,
            feed_w=UNBOUND_W,
            row_w=np.full(self.hall.rows, UNBOUND_W),
            rack_w=np.full(self.hall.racks, UNBOUND_W),
            cord_w=np.full(nodes, UNBOUND_W),
        )
        world = World(plain, self.hall, free)
        do.limit_nodes(world.plant, None, nodes=slice(None))
        self.want_w: list[F64] = []
        before, served, watts = np.zeros(0), np.zeros(0), []
        begin = round(given.warm_s / DT)
        for step in range(round(given.seconds / DT)):
            if step == begin:
                before, served = work_done(world)
            world.plant.step(DT)
            if step >= begin:
                watts.append(float(world.plant.node_w.sum()))
                self.want_w.append(world.plant.node_w.copy())
        after, answers = work_done(world)
        self.done, self.served = after - before, answers - served
        self.limits = limits_for(self.hall, peak_minute(np.array(watts)), pressure=given.pressure)


def peak_minute(watts: F64) -> float:
    """The mean demand of the busier half: what the hall is too small for."""
    return float(np.sort(watts)[watts.size // 2 :].mean() * 0.5 + watts.mean() * 0.5)


@lru_cache(maxsize=8)
def reference(given: Scenario) -> Reference:
    return Reference(given)


def work_done(world: World) -> tuple[F64, F64]:
    """Seconds of progress per job, and answers per serving node."""
    work = world.plant.work
    return work.done_s.copy(), work.serving.served.copy()


def run(given: Scenario, make: Make, *, watch: Callable[[World], None] | None = None) -> Score:
    """`watch` is called after every step."""
    began = time.perf_counter()
    base = reference(given)
    world = World(given, base.hall, base.limits)
    judge, controller = Judge(world), make(world)
    before = work_done(world)
    for step in range(round(given.seconds / world.dt)):
        t = world.t
        if step == round(given.warm_s / world.dt):
            before = work_done(world)
        controller.observe(world.seen())
        for write in controller.tick(t):
            world.write(write)
            real = np.isfinite(write.watts)
            counts = np.bincount(write.nodes[real], minlength=world.hall.loads.count)
            judge.wrote(counts.astype(np.float64), t)
        limits = world.limits_now()
        world.step()
        judge.enter(limits, t)
        if watch is not None:
            watch(world)
    return _score(judge, controller.name, base, before, time.perf_counter() - began)


def _score(
    judge: Judge, name: str, base: Reference, before: tuple[F64, F64], wall_s: float
) -> Score:
    world = judge.world
    judge.stays.end()
    shares = job_shares(world, base, before)
    loads = world.hall.loads
    mine = shares[loads.job]
    weights = np.asarray(WEIGHTS)[loads.priority]
    ramp, band, band_w = judge.grid()
    classes = [mine[loads.priority == n] for n in range(4)]
    seconds = world.scenario.seconds - world.scenario.warm_s
    return Score(
        seed=world.scenario.seed,
        scenario=world.scenario.name,
        controller=name,
        over_s=judge.over_s,
        over_j=judge.over_j,
        in_window_s=judge.in_s,
        in_window_j=judge.in_j,
        overshoot=judge.overshoot,
        trips=judge.trips,
        to_cap_s=judge.to_cap_s(),
        throughput=float(mine.mean()),
        of_bound=None,
        weighted=float((mine * weights).sum() / weights.sum()),
        by_priority=[float(each.mean()) if each.size else None for each in classes],
        inversions=judge.inversions.count,
        stranded_w=judge.stranded_j / seconds,
        fairness=fairness(judge.pace_sum / seconds, loads.priority),
        writes_per_node_min=judge.busiest(),
        ramp_w_s=ramp,
        band_share=band,
        band_w=band_w,
        to_floor_s=judge.stays.to_floor_s,
        to_flow_cap_s=judge.stays.to_flow_cap_s,
        granted_over_w=judge.stays.granted_over_w,
        wall_s=wall_s,
    )


def job_shares(world: World, base: Reference, before: tuple[F64, F64]) -> F64:
    """What each job did, of what it does without caps."""
    done, served = work_done(world)
    share = (done - before[0]) / np.maximum(base.done, 1e-9)
    serving = world.plant.work.serving.nodes
    jobs = world.hall.loads.job[serving]
    count = share.size
    mine = np.bincount(jobs, weights=served - before[1], minlength=count)
    free = np.bincount(jobs, weights=base.served, minlength=count)
    share = np.where(free > 0.0, mine / np.maximum(free, 1e-9), share)
    return np.minimum(share, 1.2)


def fairness(pace: F64, priority: np.ndarray) -> float:
    """Jain's index within each class, the mean of the classes."""
    found = []
    for number in range(4):
        mine = pace[priority == number]
        if mine.size:
            found.append(float(mine.sum() ** 2 / (mine.size * (mine**2).sum())))
    return float(np.mean(found))
