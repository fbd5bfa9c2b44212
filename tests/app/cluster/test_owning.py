"""Who owns what: a fair share each, one owner at a time, and a take-over that is soon done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.app.cluster.owning import (
    CALM_S,
    ORPHAN_S,
    OVER_MAX_S,
    OVER_S,
    SETTLE_S,
    TTL_S,
    Owning,
    Surplus,
    choose,
)
from iolaus.bus.leases import TableLeases
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.kernel.clock import JumpClock
from iolaus.model.endpoint import Target
from iolaus.model.shard import SHARDS, shard_of

SHARDS_HERE = [f"main.{number:02d}" for number in range(12)]
TAKEN_OVER_S = 10.0


@given(st.sets(st.sampled_from(SHARDS_HERE)), st.integers(1, 5), st.data())
def test_nobody_takes_what_is_not_free_or_gives_back_a_fair_share(
    mine: set[str], edges: int, data: st.DataObject
) -> None:
    others = sorted(set(SHARDS_HERE) - mine)
    free = {
        each: data.draw(st.floats(0, 2 * ORPHAN_S)) for each in others if data.draw(st.booleans())
    }
    choice = choose(wanted=SHARDS_HERE, mine=mine, free_s=free, edges=edges, name="e")
    assert set(choice.take) <= free.keys()
    assert {each for each, since_s in free.items() if since_s >= ORPHAN_S} <= set(choice.take)
    assert set(choice.leave) <= mine
    assert len(mine) - len(choice.leave) >= min(len(mine), len(SHARDS_HERE) // edges)


def test_what_comes_back_is_given_back_ever_more_seldom() -> None:
    surplus, gave, over, since = Surplus(), [], True, 0
    for now_s in range(4000):
        over = over or now_s == since + 2  # nobody took it, so it is ours again
        if surplus.gives(over=over, now_s=float(now_s)):
            gave.append(now_s)
            over, since = False, now_s
    waits = [after - before for before, after in pairwise(gave)]
    assert waits == [2 + wait_s for wait_s in (3, 6, 12, 24, 48, 96, 192, 384, *[600] * 5)]
    assert (gave[0], waits[0], waits[-1]) == (0, 2 + OVER_S, 2 + OVER_MAX_S)


def test_whoever_was_even_for_long_gives_back_soon_again() -> None:
    surplus = Surplus()
    assert surplus.gives(over=True, now_s=0.0)
    assert surplus.gives(over=True, now_s=1.0), "one after the other, while it is over"
    soon_s, late_s = 100.0, 200.0 + 2 * CALM_S
    assert not surplus.gives(over=False, now_s=soon_s - 1)
    assert not surplus.gives(over=True, now_s=soon_s)
    assert surplus.gives(over=True, now_s=soon_s + OVER_S)
    assert not surplus.gives(over=False, now_s=late_s - 1)
    assert surplus.gives(over=True, now_s=late_s)


def test_what_hangs_together_stays_together() -> None:
    def at(address: str, **labels: str) -> str:
        return shard_of(Target(address=f"https://{address}", labels=labels))

    assert at("a", hall="h1", row="a", rack="r1") == at("b", hall="h1", row="a", rack="r2")
    assert at("a", hall="h1", row="a", rack="r1") == at("cdu", hall="h1", row="a")
    assert at("a", hall="h1", rack="r1") == at("b", hall="h1", rack="r1")
    assert at("a", site="berlin").startswith("berlin.")
    assert len({at(f"10.0.{n // 250}.{n % 250}") for n in range(3000)}) == SHARDS


class Hall:
    """Edges on one bus in virtual time; each edge's trunk can be cut."""

    def __init__(self) -> None:
        self.clock, self.memory = JumpClock(), Memory()
        self.edges: dict[str, tuple[Owning, LocalTrunk, list[asyncio.Task[None]]]] = {}
        self.alive: set[str] = set()
        self.owners: dict[str, list[str]] = {}

    def start(self, name: str) -> Owning:
        trunk = LocalTrunk(self.memory, self.clock)
        leases = TableLeases(trunk.table("leases"), self.clock)
        owning = Owning(
            name=name,
            leases=leases,
            clock=self.clock,
            wanted=lambda: SHARDS_HERE,
            edges=lambda: len(self.alive),
            gained=lambda shard: None,
            lost=lambda shard: None,
        )
        self.alive.add(name)
        tasks = [asyncio.create_task(leases.follow()), asyncio.create_task(owning.run())]
        self.edges[name] = owning, trunk, tasks
        return owning

    async def kill(self, name: str) -> None:
        """Nothing is let go: its last words are not heard."""
        _, trunk, tasks = self.edges.pop(name)
        trunk.reached = False
        self.alive.discard(name)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def may_act(self, shard: str) -> list[str]:
        return [name for name, (each, _, _) in self.edges.items() if each.epoch(shard) is not None]

    def held(self) -> dict[str, int]:
        return {name: len(each.held) for name, (each, _, _) in self.edges.items()}

    async def until_all_owned(self) -> float:
        began_s = self.clock.monotonic()
        while not all(len(self.may_act(shard)) == 1 for shard in SHARDS_HERE):
            for shard in SHARDS_HERE:
                assert len(self.may_act(shard)) <= 1, (shard, self.may_act(shard))
            await self.clock.sleep(0.1)
            assert self.clock.monotonic() - began_s < 60
        return self.clock.monotonic() - began_s


@asynccontextmanager
async def hall_of(*names: str) -> AsyncIterator[Hall]:
    hall = Hall()
    for name in names:
        hall.start(name)
    try:
        yield hall
    finally:
        for name in list(hall.edges):
            await hall.kill(name)


async def test_shards_are_shared_out_evenly_and_anew_when_one_comes() -> None:
    async with hall_of("a", "b") as hall:
        await hall.until_all_owned()
        await hall.clock.sleep(10)
        assert hall.held() == {"a": 6, "b": 6}
        hall.start("c")
        await hall.clock.sleep(20)
        assert hall.held() == {"a": 4, "b": 4, "c": 4}
        await hall.until_all_owned()


@pytest.mark.parametrize("others", [("b",), ("b", "c", "d")])
async def test_what_a_dead_edge_owned_is_taken_over_within_ten_seconds(
    others: tuple[str, ...],
) -> None:
    async with hall_of("a", *others) as hall:
        await hall.until_all_owned()
        await hall.clock.sleep(10)
        await hall.kill("a")
        assert await hall.until_all_owned() < TAKEN_OVER_S


async def test_an_edge_that_is_cut_off_stops_acting_before_another_begins() -> None:
    async with hall_of("a", "b") as hall:
        await hall.until_all_owned()
        await hall.clock.sleep(10)
        owning, trunk, _ = hall.edges["a"]
        mine, epochs = set(owning.held), {s: h.lease.epoch for s, h in owning.held.items()}
        trunk.reached = False
        hall.alive.discard("a")
        await hall.clock.sleep(TTL_S)
        assert not any("a" in hall.may_act(shard) for shard in SHARDS_HERE)
        assert TTL_S + await hall.until_all_owned() < TAKEN_OVER_S
        assert set(owning.held) == mine, "it goes on reading what it has"
        trunk.reached = True
        await hall.clock.sleep(3)
        assert not mine & owning.held.keys(), "it gives up what is another's"
        hall.alive.add("a")
        await hall.clock.sleep(20)
        assert hall.held() == {"a": 6, "b": 6}
        for shard, held in owning.held.items():
            assert held.lease.epoch > epochs.get(shard, 0)


async def test_a_bus_that_is_away_for_all_leaves_each_with_what_it_had() -> None:
    async with hall_of("a", "b") as hall:
        await hall.until_all_owned()
        await hall.clock.sleep(10)
        before = {name: set(each.held) for name, (each, _, _) in hall.edges.items()}
        for _, trunk, _ in hall.edges.values():
            trunk.reached = False
        await hall.clock.sleep(3 * TTL_S)
        assert not any(hall.may_act(shard) for shard in SHARDS_HERE)
        for _, trunk, _ in hall.edges.values():
            trunk.reached = True
        await hall.until_all_owned()
        assert {name: set(each.held) for name, (each, _, _) in hall.edges.items()} == before


async def test_whoever_is_back_first_does_not_take_what_others_had() -> None:
    async with hall_of("a", "b", "c") as hall:
        await hall.until_all_owned()
        await hall.clock.sleep(10)
        before = {name: set(each.held) for name, (each, _, _) in hall.edges.items()}
        alive, hall.alive = hall.alive, {"me"}  # nobody hears of others
        for _, trunk, _ in hall.edges.values():
            trunk.reached = False
        await hall.clock.sleep(2 * TTL_S)
        for _, trunk, _ in hall.edges.values():
            trunk.reached = True
            await hall.clock.sleep(SETTLE_S / 3)
        await hall.until_all_owned()
        hall.alive = alive
        await hall.clock.sleep(10)
        assert {name: set(each.held) for name, (each, _, _) in hall.edges.items()} == before
