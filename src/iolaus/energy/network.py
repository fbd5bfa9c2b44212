"""A plant compiled to arrays: which loads each limit covers, and by how much each of them counts.

A load counts at every domain on its way up, divided by what is lost on that way. Where a rack has
two cords it counts whole at both (each must be able to carry it alone) or in equal parts at those
in service; above the point where the ways meet again it counts once. Domains that cover the same
racks, as the feeds of a pair do, become one limit, the lower of them.

When the limits nest (every two of them are disjoint or one within the other) the racks are ordered
so that each limit covers a range, and limits of one height stand side by side in a `Level`. Where
they cross, as with feeds that are each other's reserve in a ring, `crossing` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iolaus.energy.policy import PowerPolicy, Redundancy
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plant import Domain, Load, Plant

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
SAME: Final = 1e-12


class Level(NamedTuple):
    """Limits that cover disjoint ranges of the loads. `starts` and `counts` cut all loads into
    segments; `limit` is the limit of a segment, -1 for none. `factor` is by how much each load
    counts there."""

    starts: Ints
    counts: Ints
    limit: Ints
    factor: Floats


class Member(NamedTuple):
    """A domain of a limit: its own watts divided by `ratio` are those of the limit."""

    domain: str
    ratio: float


@dataclass(frozen=True)
class Limit:
    """One limit of the network: the lowest of its members. `factors` says of each rack below by
    how much it counts, `constant_w` is what flows without any cap."""

    members: tuple[Member, ...]
    factors: Mapping[str, float]
    constant_w: tuple[float, ...]

    @property
    def name(self) -> str:
        return self.members[0].domain


class Way(NamedTuple):
    """From a rack up to a domain: the part that flows there, and the most of any one way."""

    sum: float
    most: float


@dataclass(frozen=True)
class Network:
    """`loads` are in the order of all arrays; `rack_of` are indices into `racks`."""

    loads: tuple[Load, ...]
    racks: tuple[str, ...]
    rack_of: Ints
    limits: tuple[Limit, ...]
    levels: tuple[Level, ...]
    crossing: bool
    dark: frozenset[str]
    """Racks that no domain in service feeds."""

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The place of a load."""
        return {load.name: at for at, load in enumerate(self.loads)}

    @cached_property
    def slices(self) -> Mapping[str, slice]:
        """Where the loads of a rack stand."""
        ends = np.searchsorted(self.rack_of, np.arange(len(self.racks) + 1))
        return {rack: slice(int(ends[at]), int(ends[at + 1])) for at, rack in enumerate(self.racks)}

    @cached_property
    def incidence(self) -> tuple[Ints, Ints, Floats]:
        """(limit, load, factor) of every pair, ordered by limit."""
        limits, loads, factors = [], [], []
        for number, limit in enumerate(self.limits):
            for rack, factor in limit.factors.items():
                here = self.slices[rack]
                loads.append(np.arange(here.start, here.stop))
                limits.append(np.full(here.stop - here.start, number))
                factors.append(np.full(here.stop - here.start, factor))
        return (
            np.concatenate(limits, dtype=np.intp) if limits else np.zeros(0, np.intp),
            np.concatenate(loads, dtype=np.intp) if loads else np.zeros(0, np.intp),
            np.concatenate(factors, dtype=np.float64) if factors else np.zeros(0),
        )

    def room_w(self, limit_of: Mapping[str, float | None]) -> Floats:
        """What each limit leaves for loads, in its own watts, given every domain's limit (after
        guards); NaN where a member's limit is unknown."""
        found = [self._room(limit, limit_of) for limit in self.limits]
        return np.array(found, dtype=np.float64)

    def _room(self, limit: Limit, limit_of: Mapping[str, float | None]) -> float:
        least = float("inf")
        for member, constant in zip(limit.members, limit.constant_w, strict=True):
            watts = limit_of.get(member.domain)
            if watts is None:
                return float("nan")
            least = min(least, (watts - constant) / member.ratio)
        return least

    def charge(self, watts: Floats) -> Floats:
        """How much of each limit these loads take, in its own watts."""
        found = np.zeros(len(self.limits))
        if self.crossing:
            limits, loads, factors = self.incidence
            np.add.at(found, limits, factors * watts[loads])
        for level in self.levels:
            used = np.add.reduceat(level.factor * watts, level.starts)
            real = level.limit >= 0
            found[level.limit[real]] = used[real]
        return found


def compile_network(
    plant: Plant, policy: PowerPolicy, *, lost: Iterable[str] = (), loads: Sequence[Load] = ()
) -> Network:
    """The network of a plant with these domains out of service; `loads` stand in for the plant's
    own. Raises `OperatorMust` for a circle, or for what hangs on a domain that is not there."""
    gone = frozenset(lost)
    own = tuple(loads) or plant.loads
    fed = tuple(dict.fromkeys(load.rack for load in own))
    order = _bottom_up(plant, fed)
    ways = _ways(policy, order, fed, gone)
    limits = _limits(order, ways, frozenset(fed), gone)
    racks = _ordered(fed, limits)
    dark = frozenset(rack for rack in fed if rack in gone or _is_dark(plant, rack, gone))
    placed, rack_of = _placed(own, racks)
    spans = _spans(limits, racks, rack_of)
    nested = None if spans is None else _levels(limits, spans, racks, rack_of)
    return Network(
        loads=placed, racks=racks, rack_of=rack_of, limits=tuple(limits),
        levels=tuple(nested or ()), crossing=nested is None, dark=dark,
    )  # fmt: skip


def _bottom_up(plant: Plant, fed: Sequence[str]) -> list[Domain]:
    """Every domain above these racks, each after all that draw on it."""
    done: dict[str, Domain] = {}
    open_: set[str] = set()

    def visit(name: str, by: str) -> None:
        if name in done:
            return
        domain = plant.by_name.get(name)
        if domain is None or name in open_:
            what = "it is not in the plant" if domain is None else "it feeds itself in a circle"
            raise OperatorMust(
                f"{what}, and {by} hangs on it",
                operation="read plant",
                subject=name,
                code="PlantBroken",
                next_step="correct the parent or the standby of one of them.",
            )
        open_.add(name)
        for above in domain.feeders:
            visit(above, name)
        open_.discard(name)
        done[name] = domain

    for name in (*fed, *(domain.name for domain in plant.domains if domain.overhead_w)):
        visit(name, "a load")
    return list(done.values())[::-1]


def _ways(
    policy: PowerPolicy, order: Sequence[Domain], fed: Sequence[str], gone: frozenset[str]
) -> dict[str, dict[str, Way]]:
    """By domain: how much of what each rack (or domain with an overhead) carries flows there."""
    ways: dict[str, dict[str, Way]] = {domain.name: {} for domain in order}
    for source in {*fed, *(domain.name for domain in order if domain.overhead_w)}:
        ways[source][source] = Way(1.0, 1.0)
    for domain in order:
        live = [] if domain.name in gone else [f for f in domain.feeders if f not in gone]
        share = _share(policy, domain, len(live))
        for above in live:
            for source, way in ways[domain.name].items():
                old = ways[above].get(source, Way(0.0, 0.0))
                ways[above][source] = _joined(old, way, share, domain.efficiency)
    return ways


def _share(policy: PowerPolicy, domain: Domain, live: int) -> float:
    rule = policy.domains.get(domain.name)
    how = rule.redundancy if rule and rule.redundancy else policy.redundancy
    shared = how is Redundancy.SHARED and not domain.alone
    return 1.0 / live if shared and live else 1.0


def _capped(way: Way) -> float:
    """What can flow at most: ways that each may carry it alone do not carry it twice."""
    return min(way.sum, way.most)


def _joined(old: Way, below: Way, share: float, efficiency: float) -> Way:
    flow, most = _capped(below) / efficiency, below.most / efficiency
    return Way(old.sum + flow * share, max(old.most, most))


def _limits(
    order: Sequence[Domain],
    ways: Mapping[str, Mapping[str, Way]],
    fed: Collection[str],
    gone: frozenset[str],
) -> list[Limit]:
    """One for each set of racks; domains over the same racks with factors in one ratio join."""
    found: dict[frozenset[str], list[Limit]] = {}
    overhead = {domain.name: domain.overhead_w for domain in order}
    for domain in order:
        flows = {source: _capped(way) for source, way in ways[domain.name].items()}
        factors = {source: flow for source, flow in flows.items() if source in fed}
        if domain.name in gone or not factors:
            continue
        constant = sum(overhead[source] * flow for source, flow in flows.items())
        _join(found.setdefault(frozenset(factors), []), domain.name, factors, constant)
    return [limit for same in found.values() for limit in same]


def _join(same: list[Limit], domain: str, factors: Mapping[str, float], constant: float) -> None:
    for at, limit in enumerate(same):
        ratio = _ratio(factors, limit.factors)
        if ratio is not None:
            members = (*limit.members, Member(domain, ratio))
            same[at] = Limit(members, limit.factors, (*limit.constant_w, constant))
            return
    same.append(Limit((Member(domain, 1.0),), factors, (constant,)))


def _ratio(factors: Mapping[str, float], others: Mapping[str, float]) -> float | None:
    ratios = [factors[rack] / others[rack] for rack in factors]
    alike = max(ratios) - min(ratios) <= SAME * max(ratios)
    return ratios[0] if alike else None


def _is_dark(plant: Plant, name: str, gone: frozenset[str]) -> bool:
    """Whether nothing in service feeds it; what has no feeder at all is fed from outside."""
    domain = plant.by_name[name]
    above = [each for each in domain.feeders if each not in gone]
    return bool(domain.feeders) and all(_is_dark(plant, each, gone) for each in above)


def _ordered(fed: Sequence[str], limits: Sequence[Limit]) -> tuple[str, ...]:
    """The racks so that nested limits cover ranges: by the chain of limits, the largest first."""
    by_size = sorted(range(len(limits)), key=lambda at: (-len(limits[at].factors), at))
    chain: dict[str, list[int]] = {rack: [] for rack in fed}
    for rank, at in enumerate(by_size):
        for rack in limits[at].factors:
            chain[rack].append(rank)
    place = {rack: at for at, rack in enumerate(fed)}
    return tuple(sorted(fed, key=lambda rack: (chain[rack], place[rack])))


def _placed(loads: Sequence[Load], racks: Sequence[str]) -> tuple[tuple[Load, ...], Ints]:
    place = {rack: at for at, rack in enumerate(racks)}
    placed = sorted(loads, key=lambda load: place[load.rack])
    return tuple(placed), np.array([place[load.rack] for load in placed], dtype=np.intp)


def _spans(
    limits: Sequence[Limit], racks: Sequence[str], rack_of: Ints
) -> list[tuple[int, int]] | None:
    """The range of loads that each limit covers; None when one of them covers no range."""
    place = {rack: at for at, rack in enumerate(racks)}
    ends = np.searchsorted(rack_of, np.arange(len(racks) + 1))
    found = []
    for limit in limits:
        places = [place[rack] for rack in limit.factors]
        first, last = min(places), max(places)
        if last - first + 1 != len(places):
            return None
        found.append((int(ends[first]), int(ends[last + 1])))
    return found


def _levels(
    limits: Sequence[Limit], spans: Sequence[tuple[int, int]], racks: Sequence[str], rack_of: Ints
) -> list[Level] | None:
    """Limits by height, the lowest first; None when two of them cross."""
    heights = _heights(spans)
    if heights is None:
        return None
    levels = []
    for height in range(max(heights, default=-1) + 1):
        here = [at for at, each in enumerate(heights) if each == height]
        levels.append(_level(sorted(here, key=lambda at: spans[at]), limits, spans, racks, rack_of))
    return levels


def _heights(spans: Sequence[tuple[int, int]]) -> list[int] | None:
    heights = [0] * len(spans)
    open_: list[int] = []
    for at in sorted(range(len(spans)), key=lambda each: (spans[each][0], -spans[each][1], each)):
        while open_ and spans[open_[-1]][1] <= spans[at][0]:
            _close(open_, heights)
        if open_ and spans[at][1] > spans[open_[-1]][1]:
            return None
        open_.append(at)
    while open_:
        _close(open_, heights)
    return heights


def _close(open_: list[int], heights: list[int]) -> None:
    at = open_.pop()
    if open_:
        heights[open_[-1]] = max(heights[open_[-1]], heights[at] + 1)


def _level(
    here: Sequence[int],
    limits: Sequence[Limit],
    spans: Sequence[tuple[int, int]],
    racks: Sequence[str],
    rack_of: Ints,
) -> Level:
    cuts: list[tuple[int, int, int]] = []
    factor, by_rack, at = np.zeros(len(rack_of)), np.zeros(len(racks)), 0
    place = {rack: number for number, rack in enumerate(racks)}
    for number in here:
        start, end = spans[number]
        if start > at:
            cuts.append((at, start - at, -1))
        cuts.append((start, end - start, number))
        for rack, value in limits[number].factors.items():
            by_rack[place[rack]] = value
        at = end
    if at < len(rack_of):
        cuts.append((at, len(rack_of) - at, -1))
    factor = by_rack[rack_of]
    columns = np.array(cuts, dtype=np.intp).reshape(-1, 3).T
    return Level(columns[0].copy(), columns[1].copy(), columns[2].copy(), factor)
