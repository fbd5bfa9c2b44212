"""In which waves nodes go: canaries that stand for the rest, then order that limits can keep.

A canary is worth what it resembles: the first wave has one of each model as far as it reaches, from
different racks. Everything after it is interleaved over the domains that limits speak of, so that
the nodes that come next stand apart and a roll-out seldom waits for a limit. Units are never split.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from iolaus.fleet.limits import RACK, resolve
from iolaus.fleet.window import parse_duration
from iolaus.model.desired import WaveWant
from iolaus.model.plan import Limits, NodePlan, Wave

Unit = tuple[NodePlan, ...]
Models = Mapping[str, str]
"""uid -> what makes it alike: make and model."""
DEFAULT: Final = (
    WaveWant(name="canary", max=1, soak="1h"),
    WaveWant(name="ten", max="10%", soak="30m"),
    WaveWant(name="rest", batch="5%"),
)
LEFT_OVER: Final = "rest"
LOOK_AHEAD: Final = 64


def waves_of(
    wants: Sequence[WaveWant], units: Iterable[Unit], *, models: Models, limits: Limits
) -> tuple[Wave, ...]:
    """All nodes of the units in waves; waves that nobody is left for are left out."""
    left = _interleaved(list(units), limits)
    count = sum(map(len, left))
    found = []
    for number, want in enumerate([*(wants or DEFAULT), WaveWant(name=_free_name(wants))]):
        most = count if want.max is None else resolve(want.max, count)
        taken = _canaries(left, most, models) if number == 0 and want.max else _first(left, most)
        if taken:
            ids = {unit[0].uid for unit in taken}
            left = [unit for unit in left if unit[0].uid not in ids]
            found.append(_wave(want, taken, count))
    return tuple(found)


def _free_name(wants: Sequence[WaveWant]) -> str:
    """Of the wave that takes whatever the others leave."""
    taken = {want.name for want in wants}
    names = (LEFT_OVER, *(f"{LEFT_OVER}-{number}" for number in range(2, 99)))
    return next(name for name in names if name not in taken)


def _wave(want: WaveWant, taken: Sequence[Unit], count: int) -> Wave:
    batch = None if want.batch is None else resolve(want.batch, count)
    return Wave(
        name=want.name,
        nodes=tuple(node.uid for unit in taken for node in unit),
        soak_s=parse_duration(want.soak),
        batch=None if batch is None else max(batch, *map(len, taken), 1),
    )


def _first(left: Sequence[Unit], most: int) -> list[Unit]:
    """As many as fit; at least one, because what cannot be split is no reason to do nothing."""
    taken: list[Unit] = []
    room = most
    for unit in left:
        if len(unit) <= room or not taken:
            taken.append(unit)
            room -= len(unit)
        if room <= 0:
            break
    return taken


def _canaries(left: Sequence[Unit], most: int, models: Models) -> list[Unit]:
    """Model after model in turn, each time from the rack that has given the fewest."""
    by_model: dict[str, list[Unit]] = defaultdict(list)
    for unit in left:
        by_model[models.get(unit[0].uid, "")].append(unit)
    turns = sorted(by_model.values(), key=lambda units: (-sum(map(len, units)), units[0][0].name))
    given: Counter[str] = Counter()
    taken: list[Unit] = []
    room = most
    while room > 0 and any(turns):
        for units in [each for each in turns if each]:
            unit = units.pop(_freshest(units, given))
            if len(unit) <= room or not taken:
                taken.append(unit)
                room -= len(unit)
                given[_rack(unit)] += 1
    return taken


def _freshest(units: Sequence[Unit], given: Mapping[str, int]) -> int:
    """The place of the unit from the least used rack; the next few are looked at, because they
    are interleaved over racks already."""
    near = range(min(len(units), LOOK_AHEAD))
    return min(near, key=lambda i: (given[_rack(units[i])], len(units[i]), units[i][0].name))


def _interleaved(units: list[Unit], limits: Limits) -> list[Unit]:
    """The first of each domain, then the second of each ...: by racks, and within that by each
    kind that has a limit, the tightest last because the last order is the one that shows."""
    ordered = sorted(units, key=lambda unit: unit[0].name)
    kinds = sorted(limits.per_domain, key=lambda kind: (-limits.per_domain[kind], kind))
    for kind in dict.fromkeys([RACK, *kinds]):
        ranks = _ranks(ordered, kind)
        order = sorted(range(len(ordered)), key=ranks.__getitem__)
        ordered = [ordered[i] for i in order]
    return ordered


def _ranks(ordered: Sequence[Unit], kind: str) -> list[int]:
    """The how many-th of its domain each unit is."""
    seen: Counter[str] = Counter()
    found = []
    for unit in ordered:
        name = _domain(unit, kind)
        found.append(seen[name])
        if name:
            seen[name] += 1
    return found


def _rack(unit: Unit) -> str:
    return _domain(unit, RACK)


def _domain(unit: Unit, kind: str) -> str:
    return next((d.name for d in unit[0].domains if d.kind == kind), "")
