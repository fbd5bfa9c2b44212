"""Small plants for the tests of this room, drawn at random, and what flows in them by plain steps.

Nothing here uses the product's arrays: a flow is followed from each load upwards, domain by domain.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from hypothesis import strategies as st

from iolaus.model.plant import Domain, DomainKind, Load, Plant

KINDS = (DomainKind.SITE, DomainKind.FEED, DomainKind.BUSWAY, DomainKind.RACK)


@st.composite
def plants(draw: st.DrawFn, *, pairs: bool = True, unknown: bool = True) -> Plant:
    """A tree of two to four levels; racks may have a second cord, to any feed or to the pair's."""
    depth = draw(st.integers(2, 4))
    kinds = (*KINDS[: depth - 1], DomainKind.RACK)
    domains = [Domain("d0", kinds[0], limit_w=draw(limits(unknown)))]
    above = ["d0"]
    for kind in kinds[1:]:
        here = []
        for number in range(draw(st.integers(1, 3 if kind is DomainKind.RACK else 2))):
            parent = draw(st.sampled_from(above))
            spare = [name for name in above if name != parent]
            standby = (
                (draw(st.sampled_from(spare)),) if pairs and spare and draw(st.booleans()) else ()
            )
            name = f"{kind[0]}{number}"
            domains.append(
                Domain(
                    name,
                    kind,
                    parent,
                    draw(limits(unknown)),
                    standby,
                    efficiency=draw(st.sampled_from([1.0, 0.96])),
                    overhead_w=draw(st.sampled_from([0.0, 17.0])),
                )
            )
            here.append(name)
        above = here
    loads = [draw(loads_in(f"n{at}", above)) for at in range(draw(st.integers(1, 7)))]
    return Plant(domains=tuple(domains), loads=tuple(loads))


@st.composite
def loads_in(draw: st.DrawFn, name: str, racks: list[str]) -> Load:
    floor = draw(st.integers(1, 300))
    return Load(
        name, draw(st.sampled_from(racks)), floor, floor + draw(st.integers(0, 900)),
        priority=draw(st.integers(0, 3)), job=draw(st.sampled_from([None, "j1", "j2"])),
    )  # fmt: skip


def limits(unknown: bool) -> st.SearchStrategy[float | None]:
    known = st.floats(300, 6000).map(lambda value: round(value, 1))
    return st.one_of(known, known, known, st.just(float("inf")), *([st.none()] if unknown else []))


def factors(plant: Plant, rack: str) -> dict[str, float]:
    """By how much a watt of this rack counts at each domain if it must carry it alone."""
    found: dict[str, float] = {rack: 1.0}
    for way in ways_up(plant, rack):
        factor = 1.0
        for below, domain in itertools.pairwise(way):
            factor /= plant.by_name[below].efficiency
            found[domain] = max(found.get(domain, 0.0), factor)
    return found


def ways_up(plant: Plant, name: str) -> Iterator[tuple[str, ...]]:
    feeders = plant.by_name[name].feeders
    if not feeders:
        yield (name,)
    for above in feeders:
        for rest in ways_up(plant, above):
            yield (name, *rest)


def flows(plant: Plant, watts: Mapping[str, float], choice: Mapping[str, str]) -> dict[str, float]:
    """What every domain carries when each one with several feeders draws on its choice only."""
    carried = {domain.name: domain.overhead_w for domain in plant.domains}
    for load in plant.loads:
        carried[load.rack] += watts[load.name]
    for domain in reversed(plant.domains):
        if domain.feeders:
            above = choice.get(domain.name, domain.feeders[0])
            carried[above] += carried[domain.name] / domain.efficiency
    return carried


def choices(plant: Plant) -> Iterable[dict[str, str]]:
    """Every way in which second cords can be drawn upon."""
    several = [domain for domain in plant.domains if len(domain.feeders) > 1]
    for picked in itertools.product(*(domain.feeders for domain in several)):
        yield dict(zip((domain.name for domain in several), picked, strict=True))
