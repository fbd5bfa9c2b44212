"""Where nodes stand: the failure domains they share, and what feeds them.

Domains come from what the operator labels (`rack`, `row`, `feed`, `cdu`, `nvlink`, `leaf`; several
are separated by commas) and, for the rack, from what a device says of itself. Power comes from
the supplies of a rack: its shelves or its strips. How many of them carry the load is nothing that
a device tells, so the operator labels it (`power-needed`); without that label redundancy is
unknown, and unknown is never enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.model.asset import AssetKind
from iolaus.model.plan import Domain

KINDS: Final = ("rack", "row", "feed", "cdu", "nvlink", "leaf")
"""Labels that name a failure domain, in the order in which texts speak of them."""
POWER: Final = "power"
"""The kind of domain that a power group is."""
NEEDED_LABEL: Final = "power-needed"
SUPPLIES: Final = frozenset({AssetKind.POWER_SHELF.value, AssetKind.PDU.value})


class PowerGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Supplies that carry one load together. `supplies` are uids; `needed` is N, how many of them
    carry the load alone (None: nobody said)."""

    name: str
    supplies: tuple[str, ...]
    needed: int | None = None

    def left(self, away: Collection[str]) -> int:
        """How many supplies carry the load when these are away."""
        return sum(1 for uid in self.supplies if uid not in away)

    def keeps(self, redundancy: str, away: Collection[str]) -> bool | None:
        """Whether so much is left ("N", "N+1", "2N"); None: it cannot be told."""
        if self.needed is None:
            return None
        wanted = {"N": self.needed, "N+1": self.needed + 1, "2N": 2 * self.needed}[redundancy]
        return self.left(away) >= wanted


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """Domains by uid, and power groups by name: a node in a group has a domain of kind "power"
    with its name."""

    domains: Mapping[str, tuple[Domain, ...]] = {}
    power: Mapping[str, PowerGroup] = {}

    def groups_of(self, uid: str) -> tuple[PowerGroup, ...]:
        """Those whose supply it is."""
        return tuple(each for each in self.power.values() if uid in each.supplies)


def topology_of(every: Iterable[NodeFacts]) -> Topology:
    """Of all assets that are known, whoever selects them: a supply of a rack feeds everything
    in it. Pure."""
    seen = list(every)
    power = _power(seen)
    domains = {}
    for facts in seen:
        found = [d for kind in KINDS for d in _named(kind, facts)]
        found += [Domain(kind=POWER, name=d.name) for d in found if _is_fed(d, power)]
        domains[facts.uid] = tuple(found)
    return Topology(domains=domains, power=power)


def _named(kind: str, facts: NodeFacts) -> Iterable[Domain]:
    said = facts.labels.get(kind) or (facts.fields.get(kind) if kind in ("rack", "row") else None)
    for name in (said or "").split(","):
        if name.strip():
            yield Domain(kind=kind, name=name.strip())


def _is_fed(domain: Domain, power: Mapping[str, PowerGroup]) -> bool:
    return domain.kind == "rack" and domain.name in power


def _power(seen: Iterable[NodeFacts]) -> dict[str, PowerGroup]:
    """The supplies of each rack. Where they are labelled differently, the largest need counts."""
    found: dict[str, list[NodeFacts]] = defaultdict(list)
    for facts in seen:
        if facts.kind in SUPPLIES:
            for rack in _named("rack", facts):
                found[rack.name].append(facts)
    return {
        name: PowerGroup(
            name=name,
            supplies=tuple(sorted(each.uid for each in supplies)),
            needed=max((n for each in supplies if (n := _needed(each)) is not None), default=None),
        )
        for name, supplies in sorted(found.items())
    }


def _needed(facts: NodeFacts) -> int | None:
    text = facts.labels.get(NEEDED_LABEL, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else None
