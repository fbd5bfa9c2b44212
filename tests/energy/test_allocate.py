"""Sharing out: never above a limit, fair, by priority, and the same as linear programmes say."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.allocate import Shares, allocate, ask_of
from iolaus.energy.network import Network, compile_network
from iolaus.energy.policy import PowerPolicy, Redundancy
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plant import Domain, DomainKind, Load, Plant
from tests.energy.oracle import fair_shares
from tests.energy.plants import choices, factors, flows, plants

ALONE, SHARED = PowerPolicy(), PowerPolicy(redundancy=Redundancy.SHARED)
CLOSE = 1e-3


def limits_of(plant: Plant) -> dict[str, float | None]:
    return {domain.name: domain.limit_w for domain in plant.domains}


def share(
    plant: Plant, demand: Mapping[str, float], network: Network | None = None, **more: object
) -> tuple[dict[str, float], Shares]:
    network = network or compile_network(plant, ALONE)
    ask = ask_of(network, np.array([demand[load.name] for load in network.loads]))
    if more:
        ask = dataclasses.replace(ask, **more)  # type: ignore[arg-type]
    found = allocate(network, ask, network.room_w(limits_of(plant)))
    return dict(
        zip((load.name for load in network.loads), found.watts.tolist(), strict=True)
    ), found


@st.composite
def wanting(draw: st.DrawFn) -> tuple[Plant, dict[str, float]]:
    plant = draw(plants())
    return plant, {load.name: draw(st.floats(0, 1500)) for load in plant.loads}


def floors_fit(plant: Plant, choice: Mapping[str, str]) -> dict[str, bool]:
    carried = flows(plant, {load.name: load.floor_w for load in plant.loads}, choice)
    return {d.name: d.limit_w is not None and carried[d.name] <= d.limit_w for d in plant.domains}


@given(wanting())
@settings(max_examples=60, deadline=None)
def test_no_limit_is_overrun_whichever_cord_carries(drawn: tuple[Plant, dict[str, float]]) -> None:
    plant, demand = drawn
    watts, _ = share(plant, demand)
    for choice in choices(plant):
        carried, fit = flows(plant, watts, choice), floors_fit(plant, choice)
        for domain in plant.domains:
            if fit[domain.name]:
                assert carried[domain.name] <= (domain.limit_w or 0.0) + CLOSE


@given(wanting())
@settings(max_examples=50, deadline=None)
def test_nobody_is_below_the_floor_or_above_demand(drawn: tuple[Plant, dict[str, float]]) -> None:
    plant, demand = drawn
    watts, _ = share(plant, demand)
    for load in plant.loads:
        most = min(max(demand[load.name], load.floor_w), load.nameplate_w)
        assert load.floor_w - CLOSE <= watts[load.name] <= most + CLOSE


def limit_rooms(plant: Plant) -> list[tuple[dict[str, float], float]]:
    """(factor by load, what there is for loads) of every domain with a limit."""
    of = {domain.name: factors(plant, domain.name) for domain in plant.domains}
    found = []
    for domain in plant.domains:
        below = {
            each.name: of[each.rack][domain.name]
            for each in plant.loads
            if domain.name in of[each.rack]
        }
        constant = sum(d.overhead_w * of[d.name].get(domain.name, 0.0) for d in plant.domains)
        limit = float("-inf") if domain.limit_w is None else domain.limit_w
        found.append((below, limit - constant))
    return found


@given(wanting())
@settings(max_examples=60, deadline=None)
def test_who_is_short_stands_under_a_full_limit_where_nobody_has_more_by_less_right(
    drawn: tuple[Plant, dict[str, float]],
) -> None:
    plant, demand = drawn
    watts, _ = share(plant, demand)
    loads = {load.name: load for load in plant.loads}
    level = {
        n: (watts[n] - each.floor_w) / max(each.nameplate_w - each.floor_w, 1e-9)
        for n, each in loads.items()
    }
    for name, load in loads.items():
        if watts[name] >= min(max(demand[name], load.floor_w), load.nameplate_w) - CLOSE:
            continue
        reasons = []
        for below, room in limit_rooms(plant):
            full = name in below and sum(f * watts[n] for n, f in below.items()) >= room - CLOSE
            just = all(
                level[other]
                <= (level[name] if loads[other].priority == load.priority else 0.0) + CLOSE
                for other in below
                if loads[other].priority <= load.priority
            )
            reasons.append(full and just)
        assert any(reasons), name


@given(wanting())
@settings(max_examples=25, deadline=None)
def test_the_linear_programmes_say_the_same(drawn: tuple[Plant, dict[str, float]]) -> None:
    plant, demand = drawn
    watts, _ = share(plant, demand)
    assert watts == pytest.approx(fair_shares(plant, demand), abs=0.05, rel=1e-5)


@given(wanting(), st.integers(0, 6))
@settings(max_examples=50, deadline=None)
def test_a_higher_priority_never_gives_less(
    drawn: tuple[Plant, dict[str, float]], which: int
) -> None:
    plant, demand = drawn
    load = plant.loads[which % len(plant.loads)]
    before, _ = share(plant, demand)
    for priority in range(load.priority + 1, 4):
        raised = tuple(
            dataclasses.replace(each, priority=priority) if each is load else each
            for each in plant.loads
        )
        after, _ = share(dataclasses.replace(plant, loads=raised), demand)
        assert after[load.name] >= before[load.name] - CLOSE


@given(wanting(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_order_of_names_changes_nothing(
    drawn: tuple[Plant, dict[str, float]], rng: random.Random
) -> None:
    plant, demand = drawn
    domains, loads = list(plant.domains), list(plant.loads)
    rng.shuffle(domains)
    rng.shuffle(loads)
    other, _ = share(Plant(domains=tuple(domains), loads=tuple(loads)), demand)
    assert other == pytest.approx(share(plant, demand)[0], abs=CLOSE)


@given(wanting())
@settings(max_examples=50, deadline=None)
def test_both_ways_of_filling_agree(drawn: tuple[Plant, dict[str, float]]) -> None:
    plant, demand = drawn
    network = compile_network(plant, ALONE)
    searched = dataclasses.replace(network, crossing=True, levels=())
    assert share(plant, demand, searched)[0] == pytest.approx(share(plant, demand)[0], abs=CLOSE)


@given(wanting())
@settings(max_examples=40, deadline=None)
def test_nodes_of_a_job_stand_at_one_level(drawn: tuple[Plant, dict[str, float]]) -> None:
    plant, demand = drawn
    network = compile_network(plant, ALONE)
    job = np.array([-1 if each.job is None else int(each.job[1]) for each in network.loads])
    watts, found = share(plant, demand, network, job=job)
    room = network.room_w(limits_of(plant))
    assert (found.short_w > 0).any() or not (network.charge(found.watts) > room + CLOSE).any()
    most = {
        each.name: min(max(demand[each.name], each.floor_w), each.nameplate_w)
        for each in plant.loads
    }
    short = [each for each in plant.loads if watts[each.name] < most[each.name] - CLOSE]
    for name in {(each.job, each.priority) for each in short if each.job}:
        levels = [
            (watts[each.name] - each.floor_w) / (each.nameplate_w - each.floor_w)
            for each in short
            if (each.job, each.priority) == name
        ]
        assert max(levels) - min(levels) <= 1e-5


@given(wanting())
@settings(max_examples=60, deadline=None)
def test_what_is_left_is_shared_out_only_when_it_is_wanted_so(
    drawn: tuple[Plant, dict[str, float]],
) -> None:
    plant, demand = drawn
    plain, _ = share(plant, demand)
    more, found = share(plant, demand, headroom=True)
    network = compile_network(plant, ALONE)
    assert all(more[name] >= plain[name] - CLOSE for name in plain)
    room = network.room_w(limits_of(plant))
    assert (found.short_w > 0).any() or not (network.charge(found.watts) > room + CLOSE).any()


PAIR = Plant(
    domains=(
        Domain("site", DomainKind.SITE, None, 20_000),
        Domain("a", DomainKind.FEED, "site", 8_000),
        Domain("b", DomainKind.FEED, "site", 6_000),
        Domain("r", DomainKind.RACK, "a", float("inf"), standby=("b",)),
    ),
    loads=tuple(Load(f"n{n}", "r", 500, 5_000) for n in range(4)),
)
ALL = {f"n{n}": 5_000.0 for n in range(4)}


def test_a_pair_is_limited_by_the_one_that_must_carry_it_alone() -> None:
    assert sum(share(PAIR, ALL)[0].values()) == pytest.approx(6_000)


def test_a_pair_that_shares_carries_twice_the_lower_and_less_after_a_loss() -> None:
    both = compile_network(PAIR, SHARED)
    assert sum(share(PAIR, ALL, both)[0].values()) == pytest.approx(12_000)
    one = compile_network(PAIR, SHARED, lost=("b",))
    assert sum(share(PAIR, ALL, one)[0].values()) == pytest.approx(8_000)
    none = compile_network(PAIR, SHARED, lost=("a", "b"))
    assert none.dark == {"r"}


def test_an_unknown_limit_grants_nothing_above_the_floors() -> None:
    domains = tuple(
        dataclasses.replace(d, limit_w=None) if d.name == "a" else d for d in PAIR.domains
    )
    watts, found = share(dataclasses.replace(PAIR, domains=domains), ALL)
    assert set(watts.values()) == {500.0}
    assert not found.short_w.any()


def test_floors_that_are_too_much_are_told_and_nothing_more_is_granted() -> None:
    domains = tuple(
        dataclasses.replace(d, limit_w=1_500) if d.name == "a" else d for d in PAIR.domains
    )
    watts, found = share(dataclasses.replace(PAIR, domains=domains), ALL)
    assert set(watts.values()) == {500.0}
    assert found.short_w.max() == pytest.approx(500)


def test_the_error_of_caps_is_charged() -> None:
    watts, _ = share(PAIR, ALL, error=np.full(4, 0.02))
    assert sum(watts.values()) * 1.02 == pytest.approx(6_000)


def test_losses_on_the_way_count_at_the_feed() -> None:
    shelf = Plant(
        domains=(
            Domain("feed", DomainKind.FEED, None, 10_000),
            Domain("rack", DomainKind.RACK, "feed", float("inf"), efficiency=0.96, overhead_w=17.0),
        ),
        loads=tuple(Load(f"n{n}", "rack", 500, 5_000) for n in range(4)),
    )
    watts, _ = share(shelf, ALL)
    assert (sum(watts.values()) + 17) / 0.96 == pytest.approx(10_000)


def test_feeds_that_back_each_other_up_in_a_ring_are_shared_out_exactly() -> None:
    ring = Plant(
        domains=(
            *(Domain(name, DomainKind.FEED, None, 6_000) for name in "abc"),
            Domain("r1", DomainKind.RACK, "a", float("inf"), standby=("b",)),
            Domain("r2", DomainKind.RACK, "b", float("inf"), standby=("c",)),
            Domain("r3", DomainKind.RACK, "c", float("inf"), standby=("a",)),
        ),
        loads=tuple(Load(f"n{n}", f"r{n}", 500, 5_000) for n in (1, 2, 3)),
    )
    assert compile_network(ring, ALONE).crossing
    watts, _ = share(ring, {f"n{n}": 5_000.0 for n in (1, 2, 3)})
    assert watts == pytest.approx({"n1": 3_000, "n2": 3_000, "n3": 3_000})


@pytest.mark.parametrize(
    ("domains", "code"),
    [
        ((Domain("r", DomainKind.RACK, "gone"),), "PlantBroken"),
        ((Domain("x", DomainKind.FEED, "r"), Domain("r", DomainKind.RACK, "x")), "PlantBroken"),
    ],
)
def test_a_broken_plant_is_told(domains: tuple[Domain, ...], code: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        compile_network(Plant(domains=domains, loads=(Load("n", "r", 1, 2),)), ALONE)
    assert caught.value.code == code
