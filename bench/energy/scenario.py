"""What is tried: a load, a failure and a breaker curve, drawn from a number.

`scenario(seed)` is the only way in. The families take turns with the number, so that any run of
`FAMILIES` successive seeds has every load with every failure on both curves; all else (the hall's
jobs, when it happens, to whom, how badly) is drawn from a generator of that seed. A happening is
data: what, from when to when, and to whom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bench.energy.hall import Hall, build
from iolaus.sim.physics.arrays import F64
from iolaus.sim.physics.kinds import FAST_BREAKER, SLOW_BREAKER, Job
from iolaus.sim.physics.plant import Plant

SECONDS: Final = 75.0
WARM_S: Final = 15.0
LOADS: Final = ("training", "serving", "mixed", "big-job-starts", "staggered-starts")
CURVES: Final = {"fast": FAST_BREAKER, "slow": SLOW_BREAKER}
NODES: Final = 216
PRESSURE: Final = (1.05, 1.3)
"""Mean demand over the hall's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """`what` befalls `who` (numbers of racks, nodes or feeds) from `start_s` to `end_s`."""

    what: str
    start_s: float
    end_s: float = SECONDS
    who: tuple[int, ...] = ()
    amount: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`window_s` is how long a limit may be passed after it fell."""

    seed: int
    load: str
    failure: str
    curve: str
    jobs: tuple[Job, ...]
    sizes: tuple[int, ...]
    starts_s: tuple[float, ...]
    happenings: tuple[Happening, ...] = ()
    pressure: float = 1.1
    window_s: float = 0.5
    signalled: bool = True
    smooths: bool = False
    seconds: float = SECONDS
    warm_s: float = WARM_S

    @property
    def name(self) -> str:
        return f"{self.seed}:{self.load}/{self.failure}/{self.curve}"

    def during(self, what: str, t: float) -> tuple[Happening, ...]:
        return tuple(h for h in self.happenings if h.what == what and h.start_s <= t < h.end_s)

    def hall(self) -> Hall:
        rng = np.random.default_rng((self.seed, 1))
        return build(list(self.jobs), list(self.sizes), rng, smooths=self.smooths)

    def begin(self, plant: Plant) -> None:
        """Jobs that start later wait at the level of a checkpoint."""
        starts = np.asarray(self.starts_s)
        plant.work.saving_s = np.where(starts > 0.0, starts, plant.work.saving_s)
        plant.work.since_save_s = np.where(starts > 0.0, 0.0, plant.work.since_save_s)
        plant.work.serving.scale = 2.0


Draw = Callable[[np.random.Generator], tuple[Happening, ...]]


def _feed(rng: np.random.Generator, *, at_s: float = 30.0, back: bool = False) -> Happening:
    start = at_s + float(rng.uniform(0.0, 6.0))
    end = start + float(rng.uniform(12.0, 20.0)) if back else SECONDS
    return Happening(what="feed", start_s=start, end_s=end, who=(int(rng.integers(2)),))


def _spell(what: str, *, lasts: tuple[float, float] = (14.0, 22.0)) -> Draw:
    """Something that is so for a while, to nobody in particular."""

    def draw(rng: np.random.Generator) -> tuple[Happening, ...]:
        start = 26.0 + float(rng.uniform(0.0, 4.0))
        return (Happening(what=what, start_s=start, end_s=start + float(rng.uniform(*lasts))),)

    return draw


def _some(what: str, of: int, share: float, *, whole_run: bool = False) -> Draw:
    """Something that befalls a share of `of` things."""

    def draw(rng: np.random.Generator) -> tuple[Happening, ...]:
        who = rng.choice(of, size=max(1, round(share * of)), replace=False)
        start = 0.0 if whole_run else 24.0 + float(rng.uniform(0.0, 4.0))
        end = SECONDS if whole_run else start + float(rng.uniform(14.0, 24.0))
        numbers = tuple(sorted(int(n) for n in who))
        return (Happening(what=what, start_s=start, end_s=end, who=numbers),)

    return draw


def _always(what: str) -> Draw:
    return lambda rng: (Happening(what=what, start_s=0.0, amount=float(rng.uniform(0.5, 1.0))),)


def _both(*draws: Draw) -> Draw:
    return lambda rng: tuple(h for draw in draws for h in draw(rng))


def _nothing(_: np.random.Generator) -> tuple[Happening, ...]:
    return ()


def _feed_loss(rng: np.random.Generator) -> tuple[Happening, ...]:
    return (_feed(rng),)


def _feed_back(rng: np.random.Generator) -> tuple[Happening, ...]:
    return (_feed(rng, back=True),)


def _psu(rng: np.random.Generator) -> tuple[Happening, ...]:
    who = tuple(int(n) for n in rng.choice(RACKS, size=2, replace=False))
    return (Happening(what="psu", start_s=30.0, end_s=55.0, who=who, amount=0.7),)


def _battery(rng: np.random.Generator) -> tuple[Happening, ...]:
    start = 30.0 + float(rng.uniform(0.0, 4.0))
    lasts = float(rng.uniform(3.0, 7.0))
    return (Happening(what="feed", start_s=start, end_s=start + lasts, who=(0, 1)),)


def _grid(rng: np.random.Generator) -> tuple[Happening, ...]:
    share = float(rng.uniform(0.82, 0.92))
    return (Happening(what="grid", start_s=28.0, end_s=55.0, amount=share),)


RACKS: Final = NODES // 18
FAILURES: Final[dict[str, Draw]] = {
    "quiet": _nothing,
    "feed-loss": _feed_loss,
    "feed-loss-and-return": _feed_back,
    "psu-loss": _psu,
    "centre-dead": _spell("centre"),
    "centre-dead-feed-loss": _both(_spell("centre"), _feed_loss),
    "edges-dead": _some("edge", RACKS, 0.12),
    "edges-dead-feed-loss": _both(_some("edge", RACKS, 0.12), _feed_loss),
    "both-dead-feed-loss": _both(_spell("centre"), _some("edge", RACKS, 0.12), _feed_loss),
    "broker-dead-feed-loss": _both(_spell("bus"), _feed_loss),
    "half-partitioned-feed-loss": _both(_some("partition", RACKS, 0.5), _feed_loss),
    "stale-30": _some("stale", NODES, 0.3),
    "stale-30-feed-loss": _both(_some("stale", NODES, 0.3), _feed_loss),
    "unreachable-10": _some("unreachable", NODES, 0.1),
    "unreachable-10-feed-loss": _both(_some("unreachable", NODES, 0.1), _feed_loss),
    "bad-frames-feed-loss": _both(_always("frames"), _feed_loss),
    "wrong-clocks-feed-loss": _both(_always("clocks"), _feed_loss),
    "flow-loss": _some("flow", 4, 0.25),
    "battery-discharge": _battery,
    "grid-target": _grid,
}
BLIND: Final = {"unsignalled-feed-loss": 1.0, "unsignalled-centre-dead": 3.5}
"""A feed lost that no local signal tells of, and how long it may take to be under the limit."""
FAMILIES: Final = len(LOADS) * len(FAILURES) * len(CURVES)


def scenario(seed: int) -> Scenario:
    """The scenario of this number (>= 0)."""
    load = LOADS[seed % len(LOADS)]
    failures = list(FAILURES)
    failure = failures[seed // len(LOADS) % len(failures)]
    curve = list(CURVES)[seed // (len(LOADS) * len(failures)) % len(CURVES)]
    rng = np.random.default_rng(seed)
    sizes = _sizes(rng, big=load == "big-job-starts")
    serving = round({"serving": 1.0, "mixed": 0.5}.get(load, 0.0) * len(sizes))
    works = ["serving" if n < serving else "training" for n in range(len(sizes))]
    return Scenario(
        seed=seed,
        load=load,
        failure=failure,
        curve=curve,
        jobs=tuple(_job(number, work, rng) for number, work in enumerate(works)),
        sizes=tuple(sizes),
        starts_s=tuple(_start(load, number, rng) for number in range(len(sizes))),
        happenings=FAILURES[failure](rng),
        pressure=float(rng.uniform(*PRESSURE)),
    )


def blind(seed: int) -> tuple[Scenario, ...]:
    """The same number with a feed lost that no local signal tells of."""
    made = []
    for name, window_s in BLIND.items():
        rng = np.random.default_rng((seed, 7))
        loss = _feed(rng)
        dead = Happening(what="centre", start_s=loss.start_s - 0.5, end_s=loss.start_s + 15.0)
        happenings = (loss, dead) if "dead" in name else (loss,)
        plain = scenario(seed)
        made.append(
            replace(plain, failure=name, happenings=happenings, window_s=window_s, signalled=False)
        )
    return tuple(made)


def _sizes(rng: np.random.Generator, *, big: bool) -> list[int]:
    cuts = np.sort(rng.choice(np.arange(1, NODES // 6), size=9, replace=False)) * 6
    sizes: F64 = np.diff(np.concatenate([[0], cuts, [NODES]]))
    if big:
        return [NODES // 2, *_halved(sizes)]
    return [int(n) for n in sizes]


def _halved(sizes: F64) -> list[int]:
    """Jobs of these proportions in half the hall."""
    edges = np.floor(np.cumsum(sizes) / 2.0).astype(int)
    parts = np.diff(np.concatenate([[0], edges[:-1], [NODES - NODES // 2]]))
    return [int(n) for n in parts if n > 0]


def _job(number: int, work: str, rng: np.random.Generator) -> Job:
    every, lasts = float(rng.uniform(25.0, 70.0)), float(rng.uniform(8.0, 12.0))
    return Job(name=f"job{number}", work=work, save_every_s=every, save_s=lasts)


def _start(load: str, number: int, rng: np.random.Generator) -> float:
    if load == "big-job-starts":
        return 24.0 + float(rng.uniform(0.0, 12.0)) if number == 0 else 0.0
    if load == "staggered-starts":
        return 4.0 * number + float(rng.uniform(0.0, 2.0))
    return 0.0
