"""GPUs that smooth their power, over the real wire: told, read back, switched off, and refused."""

from __future__ import annotations

import pytest

from iolaus.drivers.ports import SmoothingWish, SmoothsPower
from iolaus.drivers.registry import smoothers
from iolaus.kernel.errors import DeviceRefused
from tests.drivers.redfish.write.stage import V1, on

GPU = f"{V1}/Systems/HGX_Baseboard_0/Processors/GPU_0"
WISH = SmoothingWish(floor_pct=60.0, up_w_s=300.0, down_w_s=250.0, hold_s=5.0)


def port() -> SmoothsPower:
    (found,) = smoothers()
    return found


async def test_a_profile_is_told_and_read_back_and_switched_off_again() -> None:
    async with on("gb300-tray") as at:
        uri = port().place(await at.get(GPU))
        assert uri is not None
        assert (await port().read_smoothing(at.writer, uri)).enabled is False
        found = await port().set_smoothing(at.writer, uri, WISH)
        assert (found.enabled, found.is_as(WISH), found.left_pct) == (True, True, 100.0)
        assert (await at.get(uri))["AdminOverrideActiveMask"]["TMPFloorPercentApplied"] is True
        again = await port().set_smoothing(at.writer, uri, WISH)
        assert again == found
        assert (await port().set_smoothing(at.writer, uri, None)).enabled is False


async def test_what_is_out_of_its_bounds_or_worn_is_refused() -> None:
    async with on("gb300-tray") as at:
        uri = port().place(await at.get(GPU)) or ""
        steep = SmoothingWish(floor_pct=99.0, up_w_s=300.0, down_w_s=300.0, hold_s=5.0)
        with pytest.raises(DeviceRefused):
            await port().set_smoothing(at.writer, uri, steep)
        assert (await port().read_smoothing(at.writer, uri)).enabled is False
        worn = {**(at.device.kept(uri) or {}), "RemainingLifetimeCircuitryPercent": 2.0}
        at.device.put(uri, worn)
        with pytest.raises(DeviceRefused) as error:
            await port().set_smoothing(at.writer, uri, WISH)
        assert error.value.code == "SmoothingWorn"


@pytest.mark.parametrize("said", [{}, {"Oem": None}, {"Oem": {"Nvidia": {"PowerSmoothing": 3}}}])
def test_a_processor_that_does_not_tell_of_it_has_none(said: dict[str, object]) -> None:
    assert port().place(said) is None
