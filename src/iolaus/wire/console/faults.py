"""What is said when a console cannot be reached: one error for each fault, whatever the way."""

from __future__ import annotations

from typing import Final

from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent

OPEN: Final = "open console"


def silent(place: str, why: str) -> DeviceSilent:
    return DeviceSilent(
        why or "no answer",
        operation=OPEN,
        subject=place,
        code="ConsoleSilent",
        next_step="check the port and the network, or take another way: --way ssh|websocket|ipmi.",
    )


def login_refused(place: str, user: str) -> DeviceRefused:
    return DeviceRefused(
        f"it does not let {user} in",
        operation=OPEN,
        subject=place,
        code="ConsoleLoginRefused",
        next_step="give the account the type HostConsole (ManualConsole, IPMI), or another"
        " credential: iolaus discover --credential NAME.",
    )


def busy(place: str, said: str) -> DeviceRefused:
    return DeviceRefused(
        f"it gives no console: {said}" if said else "it gives no console",
        operation=OPEN,
        subject=place,
        code="ConsoleBusy",
        next_step="somebody else may be on it: let them leave, or look at the controller.",
    )


def lied(place: str, why: str) -> DeviceLied:
    return DeviceLied(
        why,
        operation=OPEN,
        subject=place,
        code="ConsoleNotUnderstood",
        next_step="take another way: --way ssh|websocket|ipmi.",
    )


def told(data: bytes, most: int = 160) -> str:
    """The last line of what came, printable."""
    text = "".join(c if c.isprintable() else " " for c in data.decode("utf-8", "replace"))
    return " ".join(text.split())[-most:]
