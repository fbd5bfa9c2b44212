"""`python -m bench.energy run|tune|tick|reflexes|swing|plot ...`; `make bench-energy` is `run`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from bench.energy.contest import (
    DEFAULT_SEEDS,
    by_controller,
    contest,
    named,
    progress,
    scenarios_of,
)
from bench.energy.given import count, kept, must_be_writable, pictured, seeds_of
from bench.energy.plots import plot
from bench.energy.reflexes import reflexes
from bench.energy.scenario import Scenario, blind
from bench.energy.score import Score
from bench.energy.standing import standing
from bench.energy.swing import swing
from bench.energy.table import OURS, goals, table, worst
from bench.energy.tick import tick
from bench.energy.tune import tune
from iolaus.kernel.errors import IolausError

os.environ.setdefault("OMP_NUM_THREADS", "1")
BLIND_SEEDS = tuple(range(5))


def run(arguments: argparse.Namespace) -> int:
    began = time.perf_counter()
    whole = not arguments.seeds.strip(" ,")
    scenarios: list[Scenario] = scenarios_of(seeds_of(arguments.seeds) or list(DEFAULT_SEEDS))
    if arguments.blind or whole:
        scenarios += [given for seed in BLIND_SEEDS for given in blind(seed)]
    names = named(arguments.controllers.replace(",", " ").split())
    path = Path(arguments.json) if arguments.json else None
    known: list[Score] = []
    if path is not None:
        must_be_writable(path)
        known = kept(path) if arguments.resume else []
    keep = partial(_keep, path) if path else None
    scores = contest(
        scenarios, names, processes=arguments.processes, tell=progress, keep=keep, known=known
    )
    progress("")
    _print(scores, len(scenarios))
    if whole:
        for line in standing():
            print(line, flush=True)
    print(f"{len(scores)} runs in {time.perf_counter() - began:.0f} s")
    if path:
        print(f"every figure: {path}")
    clean = all(s.clean for s in scores if s.controller == OURS)
    return 0 if clean or not arguments.strict else 1


def _keep(path: Path, scores: Sequence[Score]) -> None:
    """Every figure so far: a run that is broken off leaves what it had."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(scores)))


def draw(arguments: argparse.Namespace) -> int:
    names = named(arguments.controllers.replace(",", " ").split())
    return plot(pictured(arguments.what), names, arguments.to)


def _print(scores: Sequence[Score], count: int) -> None:
    print(f"{count} scenarios")
    print(table(scores))
    print(*goals(scores), sep="\n")
    groups = by_controller(scores)
    mine = groups.get(OURS) or next(iter(groups.values()))
    bad = worst(mine)
    if bad is not None:
        print(f"worst case of {bad.controller}: {bad.scenario}")
        print(f"  see it: python -m bench.energy plot {bad.scenario.split(':')[0]}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.energy", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("run", help="judge controllers over scenarios")
    one.add_argument("--seeds", default="", help='numbers or ranges, as "9001 9002 0-199"')
    one.add_argument("--controllers", default="", help="names; all without")
    one.add_argument("--json", default="", help="write every figure here")
    one.add_argument("--processes", type=count, default=None)
    one.add_argument("--resume", action="store_true", help="keep what --json holds already")
    one.add_argument("--blind", action="store_true", help="also feeds lost without a signal")
    one.add_argument("--strict", action="store_true", help="fail if ours is not clean")
    one.set_defaults(verb=run)
    two = verbs.add_parser("tune", help="search parameters for the baselines")
    two.add_argument("--processes", type=count, default=None)
    two.add_argument("--width", type=count, default=4, help="how many candidates and scenarios")
    two.set_defaults(verb=lambda given: tune(given.processes, given.width))
    three = verbs.add_parser("tick", help="time a tick of the centre with its edges")
    three.add_argument("--edges", type=count, default=640)
    three.add_argument("--ticks", type=count, default=100)
    three.set_defaults(verb=lambda given: tick(given.edges, given.ticks))
    five = verbs.add_parser("reflexes", help="leaks, lost flow and broken detectors at an edge")
    five.set_defaults(verb=lambda _: reflexes())
    six = verbs.add_parser("swing", help="ramps with and without smoothing")
    six.set_defaults(verb=lambda _: swing())
    four = verbs.add_parser("plot", help="draw a scenario under some controllers")
    four.add_argument("what", help="a seed, or a file of --json: its worst case")
    four.add_argument("--controllers", default="none static three-band iolaus")
    four.add_argument("--to", type=Path, default=Path("docs/images/energy"))
    four.set_defaults(verb=draw)
    arguments = parser.parse_args()
    verb: Callable[[argparse.Namespace], int] = arguments.verb
    try:
        return verb(arguments)
    except IolausError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
