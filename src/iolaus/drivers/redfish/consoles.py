"""What a machine says of its host's serial console, and opening it.

A system lists protocols as objects (`SerialConsole`: SSH, IPMI, and WebSocket since schema 1.24);
older services say only on the manager which types of connection it supports. A manager that says
of itself that it runs OpenBMC has the console's WebSocket at a place that no schema names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

from iolaus.drivers.ports import ConsoleTrust, Reads, Repair, SerialLine
from iolaus.drivers.redfish._text import clean, mapping, texts
from iolaus.drivers.redfish.harvest import links_in
from iolaus.model.console import ConsoleFacts, ConsoleWay, Way, leaving
from iolaus.wire.console.ssh import SshPlace, open_ssh
from iolaus.wire.console.websocket import SocketPlace, open_socket
from iolaus.wire.ipmi.sol import IpmiPlace, open_sol
from iolaus.wire.redfish.port import Credential

USUAL_PORT: Final[Mapping[Way, int]] = {Way.SSH: 22, Way.IPMI: 623}
PROTOCOLS: Final[Mapping[str, Way]] = {"SSH": Way.SSH, "IPMI": Way.IPMI}
UNSAID_SOCKET: Final[Mapping[str, str]] = {"OpenBmc": "/console0"}
"""Where the console's WebSocket is, by the Model that a manager gives itself."""
MOST_SESSIONS: Final = 1024
MANAGERS: Final = "/redfish/v1/Managers"
MOST_MANAGERS: Final = 2


async def read_console(device: Reads, systems: Sequence[str], *, repair: Repair) -> ConsoleFacts:
    """Of the first of these hosts that says anything. Raises as `Reads.get` does."""
    for uri in systems:
        system = repair(uri, (await device.get(uri)).body)
        managers = [
            repair(each, (await device.get(each)).body) for each in await _by(device, system)
        ]
        if found := tuple(ways(system, managers)):
            most = mapping(system.get("SerialConsole")).get("MaxConcurrentSessions")
            return ConsoleFacts(said=uri, ways=found, most=_count(most))
    return ConsoleFacts(said=systems[0] if systems else "")


async def _by(device: Reads, system: Mapping[str, Any]) -> Sequence[str]:
    """Who manages it; where it does not say, whoever is there."""
    named = links_in(mapping(system.get("Links")).get("ManagedBy"))
    if found := list(islice(named, MOST_MANAGERS)):
        return found
    return list(islice(links_in((await device.get(MANAGERS)).body.get("Members")), MOST_MANAGERS))


def ways(system: Mapping[str, Any], managers: Sequence[Mapping[str, Any]]) -> Iterator[ConsoleWay]:
    """All that are told of. Pure; never raises."""
    console = mapping(system.get("SerialConsole"))
    if path := _path(mapping(console.get("WebSocket")).get("ConsoleURI")):
        yield ConsoleWay(way=Way.WEBSOCKET, enabled=True, path=path)
    elif console and (path := _unsaid(managers)):
        yield ConsoleWay(way=Way.WEBSOCKET, path=path)
    for name, way in PROTOCOLS.items():
        if name in console:
            yield _told(way, mapping(console.get(name)))
    if not console:
        yield from _of_managers(managers)


def _of_managers(managers: Sequence[Mapping[str, Any]]) -> Iterator[ConsoleWay]:
    """Only that there is one: where it is, is the standard's."""
    for manager in managers:
        console = mapping(manager.get("SerialConsole"))
        enabled = console.get("ServiceEnabled")
        for name in texts(console.get("ConnectTypesSupported")):
            if name in PROTOCOLS:
                way = PROTOCOLS[name]
                on = enabled if isinstance(enabled, bool) else None
                yield ConsoleWay(way=way, enabled=on, port=USUAL_PORT[way])


def _told(way: Way, protocol: Mapping[str, Any]) -> ConsoleWay:
    enabled, port = protocol.get("ServiceEnabled"), protocol.get("Port")
    valid = isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65_536
    return ConsoleWay(
        way=way,
        enabled=enabled if isinstance(enabled, bool) else None,
        port=port if valid and isinstance(port, int) else USUAL_PORT[way],
        word=clean(protocol.get("ConsoleEntryCommand"), 128),
        leave=leaving(clean(protocol.get("HotKeySequenceDisplay"), 128)),
    )


def _path(uri: object) -> str:
    """Its path on the endpoint itself: a URI that leads elsewhere is not followed."""
    word = clean(uri, 512)
    try:
        parts = urlsplit(word)
    except ValueError:
        return ""
    is_plain = parts.path.startswith("/") and not parts.path.startswith("//") and " " not in word
    return parts.path if is_plain and not parts.netloc else ""


def _unsaid(managers: Sequence[Mapping[str, Any]]) -> str:
    models = (clean(each.get("Model")) for each in managers)
    return next((UNSAID_SOCKET[model] for model in models if model in UNSAID_SOCKET), "")


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 < value <= MOST_SESSIONS else None


async def open_console(
    way: ConsoleWay, *, address: str, credential: Credential, trust: ConsoleTrust
) -> SerialLine:
    """Open it; see `drivers.ports.OpensConsole`."""
    host, user, password = urlsplit(address).hostname or "", credential.user, credential.password
    match way.way:
        case Way.WEBSOCKET:
            return await open_socket(
                SocketPlace(
                    address=address,
                    path=way.path,
                    user=user,
                    password=password,
                    trust=trust.tls,
                )
            )
        case Way.SSH:
            return await open_ssh(
                SshPlace(
                    host=host,
                    port=way.port,
                    user=user,
                    password=password,
                    word=way.word,
                    key=trust.host_key,
                    trust_first=trust.first,
                )
            )
        case Way.IPMI:
            return await open_sol(IpmiPlace(host=host, port=way.port, user=user, password=password))
