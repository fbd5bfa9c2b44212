"""Back to how the maker left it: logs, BIOS settings, drives, and the controller itself.

Each is an action that a device may or may not offer (DSP0268: LogService.ClearLog, Bios.ResetBios,
Drive.SecureErase, Manager.ResetToDefaults). What is not offered is told and is no error: somebody
who retires a machine wants to know of it, and to have the rest done.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

from iolaus.drivers.ports import Reads, Writes
from iolaus.drivers.redfish._text import clean, items, mapping
from iolaus.drivers.redfish.harvest import links_in
from iolaus.drivers.redfish.write.actions import Offer, act, offered
from iolaus.kernel.errors import DeviceRefused
from iolaus.wire.redfish.port import Answer

LOGS: Final = "LogService.ClearLog"
BIOS: Final = "Bios.ResetBios"
DRIVES: Final = "Drive.SecureErase"
CONTROLLER: Final = "Manager.ResetToDefaults"
ALL: Final = "ResetAll"
MOST: Final = 512
_GONE: Final = frozenset({404, 405, 410, 501})
_REGISTRIES: Final = "/redfish/v1/Registries"
_LONG_S: Final = 300.0
_ROOMS: Final = ("/redfish/v1/Systems", "/redfish/v1/Managers", "/redfish/v1/Chassis")


class Found(NamedTuple):
    """A resource that could be wiped: what it offers, None where it offers nothing."""

    uri: str
    offer: Offer | None
    seen: Answer


async def wipe(device: Writes, what: str, *, most: int = MOST) -> dict[str, list[str]]:
    """Do it everywhere where it is offered: "logs", "bios", "controller" (drives take longer:
    `erase.erase_drives`). URIs, by "wiped" and "not_offered". Raises what the first refusal or
    silence raises."""
    said: dict[str, list[str]] = {"wiped": [], "not_offered": []}
    async for found in each_place(device, what):
        if found.offer is None:
            said["not_offered"].append(found.uri)
            continue
        arguments = {"ResetType": ALL} if what == "controller" else {}
        await act(device, found.offer, arguments)
        said["wiped"].append(found.uri)
        if len(said["wiped"]) >= most:
            break
    return said


async def read_wiped(device: Reads, what: str) -> dict[str, Any]:
    """What stands there now: URIs by "offered" and "not_offered"; of logs also "left" (how many
    entries there are that no clearing explains), of a BIOS "differs" (by URI, see `_differs`)."""
    told: dict[str, Any] = {"offered": [], "not_offered": []}
    counts: list[int] = []
    differs: dict[str, Any] = {}
    async for found in each_place(device, what):
        told["offered" if found.offer else "not_offered"].append(found.uri)
        if what == "logs" and found.offer:
            counts.append(await _entries(device, found.seen))
        if what == "bios" and found.offer:
            differs[found.uri] = await _differs(device, found.seen)
    if what == "bios":
        return {**told, "differs": differs}
    if what != "logs":
        return told
    return {**told, "left": sum(max(0, count - len(counts)) for count in counts)}


async def _entries(device: Reads, service: Answer) -> int:
    """How many; a log may note each clearing, of its own and of others."""
    for uri in links_in(service.body.get("Entries")):
        count = (await device.get(uri)).body.get("Members@odata.count")
        return count if isinstance(count, int) else 0
    return 0


async def _differs(device: Reads, bios: Answer) -> list[str] | None:
    """Attributes that are not at their defaults; None where the device tells none."""
    default = await _defaults(device, clean(bios.body.get("AttributeRegistry")))
    now = mapping(bios.body.get("Attributes"))
    told = {name: value for name, value in default.items() if name in now}
    return sorted(n for n, value in told.items() if now[n] != value) if told else None


async def _defaults(device: Reads, registry: str) -> Mapping[str, Any]:
    """By attribute that may be set, from its registry (DSP8011)."""
    if not registry:
        return {}
    try:
        file = (await device.get(f"{_REGISTRIES}/{registry}", fresh_s=_LONG_S)).body
        places = [uri for each in items(file.get("Location")) for uri in links_in(each.get("Uri"))]
        said = (await device.get(places[0], fresh_s=_LONG_S)).body if places else {}
    except DeviceRefused as refused:
        if refused.status not in _GONE:
            raise
        return {}
    return {
        clean(each.get("AttributeName")): each.get("DefaultValue")
        for each in items(mapping(said.get("RegistryEntries")).get("Attributes"))
        if each.get("DefaultValue") is not None and each.get("ReadOnly") is not True
    }


async def each_place(device: Reads, what: str) -> AsyncIterator[Found]:
    """Of "logs", "bios", "drives" or "controller", all that the device shows."""
    action = {"logs": LOGS, "bios": BIOS, "drives": DRIVES, "controller": CONTROLLER}[what]
    async for uri in _places(device, what):
        try:
            seen = await device.get(uri)
        except DeviceRefused as refused:
            if refused.status not in _GONE:
                raise
            continue
        yield Found(uri, offered(seen, action), seen)


async def _places(device: Reads, what: str) -> AsyncIterator[str]:
    rooms = {"logs": _ROOMS[:2], "bios": _ROOMS[:1], "drives": _ROOMS[:1]}.get(what, _ROOMS[1:2])
    for room in rooms:
        async for uri, body in _members(device, room):
            if what == "controller":
                yield uri
            elif what == "bios":
                for bios in links_in(body.get("Bios")):
                    yield bios
            elif what == "logs":
                for services in links_in(body.get("LogServices")):
                    async for service, _ in _members(device, services):
                        yield service
            else:
                async for drive in _drives(device, body):
                    yield drive


async def _drives(device: Reads, system: Mapping[str, Any]) -> AsyncIterator[str]:
    for storages in links_in(system.get("Storage")):
        async for _, storage in _members(device, storages):
            for drive in links_in(storage.get("Drives")):
                yield drive


async def _members(device: Reads, uri: str) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    try:
        found = await device.members(uri, on_gap=lambda *_: None)
    except DeviceRefused as refused:
        if refused.status not in _GONE:
            raise
        return
    for member, body in found:
        yield member, mapping(body)
