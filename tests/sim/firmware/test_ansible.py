"""Ansible's Redfish modules drive update, power, boot and accounts of a simulated machine.

The collection is large, so it has an environment of its own (`make ansible`): the test runs where
`ansible-playbook` with community.general is found, in IOLAUS_ANSIBLE (a folder) or on the path.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from iolaus.sim.firmware.examples import example
from tests.sim.firmware.stage import V1, Bench, bench, until

PLAYBOOK = Path(__file__).with_name("drive.yml")
FOUND = shutil.which("ansible-playbook", path=os.environ.get("IOLAUS_ANSIBLE"))


@pytest.mark.skipif(FOUND is None, reason="no ansible-playbook with community.general here")
async def test_ansible_drives_a_machine(tmp_path: Path) -> None:
    assert FOUND is not None
    package = tmp_path / "six.fwpkg"
    package.write_bytes(example("dl365-cpu", {"6": "0x20"}))
    async with bench("dl365-cpu") as on:
        on.images["six.fwpkg"] = example("dl365-cpu", {"6": "0x21"})
        told = await played(on, FOUND, tmp_path, package)
        assert "failed=0" in told, told
        assert await on.version("6") == "0x21"
        found = await on.get(f"{V1}/Systems/1")
        assert found["Boot"]["BootSourceOverrideTarget"] == "Pxe"
        await until(lambda: _off(on))


async def _off(on: Bench) -> bool:
    return bool((await on.get(f"{V1}/Systems/1"))["PowerState"] == "Off")


async def played(on: Bench, command: str, folder: Path, package: Path) -> str:
    env = {
        "PATH": f"{Path(command).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "LC_ALL": "C.UTF-8",
        "BMC": on.device.address.removeprefix("https://"),
        "BMC_PASSWORD": "iolaus-sim",
        "IMAGE": str(package),
        "IMAGE_URI": f"{on.files}/six.fwpkg",
    }
    process = await asyncio.create_subprocess_exec(
        command, "-i", "localhost,", "-c", "local", str(PLAYBOOK), env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(300):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return told.decode()
