"""The two ways an exchange fails, worded once."""

from __future__ import annotations

from iolaus.kernel.errors import DeviceLied, DeviceSilent
from iolaus.wire.redfish.port import Request


def silent(request: Request, message: str) -> DeviceSilent:
    return DeviceSilent(
        message[:300],
        operation=request.method,
        subject=request.url,
        next_step="check the network and whether the controller is up",
    )


def lied(request: Request, message: str, code: str) -> DeviceLied:
    return DeviceLied(
        message[:300],
        operation=request.method,
        subject=request.url,
        code=code,
        next_step="check that the address is a management controller with Redfish",
    )
