"""How long `/metrics` takes: `python -m bench.metrics [NODES] [READINGS]` (1000 nodes, 150 each).

Prints the first scrape (everything is formatted), a scrape of an unchanged hall, and a scrape after
every node's hot set changed. Facts are made in memory; no device and no socket is involved.
"""

from __future__ import annotations

import asyncio
import sys
import time

from tests.north import hall

from iolaus.bus.local import LocalBus
from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import HotUpdate
from iolaus.north.auth import Auth
from iolaus.north.context import Context
from iolaus.north.metrics import Metrics


async def scrape(metrics: Metrics, what: str) -> None:
    begun = time.perf_counter()
    size = lines = 0
    async for chunk in metrics.chunks():
        size += len(chunk)
        lines += chunk.count(b"\n")
    took = time.perf_counter() - begun
    print(f"{what:24} {took:7.3f} s  {size / 1e6:7.1f} MB  {lines:9,d} lines")


async def main(nodes: int, readings: int) -> None:
    clock = JumpClock()
    facts = hall.build(nodes, clock, extra=readings - 6)
    context = Context(
        facts=facts, bus=LocalBus(), clock=clock, auth=Auth(demo=True), version="bench"
    )
    metrics = Metrics(context)
    print(f"{nodes} nodes, {readings} readings each")
    await scrape(metrics, "first")
    await scrape(metrics, "unchanged")
    clock.advance(10.0)
    now = clock.now()
    for number in range(nodes):
        changed = tuple(hall.readings(number, at=now, extra=readings - 6))
        facts.record_hot(HotUpdate(endpoint=hall.address(number), at=now, readings=changed))
    await scrape(metrics, "all readings changed")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(given + [1000, 150][len(given) :])))
