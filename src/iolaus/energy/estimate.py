"""How much a rack's nodes may want: the highest reading of a while, and the worst where unknown.

AI work swings by half its power in a second or less, so a moment's reading is no demand: a budget
planned from a trough is overrun by the next crest. Held is the peak of the last `hold_s` seconds,
long enough for a step with its checkpoint. Two things are not demand at all and count as the
nameplate: a reading that is missing, bad or older than two periods (never the last value), and a
reading at the cap, which says only that the node was held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

BUCKETS: Final = 16
STALE_PERIODS: Final = 2.0

Watts = NDArray[np.float64]


class PeakHold:
    """Peaks of nodes, by position. Shapes are (nodes,); times are seconds of one monotonic clock.

    `hold_s` is kept in buckets, so a peak is held for `hold_s` to `hold_s * 17 / 16`. A value is
    good while it is not older than two `period_s`.
    """

    def __init__(self, nameplate_w: Sequence[float], *, hold_s: float, period_s: float) -> None:
        self._nameplate = np.asarray(nameplate_w, dtype=np.float64)
        count = len(self._nameplate)
        self._peaks = np.full((count, BUCKETS + 1), -np.inf)
        self._last = np.full(count, np.nan)
        self._at = np.full(count, -np.inf)
        self._width_s, self._stale_s = hold_s / BUCKETS, STALE_PERIODS * period_s
        self._bucket: int | None = None

    def take(self, index: int, watts: float | None, now_s: float) -> None:
        """One node's reading; None or no finite, non-negative number is a bad one: it makes the
        node unknown until a good one comes."""
        self._turn(now_s)
        if watts is None or not 0 <= watts < np.inf:
            self._at[index] = -np.inf
            return
        slot = (self._bucket or 0) % (BUCKETS + 1)
        self._peaks[index, slot] = max(float(self._peaks[index, slot]), watts)
        self._last[index], self._at[index] = watts, now_s

    def take_all(self, watts: Watts, now_s: float) -> None:
        """All nodes at once; NaN is a bad reading."""
        self._turn(now_s)
        good = np.isfinite(watts) & (watts >= 0)
        slot = (self._bucket or 0) % (BUCKETS + 1)
        seen = np.where(good, watts, -np.inf)
        np.maximum(self._peaks[:, slot], seen, out=self._peaks[:, slot])
        self._last = np.where(good, watts, self._last)
        self._at = np.where(good, now_s, -np.inf)

    def fresh(self, now_s: float) -> NDArray[np.bool_]:
        return now_s - self._at <= self._stale_s

    def ages_s(self, now_s: float) -> Watts:
        """Infinite where nothing good was read."""
        return now_s - self._at

    def peaks(self, now_s: float) -> Watts:
        """The highest reading of the hold; the nameplate where the newest one is stale."""
        self._turn(now_s)
        return np.where(self.fresh(now_s), self._peaks.max(axis=1, initial=0.0), self._nameplate)

    def demand(self, caps_w: Watts, now_s: float, *, margin: float, near: float) -> Watts:
        """What each node may want, at most its nameplate: its peak and `margin` (a fraction), or
        the nameplate where the peak comes within `near` (a fraction) of the cap in force."""
        peaks = self.peaks(now_s)
        wanted = np.where(peaks >= caps_w * (1.0 - near), self._nameplate, peaks * (1.0 + margin))
        return np.asarray(np.minimum(wanted, self._nameplate), dtype=np.float64)

    def measured(self, now_s: float) -> float | None:
        """The sum of the newest readings; None while any of them is not fresh."""
        if not self.fresh(now_s).all():
            return None
        return float(self._last.sum())

    def charged(self, caps_w: Watts, now_s: float) -> Watts:
        """What each node may be drawing now: its newest reading, or the cap where that is stale
        (`caps_w` is the nameplate where no cap is known)."""
        return np.where(self.fresh(now_s), self._last, caps_w)

    def _turn(self, now_s: float) -> None:
        """Empty the buckets that time has passed over. Time that steps back turns nothing."""
        bucket = int(now_s // self._width_s)
        last = self._bucket
        if last is not None and bucket <= last:
            return
        passed = BUCKETS + 1 if last is None else min(bucket - last, BUCKETS + 1)
        slots = [(bucket - step) % (BUCKETS + 1) for step in range(passed)]
        self._peaks[:, slots] = -np.inf
        self._bucket = bucket
