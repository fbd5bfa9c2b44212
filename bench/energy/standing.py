"""The goals that need no scenario: sharing out (1), a tick over connections (2), reflexes (6)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.allocate import GOAL_MS, ROUNDS, asks, exact, hall, measure, room
from bench.energy import reflexes
from bench.energy.table import goal
from bench.energy.tick import GOAL_MS as TICK_MS
from bench.energy.tick import measure as ticked
from iolaus.energy.network import compile_network
from iolaus.energy.policy import PowerPolicy

EDGES: Final = 640
TICKS: Final = 100


def standing(*, ticks: int = TICKS, edges: int = EDGES) -> Iterator[str]:
    """Each with its distance. Times of goal 1 are the processor's, of goal 2 the wall's."""
    for size, most in GOAL_MS.items():
        plant = hall(size)
        network = compile_network(plant, PowerPolicy())
        run = measure(network, asks(network, rounds=ROUNDS), room(network, plant), exact)
        yield goal("1", f"sharing out {size:,d} nodes, p95", run.p95_ms, most, "ms")
        yield goal("1", f"overrun of any limit, {size:,d} nodes", run.overrun_w, 1e-3, "W")
    rows = asyncio.run(ticked(edges, ticks))
    whole = float(np.percentile(rows[:, 0], 99))
    yield goal("2", f"tick of {edges} edges, p99", whole, TICK_MS, "ms")
    own = float(np.percentile(rows[:, 3], 99))
    yield f"        of which the centre's own processor time: {own:.0f} ms"
    yield from reflexes.measure()
