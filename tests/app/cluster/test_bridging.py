"""Budgets find the edge of their rack, and no other."""

from __future__ import annotations

import asyncio
from functools import partial

from iolaus.app.cluster.bridging import bridge_edge
from iolaus.app.cluster.core import doing
from iolaus.bus.local import LocalBus
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.energy.frames import BUDGETS, Budget, budget_topic, encode, parse_budget
from iolaus.kernel.clock import WallClock


def budget(rack: str, seq: int) -> bytes:
    frame = Budget(
        epoch=1, seq=seq, rack=rack, budget_w=10.0, floor_w=1.0, expires_in_ms=3000
    )  # fmt: skip
    return encode(frame)


async def test_an_edge_hears_the_budgets_of_its_racks_as_long_as_they_are_its() -> None:
    memory, clock, racks = Memory(), WallClock(), {"r1", "r.2"}
    here, core = LocalBus(), LocalTrunk(memory, clock)
    heard: list[str] = []

    async def until(rack: str) -> None:
        """It is said again and again, as budgets are, until it is heard."""
        seq = 0
        while rack not in heard:
            for each in ("r1", "r.2", "r3"):
                core.publish(budget_topic(each), budget(each, seq := seq + 1))
            await asyncio.sleep(0.01)

    def note(frame: bytes) -> None:
        heard.append(parse_budget(frame).rack)

    async def listen() -> None:
        async with here.subscribe(BUDGETS) as frames:
            async for frame in frames:
                note(frame)

    edge = partial(bridge_edge, here, LocalTrunk(memory, clock), lambda: racks)
    async with asyncio.timeout(30), doing(edge, listen):
        await until("r1")
        await until("r.2")
        assert "r3" not in heard
        racks.symmetric_difference_update({"r1", "r3"})
        await until("r3")
        heard.clear()
        await until("r3")
        assert "r1" not in heard
