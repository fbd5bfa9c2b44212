"""Every failure of the list, whole: no limit passed, nothing tripped, floors in time.

Programs that die (the centre, edges, both, the broker), half of the edges cut off, frames doubled,
late, out of order and lost, stale sensors, machines out of reach, wrong clocks; each with a feed
lost meanwhile where that makes it worse. One load of each failure; the bench runs the others.
"""

from __future__ import annotations

import pytest
from bench.energy.contest import run_named
from bench.energy.scenario import FAILURES, LOADS, blind, scenario
from bench.energy.score import LEVELS, Score

FLOORS_S, BY_EDGE_S = 3.5, 0.5
NONE = dict.fromkeys(LEVELS, 0.0)


def check(score: Score) -> None:
    assert score.over_s == NONE, score.scenario
    assert not any(score.trips.values())
    assert score.to_floor_s is None or score.to_floor_s <= FLOORS_S
    assert score.to_flow_cap_s is None or score.to_flow_cap_s <= 2.0


@pytest.mark.soak
@pytest.mark.parametrize("number", range(len(FAILURES)), ids=list(FAILURES))
def test_no_limit_is_passed_whatever_fails(number: int) -> None:
    """The load differs from failure to failure, so that all of them come."""
    score = run_named(scenario(number * len(LOADS) + number % len(LOADS)), "iolaus")
    check(score)
    assert score.to_cap_s <= BY_EDGE_S


@pytest.mark.soak
@pytest.mark.parametrize("which", [0, 1], ids=["centre-alive", "centre-dead"])
def test_a_loss_that_no_gear_tells_of_is_met_by_the_centre_or_by_the_lease(which: int) -> None:
    check(run_named(blind(1)[which], "iolaus"))
