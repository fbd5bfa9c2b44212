"""How long a round over the hot sets takes, and what is said where that is longer than it should.

A process that has more devices than it can read reads each of them later, all alike: the loops
shed inventories first and stretch the hot sets then (`app.pace`). That is no fault of a device, so
it is told of the process, with what an operator can do about it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from iolaus.north.dto.views import ConditionView

KEEPS_UP: Final = "KeepsUp"


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """`every_s` is the period of the hot sets (0: it reads none), `late_s` by how much
    longer a round takes, or the most overdue waits, `unread` counts endpoints not tried yet."""

    every_s: float = 0.0
    late_s: float = 0.0
    unread: int = 0

    @property
    def is_late(self) -> bool:
        """By a whole period: what is shown is older than two of them, or will be."""
        return self.late_s > self.every_s > 0

    @property
    def took_s(self) -> float:
        return self.every_s + self.late_s


def lateness(round_: Round) -> ConditionView | None:
    """What is wrong, for people; None where it keeps up."""
    if not round_.is_late:
        return None
    reads = f"power, health and temperatures come every {round_.took_s:.0f} s, not every"
    said = f"it has more to read than it can: {reads} {round_.every_s:g} s"
    what, still = "give its site another edge, or it more CPUs, or poll less often", ""
    if round_.unread:
        still = f"; {round_.unread} endpoints wait to be read for the first time"
        what = f"let it read them first; if it stays late, {what}"
    return ConditionView(
        type=KEEPS_UP,
        status="False",
        reason="Overloaded",
        message=said + still,
        next_step=f"{what}: --poll-every (docs/sizing.md).",
    )
