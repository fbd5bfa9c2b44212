"""Power caps over the real wire, in every dialect: set, read back, floored, and refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.write import caps
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from tests.drivers.redfish.write.fake import FakeWriter
from tests.drivers.redfish.write.stage import V1, on

NODES = {
    "gb300-tray": f"{V1}/Chassis/Chassis_0/EnvironmentMetrics",
    "dl365-cpu": f"{V1}/Chassis/1/Power#/PowerControl/0",
    "xe9680-h200": f"{V1}/Chassis/System.Embedded.1/Power#/PowerControl/0",
    "sys-hgx-b200": f"{V1}/Chassis/1/Power#/PowerControl/0",
    "g893-mi325x": f"{V1}/Chassis/Self/Controls/SystemPowerLimit",
    "sd665-twin": f"{V1}/Chassis/1/EnvironmentMetrics",
}
GPU = f"{V1}/Systems/HGX_Baseboard_0/Processors/GPU_0/EnvironmentMetrics"


@pytest.mark.parametrize("persona", NODES)
async def test_a_cap_is_set_and_read_back(persona: str) -> None:
    async with on(persona) as at:
        uri = NODES[persona]
        assert uri in {limit.uri for limit in (await at.inventory()).power_limits}
        for watts in (4150.0, 4050.0):
            receipt = await at.driver.set_cap(at.writer, uri, watts)
            assert receipt.method == "PATCH"
            cap = await at.driver.read_cap(at.writer, uri)
            assert (cap.watts, cap.enabled, cap.lent) == (watts, True, False)


async def test_a_boost_is_lent_over_a_floor_that_stays() -> None:
    async with on("sys-hgx-b200") as at:
        await at.driver.set_floor(at.writer, GPU, 400)
        assert (await at.driver.read_cap(at.writer, GPU)).watts == 400
        await at.driver.set_cap(at.writer, GPU, 900)
        cap = await at.driver.read_cap(at.writer, GPU)
        assert (cap.watts, cap.floor_w, cap.lent) == (900, 400, True)
        await at.driver.set_power(at.writer, at.system, "ForceOff")
        await at.comes(at.system, lambda body: body["PowerState"] == "Off")
        await at.driver.set_power(at.writer, at.system, "On")
        await at.comes(at.system, lambda body: body["PowerState"] == "On")
        await at.comes(GPU, lambda body: body["PowerLimitWatts"]["SetPoint"] == 400)
        assert (await at.driver.read_cap(at.writer, GPU)).lent is False


async def test_a_cap_that_the_device_does_not_take_is_refused_not_bent() -> None:
    async with on("sys-hgx-b200") as at:
        with pytest.raises(DeviceRefused):
            await at.driver.set_cap(at.writer, GPU, 20)
        assert (await at.driver.read_cap(at.writer, GPU)).watts == 1000


async def test_what_has_no_cap_says_so() -> None:
    async with on("dl365-cpu") as at:
        for uri in (f"{V1}/Chassis/1", f"{V1}/Chassis/1/Power#/PowerControl/7"):
            for asked in (at.driver.read_cap(at.writer, uri), at.driver.set_cap(at.writer, uri, 1)):
                with pytest.raises(DeviceRefused) as refused:
                    await asked
                assert refused.value.code == "NotSupported"
        assert await at.driver.set_floor(at.writer, NODES["dl365-cpu"], 400) is None


async def test_a_cap_that_is_off_is_switched_on_and_kilowatts_stay_kilowatts() -> None:
    uri = f"{V1}/Chassis/1/Controls/Power"
    body = {"SetPoint": 0, "SetPointUnits": "kW", "ControlMode": "Disabled", "DefaultSetPoint": 1}
    device = FakeWriter({uri: body})
    driver = RedfishDriver()
    assert (await driver.read_cap(device, uri)).watts is None
    await driver.set_cap(device, uri, 2500)
    await driver.set_floor(device, uri, 800)
    assert [sent[2] for sent in device.written] == [
        {"SetPoint": 2.5, "ControlMode": "Automatic"},
        {"DefaultSetPoint": 0.8},
    ]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "SetPoint",
                    "PowerLimitWatts",
                    "PowerControl",
                    "PowerLimit",
                    "LimitInWatts",
                    "Oem",
                    "ControlMode",
                    "SetPointUnits",
                    "DefaultSetPoint",
                    "x",
                    caps.PERSISTENT,
                    caps.ONE_SHOT,
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(body=JUNK, uri=st.sampled_from([f"{V1}/a", f"{V1}/a#/PowerControl/0"]))
async def test_whatever_stands_there_gives_a_cap_or_an_error_of_ours(body: Any, uri: str) -> None:
    device = FakeWriter({f"{V1}/a": body if isinstance(body, dict) else {"PowerControl": body}})
    driver = RedfishDriver()
    for asked in (
        driver.read_cap(device, uri),
        driver.set_cap(device, uri, 500),
        driver.set_floor(device, uri, 400),
    ):
        try:
            cap = await asked
        except (DeviceRefused, DeviceLied, DeviceSilent):
            continue
        watts = getattr(cap, "watts", None)
        assert watts is None or 0 < watts < float("inf")
