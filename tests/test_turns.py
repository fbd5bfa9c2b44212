"""Work that keeps the loop busy takes turns, one in a round."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from iolaus.kernel.turns import own_turn


async def test_each_has_a_round_of_the_loop_for_itself() -> None:
    rounds, worked = 0, list[int]()

    async def turn() -> None:
        nonlocal rounds
        while len(worked) < 3:
            rounds += 1
            await asyncio.sleep(0)

    async def work() -> None:
        async with own_turn():
            worked.append(rounds)

    await asyncio.gather(turn(), *(work() for _ in range(3)))
    assert all(before < after for before, after in pairwise(worked))


async def test_who_fails_ends_its_turn() -> None:
    async def fails() -> None:
        async with own_turn():
            raise ValueError

    async def works() -> str:
        async with own_turn():
            return "done"

    found = await asyncio.gather(fails(), works(), return_exceptions=True)
    assert isinstance(found[0], ValueError)
    assert found[1] == "done"
