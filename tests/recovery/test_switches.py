"""A rack behind a dead switch is one finding, of the switch, and nobody in it is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iolaus.model.plan import Fate
from iolaus.sim.device import Device
from tests.recovery.stage import plan, recovering, verdict
from tests.sim.firmware.stage import machines

NODES, SWITCH, OTHER = ("dl365-cpu", "sys-hgx-b200"), "leaf-switch", "sd665-twin"


def rack() -> list[Device]:
    found = machines(*NODES, SWITCH, OTHER)
    for device in found:
        place = "r2" if device.name == OTHER else "r1"
        device.labels = {**device.labels, "rack": place, "role": "node"}
        device.counters.order = []
        if device.name in NODES:
            device.labels = {**device.labels, "switch": SWITCH}
        if device.name == SWITCH:
            device.labels = {**device.labels, "role": "switch"}
    return found


async def test_a_dead_switch_is_told_from_dead_controllers_by_its_own_path(tmp_path: Path) -> None:
    async with recovering(tmp_path, *rack()) as (on, _):
        for name in NODES:
            await verdict(on, name, "Well")
        struck = await on.strike("switch-dead", select="rack=r1")
        for name in NODES:
            found = await verdict(on, name, "SwitchSilent")
            assert (
                f"behind switch {SWITCH} are silent, and so is the switch itself"
                in (found["message"])
            )
            (node,) = (await plan(on, name)).nodes
            assert node.fate is Fate.BLOCKED
            assert "see to the switch itself" in node.reason
        del struck
        await on.clear()
        for name in NODES:
            await verdict(on, name, "Well")
        for device in on.hall.devices:
            assert not power_writes(device)


def power_writes(device: Device) -> list[Any]:
    order = device.counters.order or []
    return [path for _, method, path in order if method != "GET" and path.endswith("Reset")]
