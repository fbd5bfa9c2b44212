"""The judge of the energy room judges: a short run of it, and what it must tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from bench.energy.__main__ import seeds_of
from bench.energy.contest import makers, named
from bench.energy.run import reference, run
from bench.energy.scenario import CURVES, FAILURES, FAMILIES, LOADS, scenario
from bench.energy.score import LEVELS

from iolaus.kernel.errors import OperatorMust


def test_every_load_meets_every_failure_on_both_curves() -> None:
    names = {scenario(seed).name.partition(":")[2] for seed in range(FAMILIES)}
    assert len(names) == FAMILIES == len(LOADS) * len(FAILURES) * len(CURVES)
    assert FAMILIES >= 200


def test_a_seed_is_a_scenario() -> None:
    assert scenario(9001) == scenario(9001)
    assert scenario(9001) != scenario(9001 + FAMILIES)


def test_demand_is_above_the_limit() -> None:
    base = reference(scenario(0))
    assert np.mean([want.sum() for want in base.want_w]) > base.limits.site_w


def test_no_cap_passes_limits_and_the_static_cap_none() -> None:
    given, known = scenario(5), makers()
    free, capped = run(given, known["none"]), run(given, known["static"])
    assert free.over_s["site"] > 10.0
    assert free.overshoot["site"] > 0.1
    assert free.throughput == pytest.approx(1.0, abs=0.02)
    assert capped.over_s == dict.fromkeys(LEVELS, 0.0)
    assert 0.5 < capped.throughput < 0.95
    assert capped.trips == {"fast": 0, "slow": 0}


def test_a_run_is_its_seed() -> None:
    given, known = scenario(12), makers()
    first, second = run(given, known["uniform"]), run(given, known["uniform"])
    first.wall_s = second.wall_s = 0.0
    assert first == second


def test_seeds_are_numbers_and_ranges() -> None:
    assert seeds_of("9001 9002") == [9001, 9002]
    assert seeds_of("0-3,7") == [0, 1, 2, 3, 7]
    with pytest.raises(OperatorMust, match="no seed"):
        seeds_of("9001 x")


def test_a_controller_must_exist() -> None:
    with pytest.raises(OperatorMust, match="no controller"):
        named(["perpetual-motion"])
