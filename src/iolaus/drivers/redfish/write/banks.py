"""The other bank of a controller: which image it boots next, and how it is told to boot another.

A manager that keeps two images names them in `Links.SoftwareImages`, and the one that it boots in
`Links.ActiveSoftwareImage`; written, that link counts from its next reset on (DSP0268, Manager).
Which bank holds what is read afresh each time: a flash changes it, and no entry's id tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iolaus.drivers.ports import Reads, Receipt, Writes
from iolaus.drivers.redfish import names
from iolaus.drivers.redfish._text import mapping
from iolaus.drivers.redfish.harvest import links_in
from iolaus.drivers.redfish.write.exchange import already, not_offered, patch
from iolaus.kernel.errors import OperatorMust

ACTIVE, IMAGES = "ActiveSoftwareImage", "SoftwareImages"


async def next_version(device: Reads, manager: str) -> str | None:
    """The version that the manager boots at its next reset; None where it does not say."""
    links = mapping((await device.get(manager)).body.get("Links"))
    for uri in links_in(links.get(ACTIVE)):
        return names.version((await device.get(uri)).body.get("Version"))
    return None


async def switch_bank(device: Writes, manager: str, version: str) -> Receipt:
    """Boot the bank that holds this version from the next reset on. Raises `OperatorMust` where
    none does, `DeviceRefused` where it shows no banks or does not take it."""
    seen = await device.get(manager)
    links = mapping(seen.body.get("Links"))
    active = next(links_in(links.get(ACTIVE)), "")
    if not active:
        raise not_offered(device, manager, "choice of its image", method="PATCH")
    held = {uri: await _held(device, uri) for uri in links_in(links.get(IMAGES))}
    if held.get(active) == version:
        return already("PATCH", manager, at=seen.at)
    wanted = next((uri for uri, each in held.items() if each == version), "")
    if not wanted:
        raise _gone(device, manager, version, held)
    body: Mapping[str, Any] = {"Links": {ACTIVE: {"@odata.id": wanted}}}
    return await patch(device, manager, body, seen=seen)


async def _held(device: Reads, uri: str) -> str | None:
    body = (await device.get(uri)).body
    broken = mapping(body.get("Status")).get("Health") == "Critical"
    return None if broken else names.version(body.get("Version"))


def _gone(
    device: Reads, manager: str, version: str, held: Mapping[str, str | None]
) -> OperatorMust:
    told = ", ".join(each or "nothing that can be told" for each in held.values())
    return OperatorMust(
        f"no bank holds {version}: they hold {told or 'nothing'}",
        operation="switch bank",
        subject=f"{device.address}{manager}",
        code="BankLost",
        next_step=f"flash {version} again by a plan with allowDowngrade, then look at the node.",
    )
