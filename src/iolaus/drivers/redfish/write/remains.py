"""What is left of an owner at a controller: accounts, keys, subscriptions, servers it was told of.

Read before a controller is set back, and again afterwards; what it does not show is None, which is
not none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iolaus.drivers.ports import Reads
from iolaus.drivers.redfish._text import clean, mapping, texts
from iolaus.drivers.redfish.harvest import ROOT, links_in
from iolaus.drivers.redfish.write.accounts import accounts
from iolaus.kernel.errors import DeviceRefused

GONE: Final = frozenset({404, 405, 410, 501})


async def read_remains(device: Reads) -> dict[str, Any]:
    """`accounts` (names), `keys` (how many), `subscriptions` (destinations) and `servers` (of time
    and syslog). Raises what a silence or a refused login raises."""
    there = await accounts(device)
    return {
        "accounts": sorted(each.user for each in there),
        "keys": await _keys(device, [each.uri for each in there]),
        "subscriptions": await _subscriptions(device),
        "servers": await _servers(device),
    }


async def _keys(device: Reads, uris: list[str]) -> int | None:
    """None where no account has a place for any."""
    places = [each for uri in uris for each in links_in((await _get(device, uri)).get("Keys"))]
    return sum([len(await _members(device, each)) for each in places]) if places else None


async def _subscriptions(device: Reads) -> list[str] | None:
    for service in links_in((await _get(device, ROOT)).get("EventService")):
        for place in links_in((await _get(device, service)).get("Subscriptions")):
            found = await _members(device, place)
            return sorted(clean(each.get("Destination"), 1024) or "unnamed" for each in found)
    return None


async def _servers(device: Reads) -> list[str] | None:
    found, shown = set[str](), False
    for managers in links_in((await _get(device, ROOT)).get("Managers")):
        for manager in await _members(device, managers):
            for place in links_in(manager.get("NetworkProtocol")):
                protocol, shown = await _get(device, place), True
                found |= set(texts(mapping(protocol.get("NTP")).get("NTPServers")))
    return sorted(found - {""}) if shown else None


async def _get(device: Reads, uri: str) -> Mapping[str, Any]:
    try:
        return (await device.get(uri)).body
    except DeviceRefused as refused:
        if refused.status not in GONE:
            raise
        return {}


async def _members(device: Reads, uri: str) -> list[Mapping[str, Any]]:
    try:
        found = await device.members(uri, on_gap=lambda *_: None)
    except DeviceRefused as refused:
        if refused.status not in GONE:
            raise
        return []
    return [mapping(body) for _, body in found]
