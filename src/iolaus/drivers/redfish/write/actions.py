"""Actions: whether a resource offers one, where, and with which values (DSP0266 section 7.6.4).

Allowable values stand beside the target, in an ActionInfo of their own, or nowhere; where they
cannot be read the device judges for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from iolaus.drivers.ports import Reads, Receipt, Writes
from iolaus.drivers.redfish._text import clean, items, mapping, texts
from iolaus.drivers.redfish.harvest import links_in
from iolaus.drivers.redfish.write.exchange import not_offered, receipt_of
from iolaus.kernel.errors import DeviceLied, DeviceRefused
from iolaus.wire.redfish.port import Answer

ALLOWED: Final = "@Redfish.AllowableValues"


class Offer(NamedTuple):
    """An action as a resource offers it."""

    name: str
    target: str
    said: Mapping[str, Any]


def offers(seen: Answer) -> Iterator[Offer]:
    """Every action of a resource, those of its maker too."""
    actions = mapping(seen.body.get("Actions"))
    for group in (actions, mapping(actions.get("Oem"))):
        for key, held in group.items():
            name = key.lstrip("#") if isinstance(key, str) else ""
            if name and name != "Oem" and isinstance(held, Mapping):
                usual = f"{seen.uri.rstrip('/')}/Actions/{name}"
                yield Offer(name, clean(held.get("target"), 1024) or usual, held)


def offered(seen: Answer, *names: str) -> Offer | None:
    """The first of these actions that the resource offers."""
    found = {offer.name: offer for offer in offers(seen)}
    return next((found[name] for name in names if name in found), None)


def require(device: Reads, seen: Answer, *names: str) -> Offer:
    """As `offered`, or `DeviceRefused` (NotSupported, status 0)."""
    offer = offered(seen, *names)
    if offer is None:
        raise not_offered(device, seen.uri, f"action {names[0]}")
    return offer


async def allowed(device: Reads, offer: Offer, parameter: str) -> tuple[str, ...]:
    """The values that a parameter may have; () where that is not said or cannot be read."""
    if inline := texts(offer.said.get(parameter + ALLOWED)):
        return inline
    info = offer.said.get("@Redfish.ActionInfo")
    for uri in links_in(info):
        try:
            told = (await device.get(uri, fresh_s=300.0)).body
        except (DeviceRefused, DeviceLied):
            return ()
        for each in items(told.get("Parameters")):
            if each.get("Name") == parameter:
                return texts(each.get("AllowableValues"))
    return ()


async def act(device: Writes, offer: Offer, arguments: Mapping[str, Any]) -> Receipt:
    """Do it, once."""
    answer = await device.write("POST", offer.target, arguments)
    return receipt_of("POST", offer.target, answer)
