"""Where a controller sends syslog: an event subscription that is replaced as a whole.

A subscription's receiver cannot be changed (EventDestination: `Destination` and `Protocol` are
given when it is made), so another one is made first and the old one deleted after; in between the
log goes twice rather than nowhere. Asked again after an interruption it ends the same: one that is
as wanted is not made again. Which subscription it is is read afresh, not taken from a fact.
"""

from __future__ import annotations

from typing import Final

from iolaus.drivers.ports import Receipt, Writes
from iolaus.drivers.redfish.harvest import links_in
from iolaus.drivers.redfish.manager_settings import SYSLOG_PORTS, Syslog, syslog_of
from iolaus.drivers.redfish.write.exchange import already, receipt_of, service_of
from iolaus.kernel.errors import OperatorMust

TLS, PLAIN = "SyslogTLS", "SyslogUDP"
CONTEXT: Final = "iolaus syslog"


async def set_host(device: Writes, value: str) -> Receipt:
    """`value` "" takes the present receiver away. Where there was none, TLS to port 6514."""
    place, held = await _held(device)
    if not value:
        return await _without(device, place, held)
    old = held[0] if held else Syslog("", "", SYSLOG_PORTS[TLS], TLS)
    return await _become(device, place, held, old._replace(host=value))


async def set_port(device: Writes, value: int) -> Receipt:
    place, held = await _held(device)
    old = _require(device, held, "syslog.port")
    return await _become(device, place, held, old._replace(port=value))


async def set_tls(device: Writes, value: bool) -> Receipt:
    """A port that is the old protocol's usual one becomes the new one's."""
    place, held = await _held(device)
    old, protocol = _require(device, held, "syslog.tls"), TLS if value else PLAIN
    usual = old.port == SYSLOG_PORTS[old.protocol]
    port = SYSLOG_PORTS[protocol] if usual else old.port
    return await _become(device, place, held, old._replace(port=port, protocol=protocol))


async def _held(device: Writes) -> tuple[str, list[Syslog]]:
    """The collection of subscriptions, and those that send syslog, in its order."""
    service = await service_of(device, "EventService")
    usual = f"{service.uri.rstrip('/')}/Subscriptions"
    place = next(links_in(service.body.get("Subscriptions")), usual)
    found = await device.members(place, on_gap=lambda _uri, _why: None)
    told = (syslog_of(uri, payload) for uri, payload in found)
    return place, [each for each in told if each is not None]


async def _become(device: Writes, place: str, held: list[Syslog], wish: Syslog) -> Receipt:
    """Make what is wanted, unless it is there, and let the first of the others go."""
    there = next((each for each in held if each[1:] == wish[1:]), None)
    root = await device.get(place)
    receipt = already("POST", place, at=root.at)
    if there is None:
        receipt = receipt_of("POST", place, await device.write("POST", place, _body(wish)))
    for old in held[:1]:
        if old != there:
            await device.write("DELETE", old.uri)
    return receipt


async def _without(device: Writes, place: str, held: list[Syslog]) -> Receipt:
    if not held:
        root = await device.get(place)
        return already("DELETE", place, at=root.at)
    return receipt_of("DELETE", held[0].uri, await device.write("DELETE", held[0].uri))


def _body(wish: Syslog) -> dict[str, object]:
    host = f"[{wish.host}]" if ":" in wish.host else wish.host
    return {
        "Destination": f"syslog://{host}:{wish.port}",
        "Protocol": wish.protocol,
        "SubscriptionType": "Syslog",
        "Context": CONTEXT,
    }


def _require(device: Writes, held: list[Syslog], name: str) -> Syslog:
    if held:
        return held[0]
    raise OperatorMust(
        f"{name} needs a receiver, and there is none",
        operation=f"set {name}",
        subject=device.address,
        code="SyslogHostFirst",
        next_step="set syslog.host first",
    )
