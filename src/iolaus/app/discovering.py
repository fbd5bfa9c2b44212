"""North's order to discover, carried out by observe: words to targets, probes, credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec.structs import replace

from iolaus.app.sight import Sight
from iolaus.kernel.clock import Clock
from iolaus.model.candidate import Appearance, Way
from iolaus.model.endpoint import Target, protocol_of
from iolaus.model.shard import SITE, site_of
from iolaus.north.context import DiscoveryOrder, Found
from iolaus.observe.discover import Discovery, Outcome
from iolaus.observe.targets import parse_hosts, parse_target, unique
from iolaus.store.facts import Facts
from iolaus.store.secrets import Secrets

ANSWERED: Final = frozenset({"new", "known", "refused"})
Appears = Callable[[Sequence[Appearance]], Awaitable[object]]


async def _nobody_takes(found: Sequence[Appearance]) -> None:
    del found


class Discoverer:
    """`begin(address)` starts collecting what was taken on; `appears` is told of every controller
    that answered."""

    def __init__(
        self,
        *,
        facts: Facts,
        secrets: Secrets,
        clock: Clock,
        begin: Callable[[str], None],
        sight: Sight,
        appears: Appears = _nobody_takes,
    ) -> None:
        self._facts, self._secrets, self._clock = facts, secrets, clock
        self._begin, self._sight, self._appears = begin, sight, appears

    def targets(self, order: DiscoveryOrder) -> Sequence[Target]:
        """Read an order without touching the network."""
        named, ranged = self._read(order)
        return [*named, *ranged]

    async def run(self, order: DiscoveryOrder, on_found: Callable[[Found], None]) -> None:
        """Probe everything that the order names, and take on what answers: it is kept when this
        returns. Raises `DeviceSilent` where nobody could look at a site of which a range is asked
        for: silence would look like an empty range."""
        login = self._login(order)
        named, ranged = self._read(order, login)
        for site in {site_of(each) for each in ranged}:
            self._sight.must_reach(site)
        heard, there = set[str](), list[Appearance]()
        if order.ssdp:
            answered = await self._sight.search(order.site or SITE)
            found = sited(order.site, [Target(address=address) for address in answered])
            ranged = unique([*ranged, *with_login(login, found)])
            heard = {each.address for each in found}
        sites = {each.address: each.labels.get("site", "") for each in (*named, *ranged)}
        discovery = Discovery(picture=self._facts, probe=self._sight.probe, begin=self._begin)

        def tell(outcome: Outcome) -> None:
            if outcome.outcome in ANSWERED and protocol_of(outcome.address) != "modbus":
                way = Way.SSDP if outcome.address in heard else Way.SCAN
                now = self._clock.now()
                site = sites.get(outcome.address, "")
                there.append(Appearance(address=outcome.address, way=way, at=now, site=site))
            on_found(
                Found(
                    address=outcome.address,
                    outcome=outcome.outcome,
                    name=outcome.name,
                    message=outcome.message,
                    next_step=outcome.next_step,
                    fingerprint=outcome.fingerprint,
                )
            )

        await discovery.run(named, ranged, tell, trust_first=order.trust_first)
        await self._appears(there)
        await self._facts.keep()

    def _read(
        self, order: DiscoveryOrder, login: str | None = None
    ) -> tuple[list[Target], list[Target]]:
        named: list[Target] = []
        ranged: list[Target] = []
        for word in order.targets:
            found, is_named = parse_target(word, allow_http=order.allow_http)
            (named if is_named else ranged).extend(found)
        if order.hosts_file:
            named += parse_hosts(
                order.hosts_file, subject="hosts file", allow_http=order.allow_http
            )
        named = unique(with_login(login, sited(order.site, named)))
        known = {target.address for target in named}
        ranged = unique(with_login(login, sited(order.site, ranged)))
        ranged = [each for each in ranged if each.address not in known]
        return named, ranged

    def _login(self, order: DiscoveryOrder) -> str | None:
        """The credential that the order names; a password that came along is sealed away under
        a name of its own, so that it never replaces another device's."""
        if order.credential or order.user is None or order.password is None:
            return order.credential
        for name in self._secrets.names():
            kept = self._secrets.get(name)
            if kept and (kept.user, kept.password) == (order.user, order.password):
                return name
        number = 1 + len(self._secrets.names())
        name = f"{order.user}-{number}"
        self._secrets.put(name, user=order.user, password=order.password)
        return name


def with_login(name: str | None, targets: Sequence[Target]) -> list[Target]:
    """The targets with this credential, unless they name their own."""
    if name is None:
        return list(targets)
    return [t if t.credential else replace(t, credential=name) for t in targets]


def sited(site: str, targets: Sequence[Target]) -> list[Target]:
    """The targets with this site, unless they name their own."""
    if not site:
        return list(targets)
    return [replace(each, labels={"site": site, **each.labels}) for each in targets]
