"""What another plant or policy would do to every rack, before anybody has said yes to it.

It is worked out by the centre's own planning, from what the racks report now, twice: as it is and
as it would be. A rack that nobody holds, before or after, is allowed what its caps let it have; one
that is not heard stands with what it may be using, as it would for a centre. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from iolaus.energy.centre import Centre
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.model.plant import Plant

SAME_W = 1.0


class RackForesight(msgspec.Struct, frozen=True, kw_only=True):
    """`now_w` is what may be in force, `then_w` what would be granted (None: nobody would hold it);
    `drawn_w` and `wanted_w` are what it draws and may want now. `less` are its nodes that would be
    granted less than now."""

    rack: str
    before: str
    after: str
    now_w: float | None = None
    then_w: float | None = None
    drawn_w: float | None = None
    wanted_w: float | None = None
    less: tuple[str, ...] = ()

    @property
    def falls(self) -> bool:
        """Whether it would have less than may be in force now."""
        if self.then_w is None or self.after != Mode.CONTROL:
            return False
        return self.now_w is None or self.then_w < self.now_w - SAME_W

    @property
    def throttled(self) -> bool:
        """Whether it would have less than it draws."""
        held = self.after == Mode.CONTROL and self.then_w is not None
        return held and self.drawn_w is not None and (self.then_w or 0.0) < self.drawn_w - SAME_W

    @property
    def changes(self) -> bool:
        if self.before != self.after:
            return True
        if self.then_w is None or self.now_w is None:
            return self.then_w is not self.now_w
        return self.after == Mode.CONTROL and abs(self.then_w - self.now_w) > SAME_W


class DomainForesight(msgspec.Struct, frozen=True, kw_only=True):
    """Limits before the guard (None: unknown, which grants the floors). `short_w` is by how much
    floors and what cannot be lowered would overrun it."""

    name: str
    before_w: float | None
    after_w: float | None
    short_w: float = 0.0


class Foresight(msgspec.Struct, frozen=True, kw_only=True):
    """`blind` says why nothing can be foreseen of racks; empty where it can."""

    racks: tuple[RackForesight, ...] = ()
    domains: tuple[DomainForesight, ...] = ()
    blind: str = ""


def foresee(centre: Centre, plant: Plant, policy: PowerPolicy, now_s: float) -> Foresight:
    """As if this plant and policy took the place of those of `centre`, which is not touched."""
    other = centre.as_if(plant, policy)
    before, after = centre.aimed(now_s), other.aimed(now_s)
    names = dict.fromkeys([*centre.plant.by_rack, *plant.by_rack])
    now = {each.rack: each for each in centre.racks(now_s)}
    found = []
    for rack in names:
        state = now.get(rack)
        mode = centre.policy.mode_of(rack)
        was, will = before.get(rack, {}), after.get(rack)
        found.append(
            RackForesight(
                rack=rack,
                before=mode.value,
                after=policy.mode_of(rack).value,
                now_w=_now_w(centre, rack, was if mode is Mode.CONTROL else None),
                then_w=None if will is None else sum(will.values()),
                drawn_w=state.measured_w if state else None,
                wanted_w=state.demand_w if state else None,
                less=_less(centre, rack, was if mode is Mode.CONTROL else {}, will or {}, policy),
            )
        )
    return Foresight(racks=tuple(found), domains=tuple(_domains(centre, other, now_s)))


def _now_w(centre: Centre, rack: str, held: Mapping[str, float] | None) -> float | None:
    """What the rack has now: what it is aimed at where it is held, else what its caps allow."""
    if held:
        return sum(held.values())
    return centre.allowed_w(rack)


def _less(
    centre: Centre, rack: str, was: Mapping[str, float], will: Mapping[str, float],
    policy: PowerPolicy,
) -> tuple[str, ...]:  # fmt: skip
    """Of a rack that would be held: the nodes that would have less than they have, or than they
    can draw where nobody holds them now."""
    if policy.mode_of(rack) is not Mode.CONTROL:
        return ()
    plates = {load.name: load.nameplate_w for load in centre.plant.by_rack.get(rack, ())}
    return tuple(
        name
        for name, watts in will.items()
        if watts < was.get(name, plates.get(name, math.inf)) - SAME_W
    )


def _domains(centre: Centre, other: Centre, now_s: float) -> list[DomainForesight]:
    before, after = centre.rooms.limits(), other.rooms.limits()
    short = other.short_w(now_s)
    return [
        DomainForesight(
            name=name,
            before_w=before.get(name),
            after_w=after.get(name),
            short_w=max(0.0, short.get(name, 0.0)),
        )
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name) or short.get(name, 0.0) > SAME_W
    ]
