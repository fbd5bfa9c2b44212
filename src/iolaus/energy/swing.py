"""Swings of synchronised work, smoothed by as little as suffices.

A training job steps all its machines at once, and the site's power steps with it several times in
ten seconds; a grid and its generators bear only so many watts a second. Buffers on a busbar cover
edges of milliseconds. What covers seconds is in the GPUs: they hold a floor in the troughs and ramp
between it and the crest, and pay for it in energy. So the floor is raised a level when the ramps
that are seen are more than is allowed, and lowered after a long calm, which is waited out twice as
long every time it proved too short. A meter that is silent changes nothing: not seen is not calm.

What is chosen can only lift troughs and slow rises; caps bound the crests as before. No I/O, no
clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

OVER_S: Final = 1.0
"""A ramp is the change of power over this time."""
MOST_DOUBLINGS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """A profile of the GPUs: `floor` as a part of their TDP while there is work and `hold_s` after
    it, and watts a second of each, up and down."""

    floor: float
    up_w_s: float
    down_w_s: float
    hold_s: float


LEVELS: Final = (
    Smoothing(floor=0.45, up_w_s=600.0, down_w_s=600.0, hold_s=3.0),
    Smoothing(floor=0.60, up_w_s=300.0, down_w_s=300.0, hold_s=5.0),
    Smoothing(floor=0.75, up_w_s=150.0, down_w_s=150.0, hold_s=10.0),
)
"""The first is the weakest. Level 0 is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwingRules:
    """`ramp_w_s` is what is allowed. A level is judged by `look_s` of samples taken under it, and
    lowered after `calm_s` under half of that; samples further apart than `gap_s` show nothing."""

    ramp_w_s: float
    look_s: float = 10.0
    calm_s: float = 300.0
    gap_s: float = 1.0


class Swing:
    """`level` is 0 (none) to the number of `levels`; `ramp_w_s` the worst that was seen of late,
    None while too little was."""

    def __init__(self, rules: SwingRules, levels: Sequence[Smoothing] = LEVELS) -> None:
        self.rules, self.levels, self.level = rules, tuple(levels), 0
        self.ramp_w_s: float | None = None
        self._samples: deque[tuple[float, float]] = deque()
        self._calm_since_s: float | None = None
        self._doublings = 0

    @property
    def smoothing(self) -> Smoothing | None:
        return self.levels[self.level - 1] if self.level else None

    def sample(self, watts: float | None, now_s: float) -> None:
        """The site's power. None or no number is a gap, as silence is: what came before is not
        compared with what comes after. Time that steps back is not counted."""
        last_s = self._samples[-1][0] if self._samples else now_s
        if watts is None or not 0.0 <= watts < float("inf") or now_s - last_s > self.rules.gap_s:
            self._begin()
        if watts is None or not 0.0 <= watts < float("inf"):
            return
        if not self._samples or now_s > self._samples[-1][0]:
            self._samples.append((now_s, watts))
        while now_s - self._samples[0][0] > self.rules.look_s + OVER_S:
            self._samples.popleft()

    def tick(self, now_s: float) -> int:
        """The level to be in force from now on: a step at a time."""
        samples = self._samples
        whole = bool(samples) and samples[-1][0] - samples[0][0] >= self.rules.look_s
        if not whole or now_s - samples[-1][0] > self.rules.gap_s:
            self.ramp_w_s = None
            return self.level
        self.ramp_w_s = _steepest(np.array(samples))
        if self.ramp_w_s > self.rules.ramp_w_s:
            self._up()
        elif self.ramp_w_s > 0.5 * self.rules.ramp_w_s or not self.level:
            self._calm_since_s = None
        else:
            self._calm(now_s)
        return self.level

    def _up(self) -> None:
        if self.level < len(self.levels):
            self.level += 1
            self._begin()

    def _calm(self, now_s: float) -> None:
        since_s = self._calm_since_s
        self._calm_since_s = now_s if since_s is None else since_s
        if now_s - self._calm_since_s >= self.rules.calm_s * 2**self._doublings:
            self.level -= 1
            self._doublings = min(self._doublings + 1, MOST_DOUBLINGS)
            self._begin()

    def _begin(self) -> None:
        self._samples.clear()
        self._calm_since_s = None


def _steepest(samples: np.ndarray) -> float:
    """The largest change over OVER_S, in watts a second."""
    times, watts = samples[:, 0], samples[:, 1]
    later = times[times - times[0] >= OVER_S]
    change = np.interp(later, times, watts) - np.interp(later - OVER_S, times, watts)
    return float(np.abs(change).max(initial=0.0)) / OVER_S
