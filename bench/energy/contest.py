"""Many runs on all cores: every controller in every scenario, a scenario at a time in a process.

A scenario's controllers run one after another in one process, so that the hall without caps, which
all are measured against, is run once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from bench.energy.baselines import BASELINES, Central, Params
from bench.energy.oracle import Oracle, SafeOracle, bound
from bench.energy.ours import Ours
from bench.energy.run import Make, reference, run
from bench.energy.scenario import Scenario, scenario
from bench.energy.score import Score
from bench.energy.seen import Controller
from bench.energy.world import World
from iolaus.kernel.errors import OperatorMust

TUNED: Final = Path(__file__).with_name("tuned.json")
DEFAULT_SEEDS: Final = tuple(range(200))
"""Every load with every failure on both curves, once."""


def tuned() -> dict[str, Params]:
    """What the search found, by controller."""
    if not TUNED.exists():
        return {}
    found = json.loads(TUNED.read_text(encoding="utf-8"))["controllers"]
    return {name: row["parameters"] for name, row in found.items()}


def makers() -> dict[str, Make]:
    """Every controller by name, with its tuned parameters."""
    given = tuned()
    found: dict[str, Make] = {kind.name: _of(kind, given.get(kind.name)) for kind in BASELINES}
    oracles: dict[str, Make] = {kind.name: kind for kind in (Oracle, SafeOracle)}
    return found | oracles | {Ours.name: lambda world: Ours(world.plan)}


def _of(kind: type[Central], params: Params | None) -> Make:
    def make(world: World) -> Controller:
        return kind(world.plan, params)

    return make


def run_named(given: Scenario, name: str, *, watch: Callable[[World], None] | None = None) -> Score:
    """One run of a controller by its name."""
    return run(given, makers()[name], watch=watch)


def judge_all(given: Scenario, controllers: Sequence[str]) -> list[Score]:
    """One scenario under each of them, with the bound that all are held against."""
    most = bound(given, reference(given))
    scores = [run_named(given, name) for name in controllers]
    return [msgspec.structs.replace(s, of_bound=s.throughput / most) for s in scores]


def named(controllers: Sequence[str]) -> list[str]:
    """Raises OperatorMust for a name that nobody has."""
    known = makers()
    for name in controllers:
        if name not in known:
            raise OperatorMust(
                f"there is no controller {name!r}",
                operation="judge",
                subject=name,
                code="NoSuchController",
                next_step=f"Take some of: {', '.join(known)}.",
            )
    return list(controllers) or list(known)


def contest(
    scenarios: Sequence[Scenario],
    controllers: Sequence[str],
    *,
    processes: int | None = None,
    tell: Callable[[str], None] | None = None,
    keep: Callable[[Sequence[Score]], None] | None = None,
    known: Sequence[Score] = (),
) -> list[Score]:
    """In the order of scenarios, then controllers. After each scenario `keep` gets all so far.
    What is `known` of another run is not run again."""
    ran = {(score.scenario, score.controller) for score in known}
    asked = {(each.name, name) for each in scenarios for name in controllers}
    scores = [score for score in known if (score.scenario, score.controller) in asked]
    missing = [
        each for each in scenarios if any((each.name, name) not in ran for name in controllers)
    ]
    fresh = {each.name for each in missing}
    scores = [score for score in scores if score.scenario not in fresh]
    begun = len(scenarios) - len(missing)
    for number, rows in enumerate(_spread(missing, controllers, processes), start=begun + 1):
        scores += rows
        if tell is not None:
            tell(f"{number}/{len(scenarios)} {rows[0].scenario}")
        if keep is not None:
            keep(scores)
    return scores


def _spread(
    scenarios: Sequence[Scenario], controllers: Sequence[str], processes: int | None
) -> Iterator[list[Score]]:
    count = processes or os.cpu_count() or 1
    if count == 1 or len(scenarios) == 1:
        yield from (judge_all(given, controllers) for given in scenarios)
        return
    with ProcessPoolExecutor(count) as pool:
        yield from pool.map(judge_all, scenarios, [controllers] * len(scenarios))


def scenarios_of(seeds: Sequence[int]) -> list[Scenario]:
    return [scenario(seed) for seed in seeds]


def by_controller(scores: Sequence[Score]) -> Mapping[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for score in scores:
        found.setdefault(score.controller, []).append(score)
    return found


def progress(line: str) -> None:
    """On a terminal's one line."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.flush()
