"""The plant as data: what feeds and cools what, and how much each piece of it may carry.

Power flows down a tree whose nodes (domains) have limits; the loads at its ends are nodes with a
cap. A second cord is a `standby`: another domain that can carry this one when its parent is lost.
What nobody has told is unknown, and an unknown limit grants nothing above the floors. Sources may
disagree; what they said is kept beside the value that counts meanwhile, which is the safer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class DomainKind(StrEnum):
    """What has a limit, from the top of the tree down."""

    SITE = "site"
    HALL = "hall"
    FEED = "feed"
    TRANSFORMER = "transformer"
    BREAKER = "breaker"
    BUSWAY = "busway"
    ROW = "row"
    SHELF = "shelf"
    RACK = "rack"


class ZoneKind(StrEnum):
    """How far a leak reaches."""

    TRAY = "tray"
    RACK = "rack"
    LOOP = "loop"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Domain:
    """`limit_w` is what may flow through it to those below, in its own watts; None is unknown, and
    infinity says that it has no limit of its own. `standby` are the other domains that can carry
    it when `parent` is lost. `overhead_w` is what it carries without any cap (fans, switches,
    its own loss at rest); it draws `(loads + overhead_w) / efficiency` from above. With `alone`
    each feeder must carry it whole, whatever the policy says. `source` says who told."""

    name: str
    kind: DomainKind
    parent: str | None = None
    limit_w: float | None = None
    standby: tuple[str, ...] = ()
    source: str = ""
    efficiency: float = 1.0
    overhead_w: float = 0.0
    alone: bool = False

    @property
    def feeders(self) -> tuple[str, ...]:
        """Everything that can carry it: the parent first."""
        return ((self.parent,) if self.parent else ()) + self.standby


@dataclass(frozen=True, slots=True)
class Load:
    """A node with a cap, in the rack (a domain) that feeds it. `floor_w` is the lowest cap that it
    takes, `nameplate_w` the most that it can draw; `priority` is 0 (lowest) to 3 (highest)."""

    name: str
    rack: str
    floor_w: float
    nameplate_w: float
    idle_w: float = 0.0
    priority: int = 1
    job: str | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """A coolant loop: the units that cool it, and the racks that stand in it."""

    name: str
    units: tuple[str, ...] = ()
    racks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CoolingUnit:
    name: str
    loop: str | None = None


@dataclass(frozen=True, slots=True)
class LeakZone:
    """`members` are what stands in it: nodes of a tray or rack, racks of a loop or unit."""

    name: str
    kind: ZoneKind
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlantConflict:
    """Sources that disagree over one field: every (source, value) as it was told, and `counts`,
    what is gone by meanwhile."""

    subject: str
    field: str
    claims: tuple[tuple[str, str], ...]
    counts: str = ""


@dataclass(frozen=True, slots=True)
class PlantGap:
    """What nobody has told of a field, or what was told and cannot be."""

    subject: str
    field: str
    reason: str


@dataclass(frozen=True)
class Plant:
    """All of it. Names are unique among the domains, and among the loads."""

    domains: tuple[Domain, ...] = ()
    loads: tuple[Load, ...] = ()
    loops: tuple[Loop, ...] = ()
    units: tuple[CoolingUnit, ...] = ()
    zones: tuple[LeakZone, ...] = ()
    conflicts: tuple[PlantConflict, ...] = ()
    gaps: tuple[PlantGap, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Domain]:
        return {domain.name: domain for domain in self.domains}

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """Who can draw on a domain directly, in the order of the plant."""
        found: dict[str, list[str]] = {domain.name: [] for domain in self.domains}
        for domain in self.domains:
            for above in domain.feeders:
                found.setdefault(above, []).append(domain.name)
        return {name: tuple(below) for name, below in found.items()}

    @cached_property
    def by_rack(self) -> Mapping[str, tuple[Load, ...]]:
        """The loads of each domain that feeds any, in the order of the plant."""
        found: dict[str, list[Load]] = {}
        for load in self.loads:
            found.setdefault(load.rack, []).append(load)
        return {rack: tuple(loads) for rack, loads in found.items()}

    @property
    def racks(self) -> tuple[Domain, ...]:
        return tuple(each for each in self.domains if each.kind is DomainKind.RACK)

    def above(self, name: str) -> Iterator[Domain]:
        """The domains over this one by way of its parents, nearest first; a circle ends."""
        seen = {name}
        here = self.by_name.get(name)
        while here and here.parent and here.parent not in seen:
            seen.add(here.parent)
            here = self.by_name.get(here.parent)
            if here:
                yield here
