"""GPUs that smooth their power: shown, judged, and felt by the plant, over the real wire."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.sim.effects import attentive
from iolaus.sim.hall_life import Life
from iolaus.sim.twin.serve import STEP_S, Twin
from tests.sim.manners.stage import Bench, bench, id_of

TRAY = "gb300-tray"
GPUS = "/redfish/v1/Systems/HGX_Baseboard_0/Processors/GPU_{n}"
PLACE = "/Oem/Nvidia/PowerSmoothing"
ACTIVATE = "NvidiaPowerSmoothing.ActivatePresetProfile"
APPLY = "NvidiaPowerSmoothing.ApplyAdminOverrides"
FIRST = GPUS.format(n=0) + PLACE


async def patched(on: Bench, path: str, **body: Any) -> int:
    return (await on.ask("PATCH", path, json=body))[0]


def trace(twin: Twin, seconds: float) -> np.ndarray[Any, Any]:
    """The power of each GPU of the only node, step by step: (step, slot)."""
    found = []
    for _ in range(round(seconds / STEP_S)):
        twin.step()
        found.append(twin.plant.gpus.power_w[:, 0].copy())
    return np.array(found)


async def test_it_is_found_from_the_gpu_with_five_presets_and_is_off() -> None:
    async with bench(TRAY) as on:
        gpu = await on.get(GPUS.format(n=3))
        place = gpu["Oem"]["Nvidia"]["PowerSmoothing"]["@odata.id"]
        held = await on.get(place)
        assert (held["PowerSmoothingSupported"], held["Enabled"]) == (True, False)
        assert (held["TMPWatts"], held["TMPFloorPercent"]) == (1459, 90.0)
        assert len(await on.members(held["PresetProfiles"]["@odata.id"])) == 5
        assert (await on.get(held["AdminOverrideProfile"]["@odata.id"]))["TMPFloorPercent"] is None


async def test_a_preset_is_activated_and_an_override_counts_once_applied() -> None:
    async with bench(TRAY) as on:
        assert (await on.act(FIRST, ACTIVATE, ProfileId=2))[0] == 204
        held = await on.get(FIRST)
        assert held["AppliedPresetProfile"]["@odata.id"].endswith("/PresetProfiles/2")
        assert (held["TMPFloorPercent"], held["TMPFloorWatts"]) == (65.0, 948.4)
        admin = f"{FIRST}/AdminOverrideProfile"
        assert await patched(on, admin, TMPFloorPercent=50) == 200
        assert (await on.get(FIRST))["TMPFloorPercent"] == 65.0
        assert (await on.act(FIRST, APPLY))[0] == 204
        held = await on.get(FIRST)
        assert (held["TMPFloorPercent"], held["RampUpWattsPerSecond"]) == (50, 200.0)
        mask = held["AdminOverrideActiveMask"]
        assert (mask["TMPFloorPercentApplied"], mask["RampUpWattsPerSecondApplied"]) == (
            True,
            False,
        )
        assert (await on.act(FIRST, ACTIVATE, ProfileId=1))[0] == 204
        assert (await on.get(FIRST))["TMPFloorPercent"] == 80.0


@pytest.mark.parametrize(
    ("below", "body", "why"),
    [
        ("", {"TMPFloorPercent": 10}, "PropertyNotWritable"),
        ("", {"Enabled": "yes"}, "PropertyValueTypeError"),
        ("/AdminOverrideProfile", {"TMPFloorPercent": 99}, "PropertyValueOutOfRange"),
        ("/AdminOverrideProfile", {"TMPFloorPercent": True}, "PropertyValueTypeError"),
        ("/PresetProfiles/4", {"RampUpWattsPerSecond": None}, "PropertyValueTypeError"),
    ],
)
async def test_what_cannot_be_is_refused(below: str, body: dict[str, Any], why: str) -> None:
    async with bench(TRAY) as on:
        status, said, _ = await on.ask("PATCH", FIRST + below, json=body)
        assert (status, id_of(said)) == (400, why)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "ActionParameterMissing"),
        ({"ProfileId": 9}, "ActionParameterValueError"),
        ({"ProfileId": True}, "ActionParameterValueError"),
    ],
)
async def test_a_preset_that_is_not_there_is_refused(body: dict[str, Any], why: str) -> None:
    async with bench(TRAY) as on:
        status, said = await on.act(FIRST, ACTIVATE, **body)
        assert (status, id_of(said)) == (400, why)


async def test_the_plant_feels_the_floor_and_the_rates_of_one_gpu_alone() -> None:
    async with bench(TRAY) as on:
        twin = Twin([on.device], clock=JumpClock(), seed=3)
        before = trace(twin, 60.0)
        assert before.min(axis=0).max() < 700.0  # every GPU falls far between two steps of work
        for name, value in (("TMPFloorPercent", 60), ("RampUpWattsPerSecond", 300)):
            assert await patched(on, f"{FIRST}/AdminOverrideProfile", **{name: value}) == 200
        assert (await on.act(FIRST, APPLY))[0] == 204
        assert await patched(on, FIRST, Enabled=True) == 200
        trace(twin, 10.0)
        after = trace(twin, 60.0)
        floor_w = 0.6 * 1459
        assert after[:, 0].min() > 0.98 * floor_w
        assert after[:, 1].min() < 700.0
        assert np.diff(after[:, 0]).max() <= 300.0 * STEP_S * 1.05
        assert np.diff(after[:, 1]).max() > 100.0
        assert attentive(on.device.effects).truth(on.device)["smoothed"]["0"]["floor_w"] == (
            pytest.approx(floor_w, abs=0.1)
        )
        assert await patched(on, FIRST, Enabled=False) == 200
        assert trace(twin, 60.0)[:, 0].min() < 700.0


async def test_a_limit_is_stronger_than_a_floor_and_off_is_off() -> None:
    async with bench(TRAY) as on:
        twin = Twin([on.device], clock=JumpClock(), seed=3)
        assert await patched(on, FIRST, Enabled=True) == 200
        metrics = GPUS.format(n=0) + "/EnvironmentMetrics"
        assert await patched(on, metrics, PowerLimitWatts={"SetPoint": 600}) == 200
        trace(twin, 5.0)
        assert trace(twin, 30.0)[:, 0].max() < 620.0
        twin.lives["one"].switch(0, on=False, t=0.0)
        trace(twin, 5.0)
        assert trace(twin, 1.0)[:, 0].max() == 0.0


async def test_alone_a_machine_keeps_its_floor_too() -> None:
    async with bench(TRAY) as on:
        life = on.device.live
        assert isinstance(life, Life)
        assert await patched(on, FIRST, Enabled=True) == 200
        assert min(life.gpu_w(0, float(t)) for t in range(60)) >= 0.89 * 1459


async def test_other_gpus_have_no_such_thing() -> None:
    async with bench("xe9680-h200") as on:
        assert not [path for path in on.device.paths() if "PowerSmoothing" in path]
