"""How many requests may be in flight: additive increase, multiplicative decrease, as one table.

A controller does not say how much it can bear; it shows it by answering slower, by 503 and by
silence. What it shows about requests sent before the last cut is old news, so that one bad moment
with many requests in flight cuts once. "Slow" is relative: the recent answers (a fast moving
average) against the usual ones (a slow one), and never below a floor, because a jump from 2 ms to
6 ms is no distress. The ceiling - what the operator and the device allow - is never passed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class LimitState(StrEnum):
    GROWING = "growing"
    CUT = "cut"  # nothing good has been seen at the present limit yet


class LimitEvent(StrEnum):
    GOOD = "good"
    SLOW = "slow"
    BUSY = "busy"  # 503, 429
    SILENT = "silent"
    EARLIER = "earlier"  # any outcome of a request that was sent before the last cut


class Move(StrEnum):
    HOLD = "hold"
    GROW = "grow"
    EASE = "ease"
    HALVE = "halve"


_S, _E, _M = LimitState, LimitEvent, Move
TRANSITIONS: Final = {
    (_S.GROWING, _E.GOOD): (_S.GROWING, _M.GROW),
    (_S.GROWING, _E.SLOW): (_S.CUT, _M.EASE),
    (_S.GROWING, _E.BUSY): (_S.CUT, _M.HALVE),
    (_S.GROWING, _E.SILENT): (_S.CUT, _M.HALVE),
    (_S.GROWING, _E.EARLIER): (_S.GROWING, _M.HOLD),
    (_S.CUT, _E.GOOD): (_S.GROWING, _M.HOLD),
    (_S.CUT, _E.SLOW): (_S.CUT, _M.EASE),
    (_S.CUT, _E.BUSY): (_S.CUT, _M.HALVE),
    (_S.CUT, _E.SILENT): (_S.CUT, _M.HALVE),
    (_S.CUT, _E.EARLIER): (_S.CUT, _M.HOLD),
}
"""(state, event) -> (state, what happens to the limit)."""


class LimitRules(msgspec.Struct, frozen=True, kw_only=True):
    """`slow_ratio`: recent over usual latency that is distress; below `floor_s` it never is."""

    slow_ratio: float = 2.5
    floor_s: float = 0.25
    ease: float = 0.7
    halve: float = 0.5
    recent_weight: float = 0.3
    usual_weight: float = 0.02


class Limit:
    """`now` is at least 1 and at most `ceiling`; `cut_at` is when it was last cut (monotonic)."""

    __slots__ = ("_limit", "_rules", "_usual_s", "ceiling", "cut_at", "recent_s", "state")

    def __init__(self, rules: LimitRules, *, ceiling: int) -> None:
        self._rules, self.ceiling = rules, max(1, ceiling)
        self._limit = float(self.ceiling)
        self.state, self.cut_at = LimitState.GROWING, float("-inf")
        self.recent_s: float | None = None
        self._usual_s = 0.0

    @property
    def now(self) -> int:
        return int(self._limit)

    def set_ceiling(self, ceiling: int) -> None:
        self.ceiling = max(1, ceiling)
        self._limit = min(self._limit, self.ceiling)

    def answered(self, *, sent_at: float, elapsed_s: float, now: float) -> None:
        self._learn(elapsed_s)
        slow = (self.recent_s or 0.0) > max(
            self._rules.floor_s, self._rules.slow_ratio * self._usual_s
        )
        self._step(LimitEvent.SLOW if slow else LimitEvent.GOOD, sent_at=sent_at, now=now)

    def busy(self, *, sent_at: float, now: float) -> None:
        self._step(LimitEvent.BUSY, sent_at=sent_at, now=now)

    def silent(self, *, sent_at: float, now: float) -> None:
        self._step(LimitEvent.SILENT, sent_at=sent_at, now=now)

    def _learn(self, elapsed_s: float) -> None:
        if self.recent_s is None:
            self.recent_s = self._usual_s = elapsed_s
        self.recent_s += self._rules.recent_weight * (elapsed_s - self.recent_s)
        self._usual_s += self._rules.usual_weight * (elapsed_s - self._usual_s)

    def _step(self, event: LimitEvent, *, sent_at: float, now: float) -> None:
        fresh = sent_at >= self.cut_at
        self.state, move = TRANSITIONS[self.state, event if fresh else LimitEvent.EARLIER]
        if move in (Move.EASE, Move.HALVE):
            self.cut_at = now
        self._limit = min(float(self.ceiling), max(1.0, self._moved(move)))

    def _moved(self, move: Move) -> float:
        if move is Move.GROW:
            return self._limit + 1.0 / self._limit
        factor = {Move.EASE: self._rules.ease, Move.HALVE: self._rules.halve}.get(move, 1.0)
        return self._limit * factor
