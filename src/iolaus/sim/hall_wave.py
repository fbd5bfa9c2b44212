"""The shape of work over time: deterministic, smooth, and the same for every machine of one job.

A synchronous training job moves all its GPUs together: seconds of full compute, a dip while
gradients are exchanged, a longer one at each checkpoint. That common swing is what a power feed
sees, so it belongs to the job and not to the machine. Everything here is a pure function of
(seed, time); nothing is stepped, so a hall that nobody reads costs nothing.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from math import pi, sin
from typing import Final

TAU: Final = 2.0 * pi


@lru_cache(maxsize=65536)
def draw(seed: str) -> float:
    """A fixed number in [0, 1) for a seed."""
    return int.from_bytes(blake2b(seed.encode(), digest_size=6).digest(), "big") / 2**48


def wander(seed: str, t: float, *, period_s: float = 60.0) -> float:
    """A smooth value in [-1, 1] that wanders with about this period."""
    phase = TAU * draw(seed)
    x = TAU * t / period_s
    return 0.5 * sin(x + phase) + 0.3 * sin(2.3 * x + 2 * phase) + 0.2 * sin(0.37 * x + 3 * phase)


def smooth(x: float) -> float:
    x = min(1.0, max(0.0, x))
    return x * x * (3.0 - 2.0 * x)


def dip(phase: float, start: float, end: float, edge: float) -> float:
    """1 inside [start, end] of a cycle, 0 outside, with soft edges."""
    return smooth((phase - start) / edge) * smooth((end - phase) / edge)


def training(job: str, t: float) -> float:
    """Load of a training job's GPUs, 0 to 1."""
    step_s = 7.0 + 9.0 * draw(f"{job}/step")
    save_s = 600.0 + 900.0 * draw(f"{job}/save")
    start = 1000.0 * draw(f"{job}/start")
    exchange = dip(((t + start) % step_s) / step_s, 0.80, 1.0, 0.05)
    save = dip((t + start) % save_s, 0.0, 25.0, 3.0)
    level = 0.90 + 0.07 * wander(f"{job}/level", t, period_s=1800.0)
    return max(0.05, level * (1.0 - 0.45 * exchange) * (1.0 - 0.7 * save))


def service(job: str, t: float) -> float:
    """Load of a general-purpose host: slow and never full."""
    slow = wander(f"{job}/day", t, period_s=5400.0)
    fast = wander(f"{job}/minute", t, period_s=45.0)
    return min(0.95, max(0.04, 0.42 + 0.25 * slow + 0.08 * fast))


@lru_cache(maxsize=8192)
def warmth(job: str, second: int) -> float:
    """A training job's load as heat sees it at a whole second: the last half minute's mean."""
    return sum(training(job, second - back) for back in range(30)) / 30.0


def heat(job: str, t: float) -> float:
    """The same between seconds, without a step."""
    second = int(t)
    part = t - second
    return warmth(job, second) * (1.0 - part) + warmth(job, second + 1) * part
