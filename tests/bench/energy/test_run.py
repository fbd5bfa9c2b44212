"""The judge of the energy room judges: a short run of it, and what it must tell apart."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from bench.energy.contest import contest, named, run_named
from bench.energy.inversions import EVERY_S, Inversions
from bench.energy.reflexes import measure
from bench.energy.run import reference
from bench.energy.scenario import (
    CURVES,
    FAILURES,
    FAMILIES,
    LOADS,
    Happening,
    Scenario,
    scenario,
)
from bench.energy.score import LEVELS
from bench.energy.seen import in_step
from bench.energy.swing import measure as smoothed
from bench.energy.swing import stepped
from bench.energy.tick import measure as timed
from bench.energy.world import World

from iolaus.kernel.errors import OperatorMust


def short(given: Scenario, seconds: float) -> Scenario:
    """The same, over in a few seconds of virtual time, of which the first are not counted."""
    return replace(given, seconds=seconds, warm_s=4.0)


def test_every_load_meets_every_failure_on_both_curves() -> None:
    names = {scenario(seed).name.partition(":")[2] for seed in range(FAMILIES)}
    assert len(names) == FAMILIES == len(LOADS) * len(FAILURES) * len(CURVES)
    assert FAMILIES >= 200


def test_a_seed_is_a_scenario() -> None:
    assert scenario(9001) == scenario(9001)
    assert scenario(9001) != scenario(9001 + FAMILIES)


def test_demand_is_above_the_limit() -> None:
    base = reference(short(scenario(0), 10.0))
    assert np.mean([want.sum() for want in base.want_w]) > base.limits.site_w


def test_no_cap_passes_limits_and_the_static_cap_none() -> None:
    given = short(scenario(5), 8.0)
    free, capped = run_named(given, "none"), run_named(given, "static")
    assert free.over_s["site"] > 1.0
    assert free.overshoot["site"] > 0.1
    assert capped.over_s == dict.fromkeys(LEVELS, 0.0)
    assert 0.4 < capped.throughput < free.throughput <= 1.2
    assert capped.trips == {"fast": 0, "slow": 0}


def test_a_run_is_its_seed() -> None:
    given = short(scenario(12), 6.0)
    first, second = run_named(given, "uniform"), run_named(given, "uniform")
    first.wall_s = second.wall_s = 0.0
    assert first == second


@pytest.mark.parametrize(("raised", "counted"), [(False, 1), (True, 0)])
def test_who_was_raised_to_what_it_wanted_waits_no_more(raised: bool, counted: int) -> None:
    """A machine of the highest class is held for 14 s. In a trough it waits on, unless it was
    raised."""
    base = reference(short(scenario(1), 8.0))
    world = World(replace(scenario(1), warm_s=0.0), base.hall, base.limits)
    loads, plant = base.hall.loads, world.plant
    waits, giver = int(loads.priority.argmax()), int(loads.priority.argmin())
    plant.hosts.cap_w[:] = loads.floor_w
    plant.node_w[:] = loads.floor_w
    plant.node_w[giver] = plant.hosts.cap_w[giver] = 1.5 * loads.floor_w[giver]
    judge = Inversions(world)
    for at in np.arange(0.0, 16.0, EVERY_S):
        trough = at >= 14.0
        plant.gpus.want_w[:] = plant.gpus.node_w
        plant.gpus.want_w[waits] += 0.0 if trough else 0.2 * loads.nameplate_w[waits]
        if trough and raised:
            plant.hosts.cap_w[waits] = loads.nameplate_w[waits]
        judge.enter(base.limits, float(at))
    assert judge.count == counted


@pytest.mark.parametrize(("silent", "counted"), [(True, 0), (False, 1)])
def test_watts_that_nobody_can_know_to_be_free_count_as_taken(silent: bool, counted: int) -> None:
    """A rack is full until one of its machines gives its watts away."""
    base = reference(short(scenario(1), 8.0))
    loads = base.hall.loads
    waits = int(loads.priority.argmax())
    giver = int(np.flatnonzero((loads.priority == 0) & (loads.rack != loads.rack[waits]))[0])
    gone = int(np.flatnonzero((loads.rack == loads.rack[waits]) & (loads.priority == 3))[-1])
    dark = (Happening(what="unreachable", start_s=1.0, who=(gone,)),) if silent else ()
    world = World(replace(scenario(1), warm_s=0.0, happenings=dark), base.hall, base.limits)
    plant, caps = world.plant, world.plant.hosts.cap_w
    caps[:] = plant.node_w[:] = loads.floor_w
    plant.node_w[giver] = caps[giver] = 2.0 * loads.floor_w[giver]
    caps[gone] = loads.nameplate_w[gone]
    full_w = 1.01 * float(caps[loads.rack == loads.rack[waits]].sum())
    limits = replace(base.limits, rack_w=np.full(base.hall.racks, full_w))
    judge = Inversions(world)
    for at in np.arange(0.0, 20.0, EVERY_S):
        caps[gone] = loads.nameplate_w[gone] if at < 2.0 else loads.floor_w[gone]
        plant.gpus.want_w[:] = plant.gpus.node_w
        plant.gpus.want_w[waits] += 0.2 * loads.nameplate_w[waits]
        plant.t_s = float(at)
        judge.enter(limits, float(at))
    assert judge.count == counted


def test_ours_keeps_all_limits_when_a_feed_is_lost_without_a_centre() -> None:
    plain = short(scenario(25), 14.0)
    loss = Happening(what="feed", start_s=9.0, who=(0,))
    dead = Happening(what="centre", start_s=8.0)
    score = run_named(replace(plain, happenings=(loss, dead)), "iolaus")
    assert score.over_s == dict.fromkeys(LEVELS, 0.0)
    assert score.to_cap_s <= 0.5
    assert score.to_floor_s is not None
    assert score.to_floor_s <= 3.5


def test_a_rack_that_lost_supplies_stays_under_what_is_left() -> None:
    """All its machines are one job's, at their floors, and wake at once."""
    score = run_named(scenario(18), "iolaus")
    assert score.over_s == dict.fromkeys(LEVELS, 0.0)
    assert score.writes_per_node_min <= 6


def test_smoothing_lessens_ramps_and_the_band() -> None:
    lines = list(smoothed(stepped(seconds=45.0, warm_s=36.0)))
    assert len(lines) == 3
    assert lines[-1].startswith("better with smoothing")


def test_jobs_in_step_are_one_and_serving_nodes_are_not() -> None:
    given = scenario(2)
    base = reference(short(given, 5.0))
    unit = in_step(World(given, base.hall, base.limits).plan)
    jobs, loads = given.jobs, base.hall.loads
    training = {n for n, job in enumerate(jobs) if job.work == "training"}
    serving = [n for n in range(loads.count) if loads.job[n] not in training]
    assert len(set(unit.tolist())) == len(training) + len(serving)


def test_what_there_is_is_kept_after_each_scenario() -> None:
    kept: list[int] = []
    given = [short(scenario(seed), 6.0) for seed in (0, 1)]
    contest(given, ["static"], processes=1, keep=lambda scores: kept.append(len(scores)))
    assert kept == [1, 2]


def test_reflexes_are_in_time_and_in_order() -> None:
    lines = list(measure())
    assert len(lines) == 6
    assert not [line for line in lines if "MISSED" in line]


def test_a_tick_is_measured_over_connections() -> None:
    rows = asyncio.run(timed(racks=4, ticks=2))
    assert rows.shape == (2, 4)
    assert (rows > 0.0).all()


def test_a_controller_must_exist() -> None:
    with pytest.raises(OperatorMust, match="no controller"):
        named(["perpetual-motion"])
