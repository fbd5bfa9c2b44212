"""Looks at addresses that need no login: what answers, what it shows, who is heard by SSDP.

A house that reaches its controllers looks itself. A core of a cluster does not: edges of the site
look for it (`app.cluster.errands`), so that only they need a way into the management networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from iolaus.app.probing import probe_target
from iolaus.drivers.probe import ProbeResult
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, IolausError
from iolaus.model.endpoint import Reach, Target, protocol_of
from iolaus.model.surface import Surface
from iolaus.observe.buses import Buses
from iolaus.observe.ssdp import search
from iolaus.observe.surface import look
from iolaus.wire.redfish.trust import first_contact, verifies

PATIENCE_S: Final = 10.0


class Sight(Protocol):
    """`site` is the name of a site, as in a target's label. Nothing here changes a device or uses
    a login."""

    def must_reach(self, site: str) -> None:
        """Raises `DeviceSilent` where nobody could look there now."""
        ...

    async def probe(self, target: Target) -> ProbeResult:
        """What answers there. Never raises for what a device, or nobody, does."""
        ...

    async def search(self, site: str) -> Sequence[str]:
        """Addresses that answered by SSDP. Raises `WeErred`, and as `must_reach`."""
        ...

    async def shown(self, target: Target) -> str:
        """The fingerprint of the certificate that is served. Raises as `first_contact` does."""
        ...

    async def trusted(self, target: Target) -> bool:
        """Whether it is trusted without a pin. Raises as `first_contact` does."""
        ...

    async def survey(self, target: Target, now: float) -> Surface:
        """What it shows to anybody. Raises only where nobody could look."""
        ...


class OwnSight:
    """`Sight` of a process that reaches its controllers. `ca_file` are the authorities that are
    trusted where nothing is pinned; None: the system's."""

    def __init__(self, *, clock: Clock, buses: Buses, ca_file: str | None) -> None:
        self._clock, self._buses, self._ca_file = clock, buses, ca_file

    def must_reach(self, site: str) -> None:
        """Every site is reached from here."""

    async def probe(self, target: Target) -> ProbeResult:
        if protocol_of(target.address) == "modbus":
            return await probe_bus(target, self._buses)
        return await probe_target(target, ca_file=self._ca_file)

    async def search(self, site: str) -> Sequence[str]:
        del site
        return await search(clock=self._clock)

    async def shown(self, target: Target) -> str:
        return await first_contact(target.address, timeout_s=PATIENCE_S)

    async def trusted(self, target: Target) -> bool:
        try:
            return await verifies(target.address, self._ca_file, timeout_s=PATIENCE_S)
        except DeviceLied:
            return False

    async def survey(self, target: Target, now: float) -> Surface:
        return await look(target, now)


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


class Handshakes:
    """`fleet`'s port `ShowsCertificates`: by address. `target_of` gives what is known of one."""

    def __init__(self, sight: Sight, target_of: Callable[[str], Target | None]) -> None:
        self._sight, self._target_of = sight, target_of

    async def shown(self, address: str) -> str:
        return await self._sight.shown(self._target(address))

    async def trusted(self, address: str) -> bool:
        return await self._sight.trusted(self._target(address))

    def _target(self, address: str) -> Target:
        return self._target_of(address) or Target(address=address)
