"""What smoothing is worth: one job over the whole hall, with the site's swing loop and without.

`python -m bench.energy swing`. The loop sees the site's meter ten times a second and sets the
profile of all GPUs; nothing else differs. Ramps and the band are judged after the loop has settled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bench.energy.contest import run_named
from bench.energy.run import reference
from bench.energy.scenario import NODES, Scenario, scenario
from bench.energy.world import World
from iolaus.energy.swing import Swing, SwingRules
from iolaus.sim.physics import actuators as do
from iolaus.sim.physics.kinds import Job

SEED: Final = 0
SECONDS, WARM_S = 90.0, 50.0
SAMPLE_S, TICK_S = 0.1, 1.0
ALLOWED: Final = 0.05
"""Of the site's limit, a second."""
STEPPED: Final = Job(
    name="job0", work="training", step_s=2.5, duty=0.72, high=0.95, low=0.3, save_every_s=1e4
)


def stepped(*, seconds: float = SECONDS, warm_s: float = WARM_S) -> Scenario:
    """All machines in step, with GPUs that can smooth."""
    return replace(
        scenario(SEED),
        failure="swing",
        jobs=(STEPPED,),
        sizes=(NODES,),
        starts_s=(0.0,),
        smooths=True,
        seconds=seconds,
        warm_s=warm_s,
    )


class Smoother:
    """The swing loop at its meter. Unless it `acts`, it looks and sets nothing."""

    def __init__(self, limit_w: float, *, acts: bool) -> None:
        self.acts = acts
        self.swing, self.level = Swing(SwingRules(ramp_w_s=ALLOWED * limit_w)), 0
        self.joules, self._sample_s, self._tick_s = 0.0, 0.0, 0.0

    def __call__(self, world: World) -> None:
        watts = float(world.plant.supply.out_w[world.hall.feeds].sum())
        self.joules += watts * world.dt
        if world.t >= self._sample_s - 1e-9:
            self._sample_s = world.t + SAMPLE_S
            self.swing.sample(watts, world.t)
        if world.t >= self._tick_s - 1e-9:
            self._tick_s = world.t + TICK_S
            if self.acts:
                self._set(world, self.swing.tick(world.t))

    def _set(self, world: World, level: int) -> None:
        way = self.swing.smoothing
        if level != self.level and way is not None:
            do.smooth(
                world.plant, nodes=slice(None), floor=way.floor, up_w_s=way.up_w_s,
                down_w_s=way.down_w_s, hold_s=way.hold_s,
            )  # fmt: skip
        self.level = level


def measure(given: Scenario | None = None) -> Iterator[str]:
    """A line for each way, and whether smoothing was better on both counts."""
    given = given or stepped()
    found = []
    for name, acts in (("without", False), ("with", True)):
        watch = Smoother(reference(given).limits.site_w, acts=acts)
        score = run_named(given, "iolaus", watch=watch)
        found.append(score)
        yield (
            f"{name:8} ramp {score.ramp_w_s / 1e3:7.1f} kW/s"
            f"  0.1-20 Hz {score.band_w / 1e3:6.1f} kW"
            f"  throughput {score.throughput:.3f}  energy {watch.joules / 3.6e6:.1f} kWh"
            f"  level {watch.level}  over {score.violation_s:.2f} s"
        )
    before, after = found
    better = after.ramp_w_s < before.ramp_w_s and after.band_w < before.band_w
    word = "better" if better else "NOT better"
    ramp, band = after.ramp_w_s / before.ramp_w_s, after.band_w / before.band_w
    yield f"{word} with smoothing: ramp {ramp:.3f} x, band {band:.3f} x"


def swing() -> int:
    for line in measure():
        print(line, flush=True)
    return 0
