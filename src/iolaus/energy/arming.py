"""What each rack may draw after each loss, worked out before any of them happens.

For every domain that others can stand in for, the plant is planned as if that were out of service
and every node wanted all it can draw. That plan fits every limit that is left, whoever else goes
by his own part of it, so an edge may act on it at once and alone: all edges that act on the same
loss are together within what is left. Of that only `ARMED` is given: a cap slews, and the deeper it
is written the sooner the limit is reached. A better plan, from what is really wanted, follows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from iolaus.energy.allocate import allocate, ask_of
from iolaus.energy.policy import PowerPolicy
from iolaus.energy.rooms import Rooms
from iolaus.model.plant import DomainKind, Plant

Armed = Mapping[str, Mapping[str, float]]
"""Rack -> lost domain -> watts of its nodes together."""
ARMED: Final = 0.85
"""Of what a loss leaves; the centre gives back the rest within a second or two."""


def arm(plant: Plant, policy: PowerPolicy) -> Armed:
    """Never below the floors. Raises what `compile_network` raises for a plant that cannot be
    planned."""
    found: dict[str, dict[str, float]] = {}
    for domain in _may_fail(plant):
        rooms = Rooms(plant, policy)
        rooms.lose(domain)
        network = rooms.network
        plates = np.array([load.nameplate_w for load in network.loads])
        error = np.full(len(plates), policy.cap_error)
        ask = dataclasses.replace(ask_of(network, plates), error=error)
        watts = allocate(network, ask, network.room_w(rooms.usable())).watts
        for rack, place in network.slices.items():
            floor_w = sum(load.floor_w for load in network.loads[place])
            found.setdefault(rack, {})[domain] = max(floor_w, ARMED * float(watts[place].sum()))
    return found


def _may_fail(plant: Plant) -> Iterator[str]:
    """The domains that something else can stand in for."""
    seen: set[str] = set()
    for domain in plant.domains:
        for above in domain.feeders if domain.standby else ():
            known = plant.by_name.get(above)
            if above not in seen and known and known.kind is not DomainKind.SITE:
                seen.add(above)
                yield above
