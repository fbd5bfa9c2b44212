"""How soon an edge's loop comes round, and how soon a rack without a lease stands at its floors."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import Final

BOUNDS_MS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
RECENT: Final = 512


class Latency:
    """From when something was due, or was heard, to when its commands were started. `counts` has
    one more bucket than `BOUNDS_MS`: what took longer."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_MS) + 1)
        self.sum_s = 0.0
        self._recent: deque[float] = deque(maxlen=RECENT)

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_MS, seconds * 1000.0)] += 1
        self.sum_s += seconds
        self._recent.append(seconds)

    def quantile_ms(self, part: float) -> float | None:
        """Of the last turns; None before the first."""
        ordered = sorted(self._recent)
        if not ordered:
            return None
        return ordered[min(int(part * len(ordered)), len(ordered) - 1)] * 1000.0


class Fallback:
    """`times` counts leases that ran out, `reached_s` is how long the last one took from there to
    the floors (None: it never did, or has not yet)."""

    def __init__(self) -> None:
        self.times, self.reached_s = 0, None
        self._leased, self._since_s = False, None

    reached_s: float | None
    _since_s: float | None

    def saw(self, leased: bool, at_floor: bool, now_s: float) -> None:
        if self._leased and not leased:
            self.times, self.reached_s, self._since_s = self.times + 1, None, now_s
        self._leased = leased
        if leased:
            self._since_s = None
        elif at_floor and self._since_s is not None and self.reached_s is None:
            self.reached_s = now_s - self._since_s
