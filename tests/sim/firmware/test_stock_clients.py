"""Clients that others wrote drive update, power, boot and accounts, as they are."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redfish
import sushy

from iolaus.sim.firmware.examples import example
from tests.sim.firmware.stage import INVENTORY, V1, Bench, bench, until

pytestmark = pytest.mark.slow

USER, PASSWORD = "root", "iolaus-sim"
SERVER = "sys-hgx-b200"


async def run(on: Bench, script: str, *words: str) -> str:
    """A command of the standard body's tools, to its end; what it printed."""
    command = [str(Path(sys.executable).parent / script), "-r", on.device.address,
               "-u", USER, "-p", PASSWORD, *words]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", *command,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(120):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, told.decode()
    return told.decode()


async def away(ask: Callable[[], Any]) -> Any:
    """In a thread, as these clients wait; their own warnings are not ours."""

    def quietly() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ask()

    return await asyncio.to_thread(quietly)


async def test_the_dmtfs_tools_push_fetch_and_list(tmp_path: Path) -> None:
    async with bench(SERVER, "leaf-switch") as on:
        package = tmp_path / "psu.fwpkg"
        package.write_bytes(example(SERVER, {"PSU_1": "1.7"}, revision=2))
        told = await run(on, "rf_update.py", "-i", str(package), "-t", f"{INVENTORY}/PSU_2")
        assert "Pushing the image" in told
        told = await run(on, "rf_firmware_inventory.py")
        (line,) = (line for line in told.splitlines() if "PSU_2" in line or "1.7" in line)
        assert "1.7" in line
        on.images["psu.fwpkg"] = example(SERVER, {"PSU_1": "1.8"}, revision=3)
        await run(on, "rf_update.py", "-i", f"{on.files}/psu.fwpkg", "-t", f"{INVENTORY}/PSU_3")
        await on.shows("PSU_3", "1.8")
        assert await on.version("PSU_1") == "1.1 "


async def test_the_dmtfs_tools_tell_why_an_image_is_refused(tmp_path: Path) -> None:
    async with bench(SERVER) as on:
        package = tmp_path / "bad.fwpkg"
        package.write_bytes(example("dl365-cpu", {"1": "9.9"}))
        told = await run(on, "rf_update.py", "-i", str(package))
        assert "Nothing here takes the image" in told


async def test_sushy_updates_and_drives_power_and_boot() -> None:
    async with bench("dl365-cpu") as on:
        on.images["six.fwpkg"] = example("dl365-cpu", {"6": "0x1F"})
        await away(lambda: sushy_session(on))
        await on.shows("6", "0x1F")
        found = await on.get(f"{V1}/Systems/1")
        assert found["Boot"]["BootSourceOverrideTarget"] == "Pxe"
        await until(lambda: _off(on))


async def _off(on: Bench) -> bool:
    return bool((await on.get(f"{V1}/Systems/1"))["PowerState"] == "Off")


def sushy_session(on: Bench) -> None:
    auth = sushy.auth.SessionOrBasicAuth(USER, PASSWORD)
    root = sushy.Sushy(on.device.address, auth=auth, verify=False)
    service = root.get_update_service()
    entries = {entry.identity: entry for entry in service.firmware_inventory.get_members()}
    target = entries["6"].path
    monitor = service.simple_update(f"{on.files}/six.fwpkg", targets=[target],
                                    transfer_protocol="HTTP")  # fmt: skip
    monitor.wait(60)
    assert monitor.get_task().task_state == sushy.TaskState.COMPLETED
    (system,) = root.get_system_collection().get_members()
    system.set_system_boot_options(
        sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE
    )
    system.reset_system(sushy.ResetType.FORCE_OFF)
    auth.close()


async def test_the_dmtfs_client_keeps_accounts() -> None:
    async with bench("dl365-cpu") as on:
        await away(lambda: with_an_account(on))
        members = (await on.get(f"{V1}/AccountService/Accounts"))["Members"]
        assert all("operator7" not in str(member) for member in members)


def with_an_account(on: Bench) -> None:
    accounts = f"{V1}/AccountService/Accounts"
    client = redfish.redfish_client(on.device.address, USER, PASSWORD)
    client.login(auth="session")
    body = {"UserName": "operator7", "Password": "Long-enough-1", "RoleId": "Operator"}
    made = client.post(accounts, body=body)
    assert made.status == 201
    path = made.getheader("Location")
    other = redfish.redfish_client(on.device.address, "operator7", "Long-enough-1")
    other.login(auth="session")
    assert other.get(f"{V1}/Systems").status == 200
    other.logout()
    assert client.delete(path).status in (200, 204)
    client.logout()
