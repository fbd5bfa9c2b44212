"""Clients that others wrote, as judges: they log in, read, switch power and log out."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
import redfish
import sushy

from tests.sim.engine.conftest import PASSWORD, Played
from tests.sim.engine.tree import V1

SYSTEM = f"{V1}/Systems/1"


def _with_sushy(address: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        auth = sushy.auth.SessionOrBasicAuth("root", PASSWORD)
        root = sushy.Sushy(address, auth=auth, verify=False)
        (system,) = root.get_system_collection().get_members()
        found = {"serial": system.serial_number, "cpus": system.processors.summary.count}
        found["before"] = system.power_state
        system.reset_system(sushy.ResetType.FORCE_OFF)
        for _ in range(100):
            system.refresh(force=True)
            if system.power_state == sushy.PowerState.OFF:
                break
        found["after"] = system.power_state
        once = sushy.BootSourceOverrideEnabled.ONCE
        system.set_system_boot_options(target=sushy.BootSource.PXE, enabled=once)
        system.bios.set_attributes({"Smt": "Disabled"})
        found["pending"] = system.bios.pending_attributes
        auth.close()
        return found


async def test_sushy(play: Played) -> None:
    found = await asyncio.to_thread(_with_sushy, play.device.address)
    assert found["serial"] == "S-n1"
    assert found["before"] == sushy.PowerState.ON
    assert found["after"] == sushy.PowerState.OFF
    assert found["pending"] == {"Smt": "Disabled"}
    assert (play.device.gate.sessions(), play.device.counters.max_sessions) == ((), 1)
    boot = (await play.first.json(SYSTEM))["Boot"]
    assert (boot["BootSourceOverrideTarget"], boot["BootSourceOverrideEnabled"]) == ("Pxe", "Once")


def _with_redfish(address: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = redfish.redfish_client(
            base_url=address,
            username="root",
            password=PASSWORD,
        )
        client.login(auth="session")
        found: dict[str, Any] = {"system": client.get(SYSTEM).dict}
        target = f"{SYSTEM}/Actions/ComputerSystem.Reset"
        found["reset"] = client.post(target, body={"ResetType": "GracefulShutdown"}).status
        etag = client.get(SYSTEM).getheader("ETag")
        found["etag"] = etag
        client.logout()
        return found


async def test_python_redfish_library(play: Played) -> None:
    found = await asyncio.to_thread(_with_redfish, play.device.address)
    assert found["system"]["SerialNumber"] == "S-n1"
    assert found["reset"] == 204
    assert found["etag"]
    assert play.device.gate.sessions() == ()
    assert play.device.counters.max_sessions == 1


@pytest.mark.parametrize("auth", ["basic", "session"])
async def test_both_ways_to_log_in(play: Played, auth: str) -> None:
    def ask() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = redfish.redfish_client(
                base_url=play.device.address,
                username="root",
                password=PASSWORD,
            )
            client.login(auth=auth)
            status = int(client.get(SYSTEM).status)
            client.logout()
            return status

    assert await asyncio.to_thread(ask) == 200
