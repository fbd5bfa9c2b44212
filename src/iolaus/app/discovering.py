"""North's order to discover, carried out by observe: words to targets, probes, credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec.structs import replace

from iolaus.app.probing import probe_target
from iolaus.drivers.probe import ProbeResult
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.candidate import Appearance, Way
from iolaus.model.endpoint import Reach, Target, protocol_of
from iolaus.north.context import DiscoveryOrder, Found
from iolaus.observe.buses import Buses
from iolaus.observe.discover import Discovery, Outcome
from iolaus.observe.ssdp import search
from iolaus.observe.targets import parse_hosts, parse_target, unique
from iolaus.store.facts import Facts
from iolaus.store.secrets import Secrets


async def probe_bus(target: Target, buses: Buses) -> ProbeResult:
    """Look for units on a bus that is not read yet; one that nobody answers on is let go again."""
    device = buses.open(target)
    try:
        await (await device.driver()).inventory()
    except IolausError as error:
        if not device.bus.units:
            await buses.drop(device.address)
        return ProbeResult(
            address=target.address, reach=Reach.UNREACHABLE, protocol="modbus", error=error
        )
    return ProbeResult(address=target.address, reach=Reach.REACHABLE, protocol="modbus")


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
        ca_file: str | None = None,
        buses: Buses | None = None,
        appears: Appears = _nobody_takes,
    ) -> None:
        self._facts, self._secrets, self._clock = facts, secrets, clock
        self._begin, self._ca_file, self._buses = begin, ca_file, buses
        self._appears = appears

    def targets(self, order: DiscoveryOrder) -> Sequence[Target]:
        """Read an order without touching the network."""
        named, ranged = self._read(order)
        return [*named, *ranged]

    async def run(self, order: DiscoveryOrder, on_found: Callable[[Found], None]) -> None:
        """Probe everything that the order names, and take on what answers: it is kept when this
        returns."""
        login = self._login(order)
        named, ranged = self._read(order, login)
        heard, there = set[str](), list[Appearance]()
        if order.ssdp:
            found = [Target(address=address) for address in await search(clock=self._clock)]
            ranged = unique([*ranged, *with_login(login, found)])
            heard = {each.address for each in found}
        discovery = Discovery(picture=self._facts, probe=self._probe, begin=self._begin)

        def tell(outcome: Outcome) -> None:
            if outcome.outcome in ANSWERED and protocol_of(outcome.address) != "modbus":
                way = Way.SSDP if outcome.address in heard else Way.SCAN
                now = self._clock.now()
                there.append(Appearance(address=outcome.address, way=way, at=now))
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

    async def _probe(self, target: Target) -> ProbeResult:
        if protocol_of(target.address) == "modbus" and self._buses is not None:
            return await probe_bus(target, self._buses)
        return await probe_target(target, ca_file=self._ca_file)

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
        named = unique(with_login(login, named))
        known = {target.address for target in named}
        ranged = [t for t in unique(with_login(login, ranged)) if t.address not in known]
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
