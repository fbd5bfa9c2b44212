"""A slot gives a dead controller its power anew, where it feeds that node alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from iolaus.model.rollout import NodeState
from iolaus.recovery.slots import RESET, alone
from iolaus.sim.ailments import hang_controller
from iolaus.sim.device import Device
from tests.recovery.stage import plan, recovered, recovering, verdict
from tests.sim.firmware.stage import machines

NODE, RMC = "dl365-cpu", "rack-manager"


def seated(*personas: str) -> list[Device]:
    """The first of them in a bay of the last."""
    found = machines(*personas)
    for device in found:
        device.labels = {**device.labels, "rack": "r1"}
        device.counters.order = []
    found[0].labels = {**found[0].labels, "slot": f"{RMC}/Bay3"}
    return found


def resets(device: Device) -> list[str]:
    order = device.counters.order or []
    return [path for _, method, path in order if method == "POST" and path.endswith(".Reset")]


async def test_a_dead_controller_gets_its_power_anew_by_its_slot_and_nobody_else(
    tmp_path: Path,
) -> None:
    node, rmc = seated(NODE, RMC)
    async with recovering(tmp_path, node, rmc) as (on, band):
        await verdict(on, NODE, "Well")
        sled = dict(node.labels)
        await relabel(on, node, {**sled, "slot": f"{RMC}/Enclosure"})
        (told,) = (await plan(on, NODE, **{"class": "node-silent"})).nodes
        assert "slot rack-manager/Enclosure: it is a Rack, which may feed others" in told.reason
        assert not [each for each in told.steps if each.rung == "slot"]
        await relabel(on, node, sled)
        band.muted.add(NODE)
        hang_controller(node)
        await verdict(on, NODE, "NodeSilent")
        _, done = await recovered(on, NODE, only="slot", host_may_stop=True)
        assert done.state is NodeState.DONE, done
        assert resets(rmc) == ["/redfish/v1/Chassis/Bay3/Actions/Chassis.Reset"]


async def relabel(on: Any, device: Device, labels: dict[str, str]) -> None:
    facts = on.house.state.facts
    facts.put_target(msgspec.structs.replace(facts.target_of(device.address), labels=labels))


def test_what_may_feed_others_is_not_reset() -> None:
    sled = {"ChassisType": "Sled", "Actions": {RESET: {"target": "/x"}}}
    assert alone(sled) == ""
    assert "may feed others" in alone({**sled, "ChassisType": "Shelf"})
    assert "may feed others" in alone({**sled, "ChassisType": None})
    links = {"Contains": [{"@odata.id": "/redfish/v1/Chassis/b"}]}
    assert "are in it" in alone({**sled, "Links": links})
    two = [{"@odata.id": f"/redfish/v1/Systems/{n}"} for n in (1, 2)]
    assert "several systems" in alone({**sled, "Links": {"ComputerSystems": two}})
    assert "does not reset" in alone({**sled, "Actions": {}})
