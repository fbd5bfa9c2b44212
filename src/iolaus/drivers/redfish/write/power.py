"""Power: the reset of a system, a chassis, an outlet or a manager, in the device's own words.

A device that answers 400 or 409 to "On" because it is on has said yes; which of its words mean
that differs by maker, so after such a refusal the power state is read, and if that is how it
should be the action counts as done. A milder word is never replaced by a harsher one: whether a
host that ignores GracefulShutdown is cut off is decided above, on a budget.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from iolaus.drivers.ports import Reads, Receipt, Writes
from iolaus.drivers.redfish.write.actions import Offer, act, allowed, require
from iolaus.drivers.redfish.write.exchange import already
from iolaus.kernel.errors import FAILURES, DeviceRefused, OperatorMust
from iolaus.wire.redfish.errors import Code

RESETS: Final = (
    "ComputerSystem.Reset",
    "Chassis.Reset",
    "PowerSupply.Reset",
    "Outlet.PowerControl",
    "OutletGroup.PowerControl",
    "Circuit.PowerControl",
    "Manager.Reset",
)
WORDS: Final = (
    *("On", "ForceOn", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart"),
    *("PowerCycle", "FullPowerCycle", "Nmi", "PushPowerButton", "Suspend", "Resume", "Pause"),
)
"""ResetType (Resource schema)."""
INSTEAD: Final = MappingProxyType({"On": ("On", "ForceOn"), "ForceOn": ("ForceOn", "On")})
OF_OUTLETS: Final = MappingProxyType(
    {"On": "On", "ForceOn": "On", "ForceOff": "Off", "PowerCycle": "PowerCycle"}
)
"""ResetType -> PowerState of PowerControl."""
ENDS: Final = MappingProxyType(
    {"On": "On", "ForceOn": "On", "ForceOff": "Off", "GracefulShutdown": "Off"}
)
"""What a ResetType leads to; a restart leads to what it began with, which proves nothing."""
_MAY_BE_SO: Final = frozenset({400, 409, 500, 503})


async def set_power(device: Writes, uri: str, reset: str) -> Receipt:
    seen = await device.get(uri)
    offer = require(device, seen, *RESETS)
    parameter, word = await _wanted(device, offer, reset)
    try:
        return await act(device, offer, {parameter: word})
    except DeviceRefused as refused:
        if refused.code == Code.ALREADY_SO or await _is_so(device, uri, reset, refused):
            why = refused.message
            return already("POST", offer.target, at=seen.at, status=refused.status, why=why)
        raise


async def reset_manager(device: Writes, uri: str, reset: str | None) -> Receipt:
    seen = await device.get(uri)
    offer = require(device, seen, "Manager.Reset")
    if reset is None:
        known = await allowed(device, offer, "ResetType")
        reset = "GracefulRestart" if "GracefulRestart" in known or not known else "ForceRestart"
    parameter, word = await _wanted(device, offer, reset)
    return await act(device, offer, {parameter: word})


async def _wanted(device: Reads, offer: Offer, reset: str) -> tuple[str, str]:
    """The action's parameter and the word that it takes for `reset`."""
    wish = next((word for word in WORDS if word.lower() == reset.lower()), None)
    if wish is None:
        raise _unknown(device, reset)
    if offer.name.endswith(".PowerControl"):
        parameter, choices = "PowerState", [OF_OUTLETS.get(wish, wish)]
    else:
        parameter, choices = "ResetType", [*INSTEAD.get(wish, (wish,))]
    known = await allowed(device, offer, parameter)
    if not known:
        return parameter, choices[0]
    by_case = {word.lower(): word for word in known}
    for choice in choices:
        if choice.lower() in by_case:
            return parameter, by_case[choice.lower()]
    raise DeviceRefused(
        f"{offer.name} takes {', '.join(known)}, not {wish}",
        operation="POST",
        subject=f"{device.address}{offer.target}",
        code=Code.NOT_SUPPORTED,
        next_step="ask for one of these",
    )


async def _is_so(device: Reads, uri: str, reset: str, refused: DeviceRefused) -> bool:
    end = next((end for word, end in ENDS.items() if word.lower() == reset.lower()), None)
    if end is None or refused.status not in _MAY_BE_SO:
        return False
    try:
        return (await device.get(uri)).body.get("PowerState") == end
    except FAILURES:
        return False


def _unknown(device: Reads, reset: str) -> OperatorMust:
    return OperatorMust(
        f"{reset!r} is no ResetType",
        operation="reset",
        subject=device.address,
        code="UnknownReset",
        next_step=f"give one of {', '.join(WORDS)}",
    )
