"""Properties of sharing out hold of ours, and each catches an allocator that is broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings

from iolaus.energy.allocate import Ask, Shares, allocate
from iolaus.energy.network import Floats, Network
from iolaus.model.plant import Domain, DomainKind, Load, Plant
from tests.energy.properties import (
    Allocator,
    Drawn,
    differs_from_programmes,
    differs_with_jobs,
    drawn,
    heeds_order,
    loses_by_rank,
    overruns,
    shared,
)

Property = Callable[[Drawn, Allocator], bool]
TIGHT = Drawn(
    Plant(
        domains=(
            Domain("site", DomainKind.SITE, None, 1_800.0),
            Domain("a", DomainKind.RACK, "site", 600.0),
            Domain("b", DomainKind.RACK, "site", 1_600.0),
        ),
        loads=(
            Load("n0", "a", 100, 1_000, priority=1, job="j1"),
            Load("n1", "b", 100, 1_000, priority=1, job="j1"),
            Load("n2", "b", 100, 1_000, priority=0),
        ),
    ),
    {"n0": 1_000.0, "n1": 1_000.0, "n2": 1_000.0},
    2,
    (2, 0, 1),
)
"""Too little for all: a rack holds one of a job's two, and what the job leaves is not enough."""


@given(drawn())
@settings(max_examples=40, deadline=None)
def test_limits_ranks_and_order(given: Drawn) -> None:
    assert not overruns(given, allocate)
    assert not loses_by_rank(given, allocate)
    assert not heeds_order(given, allocate)


@given(drawn())
@settings(max_examples=20, deadline=None)
def test_the_linear_programmes_say_the_same_with_and_without_jobs(given: Drawn) -> None:
    assert not differs_from_programmes(given, allocate)
    assert not differs_with_jobs(given, allocate)


def generous(network: Network, ask: Ask, room: Floats) -> Shares:
    """It takes every limit for a little more than it is."""
    return allocate(network, ask, room * 1.02)


def blind_above(network: Network, ask: Ask, room: Floats) -> Shares:
    """It knows the first limit of the network only."""
    known = np.full_like(room, np.inf)
    known[:1] = room[:1]
    return allocate(network, ask, known)


def contrary(network: Network, ask: Ask, room: Floats) -> Shares:
    """It serves the lowest first."""
    return allocate(network, dataclasses.replace(ask, priority=3 - ask.priority), room)


def levelling(network: Network, ask: Ask, room: Floats) -> Shares:
    """It knows no priorities."""
    return allocate(network, dataclasses.replace(ask, priority=0 * ask.priority), room)


def lazy(network: Network, ask: Ask, room: Floats) -> Shares:
    """It leaves a part of the room unused."""
    return allocate(network, ask, room * 0.9)


ASKED = count()


def moody(network: Network, ask: Ask, room: Floats) -> Shares:
    """It never says the same twice."""
    return allocate(network, ask, room * (1.0 - 0.01 * (next(ASKED) % 2)))


def lonely(network: Network, ask: Ask, room: Floats) -> Shares:
    """It does not see that jobs go together."""
    return allocate(network, dataclasses.replace(ask, job=None), room)


@pytest.mark.parametrize(
    ("broken", "caught_by"),
    [
        (generous, overruns),
        (blind_above, overruns),
        (contrary, loses_by_rank),
        (levelling, differs_from_programmes),
        (lazy, differs_from_programmes),
        (moody, heeds_order),
        (lonely, differs_with_jobs),
    ],
)
def test_a_broken_allocator_is_caught(broken: Allocator, caught_by: Property) -> None:
    assert caught_by(TIGHT, broken)
    assert not caught_by(TIGHT, allocate)


def test_a_limit_that_fills_only_by_what_others_cannot_take_holds_nobody_back() -> None:
    """The feed would be full if the wide job could have what it wants; its rack keeps it from it,
    and what it leaves is the small job's."""
    plant = Plant(
        domains=(
            Domain("feed", DomainKind.FEED, None, 1_600.0),
            Domain("a", DomainKind.RACK, "feed", 700.0),
            Domain("b", DomainKind.RACK, "feed", 1_000.0),
        ),
        loads=(
            *(Load(f"a{n}", "a", 100.0, 1_000.0, job="j1") for n in range(2)),
            Load("b0", "b", 100.0, 1_000.0, job="j2"),
        ),
    )
    wanted = {"a0": 500.0, "a1": 500.0, "b0": 1_000.0}
    shares = shared(allocate, plant, wanted, jobs=True)
    assert shares == pytest.approx({"a0": 350.0, "a1": 350.0, "b0": 900.0})
