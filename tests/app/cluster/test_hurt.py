"""Minutes of virtual time in which edges are killed, frozen and cut off while they are asked, and
everything is said twice. What the processes themselves do then is `test_chaos`'s, for as long as is
asked; here every moment is the same in every run."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from tests.app.cluster.small import SHARD_OF, Edge, Hall, small

MINUTES = 3
TAKEN_OVER_S = 10.0
KINDS = ("kill", "freeze", "cut", "freeze briefly")


async def taken_over_s(hall: Hall, gone: str, shards: set[str]) -> float:
    began_s = hall.clock.monotonic()
    while not all(hall.owner(shard) not in (None, gone) for shard in shards):
        await hall.clock.sleep(0.1)
        assert hall.clock.monotonic() - began_s < 60
    return hall.clock.monotonic() - began_s


async def hurt(hall: Hall, kind: str, name: str) -> float:
    """How long others needed for what it owned; 0 where it was back before that."""
    edge = hall.edges[name]
    had = set(edge.owning.held)
    if kind == "freeze briefly":
        edge.process.awake.clear()
        await hall.clock.sleep(2.0)
        edge.process.awake.set()
        return 0.0
    if kind == "kill":
        del hall.edges[name]
        await edge.die()
    elif kind == "freeze":
        edge.process.awake.clear()
    else:
        edge.trunk.reached = False
    took_s = await taken_over_s(hall, name, had)
    await hall.clock.sleep(1.0)
    if kind == "kill":
        hall.edges[name] = Edge(hall, name)
    edge.process.awake.set()
    edge.trunk.reached = kind != "kill"
    return took_s


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))]
)
async def test_edges_that_are_hurt_lose_double_and_overtake_nothing(
    tmp_path: Path, seed: int
) -> None:
    dice, took = random.Random(seed), list[float]()
    async with small(tmp_path, seed=seed) as hall:
        await taken_over_s(hall, "", set(SHARD_OF.values()))
        ordering = asyncio.create_task(hall.order())
        until_s = hall.clock.monotonic() + MINUTES * 60.0
        while hall.clock.monotonic() < until_s:
            for kind in dice.sample(KINDS, len(KINDS)):
                took.append(await hurt(hall, kind, dice.choice(sorted(hall.edges))))
                await taken_over_s(hall, "", set(SHARD_OF.values()))
                await hall.clock.sleep(dice.uniform(0.0, 5.0))
        ordering.cancel()
        await hall.until_quiet()
        kept = set(hall.kept)
        while any(edge.carrier.waiting for edge in hall.edges.values()):
            await hall.clock.sleep(1.0)
        await hall.clock.sleep(2.0)
        found = [e.message for e in reversed(hall.facts.events(limit=100_000, kind="Test"))]

    assert max(took) < TAKEN_OVER_S
    done = [change.what for changes in hall.changes.values() for change in changes]
    assert len(done) == len(set(done)), "no effect is doubled"
    assert set(hall.answered) <= set(done) <= set(hall.asked), "what is called done was done"
    assert len(hall.answered) > len(hall.asked) / 2, hall.outcomes
    for address, changes in hall.changes.items():
        epochs = [change.epoch for change in changes]
        assert epochs == sorted(epochs), f"{address}: a former owner wrote after a newer one"
    assert sorted(found) == sorted(set(found)), "no event is doubled"
    assert kept <= set(found), "no event that was kept is lost"
    for name in hall.edges:
        told = [int(each.split()[1]) for each in found if each.startswith(f"{name} ")]
        assert told == sorted(told), "each edge's events are in their order"


async def test_an_edge_that_was_cut_off_and_missed_by_nobody_is_asked_again(tmp_path: Path) -> None:
    """Its lease ran out and is taken anew by itself: under another epoch, where it answers."""
    async with small(tmp_path, seed=1, edges=1) as hall:
        await taken_over_s(hall, "", set(SHARD_OF.values()))
        (edge,) = hall.edges.values()
        before = {shard: edge.owning.epoch(shard) for shard in SHARD_OF.values()}
        edge.trunk.reached = False
        await hall.clock.sleep(30.0)
        edge.trunk.reached = True
        await taken_over_s(hall, "", set(SHARD_OF.values()))
        assert any(edge.owning.epoch(shard) != epoch for shard, epoch in before.items())
        ordering = asyncio.create_task(hall.order())
        await hall.clock.sleep(10.0)
        ordering.cancel()
        await hall.until_quiet()
        assert len(hall.answered) == len(hall.asked), hall.outcomes
