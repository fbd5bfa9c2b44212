"""What must be so of every sharing out, as questions that any allocator can be asked.

Each takes what was drawn and an allocator, and says whether it is violated. The tests ask the
product's, which must violate none, and broken ones, each of which must be caught.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from iolaus.energy.allocate import Ask, Shares, ask_of
from iolaus.energy.network import Floats, Network, compile_network
from iolaus.energy.policy import PowerPolicy
from iolaus.model.plant import Plant
from tests.energy.oracle import fair_shares
from tests.energy.plants import choices, flows, plants

Allocator = Callable[[Network, Ask, Floats], Shares]
POLICY = PowerPolicy()
CLOSE = 1e-3


class Drawn(NamedTuple):
    """A plant, what its loads want, and which of them (by number) the question is about."""

    plant: Plant
    demand: dict[str, float]
    which: int
    order: tuple[int, ...]


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    plant = draw(plants())
    demand = {load.name: draw(st.floats(0, 1500)) for load in plant.loads}
    order = draw(st.permutations(range(len(plant.loads))))
    return Drawn(plant, demand, order[0], tuple(order))


def shared(
    allocator: Allocator, plant: Plant, demand: Mapping[str, float], *, jobs: bool = False
) -> dict[str, float]:
    network = compile_network(plant, POLICY)
    ask = ask_of(network, np.array([demand[load.name] for load in network.loads]))
    if jobs:
        numbers = [-1 if load.job is None else int(load.job[1]) for load in network.loads]
        ask = dataclasses.replace(ask, job=np.array(numbers, dtype=np.intp))
    room = network.room_w({domain.name: domain.limit_w for domain in plant.domains})
    watts = allocator(network, ask, room).watts.tolist()
    return dict(zip((load.name for load in network.loads), watts, strict=True))


def overruns(given: Drawn, allocator: Allocator) -> bool:
    """A limit that the floors leave room under is passed, whichever cord carries."""
    plant = given.plant
    watts = shared(allocator, plant, given.demand)
    floors = {load.name: load.floor_w for load in plant.loads}
    for choice in choices(plant):
        carried, least = flows(plant, watts, choice), flows(plant, floors, choice)
        for domain in plant.domains:
            limit = -1.0 if domain.limit_w is None else domain.limit_w
            if carried[domain.name] > max(limit, least[domain.name]) + CLOSE:
                return True
    return False


def loses_by_rank(given: Drawn, allocator: Allocator) -> bool:
    """A load has less because its priority is higher."""
    plant, load = given.plant, given.plant.loads[given.which]
    before = shared(allocator, plant, given.demand)[load.name]
    for priority in range(load.priority + 1, 4):
        loads = list(plant.loads)
        loads[given.which] = dataclasses.replace(load, priority=priority)
        again = dataclasses.replace(plant, loads=tuple(loads))
        if shared(allocator, again, given.demand)[load.name] < before - CLOSE:
            return True
    return False


def differs_from_programmes(given: Drawn, allocator: Allocator) -> bool:
    """Linear programmes give somebody something else."""
    watts, best = shared(allocator, given.plant, given.demand), fair_shares(*given[:2])
    return any(abs(watts[n] - best[n]) > 0.05 + 1e-5 * best[n] for n in watts)


def differs_with_jobs(given: Drawn, allocator: Allocator) -> bool:
    """The same where the loads of a job (of one priority) stand at one level."""
    jobs = {load.name: f"{load.job}/{load.priority}" for load in given.plant.loads if load.job}
    watts = shared(allocator, given.plant, given.demand, jobs=True)
    best = fair_shares(given.plant, given.demand, jobs)
    return any(abs(watts[n] - best[n]) > 0.05 + 1e-5 * best[n] for n in watts)


def heeds_order(given: Drawn, allocator: Allocator) -> bool:
    """It matters in which order loads and domains were named."""
    plant = given.plant
    other = Plant(
        domains=tuple(reversed(plant.domains)),
        loads=tuple(plant.loads[at] for at in given.order),
    )
    one, two = (shared(allocator, each, given.demand) for each in (plant, other))
    return any(abs(one[n] - two[n]) > CLOSE for n in one)
