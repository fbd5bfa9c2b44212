"""A host cut off from its networks out of band, while it keeps its power and its memory.

What a controller can close is what it shows: the ports of the host's network adapters (Port,
LinkState, or InterfaceEnabled), and the interfaces by which the host reaches the controller itself
(HostInterface, InterfaceEnabled). Each is read back. Which of them were open stands in the journal
before the first is closed, so that whoever opens them again opens these and no others. A port that
a controller does not show stays open, and nobody here knows of it: a person cuts those at the
switch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final, NamedTuple

from iolaus.drivers.ports import Reads, Writes
from iolaus.drivers.redfish.harvest import links_in
from iolaus.kernel.errors import DeviceRefused, OperatorMust
from iolaus.model.asset import Asset

LINK_STATE: Final = "LinkState"
ENABLED: Final = "InterfaceEnabled"
_ROOMS: Final = ("/Chassis/", "/Systems/")
_PORTS: Final = ("Ports", "NetworkPorts")


class Link(NamedTuple):
    """Something that a host reaches others by; `word` is the property that opens and closes it."""

    uri: str
    word: str
    open: bool

    @property
    def name(self) -> str:
        """As it stands in the journal."""
        return f"{self.uri}#{self.word}"


async def links(device: Reads, asset: Asset) -> list[Link]:
    """All that can be closed, read afresh. Raises what the lane raises."""
    found = [link async for link in _ports(device, asset)]
    found += [link async for link in _hosts(device, asset)]
    return list(dict.fromkeys(found))


async def close(device: Writes, asset: Asset) -> dict[str, Any]:
    """Whatever is open. Raises `OperatorMust` where nothing can be closed, `DeviceRefused` where
    all of it was refused."""
    there = await links(device, asset)
    if not there:
        raise _nothing(asset)
    return await _set([link for link in there if link.open], device, to_open=False)


async def reopen(device: Writes, asset: Asset, names: Iterable[str]) -> dict[str, Any]:
    """These, by their names in the journal."""
    wanted = set(names)
    there = [each for each in await links(device, asset) if each.name in wanted and not each.open]
    return await _set(there, device, to_open=True)


async def _set(chosen: list[Link], device: Writes, *, to_open: bool) -> dict[str, Any]:
    """Each for itself: one that refuses leaves the others no more open."""
    done, refused = list[str](), list[DeviceRefused]()
    for link in chosen:
        word: Any = to_open
        if link.word == LINK_STATE:
            word = "Enabled" if to_open else "Disabled"
        try:
            await device.write("PATCH", link.uri, {link.word: word})
            done.append(link.name)
        except DeviceRefused as error:
            refused.append(error)
    if refused and not done:
        raise refused[0]
    return {"links": done, "refused": [each.message for each in refused]}


def still(there: Iterable[Link], *, to_open: bool) -> str:
    """What is not yet as it should be, in words; "": all is. Pure."""
    wrong = [link.uri for link in there if link.open is not to_open]
    if not wrong:
        return ""
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return f"still {'closed' if to_open else 'open'}: {', '.join(wrong[:3])}{more}"


async def _ports(device: Reads, asset: Asset) -> AsyncIterator[Link]:
    rooms = [uri for uri in asset.resources if any(room in uri for room in _ROOMS)]
    for uri in rooms:
        for place in links_in((await device.get(uri)).body.get("NetworkAdapters")):
            for _, adapter in await device.members(place, on_gap=_ignore):
                for word in _PORTS:
                    for ports in links_in(adapter.get(word)):
                        for port, body in await device.members(ports, on_gap=_ignore):
                            if (link := _link(port, body)) is not None:
                                yield link


async def _hosts(device: Reads, asset: Asset) -> AsyncIterator[Link]:
    for uri in [each for each in asset.resources if "/Managers/" in each]:
        for place in links_in((await device.get(uri)).body.get("HostInterfaces")):
            for each, body in await device.members(place, on_gap=_ignore):
                if isinstance(body.get(ENABLED), bool):
                    yield Link(each, ENABLED, body[ENABLED])


def _link(uri: str, port: Mapping[str, Any]) -> Link | None:
    if port.get(LINK_STATE) in ("Enabled", "Disabled"):
        return Link(uri, LINK_STATE, port[LINK_STATE] == "Enabled")
    if isinstance(port.get(ENABLED), bool):
        return Link(uri, ENABLED, port[ENABLED])
    return None


def _ignore(*_: object) -> None:
    """A port that cannot be read is seen by its absence from what was closed."""


def _nothing(asset: Asset) -> OperatorMust:
    return OperatorMust(
        "its controller shows no port that it can close",
        operation="isolate",
        subject=asset.key,
        code="NoPorts",
        next_step="cut it at its switches by hand.",
    )
