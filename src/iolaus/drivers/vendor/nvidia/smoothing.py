"""Power smoothing of a GPU: a floor while there is work, and ramps between it and the crest.

Of a profile the administrator's override is written, applied, and then the smoothing is switched
on; what is in force is what the resource reads afterwards. The circuit that does it wears: a GPU
that tells that little of it is left is not switched on. (NvidiaPowerSmoothing v1_0, the maker's
public schema.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iolaus.drivers.ports import Reads, Smoothed, SmoothingWish, Writes
from iolaus.drivers.redfish._plausible import parse_number
from iolaus.drivers.redfish._text import clean, mapping
from iolaus.drivers.redfish.write.actions import act, require
from iolaus.drivers.redfish.write.exchange import not_offered, patch
from iolaus.kernel.errors import DeviceRefused

FLOOR, UP, DOWN, HOLD = (
    "TMPFloorPercent", "RampUpWattsPerSecond", "RampDownWattsPerSecond",
    "RampDownHysteresisSeconds",
)  # fmt: skip
LEFT: Final = "RemainingLifetimeCircuitryPercent"
LEAST_LEFT: Final = 5.0
APPLY: Final = "NvidiaPowerSmoothing.ApplyAdminOverrides"


class NvidiaSmoothing:
    """Is `drivers.ports.SmoothsPower`."""

    def place(self, processor: Mapping[str, Any]) -> str | None:
        told = mapping(mapping(mapping(processor.get("Oem")).get("Nvidia")).get("PowerSmoothing"))
        return clean(told.get("@odata.id"), 1024) or None

    async def read_smoothing(self, device: Reads, uri: str) -> Smoothed:
        return _smoothed((await device.get(uri)).body)

    async def set_smoothing(self, device: Writes, uri: str, wish: SmoothingWish | None) -> Smoothed:
        seen = await device.get(uri)
        now = _smoothed(seen.body)
        if seen.body.get("PowerSmoothingSupported") is False:
            raise not_offered(device, uri, "power smoothing", method="PATCH")
        if wish is None:
            if now.enabled is not False:
                await patch(device, uri, {"Enabled": False}, seen=seen)
            return await self.read_smoothing(device, uri)
        if now.left_pct is not None and now.left_pct < LEAST_LEFT:
            raise _worn(device, uri, now.left_pct)
        if not now.is_as(wish):
            await self._override(device, uri, seen.body, wish)
            await act(device, require(device, await device.get(uri), APPLY), {})
        seen = await device.get(uri)
        if seen.body.get("Enabled") is not True:
            await patch(device, uri, {"Enabled": True}, seen=seen)
        return await self.read_smoothing(device, uri)

    async def _override(
        self, device: Writes, uri: str, body: Mapping[str, Any], wish: SmoothingWish
    ) -> None:
        admin = clean(mapping(body.get("AdminOverrideProfile")).get("@odata.id"), 1024)
        if not admin:
            raise not_offered(device, uri, "administrator's profile", method="PATCH")
        values = {
            FLOOR: wish.floor_pct, UP: wish.up_w_s, DOWN: wish.down_w_s, HOLD: wish.hold_s,
        }  # fmt: skip
        await patch(device, admin, values)


def _smoothed(body: Mapping[str, Any]) -> Smoothed:
    enabled = body.get("Enabled")
    floor, up, down, hold, left = (
        parse_number(body.get(name)).value for name in (FLOOR, UP, DOWN, HOLD, LEFT)
    )
    return Smoothed(
        enabled=enabled if isinstance(enabled, bool) else None,
        floor_pct=floor,
        up_w_s=up,
        down_w_s=down,
        hold_s=hold,
        left_pct=left,
    )


def _worn(device: Reads, uri: str, left_pct: float) -> DeviceRefused:
    return DeviceRefused(
        f"only {left_pct:g} % is left of the life of its smoothing circuit",
        operation="smooth power",
        subject=f"{device.address}{uri}",
        code="SmoothingWorn",
        next_step="plan to replace the GPU; its swings are not smoothed until then.",
    )
