"""Fleet-wide budgets: how often something drastic may be done in all roll-outs under way.

What is used is in the journal (`Progress.budgets`); this only keeps two tasks from spending the
last one twice before either has written it down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class Budgets:
    """`limits` by name. A name that is not among them has none: nothing is allowed."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._used: Counter[str] = Counter()

    def count(self, used: Mapping[str, int]) -> None:
        """A roll-out that is under way used so much."""
        self._used.update(used)

    def forget(self, used: Mapping[str, int]) -> None:
        """It is over."""
        self._used.subtract(used)

    def draw(self, name: str) -> bool:
        """Take one of a budget (none is needed for an empty name)."""
        if name and self._used[name] >= self._limits.get(name, 0):
            return False
        if name:
            self._used[name] += 1
        return True

    def told(self, name: str) -> str:
        return f"the budget {name!r} is used up ({self._limits.get(name, 0)} in all roll-outs)"
