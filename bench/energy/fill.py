"""The bench's own water-filling, for baselines: by priority, evenly, under three levels of limits.

It shares no code with the product's allocator on purpose, and is as plain as it can be: everybody
of a class rises together until a limit or a demand stops them.
"""

from __future__ import annotations

import numpy as np

from bench.energy.hall import Hall, Limits
from iolaus.sim.physics.arrays import F64, Bools, totals


def water_fill(hall: Hall, limits: Limits, demand_w: F64, *, guard: float) -> F64:
    """Caps: floors first, then each class up to its demand, then what is left to all."""
    loads = hall.loads
    left = 1.0 - guard
    top = np.maximum(np.minimum(limits.cord_w * left, loads.nameplate_w), loads.floor_w)
    caps = loads.floor_w.copy()
    for ends in (np.minimum(demand_w, top), top):
        for priority in (3, 2, 1, 0):
            members = loads.priority == priority
            caps = _rise(hall, limits, caps, np.where(members, np.maximum(ends, caps), caps), left)
    return caps


def _rise(hall: Hall, limits: Limits, caps: F64, ends: F64, left: float) -> F64:
    """Raise all that are below their end at one pace until each is stopped."""
    loads, moving = hall.loads, caps < ends - 1e-6
    while moving.any():
        step = _room(hall, limits, caps, moving, left)
        step = np.minimum(step, (ends - caps)[moving].min())
        if step <= 0.0:
            step = 0.0
        caps = caps + np.where(moving, step, 0.0)
        full = _full(hall, limits, caps, left)
        moving = moving & ~full & (caps < ends - 1e-6)
    del loads
    return caps


def _levels(hall: Hall, limits: Limits, caps: F64, left: float) -> list[tuple[np.ndarray, F64]]:
    """(group of each node, room of each group) of the three levels."""
    loads = hall.loads
    site = np.zeros(loads.count, dtype=np.intp)
    groups = (
        (site, np.array([limits.site_w])),
        (loads.row, limits.row_w),
        (loads.rack, limits.rack_w),
    )
    return [(group, left * limit - totals(group, caps, limit.size)) for group, limit in groups]


def _room(hall: Hall, limits: Limits, caps: F64, moving: Bools, left: float) -> float:
    """How far all that move can rise together."""
    least = np.inf
    for group, room in _levels(hall, limits, caps, left):
        movers = totals(group, moving.astype(np.float64), room.size)
        busy = movers > 0.0
        least = min(least, float((room[busy] / movers[busy]).min()))
    return max(0.0, least)


def _full(hall: Hall, limits: Limits, caps: F64, left: float) -> Bools:
    full = np.zeros(caps.size, dtype=np.bool_)
    for group, room in _levels(hall, limits, caps, left):
        full |= (room <= 1e-3)[group]
    return full
