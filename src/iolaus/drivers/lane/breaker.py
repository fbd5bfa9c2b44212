"""Whether a silent device is asked at all: a circuit breaker as one table.

Only silence trips it, because a refusal is an answer. While open, whoever asks is told at once
and costs the device nothing; when the pause is over exactly one request goes as the probe. A
forced request (safety) is always let through and is the probe. No clock is read: `now` is an
argument, in monotonic seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerEvent(StrEnum):
    ANSWERED = "answered"
    SILENT = "silent"  # below the threshold
    TRIPPED = "tripped"  # the silence that reaches the threshold
    DUE = "due"  # somebody asks after the pause, or is forced
    ABANDONED = "abandoned"  # the probe was given up without an outcome


_S, _E = BreakerState, BreakerEvent
TRANSITIONS: Final = {
    (_S.CLOSED, _E.ANSWERED): _S.CLOSED,
    (_S.CLOSED, _E.SILENT): _S.CLOSED,
    (_S.CLOSED, _E.TRIPPED): _S.OPEN,
    (_S.CLOSED, _E.DUE): _S.CLOSED,
    (_S.CLOSED, _E.ABANDONED): _S.CLOSED,
    (_S.OPEN, _E.ANSWERED): _S.CLOSED,  # a late answer: it lives
    (_S.OPEN, _E.SILENT): _S.OPEN,  # a late silence says nothing new
    (_S.OPEN, _E.TRIPPED): _S.OPEN,
    (_S.OPEN, _E.DUE): _S.HALF_OPEN,
    (_S.OPEN, _E.ABANDONED): _S.OPEN,
    (_S.HALF_OPEN, _E.ANSWERED): _S.CLOSED,
    (_S.HALF_OPEN, _E.SILENT): _S.OPEN,
    (_S.HALF_OPEN, _E.TRIPPED): _S.OPEN,
    (_S.HALF_OPEN, _E.DUE): _S.HALF_OPEN,  # forced, while the probe is out
    (_S.HALF_OPEN, _E.ABANDONED): _S.OPEN,
}
"""Every (state, event) has a row; there is no other way from state to state."""


class BreakerRules(msgspec.Struct, frozen=True, kw_only=True):
    """`threshold` silences in a row open it for `pause_s`, doubling up to `pause_max_s`."""

    threshold: int = 3
    pause_s: float = 5.0
    pause_max_s: float = 30.0


class Breaker:
    __slots__ = ("_pause_s", "_rules", "probe_at", "silences", "state")

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._pause_s = rules.pause_s
        self.state = BreakerState.CLOSED
        self.silences = 0
        self.probe_at = 0.0

    def admits(self, *, now: float, forced: bool = False) -> bool:
        """Whether a request may go now; a True outside CLOSED makes it the probe."""
        if self.state is BreakerState.CLOSED:
            return True
        due = self.state is BreakerState.OPEN and now >= self.probe_at
        if due or forced:
            self._step(BreakerEvent.DUE)
        return due or forced

    def answered(self) -> bool:
        """The device answered, whatever it said. True if it had been given up: it is back."""
        self.silences, self._pause_s = 0, self._rules.pause_s
        return self._step(BreakerEvent.ANSWERED) is not BreakerState.CLOSED

    def silent(self, *, now: float) -> bool:
        """No answer. True if this one made us give the device up."""
        self.silences += 1
        tripped = self.silences >= self._rules.threshold
        before = self._step(BreakerEvent.TRIPPED if tripped else BreakerEvent.SILENT)
        if self.state is BreakerState.OPEN and before is not BreakerState.OPEN:
            self.probe_at = now + self._pause_s
            self._pause_s = min(self._pause_s * 2, self._rules.pause_max_s)
        return before is BreakerState.CLOSED and self.state is BreakerState.OPEN

    def abandoned(self, *, now: float) -> None:
        """A request ended without an outcome (cancelled): the next one may probe at once."""
        if self._step(BreakerEvent.ABANDONED) is BreakerState.HALF_OPEN:
            self.probe_at = now

    def _step(self, event: BreakerEvent) -> BreakerState:
        before = self.state
        self.state = TRANSITIONS[before, event]
        return before
