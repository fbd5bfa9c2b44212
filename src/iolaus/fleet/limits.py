"""How many may be away together: shares made absolute, and the room that is left.

A `Room` counts who is away or about to be, by domain, and says why one more unit does not fit. The
planner asks it whether a unit could ever go, and a roll-out whether it may go now: one rule for
both, so that no plan is made that could only wait. A unit is a node, or all nodes of an atomic
domain, which go together or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Set
from fractions import Fraction
from math import floor
from typing import Final

from iolaus.fleet.topology import NEEDED_LABEL, POWER, PowerGroup
from iolaus.model.desired import LimitsWant, Share
from iolaus.model.plan import Domain, Limits, NodePlan

RACK: Final = "rack"


def resolve(share: Share, whole: int) -> int:
    """So many of `whole`: a percentage is rounded down, and is never less than one."""
    if isinstance(share, int):
        return share
    return max(1, floor(Fraction(share.removesuffix("%")) * whole / 100))


def limits_of(want: LimitsWant, *, selected: int) -> Limits:
    """Absolute numbers; `selected` is how many nodes the baseline selects."""
    most = want.max_unavailable
    return Limits(
        max_unavailable=None if most is None else resolve(most, selected),
        max_dark_racks=want.max_dark_racks,
        per_domain={k: n for k, n in sorted(want.per_domain.items()) if isinstance(n, int)},
        atomic=tuple(sorted(k for k, n in want.per_domain.items() if n == "atomic")),
        keep_power_redundancy=want.keep_power_redundancy,
        bricks=want.bricks,
    )


class Hall:
    """The domains of everything that a plan knows of. Made once and not changed."""

    def __init__(self, domains: Mapping[str, Collection[Domain]]) -> None:
        self.domains = domains
        self.sizes: Counter[Domain] = Counter(d for found in domains.values() for d in found)

    def racks_of(self, uids: Iterable[str]) -> set[Domain]:
        return {d for uid in uids for d in self.domains[uid] if d.kind == RACK}


class Room:
    """What may still go away beside those that are. `power` None: nobody knows of any."""

    def __init__(
        self,
        limits: Limits,
        hall: Hall,
        *,
        away: Iterable[str] = (),
        power: Mapping[str, PowerGroup] | None = None,
    ) -> None:
        self.limits, self._hall = limits, hall
        self._fed_by(power or {})
        self.away: set[str] = set()
        self._gone = 0
        self._taken: Counter[Domain] = Counter()
        self._dark: set[Domain] = set()
        self.take(away)

    def take(self, uids: Iterable[str]) -> None:
        """These are away now. Who stands in no plan still counts as a supply."""
        for uid in uids:
            if uid not in self.away:
                self.away.add(uid)
                self._gone += uid in self._hall.domains
                self._count(uid)

    def _fed_by(self, power: Mapping[str, PowerGroup]) -> None:
        self._power = power
        self._supplies = {uid for group in power.values() for uid in group.supplies}

    def only(self, away: Set[str], *, power: Mapping[str, PowerGroup]) -> None:
        """These and nobody else are away now: what that changes is counted, and nothing again."""
        if power is not self._power:
            self._fed_by(power)
        for uid in self.away - away:
            self.away.discard(uid)
            self._gone -= uid in self._hall.domains
            for domain in self._hall.domains.get(uid, ()):
                self._taken[domain] -= 1
                self._dark.discard(domain)
        self.take(away - self.away)

    def _count(self, uid: str) -> None:
        for domain in self._hall.domains.get(uid, ()):
            self._taken[domain] += 1
            if domain.kind == RACK and self._taken[domain] == self._hall.sizes[domain]:
                self._dark.add(domain)

    def full(self) -> str:
        """Why no unit at all fits; empty: one may."""
        most, gone = self.limits.max_unavailable, self._gone
        if most is not None and gone >= most:
            return f"{are(gone)} away, and {most} may be"
        return ""

    def refuses(self, unit: Collection[str]) -> str:
        """Why these may not go away now; empty: they may. Those who are away already cost
        nothing."""
        more = [uid for uid in unit if uid not in self.away]
        return self._crowd(more) or self._domain(more) or self._darkness(more) or self._unfed(unit)

    def _crowd(self, more: Collection[str]) -> str:
        most, gone = self.limits.max_unavailable, self._gone
        if most is None or not more or gone + len(more) <= most:
            return ""
        if len(more) == 1:
            return f"{are(gone)} away, and {most} may be"
        return f"{are(gone)} away, {len(more)} must go together, and {most} may be"

    def _domain(self, more: Iterable[str]) -> str:
        wanted: Counter[Domain] = Counter(
            d for uid in more for d in self._hall.domains[uid] if d.kind in self.limits.per_domain
        )
        for domain, count in wanted.items():
            most, gone = self.limits.per_domain[domain.kind], self._taken[domain]
            if gone + count > most:
                return f"{say_domain(domain)}: {are(gone)} away, and {most} may be"
        return ""

    def _darkness(self, more: Collection[str]) -> str:
        most = self.limits.max_dark_racks
        if most is None:
            return ""
        wanted: Counter[Domain] = Counter(
            d for uid in more for d in self._hall.domains[uid] if d.kind == RACK
        )
        new = [d for d, n in wanted.items() if self._taken[d] + n == self._hall.sizes[d]]
        if not new or len(self._dark) + len(new) <= most:
            return ""
        dark = len(self._dark)
        return (
            f"it would be the last of rack {new[0].name}: {are(dark, 'rack')} dark, "
            f"and {most} may be"
        )

    def _unfed(self, unit: Collection[str]) -> str:
        """A supply goes only if it is known that enough is left. Whoever is fed goes unless it is
        known that there is not enough: work on it takes nothing from the others."""
        keep = self.limits.keep_power_redundancy
        if keep is None:
            return ""
        gone = self.away.union(unit)
        feeds_others = not self._supplies.isdisjoint(unit)
        for group in self._power.values() if feeds_others else ():
            if not set(unit).isdisjoint(group.supplies) and (
                why := short_of(group, group.name, keep, gone)
            ):
                return why
        feeds = {d.name for uid in unit for d in self._hall.domains[uid] if d.kind == POWER}
        for name in sorted(feeds & self._power.keys()):
            if self._power[name].keeps(keep, gone) is False:
                return short_of(self._power[name], name, keep, gone)
        return ""


def short_of(group: PowerGroup | None, name: str, keep: str, gone: Collection[str]) -> str:
    """Why a power group without these supplies has not what must be kept; empty: it has."""
    kept = group.keeps(keep, gone) if group is not None else None
    if kept:
        return ""
    if group is None or kept is None:
        return f"power of {name}: how many supplies carry it is not known (label {NEEDED_LABEL})"
    left, of = group.left(gone), len(group.supplies)
    return (
        f"power of {name}: {left} of {of} supplies would be left, {group.needed} carry the load, "
        f"and {keep} must be kept"
    )


def are(number: int, word: str = "node") -> str:
    """1 node is, 2 nodes are."""
    return f"1 {word} is" if number == 1 else f"{number} {word}s are"


def units_of(nodes: Iterable[NodePlan], atomic: Collection[str]) -> list[tuple[NodePlan, ...]]:
    """Nodes that go together, in the order of their first; domains that share a node are one."""
    every = list(nodes)
    if not atomic:
        return [(node,) for node in every]
    root: dict[Domain, Domain] = {}

    def find(domain: Domain) -> Domain:
        while root.setdefault(domain, domain) != domain:
            domain = root[domain]
        return domain

    bound = [[d for d in node.domains if d.kind in atomic] for node in every]
    for domains in bound:
        for other in domains[1:]:
            first, second = sorted((find(domains[0]), find(other)))
            root[second] = first
    found: dict[Domain | str, list[NodePlan]] = {}
    for node, domains in zip(every, bound, strict=True):
        found.setdefault(find(domains[0]) if domains else node.uid, []).append(node)
    return [tuple(each) for each in found.values()]


def say_domain(domain: Domain) -> str:
    return f"{domain.kind} {domain.name}"
