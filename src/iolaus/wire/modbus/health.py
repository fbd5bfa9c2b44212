"""What is known of a unit from how it answers: there, slow, noisy or gone.

A unit that is gone and a line that is slow look alike for one request, so a first silence only
makes it doubted: it is asked again with much more patience. An answer then, or one that came after
the time, says slow, and its patience grows; silence again and again says gone, and it is asked
seldom from then on, so that those who are there do not wait for it. A wrong check sum is neither:
something is there. One table, and a test goes through all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DOUBTS: Final = 3
"""Silences in a row until a unit counts as gone."""
GONE_REST_S: Final = 5.0
SHORT_S, LONG_S = 0.15, 0.6
SLOWER: Final = 4.0


class UnitState(StrEnum):
    UNTRIED = "untried"
    THERE = "there"
    SLOW = "slow"
    NOISY = "noisy"
    DOUBTED = "doubted"
    GONE = "gone"


class Outcome(StrEnum):
    ANSWERED = "answered"
    BUSY = "busy"
    LATE = "late"
    SILENT = "silent"
    GARBLED = "garbled"


S, W = UnitState, Outcome
_HEARD: Final[Mapping[UnitState, UnitState]] = {
    S.UNTRIED: S.THERE,
    S.THERE: S.THERE,
    S.SLOW: S.SLOW,
    S.NOISY: S.THERE,
    S.DOUBTED: S.SLOW,
    S.GONE: S.THERE,
}
TABLE: Final[Mapping[tuple[UnitState, Outcome], UnitState]] = {
    **{(before, W.ANSWERED): after for before, after in _HEARD.items()},
    **{(before, W.BUSY): after for before, after in _HEARD.items()},
    **{(before, W.LATE): S.SLOW for before in S},
    **{(before, W.GARBLED): S.NOISY for before in S},
    **{(before, W.SILENT): S.DOUBTED for before in S if before is not S.GONE},
    (S.GONE, W.SILENT): S.GONE,
}
"""`DOUBTED` becomes `GONE` after `DOUBTS` silences in a row."""


@dataclass(slots=True)
class UnitHealth:
    """`usual_s` is how long it takes to answer; `heard_at` is monotonic, None if never."""

    state: UnitState = UnitState.UNTRIED
    streak: int = 0
    usual_s: float | None = None
    heard_at: float | None = None
    rest_until: float = float("-inf")
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))

    @property
    def patience_s(self) -> float:
        """How long its next answer is waited for."""
        usual = max(SHORT_S, SLOWER * (self.usual_s or 0.0))
        hard = self.state in (S.UNTRIED, S.SLOW, S.DOUBTED)
        return max(LONG_S, usual) if hard else usual

    def note(self, outcome: Outcome, *, took_s: float, now: float) -> bool:
        """Take an outcome at monotonic `now`; whether the state changed."""
        before = self.state
        self.counts[outcome] += 1
        self.streak = self.streak + 1 if outcome is Outcome.SILENT else 0
        self.state = TABLE[self.state, outcome]
        if self.state is S.DOUBTED and self.streak >= DOUBTS:
            self.state = S.GONE
        if outcome in (W.ANSWERED, W.BUSY):
            self.heard_at = now
            self.usual_s = took_s if self.usual_s is None else 0.8 * self.usual_s + 0.2 * took_s
            if self.state is S.SLOW and self.usual_s < SHORT_S / SLOWER:
                self.state = S.THERE
        if self.state is S.GONE:
            self.rest_until = now + GONE_REST_S
        return self.state is not before

    def gone(self) -> None:
        """It was asked for long enough, by whoever looked for it."""
        self.state, self.streak = S.GONE, DOUBTS

    def why(self, now: float) -> str:
        """Why its values are not known; empty while it answers."""
        age = "" if self.heard_at is None else f" for {now - self.heard_at:.0f} s"
        match self.state:
            case S.GONE | S.DOUBTED:
                return f"the unit does not answer{age}"
            case S.NOISY:
                return "the unit's answers are garbled"
            case S.UNTRIED:
                return "not read yet"
        return ""
