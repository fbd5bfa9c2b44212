"""Every setting of a baseline: judged, planned, applied, read back over the wire, and undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.sim.firmware.stage import machines
from tests.survival.rolling import applied, in_sync, planned
from tests.survival.stage import CALM, Stage, staged

from iolaus.model.plan import Fate
from iolaus.model.rollout import NodeState, RolloutState

WANTED: dict[str, Any] = {
    "bmc": {
        "ntp": ["10.9.9.9", "10.9.9.10"],
        "syslog": {"host": "10.0.0.9", "port": 6515, "tls": True},
        "services": {"ssh": False, "ipmiOverLan": True},
        "accounts": {"lockoutThreshold": 6},
        "boot": {"order": ["Boot0002", "Boot0000", "Boot0001"]},
        "powerRestorePolicy": "AlwaysOff",
    },
    "security": {"secureBoot": "required"},
}
SUBSCRIPTIONS = "/redfish/v1/EventService/Subscriptions"
BY_ANOTHER = f"{SUBSCRIPTIONS}/by-another"


def sends_syslog(on: Stage) -> None:
    """Somebody had its log sent elsewhere before."""
    body = {
        "@odata.id": BY_ANOTHER,
        "@odata.type": "#EventDestination.v1_14_1.EventDestination",
        "Id": "by-another",
        "Name": "Syslog",
        "Protocol": "SyslogUDP",
        "SubscriptionType": "Syslog",
        "Destination": "syslog://10.0.0.1:514",
    }
    on.device.put(BY_ANOTHER, body)
    on.device.enlist(SUBSCRIPTIONS, BY_ANOTHER)


def truth(on: Stage, name: str) -> dict[str, Any]:
    """What stands at the device, whoever asks."""
    system = f"/redfish/v1/Systems/{name}"
    whole, secure = on.device.get(system) or {}, on.device.get(f"{system}/SecureBoot") or {}
    members = (on.device.get(SUBSCRIPTIONS) or {}).get("Members", [])
    told = [on.device.get(each["@odata.id"]) or {} for each in members]
    return {
        "order": whole["Boot"]["BootOrder"],
        "restore": whole["PowerRestorePolicy"],
        "secure": secure["SecureBootCurrentBoot"],
        "lockout": (on.device.get("/redfish/v1/AccountService") or {})["AccountLockoutThreshold"],
        "syslog": [(e["Protocol"], e["Destination"]) for e in told if "Syslog" in e["Protocol"]],
    }


@pytest.mark.parametrize(("persona", "system"), [("dl365-cpu", "1"), ("gb300-tray", "System_0")])
async def test_every_setting_of_a_baseline_is_applied_and_undone(
    tmp_path: Path, persona: str, system: str
) -> None:
    async with staged(tmp_path, *machines(persona), managed=True, periods=CALM) as on:
        on.device = on.hall.devices[0]
        await on.green()
        sends_syslog(on)
        await on.inventoried()
        before = truth(on, system)
        plan = await planned(on, step_s=30.0, **WANTED)
        (node,) = plan.nodes
        assert (node.fate, node.reason) == (Fate.UPDATE, "")
        progress, fared = await applied(on, plan)
        assert (progress.state, fared.state) == (RolloutState.DONE, NodeState.DONE), fared
        await in_sync(on)
        assert truth(on, system) == {
            "order": ["Boot0002", "Boot0000", "Boot0001"],
            "restore": "AlwaysOff",
            "secure": "Enabled",
            "lockout": 6,
            "syslog": [("SyslogTLS", "syslog://10.0.0.9:6515")],
        }
        await on.house.rolling.ask(plan.id, "undo", by="ana")

        async def undone() -> bool:
            progress = (await on.house.rolling.standing(plan.id)).progress
            return progress is not None and progress.state is RolloutState.UNDONE

        await on.until(undone, "everything is as it was", patience_s=100.0)
        assert truth(on, system) == before
