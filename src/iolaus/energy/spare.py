"""What every domain has left: beside what its racks need, and beside what may be in force there.

The first is what something new may be promised, the second what it may have now. A rack that
nobody holds may draw all that is in it, and one that is not heard what was granted it, so neither
counts with less. Unknown is nobody's to give. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from iolaus.energy.centre import Centre
from iolaus.energy.decisions import RackState
from iolaus.energy.policy import Mode

Watts = Mapping[str, float | None]
UNHEARD = frozenset({"unheard", "silent", "fencing"})


class Spare(NamedTuple):
    """By domain; None where its limit is unknown. What is reserved counts as left."""

    needed: Watts
    in_force: Watts


def spare_of(centre: Centre, now_s: float, *, reserve_w: float = 0.0) -> Spare:
    """`needed` leaves `reserve_w` at least, as far as that is above the floors."""
    racks = centre.racks(now_s)
    held = {each.rack: _most(centre, each) for each in racks}
    wanted = {each.rack: _wanted(centre, each, held[each.rack]) for each in racks}
    floors = {each.rack: min(each.floor_w, held[each.rack]) for each in racks}
    usable = centre.rooms.usable()
    flows = [centre.rooms.flows(each) for each in (wanted, floors, held)]
    needed: dict[str, float | None] = {}
    in_force: dict[str, float | None] = {}
    for name, watts in usable.items():
        if watts is None:
            needed[name] = in_force[name] = None
            continue
        whole = watts + centre.rooms.reserved.get(name, 0.0)
        left, over, now = (whole - each.get(name, 0.0) for each in flows)
        needed[name] = max(left, min(reserve_w, over))
        in_force[name] = now
    return Spare(needed, in_force)


def _most(centre: Centre, rack: RackState) -> float:
    """What may be in force in it."""
    if centre.policy.mode_of(rack.rack) is Mode.CONTROL:
        return rack.charged_w
    plates = sum(max(each.nameplate_w, each.floor_w) for each in centre.plant.by_rack[rack.rack])
    return max(plates, rack.charged_w)


def _wanted(centre: Centre, rack: RackState, most_w: float) -> float:
    if rack.state in UNHEARD or centre.policy.mode_of(rack.rack) is not Mode.CONTROL:
        return most_w
    return max(rack.demand_w, rack.floor_w)
