"""The firmware and software inventory as the update service lists it, one entry per resource.

Some controllers keep several entries for one part (the installed version, the one before, the one
staged); all are told, with their state and bank, and none is judged here. An entry belongs to the
asset that its related item belongs to; where it names none, to the endpoint's own asset.
"""

from __future__ import annotations

from collections.abc import Callable

from iolaus.drivers.ports import Payload
from iolaus.drivers.redfish import names
from iolaus.drivers.redfish.firmware_kinds import classify
from iolaus.drivers.redfish.harvest import Harvest, Ownership, links_in
from iolaus.model.asset import Firmware


def firmware(harvest: Harvest, owned: Ownership) -> tuple[Firmware, ...]:
    """Every SoftwareInventory entry, firmware first, in the order of their URIs."""
    return read_firmware(harvest, lambda related: _owner(related, owned))


def read_firmware(
    harvest: Harvest, owner: Callable[[tuple[str, ...]], str]
) -> tuple[Firmware, ...]:
    """Likewise; `owner` gives the asset of an entry by the URIs that it is related to."""
    found = harvest.of_type("SoftwareInventory")
    return classify((_entry(uri, payload, owner) for uri, payload in found), harvest)


def _entry(uri: str, payload: Payload, owner: Callable[[tuple[str, ...]], str]) -> Firmware:
    status = payload.get("Status")
    updateable = payload.get("Updateable")
    related = tuple(links_in(payload.get("RelatedItem")))
    component = names.text(payload.get("Id")) or uri.rpartition("/")[2]
    return Firmware(
        component=component,
        name=names.text(payload.get("Name")) or component,
        version=names.version(payload.get("Version")),
        asset=owner(related),
        uri=uri,
        updateable=updateable if isinstance(updateable, bool) else None,
        state=names.text(status.get("State")) if isinstance(status, dict) else None,
        health=names.text(status.get("Health")) if isinstance(status, dict) else None,
        vendor=names.maker(payload.get("Manufacturer")),
        related=related,
        software_id=names.text(payload.get("SoftwareId")) or "",
    )


def _owner(related: tuple[str, ...], owned: Ownership) -> str:
    for uri in related:
        owner = owned.owner(uri)
        if owner:
            return owner
    return owned.fallback
