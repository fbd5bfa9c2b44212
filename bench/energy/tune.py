"""A fair search for what a baseline can do: `python -m bench.energy tune`.

Every baseline with parameters gets the same: candidates drawn over ranges wide enough to hold its
published constants (which are the first candidate), tried on a few scenarios, the better third on
more, the best few on all. Scenarios to search on are numbers that are never judged. What counts is
safety before work: seconds over any limit cost ten times the share of a run that they are, trips
much more. The result is `tuned.json`, with the ranges, how many runs each had, and the command that
makes it again. The static cap is not searched: it follows from the limits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import numpy as np

from bench.energy.baselines import (
    Central,
    Decrease,
    LastApplied,
    Params,
    Pid,
    Proportional,
    ThreeBand,
    Uniform,
)
from bench.energy.contest import TUNED
from bench.energy.run import run
from bench.energy.scenario import SECONDS, WARM_S, scenario
from bench.energy.score import Score

FIRST_SEED: Final = 100_000
ROUNDS: Final = ((6, 1), (2, 2))
"""(candidates, scenarios of their own) of each round, for a width of one."""
OVER_COST, TRIP_COST = 10.0, 1.0
STRIDE: Final = 7
RANGES: Final[Mapping[type[Central], Mapping[str, tuple[float, float]]]] = {
    ThreeBand: {
        "cap": (0.85, 0.995),
        "target": (0.7, 0.96),
        "uncap": (0.4, 0.92),
        "upper": (1.0, 3.0),
        "period_s": (1.0, 3.0),
    },
    Decrease: {
        "high": (0.85, 0.995),
        "low": (0.7, 0.96),
        "hard": (0.4, 0.95),
        "soft": (0.8, 0.99),
        "chance": (0.02, 0.6),
        "step": (0.01, 0.2),
    },
    Pid: {"target": (0.7, 0.97), "p": (0.0, 1.0), "i": (0.01, 0.5), "d": (0.0, 0.5)},
    Uniform: {"target": (0.75, 0.99), "grow": (0.01, 0.15)},
    Proportional: {"target": (0.75, 0.99), "room": (1.0, 1.6)},
    LastApplied: {"guard": (0.0, 0.06)},
}


def cost(score: Score) -> float:
    """The less the better."""
    over = score.violation_s / (SECONDS - WARM_S)
    return OVER_COST * over + TRIP_COST * sum(score.trips.values()) + 1.0 - score.throughput


def candidates(kind: type[Central], count: int) -> list[Params]:
    rng = np.random.default_rng(FIRST_SEED)
    ranges = RANGES[kind]
    drawn = [
        {name: round(float(rng.uniform(*span)), 4) for name, span in ranges.items()}
        for _ in range(count - 1)
    ]
    return [dict(kind.start), *(dict(kind.start) | each for each in drawn)]


def tried(kind: type[Central], params: Params, seed: int) -> float:
    return cost(run(scenario(seed), lambda world: kind(world.plan, params)))


def search(kind: type[Central], pool: ProcessPoolExecutor, width: int) -> tuple[Params, float]:
    """The best parameters, and their mean cost over all scenarios of the search."""
    rounds = [(width * keep, width * more) for keep, more in ROUNDS]
    rows: list[tuple[Params, list[float]]] = [(p, []) for p in candidates(kind, rounds[0][0])]
    seed = FIRST_SEED
    for keep, more in rounds:
        rows = sorted(rows, key=lambda row: float(np.mean(row[1])) if row[1] else 0.0)[:keep]
        seeds = [seed + STRIDE * n for n in range(more)]
        seed += STRIDE * more
        for row, costs in zip(rows, _costs(kind, rows, seeds, pool), strict=True):
            row[1].extend(costs)
    best = min(rows, key=lambda row: float(np.mean(row[1])))
    return best[0], float(np.mean(best[1]))


def _costs(
    kind: type[Central],
    rows: Sequence[tuple[Params, list[float]]],
    seeds: Sequence[int],
    pool: ProcessPoolExecutor,
) -> list[list[float]]:
    jobs = [(params, seed) for params, _ in rows for seed in seeds]
    kinds = [kind] * len(jobs)
    found = list(pool.map(tried, kinds, [j[0] for j in jobs], [j[1] for j in jobs]))
    return [found[n : n + len(seeds)] for n in range(0, len(found), len(seeds))]


def runs(width: int) -> int:
    """How many runs the search of one baseline takes: the same for all."""
    return sum(width * keep * width * more for keep, more in ROUNDS)


def _spans(kind: type[Central]) -> str:
    return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in RANGES[kind].items())


def tune(processes: int | None = None, width: int = 4) -> int:
    """Search for all, print as it goes, and keep what was found after each."""
    found: dict[str, dict[str, object]] = {}
    with ProcessPoolExecutor(processes or os.cpu_count() or 1) as pool:
        for kind in RANGES:
            params, value = search(kind, pool, width)
            found[kind.name] = {"parameters": params, "cost": round(value, 4)}
            print(f"{kind.name:24} {value:.4f} {json.dumps(params)}", flush=True)
            print(f"{'searched':>24} {_spans(kind)}, {runs(width)} runs", flush=True)
            data = {
                "command": f"python -m bench.energy tune --width {width}",
                "seeds": f"{FIRST_SEED} and every {STRIDE}th after",
                "runs": runs(width),
                "ranges": {each.name: RANGES[each] for each in RANGES},
                "controllers": found,
            }
            TUNED.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return 0
