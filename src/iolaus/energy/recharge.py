"""Batteries that recharge after they carried the load: a load like others, and a late one.

When power returns every shelf would charge at once, on top of all that starts again. So a charge is
given only out of what is free below every limit above the battery, counted whole at each feeder
that may carry it; the higher priority first, then whoever charges already, then the emptiest. Those
for whom there is not enough to start with wait: that is the stagger. The watts given are to be set
as a charge limit with a time-out of the hardware's own, so that they end with whoever gave them.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iolaus.model.plant import Plant


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """`charge` is its state, 0 to 1 (None: unknown, taken as empty); below `least_w` it does not
    charge at all. `charging` is that it does now. `domain` feeds it."""

    name: str
    domain: str
    most_w: float
    least_w: float = 0.0
    charge: float | None = None
    priority: int = 0
    charging: bool = False


def recharge(
    plant: Plant, batteries: Sequence[Battery], free_w: Mapping[str, float | None]
) -> dict[str, float]:
    """Watts for each battery by name, 0 for those that wait. `free_w` is what each domain has left
    beside all that may be in force, without what batteries charge with now; a domain that is not
    in it, or unknown, has nothing."""
    left = {name: max(0.0, watts or 0.0) for name, watts in free_w.items()}
    given: dict[str, float] = {}
    for battery in sorted(batteries, key=_turn):
        parts = _above(plant, battery.domain)
        room = min((left.get(name, 0.0) / part for name, part in parts.items()), default=0.0)
        watts = min(battery.most_w, room)
        if (battery.charge or 0.0) >= 1.0 or watts < max(battery.least_w, 1e-9):
            watts = 0.0
        given[battery.name] = watts
        for name, part in parts.items():
            left[name] = max(0.0, left.get(name, 0.0) - watts * part)
    return given


def _turn(battery: Battery) -> tuple[int, bool, float, str]:
    return -battery.priority, not battery.charging, battery.charge or 0.0, battery.name


def _above(plant: Plant, domain: str) -> dict[str, float]:
    """What a watt at this domain comes to in it and in everything that may carry it."""
    found: dict[str, float] = {}
    todo = [(domain, 1.0)]
    while todo:
        name, part = todo.pop()
        here = plant.by_name.get(name)
        if found.get(name, 0.0) >= part:
            continue
        found[name] = part
        if here is not None:
            todo += [(above, part / here.efficiency) for above in here.feeders]
    return found
