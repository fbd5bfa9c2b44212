"""How a host starts: the override, the order, Secure Boot, and what it does when power is back.

A system's own `Boot` is written where it stands, unless the device stages it in a settings
resource of the system that shows the same property; then it is written there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iolaus.drivers.ports import Receipt, Writes
from iolaus.drivers.redfish._text import mapping
from iolaus.drivers.redfish.harvest import links_in
from iolaus.drivers.redfish.write.exchange import not_offered, patch
from iolaus.kernel.errors import OperatorMust
from iolaus.wire.redfish.port import Answer


async def set_boot(device: Writes, system: str, wish: Mapping[str, str | None]) -> Receipt:
    """`wish` are properties of `Boot`; those of None stay as they are."""
    boot = {name: value for name, value in wish.items() if value is not None}
    if not boot:
        raise _nothing(device, system)
    return await _patch_boot(device, system, boot)


async def set_boot_order(device: Writes, system: str, order: Sequence[str]) -> Receipt:
    return await _patch_boot(device, system, {"BootOrder": list(order)})


async def set_secure_boot(device: Writes, uri: str, *, enabled: bool) -> Receipt:
    """`uri` is the system or its SecureBoot."""
    seen = await device.get(uri)
    if "SecureBootEnable" not in seen.body:
        place = next(links_in(seen.body.get("SecureBoot")), "")
        if not place:
            raise not_offered(device, uri, "Secure Boot", method="PATCH")
        seen = await device.get(place)
    return await patch(device, seen.uri, {"SecureBootEnable": enabled}, seen=seen)


async def set_power_restore(device: Writes, system: str, policy: str) -> Receipt:
    return await patch(device, system, {"PowerRestorePolicy": policy})


async def _patch_boot(device: Writes, system: str, boot: Mapping[str, Any]) -> Receipt:
    seen = await device.get(system)
    if "Boot" not in seen.body:
        raise not_offered(device, system, "boot settings", method="PATCH")
    place = await _staging(device, seen, boot) or seen
    return await patch(device, place.uri, {"Boot": dict(boot)}, seen=place)


async def _staging(device: Writes, seen: Answer, boot: Mapping[str, Any]) -> Answer | None:
    """The settings resource of the system, if it shows what is to be written."""
    for uri in links_in(mapping(seen.body.get("@Redfish.Settings")).get("SettingsObject")):
        staged = await device.get(uri)
        if boot.keys() <= mapping(staged.body.get("Boot")).keys():
            return staged
    return None


def _nothing(device: Writes, system: str) -> OperatorMust:
    return OperatorMust(
        "nothing is to be set",
        operation="set boot",
        subject=f"{device.address}{system}",
        code="NothingToWrite",
        next_step="give a target, how often it counts, or a mode",
    )
