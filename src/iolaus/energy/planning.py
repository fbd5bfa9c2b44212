"""The centre's two questions as pure functions: what should be, and how far one may go now.

`plan` shares out the usable room of every domain. Racks that are not heard stand in it as what may
be in force there; nothing can be planned with that. `raise_into_room` then looks at what was
promised before: as long as some rack has not read back less, its old charge counts, and those that
are to have more get only as much as fits beside it, the higher priority first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np

from iolaus.energy.allocate import TINY, Ask, Bools, Shares, allocate
from iolaus.energy.needs import Needs
from iolaus.energy.network import Floats, Ints, Network
from iolaus.energy.policy import Fairness, PowerPolicy
from iolaus.energy.rooms import Rooms, full_above, site_limit

CLOSE_W: Final = 1e-6
FULL: Final = 1e-6
MILLI: Final = 1000.0


@dataclass
class Stand:
    """How the racks stand at a tick. `charge_w` is what may be in force, `stuck_w` what a rack
    holds above the budget it acknowledged, `error` the part by which caps are overrun there;
    `free` are held by nobody, `unheard` never reported, `silent` not lately. While `reading`, the
    unheard are not counted against anybody: they may just not have been heard yet."""

    reading: bool
    charge_w: dict[str, float] = field(default_factory=dict)
    stuck_w: dict[str, float] = field(default_factory=dict)
    error: dict[str, float] = field(default_factory=dict)
    free: set[str] = field(default_factory=set)
    unheard: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)

    @property
    def beyond(self) -> set[str]:
        """Racks that nothing can be planned with."""
        return self.silent | self.free | (set() if self.reading else self.unheard)


@dataclass(frozen=True)
class Aim:
    """A plan in watts by load, in the network's order: `planned` is what should be, `watts` what
    may be sent now. `waiting` are racks that get the rest later, `full` names the nearest full
    limit over a rack, `short_w` by how much the floors overrun a domain. `lowering` are racks under
    a limit that what is in force may overrun: nothing that is sent there may raise anybody."""

    network: Network
    stand: Stand
    ask: Ask
    room_w: Floats
    floor: Floats
    planned: Floats
    watts: Floats
    short: Bools
    site: int | None
    full: Mapping[str, str]
    short_w: Mapping[str, float]
    waiting: frozenset[str] = frozenset()
    lowering: frozenset[str] = frozenset()

    def shares(self, rack: str) -> dict[str, float]:
        """Watts by node, rounded down to milliwatts."""
        return self._by_name(rack, self.watts)

    def floors(self, rack: str) -> dict[str, float]:
        return self._by_name(rack, self.floor)

    def _by_name(self, rack: str, watts: Floats) -> dict[str, float]:
        here = self.network.slices[rack]
        rounded = np.floor(watts[here] * MILLI + TINY) / MILLI
        return dict(zip(self.names[here], rounded.tolist(), strict=True))

    @cached_property
    def names(self) -> list[str]:
        return [load.name for load in self.network.loads]

    @cached_property
    def floor_w(self) -> dict[str, float]:
        return _by_rack(self.network, self.floor)

    @cached_property
    def _planned_w(self) -> dict[str, float]:
        return _by_rack(self.network, self.planned)

    def planned_w(self, rack: str) -> float:
        return self._planned_w[rack]

    def unmet(self, rack: str) -> bool:
        """Whether a node of it has less than it demands."""
        return bool(self.short[self.network.slices[rack]].any())


def plan(
    rooms: Rooms, needs: Needs, policy: PowerPolicy, stand: Stand, kept_w: Floats | float = 0.0
) -> Aim:
    """What everybody should have. `kept_w` is kept free at each limit."""
    network = rooms.network
    order = needs.order(network)
    floor, plate = needs.floor[order], needs.plate[order]
    together = policy.fairness is Fairness.JOB
    beyond = _in(network, stand.beyond)
    deaf = np.zeros(len(order), dtype=np.bool_)
    deaf[order] = beyond
    wanted = needs.useful(deaf) if together else needs.demand
    ceiling = needs.most[order]
    demand = np.minimum(wanted[order], ceiling)
    lowest = floor.copy()
    fixed = needs.fixed[order]
    stuck = ~np.isnan(fixed)
    lowest[stuck] = demand[stuck] = ceiling[stuck] = fixed[stuck]
    for least in (needs.held[order], _in(network, network.dark)):
        demand[least], ceiling[least] = lowest[least], lowest[least]
    charge = _spread(network, _values(network, stand.charge_w), floor, plate)
    lowest[beyond] = demand[beyond] = ceiling[beyond] = charge[beyond]
    ask = Ask(
        floor_w=lowest, demand_w=demand, ceiling_w=ceiling, weight=needs.reach[order],
        priority=needs.priority[order],
        error=_values(network, stand.error)[network.rack_of],
        job=needs.job[order] if together else None,
        headroom=policy.headroom,
    )  # fmt: skip
    room = network.room_w(rooms.usable())
    held = _first(network, _values(network, stand.stuck_w)) * (
        1.0 + (ask.error if ask.error is not None else 0.0)
    )
    room = room - network.charge(held) - kept_w
    shares = allocate(network, ask, room)
    return Aim(
        network=network, stand=stand, ask=ask, room_w=room, floor=floor,
        planned=shares.watts, watts=shares.watts, short=shares.unmet,
        site=site_limit(network, rooms.site), full=_full(network, shares, room),
        short_w={
            limit.name: float(watts)
            for limit, watts in zip(network.limits, shares.short_w, strict=True)
            if watts > 0
        },
    )  # fmt: skip


def _full(network: Network, shares: Shares, room: Floats) -> dict[str, str]:
    left = shares.left_w <= FULL * np.maximum(1.0, np.abs(np.nan_to_num(room)))
    left &= ~np.isposinf(room)
    return full_above(network, {at: bool(each) for at, each in enumerate(left)})


def raise_into_room(aim: Aim, policy: PowerPolicy, stand: Stand, elapsed_s: float) -> Aim:
    """How far towards the plan one may go while old charges still count."""
    network, ask = aim.network, aim.ask
    scale = 1.0 + (ask.error if ask.error is not None else np.zeros(len(network.loads)))
    charge = _values(network, stand.charge_w)
    target = np.array([aim.planned_w(rack) for rack in network.racks])
    rising = (target > charge + CLOSE_W) & ~_racks(network, stand.beyond | stand.unheard)
    grows = rising[network.rack_of]
    in_force = _spread(network, charge, aim.floor, ask.ceiling_w)
    used = network.charge(in_force * scale)
    room = _ramped(aim, policy, used, elapsed_s)
    aim = replace(aim, lowering=_under(network, used > room * (1.0 + TINY) + CLOSE_W))
    wanted = np.where(grows, aim.planned, in_force)
    used = network.charge(wanted * scale)
    if not grows.any() or not (used > room * (1.0 + TINY) + CLOSE_W).any():
        return aim
    low = _by_rack_values(network, ask.floor_w)
    above, span = charge - low, target - low
    part = np.divide(above, span, out=np.zeros(len(span)), where=span > 0).clip(0.0, 1.0)
    base = ask.floor_w + (aim.planned - ask.floor_w) * part[network.rack_of]
    base = np.where(grows, base, in_force)
    most = np.maximum(wanted, base)
    again = replace(
        ask, floor_w=base, demand_w=wanted, ceiling_w=most, job=None, headroom=False
    )  # fmt: skip
    given = allocate(network, again, room).watts
    watts = np.where(grows, given, aim.planned)
    sums = _by_rack_values(network, watts)
    waits = rising & (sums < target - np.maximum(1.0, 0.001 * target))
    waiting = frozenset(network.racks[at] for at in np.flatnonzero(waits))
    return replace(aim, watts=watts, waiting=waiting)


def _under(network: Network, over: Bools) -> frozenset[str]:
    """The racks below any of these limits."""
    limits = (network.limits[at] for at in np.flatnonzero(over))
    return frozenset(rack for limit in limits for rack in limit.factors)


def _ramped(aim: Aim, policy: PowerPolicy, charged: Floats, elapsed_s: float) -> Floats:
    """The room, where the site's power may not be granted up faster than its ramp."""
    if policy.ramp_up_w_s is None or aim.site is None:
        return aim.room_w
    room = aim.room_w.copy()
    room[aim.site] = min(room[aim.site], charged[aim.site] + policy.ramp_up_w_s * elapsed_s)
    return room


def _spread(network: Network, racks_w: Floats, floor: Floats, most: Floats) -> Floats:
    """Sums of racks as watts of their loads: floors, and alike parts of what is above them."""
    low, high = _by_rack_values(network, floor), _by_rack_values(network, most)
    span = high - low
    above = np.divide(racks_w - low, span, out=np.zeros(len(span)), where=span > 0)
    below = np.divide(racks_w, low, out=np.zeros(len(low)), where=low > 0)
    part, less = np.maximum(above, 0.0)[network.rack_of], np.minimum(below, 1.0)[network.rack_of]
    watts: Floats = floor * less + (most - floor) * part
    rest = racks_w - _by_rack_values(network, watts)
    watts += _first(network, rest)
    return watts


def _first(network: Network, racks_w: Floats) -> Floats:
    """Watts of racks, all of them on each rack's first load."""
    watts = np.zeros(len(network.loads))
    watts[_starts(network)] = racks_w
    return watts


def _starts(network: Network) -> Ints:
    return np.array([network.slices[rack].start for rack in network.racks], dtype=np.intp)


def _by_rack_values(network: Network, watts: Floats) -> Floats:
    return np.bincount(network.rack_of, watts, minlength=len(network.racks)).astype(np.float64)


def _by_rack(network: Network, watts: Floats) -> dict[str, float]:
    return dict(zip(network.racks, _by_rack_values(network, watts).tolist(), strict=True))


def _values(network: Network, by_rack: Mapping[str, float]) -> Floats:
    return np.array([by_rack[rack] for rack in network.racks], dtype=np.float64)


def _racks(network: Network, chosen: frozenset[str] | set[str]) -> Bools:
    return np.array([rack in chosen for rack in network.racks], dtype=np.bool_)


def _in(network: Network, racks: frozenset[str] | set[str]) -> Bools:
    found: Bools = _racks(network, racks)[network.rack_of]
    return found
