"""A host that hangs starts once from what it fetches, or from its machine's own recovery image."""

from __future__ import annotations

import time
from pathlib import Path

from iolaus.model.plan import Asked
from iolaus.model.rollout import NodeState
from iolaus.sim.ailments import alive, hang_host
from iolaus.sim.device import Device
from iolaus.sim.effects import attentive
from tests.recovery.stage import done, recovered, recovering
from tests.sim.firmware.stage import machines
from tests.sim.manners.stage import shelf

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


def boot_of(device: Device) -> tuple[str, str, str]:
    boot = (device.kept(SYSTEM) or {})["Boot"]
    told = "BootSourceOverrideEnabled", "BootSourceOverrideTarget", "HttpBootUri"
    enabled, target, uri = (boot[name] or "" for name in told)
    return enabled, target, uri


async def test_a_rescue_over_http_is_fetched_once_and_a_person_sets_and_clears_the_same(
    tmp_path: Path,
) -> None:
    (device,) = machines(NODE)
    async with shelf(b"a rescue") as url:
        policy = f"  rescue: {{boot: UefiHttp, image: '{url}'}}"
        async with recovering(tmp_path, device, policy=policy) as (on, _):
            hang_host(device, "rescue")
            asked = {"class": "host-hung", "only": "rescue"}
            _, node = await recovered(on, NODE, **asked)
            assert node.state is NodeState.DONE, node
            assert alive(device)

            async def loaded() -> bool:
                truth = attentive(device.effects).truth(device)
                loads = truth.get("loaded", {}).get(SYSTEM, {})
                return bool(loads.get("uri") == url and loads.get("bytes") == len(b"a rescue"))

            await on.until(loaded, "it fetched the image")
            assert attentive(device.effects).truth(device)["started_from"] == {SYSTEM: "UefiHttp"}
            assert boot_of(device)[::2] == ("Disabled", ""), "nor is it fetched another time"

            for wish, held in (
                (
                    {"target": "UefiHttp", "enabled": "Once", "http_uri": url},
                    ("Once", "UefiHttp", url),
                ),
                ({"target": "None", "enabled": "Disabled"}, ("Disabled", "None", "")),
            ):
                await on.inventoried()
                node = await done(on, Asked(kind="boot", arguments=wish, at=time.time()))
                assert (node.state, boot_of(device)) == (NodeState.DONE, held), node
