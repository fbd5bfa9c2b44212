"""What a scenario looked like: `python -m bench.energy plot SEED` (docs/images/energy).

One picture of the whole hall at its feeds under each controller, with the limit; and one of the
fullest rack. The limits are those of the moment, so that a loss is a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.energy.contest import run_named
from bench.energy.hall import at_feed_w
from bench.energy.scenario import Scenario
from bench.energy.world import World
from bench.twin.drawing import Axis, Line, chart
from iolaus.sim.physics.arrays import F64

EVERY: Final = 2


class Trace:
    """Of one run: `rows` of (t, site, limit, fullest rack in %)."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float, float]] = []

    def __call__(self, world: World) -> None:
        supply, hall = world.plant.supply, world.hall
        limits = world.limits_now(ahead_s=-world.dt)
        rack = float((supply.out_w[hall.shelves] / limits.rack_w).max())
        site = float(supply.out_w[hall.feeds].sum())
        bound = at_feed_w(limits.site_w, world.extra_w)
        self.rows.append((world.t, site / 1e3, bound / 1e3, 100.0 * rack))

    @property
    def table(self) -> F64:
        return np.array(self.rows)[::EVERY]


def pictures(given: Scenario, controllers: Sequence[str]) -> tuple[str, str]:
    """The hall, and its fullest rack, as SVG."""
    traces = []
    for name in controllers:
        trace = Trace()
        run_named(given, name, watch=trace)
        traces.append((name, trace.table))
    time_s, limit = traces[0][1][:, 0], traces[0][1][:, 2]
    hall = [Line(name=name, x=time_s, y=table[:, 1]) for name, table in traces]
    hall.append(Line(name="limit", x=time_s, y=limit))
    full = [Line(name=name, x=time_s, y=table[:, 3]) for name, table in traces]
    full.append(Line(name="limit", x=time_s, y=np.full(time_s.size, 100.0)))
    title = given.name.partition(":")[2]
    return (
        chart(f"The hall, {title}", Axis(name="s"), Axis(name="kW", low=0.0), hall),
        chart(f"The fullest rack, {title}", Axis(name="s"), Axis(name="%", low=0.0), full),
    )


def plot(given: Scenario, controllers: Sequence[str], folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for word, picture in zip(("hall", "rack"), pictures(given, controllers), strict=True):
        stem = f"{given.seed}-{given.load}-{given.failure}-{given.curve}-{word}"
        path = folder / f"{stem}.svg"
        path.write_text(picture, encoding="utf-8")
        print(path)
    return 0
