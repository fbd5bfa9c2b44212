"""How a room of consoles comes to a host's line: where it is asked for, and who opens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from iolaus.drivers.ports import ConsoleTrust, Priority, SerialLine
from iolaus.kernel.errors import OperatorMust
from iolaus.model.console import ConsoleWay, Way, chosen
from iolaus.model.endpoint import Target, protocol_of
from iolaus.north.fleet import Fleet
from iolaus.observe.devices import LaneDevice
from iolaus.store.facts import Facts
from iolaus.wire.redfish.port import Credential, Trust


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node's console is asked for."""

    target: Target
    systems: tuple[str, ...]
    node: str


class Wanted(NamedTuple):
    """What is asked of a line. `host_key` is the one that is pinned, `first` takes the one that is
    shown where none is; `kept` says, at any time, whether it is recorded day and night."""

    uid: str
    place: Place
    way: Way | None
    host_key: str | None
    first: bool
    kept: Callable[[], bool]


class Opened(NamedTuple):
    """`told` is what is to be said of how it was opened ("": nothing)."""

    line: SerialLine
    way: ConsoleWay
    told: str = ""


class OpensLines(Protocol):
    async def open(self, wanted: Wanted) -> Opened:
        """Raises as `drivers.ports.OpensConsole` does, and `OperatorMust` where a person has to
        do something first."""
        ...


class OwnLines:
    """Lines of devices that this process reaches."""

    def __init__(
        self,
        *,
        facts: Callable[[], Facts],
        open_device: Callable[[Target], LaneDevice],
        credential_of: Callable[[Target], Credential | None],
        ca_file: str | None = None,
    ) -> None:
        self._facts, self._open_device = facts, open_device
        self._credential_of, self._ca_file = credential_of, ca_file

    async def open(self, wanted: Wanted) -> Opened:
        place = wanted.place
        target = place.target
        credential = self._credential_of(target)
        if credential is None:
            raise OperatorMust(
                "no credential is known for its endpoint",
                operation="open console",
                subject=place.node,
                code="CredentialMissing",
                next_step="give one: iolaus discover ADDRESS --credential NAME.",
            )
        device = self._open_device(target)
        driver = await device.driver()
        facts = await driver.read_console(device.at(Priority.CONTROL), place.systems)
        way = chosen(facts, wanted=wanted.way, subject=place.node)
        trust = ConsoleTrust(tls=self._tls(target), host_key=wanted.host_key, first=wanted.first)
        line = await driver.open_console(
            way, address=target.address, credential=credential, trust=trust
        )
        return Opened(line, way)

    def _tls(self, target: Target) -> Trust:
        status = self._facts().status_of(target.address)
        serves = status.certificate if status else None
        pin = target.expected if serves and serves == target.expected else target.fingerprint
        return Trust(fingerprint=pin, ca_file=self._ca_file, insecure_http=True)


def place_in(fleet: Fleet, uid: str) -> Place:
    """Raises `OperatorMust` where there is no such node, or it has no Redfish."""
    found = fleet.facts.find_asset(uid)
    if found is not None and protocol_of(found[0].target.address) == "redfish":
        held, asset = found
        return Place(
            target=held.target,
            systems=tuple(each for each in asset.resources if "/Systems/" in each),
            node=fleet.names_of(held.target.address).get(asset.key, asset.key),
        )
    raise OperatorMust(
        "there is no such node with a console",
        operation="open console",
        subject=uid,
        code="NotFound",
        next_step="see which there are with: iolaus get nodes",
    )
