"""Whether a feed is lost for the whole hall, where racks tell it one by one. Pure.

A rack whose shelf has no mains has lost them, and falls by itself at once. That the feed is lost
for everybody is more than one rack can know: its own breaker may have tripped. So it takes two
racks, or the only one that says anything of this feed, or the building, which speaks for all. What
is unknown changes no word that was said before.
"""

from __future__ import annotations

from typing import Final

from iolaus.energy.ports import Grade

ALL: Final = "*"
ENOUGH: Final = 2


class FeedVotes:
    """`lost` are the feeds that carry nothing, as far as is known."""

    def __init__(self) -> None:
        self.lost: frozenset[str] = frozenset()
        self._said: dict[str, dict[str, bool]] = {}

    def say(self, rack: str, feed: str, grade: Grade) -> bool:
        """A rack ("*": the building) says so of a feed. Whether that turned it."""
        if grade is Grade.UNKNOWN:
            return False
        said = self._said.setdefault(feed, {})
        said[rack] = grade is Grade.CRITICAL
        lost = self._is_lost(said)
        if lost is (feed in self.lost):
            return False
        self.lost = self.lost | {feed} if lost else self.lost - {feed}
        return True

    @staticmethod
    def _is_lost(said: dict[str, bool]) -> bool:
        count = sum(said.values())
        return said.get(ALL, False) or count >= ENOUGH or (count > 0 and count == len(said))
