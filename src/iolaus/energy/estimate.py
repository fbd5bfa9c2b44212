"""How much a rack's nodes may want: the crests of a while, and the worst where unknown.

AI work swings by half its power in a second or less, so a moment's reading is no demand: a budget
planned from a trough is overrun by the next crest. Held is the peak of the last `hold_s` seconds,
long enough for a step with its checkpoint. Three things are not demand at all. A reading that is
missing, bad or older than two periods counts as the nameplate, never as the last value. A reading
at the cap says only that the node was held: it counts as wanting its nameplate as long as its peak
reaches the cap in force, and until it was seen to draw as much under a cap that did not hold it. So
one that was held and is given more is not judged by what it drew while it was held, also if it
rests just then. And what it draws as its cap moves is on its way from one to the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

BUCKETS: Final = 16
STALE_PERIODS: Final = 2.0

Watts = NDArray[np.float64]


class PeakHold:
    """Crests of nodes, by position. Shapes are (nodes,); times are seconds of one monotonic clock.

    `hold_s` is kept in buckets, so a peak is held for `hold_s` to `hold_s * 17 / 16`. A value is
    good while it is not older than two `period_s`; it is at the cap within `near` (a fraction).
    """

    def __init__(
        self, nameplate_w: Sequence[float], *, hold_s: float, period_s: float, near: float = 0.02
    ) -> None:
        self._nameplate = np.asarray(nameplate_w, dtype=np.float64)
        count = len(self._nameplate)
        self._free = np.full((count, BUCKETS + 1), -np.inf)
        self._held = np.full((count, BUCKETS + 1), -np.inf)
        self._last, self._at = np.full(count, np.nan), np.full(count, -np.inf)
        self._caps = np.full(count, np.nan)
        self._width_s, self._stale_s = hold_s / BUCKETS, STALE_PERIODS * period_s
        self._near = near
        self._bucket: int | None = None

    def take(self, index: int, watts: float | None, now_s: float, *, cap_w: float = np.inf) -> None:
        """One node's reading under `cap_w`; None or no finite, non-negative number is a bad one:
        it makes the node unknown until a good one comes."""
        self._turn(now_s)
        if watts is None or not 0 <= watts < np.inf:
            self._at[index] = -np.inf
            return
        self._last[index], self._at[index] = watts, now_s
        before, self._caps[index] = float(self._caps[index]), cap_w
        stood = math.isnan(before) or math.isclose(before, cap_w, rel_tol=self._near)
        held = watts >= cap_w * (1.0 - self._near)
        if held or stood:
            peaks = self._held if held else self._free
            slot = (self._bucket or 0) % (BUCKETS + 1)
            peaks[index, slot] = max(float(peaks[index, slot]), watts)

    def fresh(self, now_s: float) -> NDArray[np.bool_]:
        return now_s - self._at <= self._stale_s

    def ages_s(self, now_s: float) -> Watts:
        """Infinite where nothing good was read."""
        return now_s - self._at

    def demand(self, caps_w: Watts, now_s: float, *, margin: float) -> Watts:
        """What each node may want, at most its nameplate: the highest reading of the hold and
        `margin` (a fraction); the nameplate where that reaches the cap in force, where nothing
        like what was read at a cap was read below one, and where it is stale."""
        self._turn(now_s)
        near = 1.0 - self._near
        free, held = self._free.max(axis=1), self._held.max(axis=1)
        seen = np.maximum(free, held)
        hidden = (free < held * near) | (seen >= caps_w * near) | ~np.isfinite(seen)
        unknown = hidden | ~self.fresh(now_s)
        wanted = np.where(unknown, self._nameplate, seen * (1.0 + margin))
        return np.asarray(np.minimum(wanted, self._nameplate), dtype=np.float64)

    def measured(self, now_s: float) -> float | None:
        """The sum of the newest readings; None while any of them is not fresh."""
        if not self.fresh(now_s).all():
            return None
        return float(self._last.sum())

    def newest(self, now_s: float) -> list[float | None]:
        """What each node draws; None where that is not fresh."""
        pairs = zip(self._last.tolist(), self.fresh(now_s).tolist(), strict=True)
        return [watts if fresh else None for watts, fresh in pairs]

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
        self._free[:, slots] = self._held[:, slots] = -np.inf
        self._bucket = bucket
