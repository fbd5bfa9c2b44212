"""Whether a rung may be used now: its budgets and its cool-down. Pure.

What was used stands in the journal of recoveries, so a restart forgets nothing. Between the look
that allows a rung and the line that says it was begun another node may be allowed the same last
one: who was allowed holds it for a moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from iolaus.model.recovery import RungName
from iolaus.recovery.rungs import Rung

HOUR_S: Final = 3600.0
HELD_S: Final = 30.0


class Use(NamedTuple):
    """A rung was begun at a node (its uid) of a rack ("": not known), at seconds since 1970.
    `step` is whose it was: a step that is looked at again is not in its own way."""

    rung: RungName
    node: str
    rack: str
    at: float
    step: str


def refuses(rung: Rung, uses: Iterable[Use], *, node: str, rack: str, step: str, now: float) -> str:
    """Why it may not be used now; empty: it may."""
    mine = [
        use
        for use in uses
        if use.rung is rung.name and use.at > now - _far(rung) and use.step != step
    ]
    last = max((use.at for use in mine if use.node == node), default=None)
    if last is not None and now - last < rung.cool_down_s:
        left = rung.cool_down_s - (now - last)
        return (
            f"{rung.name.value} was used here {_minutes(now - last)} ago; again in {_minutes(left)}"
        )
    hour = [use for use in mine if use.at > now - HOUR_S]
    if len(hour) >= rung.per_hour:
        return f"{rung.name.value} was used {len(hour)} times within the hour, and may be no more"
    here = sum(use.rack == rack for use in hour) if rack else 0
    if rack and here >= rung.per_rack_hour:
        return f"{rung.name.value} was used {here} times in rack {rack} within the hour"
    return ""


def _far(rung: Rung) -> float:
    return max(HOUR_S, rung.cool_down_s)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


class Spending:
    """What was used, and what was just allowed. `uses` are those of the journal."""

    def __init__(self) -> None:
        self._uses: dict[tuple[str, str], Use] = {}
        self._held: dict[str, Use] = {}

    def note(self, plan: str, use: Use) -> None:
        """It was begun: the journal says so."""
        self._uses[plan, use.step] = use
        self._held.pop(use.step, None)
        if len(self._uses) > 50_000:
            for key in list(self._uses)[:10_000]:
                del self._uses[key]

    def ask(self, rung: Rung, *, node: str, rack: str, step: str, now: float) -> str:
        """As `refuses`; what is allowed is held for a moment."""
        held = [use for use in self._held.values() if now - use.at < HELD_S]
        uses = [*self._uses.values(), *held]
        why = refuses(rung, uses, node=node, rack=rack, step=step, now=now)
        if not why:
            self._held[step] = Use(rung.name, node, rack, now, step)
        return why
