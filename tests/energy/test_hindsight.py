"""What did happen and what would have, second by second, with what nobody saw kept apart."""

from __future__ import annotations

import dataclasses

import pytest

from iolaus.energy.hindsight import Hindsight, Past
from iolaus.energy.policy import DomainRule, PowerPolicy
from iolaus.model.plant import Domain, DomainKind, Load, Plant

PLANT = Plant(
    domains=(
        Domain("a", DomainKind.FEED, None, 1_000.0),
        Domain("b", DomainKind.FEED, None, 1_000.0),
        Domain("r1", DomainKind.RACK, "a", 900.0, ("b",)),
        Domain("r2", DomainKind.RACK, "b", None),
    ),
    loads=(Load("n1", "r1", 100, 2_000), Load("n2", "r2", 100, 2_000)),
)
POLICY = PowerPolicy()


def look(
    past: Hindsight, drawn: dict[str, float | None], given: dict[str, float | None],
    seconds: int, *, start_s: int = 0, policy: PowerPolicy = POLICY,
) -> None:  # fmt: skip
    for second in range(start_s, start_s + seconds + 1):
        past.look(PLANT, policy, drawn, given, now_s=float(second), at=100.0 + second)


def test_seconds_watts_and_joules_over_a_limit_as_it_was_and_as_it_would_have_been() -> None:
    past = Hindsight()
    look(past, {"r1": 1_200.0, "r2": 500.0}, {"r1": 1_000.0, "r2": None}, 10)
    rack = past.past["r1"]
    assert (rack.since, rack.seen_s, rack.did.seconds, rack.did.worst_w) == (100, 10, 10, 300)
    assert (rack.did.joules, rack.would.joules, rack.withheld_j) == (3_000, 1_000, 2_000)
    assert past.past["a"].did.seconds == 0
    assert past.past["b"].did.worst_w == pytest.approx(100)
    assert past.past["b"].would.seconds == 0
    assert past.past["r2"].unseen_s == 10


def test_what_nobody_measured_is_time_of_which_nothing_is_known() -> None:
    past = Hindsight()
    look(past, {"r1": None, "r2": 5_000.0}, {}, 10)
    assert (past.past["a"].seen_s, past.past["a"].unseen_s) == (0, 10)
    assert past.past["b"].did.seconds == 0


def test_a_gap_counts_as_little_and_what_was_kept_goes_on() -> None:
    past = Hindsight(
        {"r1": Past(domain="r1", since=1.0, seen_s=7.0), "gone": Past(domain="g", since=0)}
    )
    look(past, {"r1": 100.0, "r2": 100.0}, {}, 1)
    look(past, {"r1": 100.0, "r2": 100.0}, {}, 1, start_s=500)
    assert past.past["r1"].seen_s == 7 + 1 + 5 + 1
    assert past.past["r1"].since == 1.0
    assert "gone" not in past.past


def test_the_policy_s_own_limit_counts() -> None:
    past = Hindsight()
    tight = dataclasses.replace(POLICY, domains={"r2": DomainRule(limit_w=200.0)})
    look(past, {"r1": 0.0, "r2": 250.0}, {"r2": 200.0}, 4, policy=tight)
    assert past.past["r2"].did.joules == 200
    assert past.past["r2"].would.seconds == 0
