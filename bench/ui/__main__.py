"""`python -m bench.ui [--cells N] [--frames N] [--deltas N]`: what a large hall map costs.

A synthetic hall on a real server, drawn by a real Chromium: milliseconds of script per redraw (all
of it: taking the frame, painting, the list of the worst), bytes per frame, and what the server
spends on a frame, the summary line and a page of the table.

`python -m bench.ui --screenshot docs/images/hall.png` instead starts `iolaus up` with its default
simulated hall and takes the picture of the README.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tests.north.ui import scene
from tests.north.ui.browsing import Tab, chromium, find_chromium, tab
from tests.north.ui.serving import Serving, make_context, serving

from bench.ui.screenshot import take
from iolaus.kernel.clock import WallClock
from iolaus.model.select import EVERYTHING
from iolaus.north.context import Context
from iolaus.north.ui.hallmap import HallMap
from iolaus.north.ui.measures import METRICS
from iolaus.north.ui.scopes import Maps
from iolaus.north.ui.summary import summary_chips

LONG_S = 3600.0
REST_S = 0.5  # a map that has just looked rests
PAIR = ("power", "inlet")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ui", description=__doc__)
    parser.add_argument("--cells", type=int, default=10_080)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--deltas", type=int, default=20)
    parser.add_argument("--screenshot", type=Path)
    args = parser.parse_args()
    path = find_chromium()
    if path is None:
        sys.exit("needs Chromium (Debian: apt-get install chromium)")
    if args.screenshot:
        take(args.screenshot, path)
        return
    print(f"{args.cells:,} cells, milliseconds{'':<17} median    p95    max")
    measure_server(args.cells)
    measure_browser(args, path)


def line(what: str, spent_ms: Sequence[float]) -> None:
    middle, high = np.percentile(spent_ms, [50, 95])
    print(f"  {what:<38}{middle:>8.2f}{high:>7.2f}{max(spent_ms):>7.2f}   n={len(spent_ms)}")


def timed(what: str, job: Callable[[int], object], *, rounds: int) -> None:
    spent = []
    for number in range(rounds):
        began = time.perf_counter()
        job(number)
        spent.append((time.perf_counter() - began) * 1000)
    line(what, spent)


def measure_server(count: int) -> None:
    clock = WallClock()
    facts = scene.build(count, clock, devices=False, parts=False)
    context = make_context(facts, clock, interval_s=LONG_S)
    hall_map = Maps(context).of(EVERYTHING)
    timed("server: first layout", lambda _: hall_map.layout(), rounds=1)
    timed("server: first frame of each metric", frames(hall_map), rounds=len(METRICS))
    timed("server: frame, nothing changed", lambda _: fresh(hall_map), rounds=30)
    spent = [changed_frame(context, hall_map, beat, count // 10) for beat in range(20)]
    line("server: frame, a tenth changed", spent)
    timed("server: summary line", lambda _: chips(context, hall_map), rounds=10)
    print(f"  layout {len(hall_map.layout()[1]):,} bytes, frame {frame_bytes(hall_map):,} bytes")


def frames(hall_map: HallMap) -> Callable[[int], object]:
    names = list(METRICS)
    return lambda number: hall_map.frame(names[number])


def fresh(hall_map: HallMap) -> object:
    return hall_map.frame("power", max_age_s=0)


def frame_bytes(hall_map: HallMap) -> int:
    return len(hall_map.frame("power").data)


def changed_frame(context: Context, hall_map: HallMap, beat: int, share: int) -> float:
    first = beat % 10 * share
    scene.breathe(context.facts, range(first, first + share), context.clock, beat=beat)
    time.sleep(REST_S)
    began = time.perf_counter()
    fresh(hall_map)
    return (time.perf_counter() - began) * 1000


def chips(context: Context, hall_map: HallMap) -> object:
    for metric in ("health", "power", "leak", "age"):
        hall_map.show(metric, max_age_s=0)
    return summary_chips(context, hall_map, EVERYTHING)


def measure_browser(args: argparse.Namespace, path: str) -> None:
    facts = scene.build(args.cells, WallClock(), devices=False, parts=False)
    with (
        serving(facts, interval_s=LONG_S) as server,
        chromium(path) as browser,
        tab(browser, server.url) as opened,
    ):
        for table in ("/ui/table", "/ui/table?sort=power", "/ui/racks"):
            timed(f"GET {table}", getting(opened, server.url + table), rounds=5)
        opened.open_map()
        full_redraws(opened, args.frames)
        delta_redraws(opened, server, args)
        opened.check()


def getting(opened: Tab, url: str) -> Callable[[int], object]:
    return lambda _: opened.page.request.get(url)


def full_redraws(opened: Tab, count: int) -> None:
    """Change the metric and back: every cell gets another colour."""
    opened.ask("iolausHall.state.spent.length = 0")
    for number in range(count):
        metric = PAIR[number % 2]
        opened.ask(f"document.querySelector('[data-metric={metric}]').click()")
        opened.wait(f"iolausHall.view.last.metric === '{metric}'")
    report(opened, "browser: full redraw", count)


def delta_redraws(opened: Tab, server: Serving, args: argparse.Namespace) -> None:
    """A tenth of the hall is polled between two frames."""
    opened.ask("iolausHall.state.spent.length = 0")
    share, context = args.cells // 10, server.context
    for beat in range(args.deltas):
        first, before = beat % 10 * share, opened.ask("iolausHall.state.frames")
        numbers = range(first, first + share)
        server.do(partial(scene.breathe, context.facts, numbers, context.clock, beat=beat + 50))
        opened.wait(f"iolausHall.state.frames > {before}")
    report(opened, "browser: redraw, a tenth changed", args.deltas)


def report(opened: Tab, what: str, count: int) -> None:
    spent = opened.ask("iolausHall.state.spent")[-count:]
    line(what, [each["all"] for each in spent])
    line("         of it painting", [each["draw"] for each in spent])


if __name__ == "__main__":
    main()
