"""What did happen at every limit, and what would have happened had the budgets been held.

Who is advised wants to know what it would have been worth: for how long a limit was overrun and by
how much, as measured, and the same if no rack had drawn more than it would have been given. Racks
with two cords count in equal parts at both, as the current flows while both carry. A time in which
a rack below a limit was not measured is time of which nothing is known there: it is counted apart,
and neither as over nor as within. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final

import msgspec

from iolaus.energy.policy import PowerPolicy, Redundancy
from iolaus.energy.rooms import Rooms
from iolaus.model.plant import Plant

LONGEST_S: Final = 5.0
"""What lies further apart than this was not looked at in between."""
CLOSE_W: Final = 1.0
Amount = Annotated[float, msgspec.Meta(ge=0)]


class Overrun(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds over a limit, the most watts over it, and the joules."""

    seconds: Amount = 0.0
    worst_w: Amount = 0.0
    joules: Amount = 0.0

    def adding(self, over_w: float, seconds: float) -> Overrun:
        if over_w <= CLOSE_W:
            return self
        return Overrun(
            seconds=self.seconds + seconds,
            worst_w=max(self.worst_w, over_w),
            joules=self.joules + over_w * seconds,
        )


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """Of one domain since `since` (seconds since 1970): for how long it was seen and was not, what
    `did` happen, and what `would` have. `withheld_j` is what its racks would not have drawn."""

    domain: str
    since: float
    seen_s: Amount = 0.0
    unseen_s: Amount = 0.0
    did: Overrun = Overrun()
    would: Overrun = Overrun()
    withheld_j: Amount = 0.0


class Hindsight:
    """`past` is by domain. Give it what was kept, if anything was."""

    def __init__(self, kept: Mapping[str, Past] | None = None) -> None:
        self.past: dict[str, Past] = dict(kept or {})
        self._last_s: float | None = None
        self._made: tuple[Plant, PowerPolicy, Rooms] | None = None

    def look(
        self,
        plant: Plant,
        policy: PowerPolicy,
        drawn_w: Mapping[str, float | None],
        given_w: Mapping[str, float | None],
        *,
        now_s: float,
        at: float,
    ) -> None:
        """`drawn_w` is what racks draw (None: unknown), `given_w` what they would be given (None:
        nobody says). Domains that the plant has no more are forgotten."""
        elapsed_s = 0.0 if self._last_s is None else min(LONGEST_S, max(0.0, now_s - self._last_s))
        self._last_s = now_s
        rooms = self._rooms(plant, policy)
        racks = rooms.network.racks
        blind = {rack for rack in racks if drawn_w.get(rack) is None}
        drawn = {rack: drawn_w.get(rack) or 0.0 for rack in racks}
        held = {rack: min(drawn[rack], _all_of(given_w.get(rack), drawn[rack])) for rack in racks}
        did, would, limits = rooms.flows(drawn), rooms.flows(held), rooms.limits()
        found: dict[str, Past] = {}
        for limit in rooms.network.limits:
            for member in limit.members:
                name, watts = member.domain, limits[member.domain]
                past = self.past.get(name) or Past(domain=name, since=at)
                if watts is None or blind & limit.factors.keys():
                    found[name] = msgspec.structs.replace(past, unseen_s=past.unseen_s + elapsed_s)
                else:
                    found[name] = _seen(past, did[name], would[name], watts, elapsed_s)
        self.past = found

    def _rooms(self, plant: Plant, policy: PowerPolicy) -> Rooms:
        if self._made is None or self._made[0] is not plant or self._made[1] is not policy:
            rules = {
                name: replace(rule, redundancy=Redundancy.SHARED)
                for name, rule in policy.domains.items()
            }
            split = replace(policy, redundancy=Redundancy.SHARED, domains=rules)
            self._made = plant, policy, Rooms(plant, split)
        return self._made[2]


def _all_of(given: float | None, drawn: float) -> float:
    return drawn if given is None else given


def _seen(past: Past, did_w: float, would_w: float, limit_w: float, seconds: float) -> Past:
    return msgspec.structs.replace(
        past,
        seen_s=past.seen_s + seconds,
        did=past.did.adding(did_w - limit_w, seconds),
        would=past.would.adding(would_w - limit_w, seconds),
        withheld_j=past.withheld_j + max(0.0, did_w - would_w) * seconds,
    )
