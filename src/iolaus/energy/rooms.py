"""What every domain can carry just now: told by the plant, lowered by whoever may lower it.

The policy, a lost unit (`derate`), a domain out of service (`lose`) and a target of the grid can
each take away and never add: the lowest counts, after guard and reserve. A target is walked down to
no faster than the policy lets power fall, and is lifted at once, because what follows it upwards
has a ramp of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from iolaus.energy.network import Network, compile_network
from iolaus.energy.policy import PowerPolicy
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plant import Domain, DomainKind, Plant


class Rooms:
    """The plant as the centre plans with it. `network` is compiled anew when a domain goes out of
    service or comes back."""

    def __init__(self, plant: Plant, policy: PowerPolicy) -> None:
        self.plant, self.policy = plant, policy
        self.lost: set[str] = set()
        self.derated: dict[str, float] = {}
        self.held: dict[str, float] = {}
        """Watts of caps that people let a rack have at most."""
        self.reserved: dict[str, float] = {}
        """Watts by domain that are given to something else than caps: batteries that charge."""
        self.goal_w: float | None = None
        self.target_w: float | None = None
        self.site = next(
            (d.name for d in plant.domains if d.kind is DomainKind.SITE and not d.feeders), None
        )
        self.network: Network = compile_network(plant, policy)

    def lose(self, name: str) -> bool:
        """Out of service. False: it was already. Raises `OperatorMust` for an unknown one."""
        self.domain(name)
        return self._service({*self.lost, name})

    def restore(self, name: str) -> bool:
        """In service again, with what it could carry before. False: it was already."""
        self.domain(name)
        back = self.derated.pop(name, None) is not None
        return self._service(self.lost - {name}) or back

    def _service(self, lost: set[str]) -> bool:
        if lost == self.lost:
            return False
        self.network = compile_network(self.plant, self.policy, lost=lost)
        self.lost = lost
        return True

    def derate(self, name: str, limit_w: float | None) -> None:
        """It carries no more than this for now; None lifts it. Raises `OperatorMust`."""
        self.domain(name)
        if limit_w is None:
            self.derated.pop(name, None)
        else:
            self.derated[name] = limit_w

    def aim(self, limit_w: float | None, *, drawn_w: float) -> None:
        """A target for the whole site, from outside; `drawn_w` is where the way down begins.
        Raises `OperatorMust` when the plant has no site."""
        if self.site is None and limit_w is not None:
            raise OperatorMust(
                "the plant has no domain of kind site",
                operation="set target",
                subject="plant",
                code="NoSite",
                next_step="put a site above its feeds.",
            )
        self.goal_w = limit_w
        if limit_w is None or self.policy.ramp_down_w_s is None:
            self.target_w = limit_w
        else:
            begin = drawn_w if self.target_w is None else self.target_w
            self.target_w = max(limit_w, begin)

    def walk(self, elapsed_s: float) -> None:
        """Time goes by: the target goes down towards its goal."""
        if self.goal_w is None or self.target_w is None or self.policy.ramp_down_w_s is None:
            return
        step = self.policy.ramp_down_w_s * max(0.0, elapsed_s)
        self.target_w = max(self.goal_w, self.target_w - step)

    def limits(self) -> dict[str, float | None]:
        """By domain, before the guard; None is unknown."""
        return {domain.name: self._limit(domain) for domain in self.plant.domains}

    def own_limit(self, name: str) -> float | None:
        """A domain's limit without any target, before the guard; None is unknown."""
        goal, self.target_w = self.target_w, None
        try:
            return self._limit(self.domain(name))
        finally:
            self.target_w = goal

    def usable(self) -> dict[str, float | None]:
        """By domain, what may be planned with."""
        return {
            name: None if watts is None else self._guarded(name, watts)
            for name, watts in self.limits().items()
        }

    def flows(self, racks_w: Mapping[str, float]) -> dict[str, float]:
        """What every domain in service carries when its racks draw this, with what has no cap."""
        network = self.network
        watts = np.zeros(len(network.loads))
        watts[[network.slices[rack].start for rack in racks_w]] = list(racks_w.values())
        used = network.charge(watts)
        return {
            member.domain: float(used[number] * member.ratio + constant)
            for number, limit in enumerate(network.limits)
            for member, constant in zip(limit.members, limit.constant_w, strict=True)
        }

    def domain(self, name: str) -> Domain:
        """Raises `OperatorMust`."""
        found = self.plant.by_name.get(name)
        if found is None:
            raise OperatorMust(
                "there is no such domain in the plant",
                operation="find domain",
                subject=name,
                code="UnknownDomain",
                next_step="see `iolaus get plant`.",
            )
        return found

    def _limit(self, domain: Domain) -> float | None:
        rule = self.policy.domains.get(domain.name)
        told = [domain.limit_w, rule.limit_w if rule else None, self.derated.get(domain.name)]
        if domain.name == self.site:
            told.append(self.target_w)
        if domain.limit_w is None and (rule is None or rule.limit_w is None):
            return None
        return min(watts for watts in told if watts is not None)

    def _guarded(self, name: str, watts: float) -> float:
        rule = self.policy.domains.get(name)
        guard = self.policy.guard if rule is None or rule.guard is None else rule.guard
        usable = watts * (1.0 - guard) - (rule.reserve_w if rule else 0.0)
        usable -= self.reserved.get(name, 0.0)
        held = self.held.get(name)
        return usable if held is None else min(usable, held + self.domain(name).overhead_w)


def site_limit(network: Network, site: str | None) -> int | None:
    """Which limit of the network the site is."""
    for number, limit in enumerate(network.limits):
        if any(member.domain == site for member in limit.members):
            return number
    return None


def full_above(network: Network, full: Mapping[int, bool]) -> dict[str, str]:
    """The nearest full limit over each rack, by its name."""
    found: dict[str, str] = {}
    by_size = sorted(full, key=lambda at: len(network.limits[at].factors))
    for at in by_size:
        if full[at]:
            for rack in network.limits[at].factors:
                found.setdefault(rack, network.limits[at].name)
    return found
