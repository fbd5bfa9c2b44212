"""Sharing out what the plant can carry: exact max-min by priority, on arrays.

Every load has its floor. Above that, what there is goes to the highest priority first; within a
priority all rise together, each by its `weight` (the range from floor to nameplate, unless said
otherwise), until its demand is met or a limit above it is full. That is lexicographic max-min: no
load could have more without one of the same priority that has less, or one of a higher, losing.

Where limits nest it needs no search. From the racks upwards, a limit that would be overrun brings
the loads below it to the level at which it is just full; what a lower limit had brought down counts
as met. A level is the root of a concave, piecewise linear function, and Newton's steps from the
left reach it exactly in as many steps as there are pieces in the way. Where limits cross, or the
nodes of a job must stand at one level, the lowest level anywhere is final: its loads are frozen and
the rest is looked at again.

No limit is ever overrun by what is granted above the floors; where the floors alone are too much,
`short_w` says where and by how much, and nothing above them is granted there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iolaus.energy.network import Floats, Ints, Level, Network

Bools = NDArray[np.bool_]
TINY: Final = 1e-9
"""Part of a limit that is taken for rounding."""


@dataclass(frozen=True)
class Ask:
    """What the loads of a network need, in its order, in watts. `demand_w` counts from `floor_w`
    up to `ceiling_w`. `error` is the part by which a cap is overrun (0.02: 2 %); `job` numbers
    what stands at one level (-1: alone), or None. With `headroom`, what is left when every demand
    is met is shared out up to the ceilings, by the same rules."""

    floor_w: Floats
    demand_w: Floats
    ceiling_w: Floats
    weight: Floats
    priority: NDArray[np.int64]
    error: Floats | None = None
    job: Ints | None = None
    headroom: bool = False


@dataclass(frozen=True)
class Shares:
    """`watts` for each load, never below its floor; `left_w` of each limit of the network and
    `short_w`, by how much the floors alone overrun it; `unmet` are loads below their demand."""

    watts: Floats
    left_w: Floats
    short_w: Floats
    unmet: Bools


class Part(NamedTuple):
    """A level as one priority sees it: only its loads, and segments that have any."""

    starts: Ints
    counts: Ints
    limit: Ints
    factor: Floats


class Pairs(NamedTuple):
    """(limit, load) pairs of one priority, in segments by limit."""

    starts: Ints
    counts: Ints
    limit: Ints
    load: Ints
    factor: Floats


def ask_of(network: Network, demand_w: Floats) -> Ask:
    """The ask of a network whose loads demand this, with floors, ceilings and priorities as the
    plant has them."""
    floor = np.array([load.floor_w for load in network.loads])
    ceiling = np.array([max(load.nameplate_w, load.floor_w) for load in network.loads])
    priority = np.array([load.priority for load in network.loads], dtype=np.int64)
    return Ask(floor, demand_w, ceiling, ceiling - floor, priority)


def allocate(network: Network, ask: Ask, room_w: Floats) -> Shares:
    """Share out `room_w` (of each limit for its loads, in the limit's watts; NaN is unknown and
    grants nothing above the floors). Pure; the same whatever order the loads were named in."""
    scale = 1.0 if ask.error is None else 1.0 + ask.error
    floor, ceiling = ask.floor_w * scale, ask.ceiling_w * scale
    demand = np.clip(ask.demand_w * scale, floor, ceiling)
    known = np.where(np.isnan(room_w), -np.inf, room_w)
    spare = known - network.charge(floor)
    short = np.where(spare < -TINY * np.maximum(1.0, np.abs(known)), -spare, 0.0)
    left = np.maximum(spare, 0.0)
    granted = floor.copy()
    weight = np.maximum(ask.weight * scale, 0.0)
    for goal in (demand, ceiling) if ask.headroom else (demand,):
        for chosen in _by_priority(ask.priority):
            _fill(network, ask, chosen, goal, granted, left, weight)
    unmet = granted < demand - TINY * np.maximum(1.0, demand)
    return Shares(granted / scale, left, short, unmet)


def _by_priority(priority: NDArray[np.int64]) -> Iterator[Ints]:
    for value in np.unique(priority)[::-1]:
        yield np.flatnonzero(priority == value)


def _fill(
    network: Network, ask: Ask, chosen: Ints, goal: Floats, granted: Floats, left: Floats,
    weight: Floats,
) -> None:  # fmt: skip
    """Raise the chosen loads towards their goal, and take it from what is left of the limits."""
    want = goal[chosen] - granted[chosen]
    rank = weight[chosen]
    want[rank <= 0] = 0.0
    if not want.any():
        return
    jobs = None if ask.job is None else ask.job[chosen]
    if network.crossing or (jobs is not None and (jobs >= 0).any()):
        _fill_together(network, chosen, want, rank, left, jobs)
    else:
        _fill_nested(network, chosen, want, rank, left)
    granted[chosen] += want


def _fill_nested(
    network: Network, chosen: Ints, want: Floats, weight: Floats, left: Floats
) -> None:
    """Cut `want` down, level by level from below, and take it from `left`."""
    parts = [_part(level, chosen, len(network.loads)) for level in network.levels]
    for part in parts:
        room = _of_limit(left, part.limit)
        used = np.add.reduceat(part.factor * want, part.starts)
        over = used > room
        if not over.any():
            continue
        here = np.repeat(over, part.counts)
        counts = part.counts[over]
        cut = _waterfill(want[here], weight[here], part.factor[here], counts, room[over])
        want[here] = cut
    for part in parts:
        used = np.add.reduceat(part.factor * want, part.starts)
        real = part.limit >= 0
        left[part.limit[real]] = np.maximum(left[part.limit[real]] - used[real], 0.0)


def _part(level: Level, chosen: Ints, size: int) -> Part:
    if len(chosen) == size:
        return Part(level.starts, level.counts, level.limit, level.factor)
    edges = np.searchsorted(chosen, np.append(level.starts, size))
    counts = np.diff(edges)
    full = counts > 0
    return Part(edges[:-1][full], counts[full], level.limit[full], level.factor[chosen])


def _of_limit(left: Floats, limit: Ints) -> Floats:
    return np.where(limit >= 0, left[limit], np.inf)


def _waterfill(want: Floats, weight: Floats, factor: Floats, counts: Ints, room: Floats) -> Floats:
    """Each segment at the level where it is just full. Every segment wants more than its room."""
    level = _level(want, weight, factor, counts, room)
    return np.minimum(want, np.repeat(level, counts) * weight)


def _level(want: Floats, weight: Floats, factor: Floats, counts: Ints, room: Floats) -> Floats:
    """The level of each segment: the root of sum(factor * min(want, level * weight)) = room."""
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    rate, flat = factor * weight, factor * want
    with np.errstate(divide="ignore", invalid="ignore"):
        met_at = np.where(weight > 0, want / weight, 0.0)
        level = room / np.add.reduceat(rate, starts)
    met, before = np.zeros(len(want), dtype=bool), -1
    for _ in range(len(want) + 1):
        met = met_at <= np.repeat(level, counts)
        now = int(np.count_nonzero(met))
        if now == before:
            break
        before = now
        rest = room - np.add.reduceat(np.where(met, flat, 0.0), starts)
        slope = np.add.reduceat(np.where(met, 0.0, rate), starts)
        with np.errstate(divide="ignore", invalid="ignore"):
            level = np.where(slope > 0, np.maximum(rest / slope, level), level)
    return level


def _fill_together(
    network: Network, chosen: Ints, want: Floats, weight: Floats, left: Floats, jobs: Ints | None
) -> None:
    """The same where limits cross or jobs bind: freeze what stands at a level that is final."""
    pairs = _pairs(network, chosen)
    group = np.arange(len(chosen)) if jobs is None else _groups(jobs)
    open_ = want > 0
    met_at = np.divide(want, weight, out=np.zeros(len(want)), where=weight > 0)
    while open_.any():
        levels = _open_levels(pairs, want, weight, open_, left)
        level = np.repeat(levels, pairs.counts)
        held = open_[pairs.load] & (level < met_at[pairs.load])
        if not held.any():
            break
        common = np.full(len(chosen), np.inf)
        np.minimum.at(common, group[pairs.load[held]], level[held])
        taken = np.minimum(level, met_at[pairs.load])
        waits = open_[pairs.load] & (common[group[pairs.load]] < taken)
        final = np.isfinite(levels) & ~np.logical_or.reduceat(waits, pairs.starts)
        stopped = np.zeros(len(chosen), dtype=bool)
        stopped[group[pairs.load[held & np.repeat(final, pairs.counts)]]] = True
        done = stopped[group] & open_
        want[done] = np.minimum(want[done], common[group][done] * weight[done])
        open_ &= ~done
    used = np.add.reduceat(pairs.factor * want[pairs.load], pairs.starts)
    left[pairs.limit] = np.maximum(left[pairs.limit] - used, 0.0)


def _pairs(network: Network, chosen: Ints) -> Pairs:
    limits, loads, factors = network.incidence
    place = np.full(len(network.loads), -1, dtype=np.intp)
    place[chosen] = np.arange(len(chosen))
    kept = place[loads] >= 0
    limits, loads, factors = limits[kept], place[loads[kept]], factors[kept]
    found, starts, counts = np.unique(limits, return_index=True, return_counts=True)
    return Pairs(starts, counts, found, loads, factors)


def _groups(jobs: Ints) -> Ints:
    """A number for each job, and one of its own for each load without."""
    alone = jobs < 0
    named = np.where(alone, jobs.max(initial=0) + 1 + np.arange(len(jobs)), jobs)
    return np.unique(named, return_inverse=True)[1].astype(np.intp)


def _open_levels(pairs: Pairs, want: Floats, weight: Floats, open_: Bools, left: Floats) -> Floats:
    """The level at which each limit would be full if only it were there; infinite if never."""
    load = pairs.load
    frozen = np.where(open_, 0.0, want)
    room = left[pairs.limit] - np.add.reduceat(pairs.factor * frozen[load], pairs.starts)
    rising = np.where(open_, want, 0.0)
    used = np.add.reduceat(pairs.factor * rising[load], pairs.starts)
    levels = np.full(len(pairs.limit), np.inf)
    over = used > np.maximum(room, 0.0) * (1 + TINY) + TINY
    if over.any():
        here = np.repeat(over, pairs.counts)
        levels[over] = _level(
            rising[load[here]], np.where(open_, weight, 0.0)[load[here]],
            pairs.factor[here], pairs.counts[over], np.maximum(room[over], 0.0),
        )  # fmt: skip
    return levels
