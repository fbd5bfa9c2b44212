"""Looks at addresses, by edges of the site: a core has no way into the management networks.

Whoever owns an address is asked first, else the members that serve its site in turn: who answers,
which certificate is shown, who is heard by SSDP. An errand changes nothing and uses no login, so
one that reached nobody is taken to the next. There is no other way: where no edge of a site serves,
that is said, as nobody could read there anyhow. What is brought back was said by devices, and is
held against what it may be before anybody believes it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from iolaus.app.cluster.letters import Brought, Errand, Seals, error_of, opened, seal
from iolaus.bus.port import BusAway, Trunk, Unheard
from iolaus.drivers.probe import ProbeResult
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceSilent, IolausError, WeErred
from iolaus.model.endpoint import Reach, Target
from iolaus.model.shard import shard_of, site_of
from iolaus.model.surface import Surface
from iolaus.north.consoles import Sought
from iolaus.observe.ssdp import MAX_ANSWERS
from iolaus.wire.redfish.address import origin_of

WITHIN_S: Final = {
    "probe": 60.0,
    "search": 20.0,
    "shown": 30.0,
    "trusted": 30.0,
    "survey": 180.0,
    "find": 90.0,
    "span": 20.0,
    "piece": 20.0,
}
"""With its turn at the edge."""
_HEX64: Final = re.compile(r"[0-9a-f]{64}")


def errand_topic(member: str) -> str:
    return f"errand.{member}"


class FarSight:
    """`app.sight.Sight`. `serving` gives the edges of a site that are heard, `owner_of` who owns a
    shard, `term` the epoch under which this core leads."""

    def __init__(
        self,
        *,
        trunk: Trunk,
        seals: Callable[[], Seals],
        clock: Clock,
        serving: Callable[[str], Sequence[str]],
        owner_of: Callable[[str], tuple[str, int] | None],
        term: Callable[[], int],
    ) -> None:
        self._trunk, self._seals, self._clock = trunk, seals, clock
        self._serving, self._owner_of, self._term = serving, owner_of, term
        self._turn = 0

    def must_reach(self, site: str) -> None:
        if not self._serving(site):
            raise no_edge(site, "discover")

    async def probe(self, target: Target) -> ProbeResult:
        try:
            found, said = (brought := await self._ask(target, "probe")).found, brought.said
            if found is None or found.address not in (target.address, _origin(target.address)):
                raise _nonsense("probe", target.address)
            if found.fingerprint is not None:
                _must_be_fingerprint(found.fingerprint, "probe", target.address)
        except IolausError as error:
            return ProbeResult(address=target.address, reach=Reach.UNREACHABLE, error=error)
        return msgspec.structs.replace(found, error=error_of(said) if said else None)

    async def shown(self, target: Target) -> str:
        brought = await self._ask(target, "shown")
        return _must_be_fingerprint(brought.fingerprint, "pin", target.address)

    async def trusted(self, target: Target) -> bool:
        return (await self._ask(target, "trusted")).trusted

    async def survey(self, target: Target, now: float) -> Surface:
        surface = (await self._ask(target, "survey", now=now)).surface
        if surface is None or surface.address != target.address:
            raise _nonsense("survey", target.address)
        return surface

    async def search(self, site: str) -> Sequence[str]:
        """Of all edges of the site: they may hear other parts of it. Raises what the first one
        raised where none could search."""
        edges = self._serving(site)
        if not edges:
            raise no_edge(site, "search by SSDP")
        told = await asyncio.gather(
            *(self.send(site, [name], "search") for name in edges), return_exceptions=True
        )
        heard = [each for each in told if isinstance(each, Brought)]
        if not heard:
            raise next(each for each in told if isinstance(each, BaseException))
        found = {address for each in heard for address in each.addresses[:MAX_ANSWERS]}
        return sorted(filter(_is_service, found))

    # --- asking ----------------------------------------------------------------------------------

    async def _ask(self, target: Target, do: str, *, now: float = 0.0) -> Brought:
        site, owner = site_of(target), self._owner_of(shard_of(target))
        edges = self._serving(site)
        self._turn += 1
        turn = self._turn % max(1, len(edges))
        first = [owner[0]] if owner else []
        rest = [each for each in (*edges[turn:], *edges[:turn]) if each not in first]
        return await self.send(site, [*first, *rest], do, target=target, now=now)

    async def send(
        self,
        site: str,
        members: Sequence[str],
        do: str,
        *,
        target: Target | None = None,
        now: float = 0.0,
        sought: Sought | None = None,
    ) -> Brought:
        """By the first that hears. Raises what was raised there, `DeviceSilent` where nobody hears
        or none answers."""
        subject, within_s = target.address if target else site, WITHIN_S[do]
        errand = Errand(
            term=self._term(),
            until=self._clock.now() + within_s,
            do=do,
            site=site,
            target=target,
            now=now,
            sought=sought,
        )
        for name in members:
            try:
                sealed = await self._trunk.ask(
                    errand_topic(name), seal(self._seals(), errand), timeout_s=within_s
                )
            except Unheard:
                continue
            except BusAway as error:
                raise _silent(subject, do, name, error) from None
            brought = opened(self._seals(), sealed, Brought)
            if brought.trouble is not None:
                raise error_of(brought.trouble)
            return brought
        raise no_edge(site, do, subject)


def no_edge(site: str, operation: str, subject: str = "") -> DeviceSilent:
    return DeviceSilent(
        f"no edge of the site {site} is heard, and nobody else looks there",
        operation=operation,
        subject=subject or site,
        code="NoEdge",
        next_step=f"name the site that it is on (--site), or start an edge: iolaus edge --site "
        f"{site}; who is there: iolaus get members",
    )


def _silent(subject: str, do: str, name: str, error: IolausError) -> DeviceSilent:
    return DeviceSilent(
        f"the edge {name}, which was asked to look, did not answer: {error.message}",
        operation=do,
        subject=subject,
        code="EdgeSilent",
        next_step="see whether it lives: iolaus get members",
    )


def _nonsense(do: str, subject: str) -> WeErred:
    return WeErred(
        "the edge that was asked brought what is no answer to it",
        operation=do,
        subject=subject,
        code="ErrandUnreadable",
        next_step="run one version on all machines.",
    )


def _must_be_fingerprint(text: str, do: str, subject: str) -> str:
    if not _HEX64.fullmatch(text):
        raise _nonsense(do, subject)
    return text


def _origin(address: str) -> str:
    try:
        return origin_of(address)
    except ValueError:
        return address


def _is_service(address: str) -> bool:
    """As a search by SSDP gives them: https at an address and not at a name."""
    try:
        ipaddress.ip_address(urlsplit(address).hostname or "")
        return address.startswith("https://") and origin_of(address) == address
    except ValueError:
        return False
