"""A host that hangs starts from the recovery image of its machine, once."""

from __future__ import annotations

from pathlib import Path

from iolaus.model.rollout import NodeState
from iolaus.sim.ailments import alive, hang_host
from iolaus.sim.effects import attentive
from tests.recovery.stage import recovered, recovering
from tests.sim.firmware.stage import machines

NODE, SYSTEM = "dl365-cpu", "/redfish/v1/Systems/1"
CHOICES = "BootSourceOverrideTarget@Redfish.AllowableValues"


async def test_a_machines_own_recovery_image_is_started_once_and_taken_back(
    tmp_path: Path,
) -> None:
    policy = "  rescue: {boot: Recovery}"
    (device,) = machines(NODE)
    device.patch(SYSTEM, {"Boot": {CHOICES: ["None", "Pxe", "Cd", "Hdd", "Recovery"]}})
    async with recovering(tmp_path, device, policy=policy) as (on, _):
        hang_host(device, "rescue")
        asked = {"class": "host-hung", "only": "rescue"}
        _, node = await recovered(on, NODE, **asked)
        assert node.state is NodeState.DONE, node
        assert alive(device)
        told = attentive(device.effects).truth(device)
        assert told["started_from"] == {SYSTEM: "Recovery"}
        boot = (device.kept(SYSTEM) or {})["Boot"]
        assert boot["BootSourceOverrideEnabled"] == "Disabled"
