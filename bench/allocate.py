"""`python -m bench.allocate [LOADS ...]`: sharing out a hall's power, and two other ways of it.

Five levels (site, feed, row, rack, node), four priorities, a seeded demand that is more than there
is at every level. Beside the exact allocation stand proportional share, which knows no priority and
no fairness, and the same water-filling in plain Python, whose answer must be the same.
Milliseconds are of CPU time.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from iolaus.energy.allocate import Ask, allocate, ask_of
from iolaus.energy.network import Floats, Network, compile_network
from iolaus.energy.policy import PowerPolicy
from iolaus.model.plant import Domain, DomainKind, Load, Plant

SIZES = (10_240, 102_400)
GOAL_MS = {10_240: 5.0, 102_400: 40.0}
ROUNDS = 60
PER_RACK, RACKS_PER_ROW, ROWS_PER_FEED = 16, 16, 10
FLOOR_W, NAMEPLATE_W = 3_000.0, 10_200.0


class Run(NamedTuple):
    median_ms: float
    p95_ms: float
    overrun_w: float


def hall(loads: int, *, seed: int = 7) -> Plant:
    """Site, feeds, rows, racks and nodes; each level can carry 88 % of what the next could."""
    rng = np.random.default_rng(seed)
    domains, nodes = [], []
    racks = loads // PER_RACK
    rows = -(-racks // RACKS_PER_ROW)
    feeds = -(-rows // ROWS_PER_FEED)
    rack_w = PER_RACK * NAMEPLATE_W * 0.88
    row_w, feed_w = rack_w * RACKS_PER_ROW * 0.9, rack_w * RACKS_PER_ROW * ROWS_PER_FEED * 0.85
    domains.append(Domain("site", DomainKind.SITE, None, rack_w * racks * 0.78))
    domains += [Domain(f"f{n}", DomainKind.FEED, "site", feed_w) for n in range(feeds)]
    domains += [
        Domain(f"w{n}", DomainKind.BUSWAY, f"f{n // ROWS_PER_FEED}", row_w) for n in range(rows)
    ]
    for rack in range(racks):
        name = f"r{rack}"
        domains.append(Domain(name, DomainKind.RACK, f"w{rack // RACKS_PER_ROW}", rack_w))
        for node, priority in enumerate(rng.integers(0, 4, PER_RACK)):
            nodes.append(Load(f"{name}n{node}", name, FLOOR_W, NAMEPLATE_W, priority=int(priority)))
    return Plant(domains=tuple(domains), loads=tuple(nodes))


def asks(network: Network, *, rounds: int, seed: int = 9) -> list[Ask]:
    """Demands as training and serving give them: many near the top, some low, another each time."""
    rng = np.random.default_rng(seed)
    size = len(network.loads)
    return [
        ask_of(network, FLOOR_W + (NAMEPLATE_W - FLOOR_W) * rng.beta(2.2, 0.7, size))
        for _ in range(rounds)
    ]


def room(network: Network, plant: Plant) -> Floats:
    return network.room_w({domain.name: domain.limit_w for domain in plant.domains})


def proportional(network: Network, ask: Ask, room_w: Floats) -> Floats:
    """Every limit scales what is above the floors below it by one factor."""
    watts = np.clip(ask.demand_w, ask.floor_w, ask.ceiling_w) - ask.floor_w
    left = room_w - network.charge(ask.floor_w)
    for level in network.levels:
        used = np.add.reduceat(level.factor * watts, level.starts)
        scale = np.minimum(1.0, left[level.limit] / np.maximum(used, 1e-9))
        watts *= np.repeat(np.where(level.limit >= 0, scale, 1.0), level.counts)
    return ask.floor_w + watts


def plain(network: Network, ask: Ask, room_w: Floats) -> Floats:
    """The same max-min by priority, load by load."""
    watts = [float(value) for value in ask.floor_w]
    left = [float(value) for value in room_w - network.charge(ask.floor_w)]
    demand = [float(value) for value in np.clip(ask.demand_w, ask.floor_w, ask.ceiling_w)]
    weight = [float(value) for value in ask.weight]
    for priority in sorted({int(value) for value in ask.priority}, reverse=True):
        want = [
            demand[at] - watts[at] if ask.priority[at] == priority else 0.0
            for at in range(len(watts))
        ]
        for level in network.levels:
            for start, count, limit in zip(level.starts, level.counts, level.limit, strict=True):
                if limit >= 0:
                    _plain_cut(want, weight, range(int(start), int(start + count)), left[limit])
        for level in network.levels:
            for start, count, limit in zip(level.starts, level.counts, level.limit, strict=True):
                if limit >= 0:
                    left[limit] -= sum(want[start : start + count])
        watts = [had + more for had, more in zip(watts, want, strict=True)]
    return np.array(watts)


def _plain_cut(want: list[float], weight: list[float], here: range, left: float) -> None:
    if sum(want[at] for at in here) <= left:
        return
    rest, slope = max(left, 0.0), sum(weight[at] for at in here if want[at] > 0)
    for at in sorted((at for at in here if want[at] > 0), key=lambda at: want[at] / weight[at]):
        if want[at] * slope > rest * weight[at]:
            break
        rest, slope = rest - want[at], slope - weight[at]
    else:
        return
    for at in here:
        want[at] = min(want[at], rest / slope * weight[at])


def measure(network: Network, found: list[Ask], room_w: Floats, way: Callable[..., Floats]) -> Run:
    took, over = [], 0.0
    for ask in found:
        start = time.process_time()
        watts = way(network, ask, room_w)
        took.append((time.process_time() - start) * 1e3)
        over = max(over, float(np.max(network.charge(watts) - room_w)))
    took = took[len(took) // 10 :]
    return Run(statistics.median(took), sorted(took)[int(len(took) * 0.95)], max(over, 0.0))


def exact(network: Network, ask: Ask, room_w: Floats) -> Floats:
    return allocate(network, ask, room_w).watts


def main(arguments: list[str]) -> int:
    missed = 0
    print(f"{'loads':>8} {'how':<14} {'median ms':>10} {'p95 ms':>8} {'goal ms':>8} {'over W':>9}")
    for size in [int(each) for each in arguments] or SIZES:
        plant = hall(size)
        network = compile_network(plant, PowerPolicy())
        limit, found = room(network, plant), asks(network, rounds=ROUNDS)
        runs = {
            "exact": measure(network, found, limit, exact),
            "proportional": measure(network, found, limit, proportional),
            "plain Python": measure(network, found[:5], limit, plain),
        }
        for how, run in runs.items():
            goal = GOAL_MS.get(size) if how == "exact" else None
            print(
                f"{size:>8} {how:<14} {run.median_ms:>10.2f} {run.p95_ms:>8.2f} "
                f"{goal or '-':>8} {run.overrun_w:>9.1e}"
            )
            missed += goal is not None and (run.p95_ms > goal or run.overrun_w > 1e-3)
        apart = np.max(np.abs(exact(network, found[0], limit) - plain(network, found[0], limit)))
        print(f"{size:>8} exact and plain Python differ by at most {apart:.1e} W")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
