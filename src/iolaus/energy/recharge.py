"""Batteries that recharge after they carried the load: a load like others, and a late one.

When power returns every shelf would charge at once, on top of all that starts again. So a charge is
given only out of what is free below every limit above the battery, counted whole at each feeder
that may carry it; the higher priority first, then whoever charges already, then the emptiest. Those
for whom there is not enough to start with wait: that is the stagger. The watts given are to be set
as a charge limit with a time-out of the hardware's own, so that they end with whoever gave them.

While mains are there, each battery is told how long it shall wait when they come back, each another
time: then the start is staggered even if nobody of us is there to say so. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from iolaus.model.plant import Plant

BUSBAR_V: Final = 54.0
"""The most that a 48 V busbar has: an ampere into a battery costs no more watts than this."""
LONGEST_DELAY_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RechargeRules:
    """`most_w` and `least_w` are what one battery unit charges with, `reserve_w` what is set aside
    for charging before anything above the floors, at every limit above a battery. `spread_s` is the
    time over which starts are spread when mains are back; a shelf under `begin` of its charge is
    charged by us until it is over `end`, each time for `hold_s` at most."""

    most_w: float = 150.0
    least_w: float = 10.0
    reserve_w: float = 0.0
    spread_s: float = 300.0
    begin: float = 0.95
    end: float = 0.99
    hold_s: float = 300.0


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


def carried(plant: Plant, given: Mapping[str, float]) -> dict[str, float]:
    """What watts at these domains come to in every domain that may carry them."""
    found: dict[str, float] = {}
    for domain, watts in given.items():
        for name, part in _above(plant, domain).items():
            found[name] = found.get(name, 0.0) + watts * part
    return found


def delays(names: Sequence[str], spread_s: float) -> dict[str, float]:
    """Seconds that each shall wait after mains are back, in this order; all of them differ as far
    as whole seconds allow."""
    last = max(1, len(names) - 1)
    most = min(spread_s, LONGEST_DELAY_S)
    return {name: float(round(at * most / last)) for at, name in enumerate(names)}


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
