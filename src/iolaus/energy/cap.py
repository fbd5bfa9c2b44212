"""What may be in force on one node: never what was asked, always the worst that it may have become.

A write that got no answer may have taken effect, may do so in a second (overtaking what was sent
after it), or never. So a cap's ceiling is the highest of what was last read back, what is on its
way, and what was sent without a word. Only an answer to the last thing asked may lower it; any
other answer is old, and can only raise it. A write without a word counts until an answer to
something that was asked so much later that the write can no longer come. Watts above the ceilings
are free to be given; nothing else is.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from iolaus.energy.rack import NodeView

MINUTE_S: Final = 60.0
KEPT_W: Final = 0.5
"""More than this above what was written is no rounding."""


class Cap:
    """One node's. `late_s` is how long a write without an answer may still come into force."""

    __slots__ = (
        "doubt_s",
        "doubt_w",
        "failures",
        "known_w",
        "node",
        "paced_s",
        "pending_s",
        "pending_w",
        "refusals",
        "ticket",
        "tried_s",
        "waiting",
        "written",
    )

    def __init__(self, node: NodeView) -> None:
        self.node = node
        self.known_w: float | None = None
        self.ticket = 0
        self.waiting = False
        self.pending_w: float | None = None
        self.pending_s = 0.0
        self.doubt_w, self.doubt_s = 0.0, 0.0
        self.failures, self.refusals, self.tried_s = 0, 0, -math.inf
        self.written: deque[float] = deque()
        self.paced_s = -math.inf

    @property
    def ceiling(self) -> float:
        """The highest cap that may be in force: the nameplate while nothing was ever read."""
        most = self.node.nameplate_w if self.known_w is None else self.known_w
        if self.pending_w is not None and self.pending_w > most:
            most = self.pending_w
        return max(most, self.doubt_w)

    @property
    def level(self) -> float:
        """What it comes to if what is on its way arrives."""
        if self.pending_w is not None:
            return self.pending_w
        return self.node.nameplate_w if self.known_w is None else self.known_w

    @property
    def unreachable(self) -> bool:
        return self.failures >= 2

    @property
    def stuck(self) -> bool:
        """It does not answer, or keeps a higher cap than it was given."""
        return self.unreachable or self.refusals >= 2

    def in_doubt(self, now_s: float, *, late_s: float) -> bool:
        """Whether a read would settle what became of a write without a word."""
        return self.doubt_w > 0 and now_s >= self.doubt_s + late_s

    @property
    def settled(self) -> bool:
        """It was read since the start, or it was tried and does not answer."""
        return self.known_w is not None or self.unreachable

    def sent(
        self, ticket: int, watts: float | None, now_s: float, *, paced: bool, counted: bool
    ) -> None:
        """A write (or, None, a read) was asked for; an older one that waits is given up. After one
        that is `paced` the next one waits; those that are `counted` are limited by the minute."""
        self._give_up(now_s)
        self.ticket, self.waiting = ticket, True
        self.pending_w, self.pending_s, self.tried_s = watts, now_s, now_s
        if watts is not None and paced:
            self.paced_s = now_s
        if watts is not None and counted:
            self.written.append(now_s)

    def answered(self, ticket: int, watts: float | None, now_s: float, *, late_s: float) -> bool:
        """What was read back for a ticket. False where it is an answer to something older."""
        if ticket != self.ticket or not self.waiting:
            if watts is not None and watts > self.ceiling:
                self.known_w = watts
            return False
        if watts is None:
            self.failures += 1
            self._give_up(now_s)
            return True
        if self.pending_s >= self.doubt_s + late_s:
            self.doubt_w = 0.0
        kept = self.pending_w is not None and watts > self.pending_w + KEPT_W
        if self.pending_w is not None or (self.known_w is not None and watts < self.known_w):
            self.refusals = self.refusals + 1 if kept else 0
        self.failures, self.known_w, self.waiting, self.pending_w = 0, watts, False, None
        return True

    def timed_out(self, now_s: float, *, answer_s: float, late_s: float) -> bool:
        if not self.waiting or now_s - self.pending_s < answer_s:
            return False
        return self.answered(self.ticket, None, now_s, late_s=late_s)

    def writes(self, now_s: float) -> int:
        """In the last minute."""
        while self.written and now_s - self.written[0] >= MINUTE_S:
            self.written.popleft()
        return len(self.written)

    def _give_up(self, now_s: float) -> None:
        """What was written and not answered for may have come, or may yet come."""
        if self.waiting and self.pending_w is not None:
            self.doubt_w, self.doubt_s = max(self.doubt_w, self.pending_w), now_s
        self.waiting, self.pending_w = False, None
