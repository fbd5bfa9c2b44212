"""`sushy-emulator --fake` is discovered by a server, and its power state is followed.

The emulator runs as its makers ship it, in plain HTTP and with TLS; another client switches the
power; what the server's API says follows within a few polls.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import sushy

from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.listening import make_server, run_server
from iolaus.kernel.ports import free_port
from iolaus.observe.collect import Periods
from tests.badinput.command import Shell
from tests.peers.certificate import Identity, identity

UUID = "27946b59-9e44-4fa7-8e91-f3527a1ef094"
SYSTEM = f"/redfish/v1/Systems/{UUID}"


class Emulator(NamedTuple):
    address: str
    certificate: Identity | None

    @property
    def options(self) -> list[str]:
        """How an operator reaches it."""
        if self.certificate is None:
            return ["--allow-http"]
        return ["--fingerprint", self.certificate.fingerprint]


@pytest.fixture(params=["http", "https"])
def emulator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Emulator]:
    config, port = tmp_path / "emulator.conf", free_port()
    config.write_text(f"SUSHY_EMULATOR_STATE_DIR = {str(tmp_path)!r}\n")
    command = [str(Path(sys.executable).with_name("sushy-emulator")), "--fake"]
    command += ["--config", str(config), "--interface", "127.0.0.1", "--port", str(port)]
    certificate = identity(tmp_path) if request.param == "https" else None
    if certificate is not None:
        command += ["--ssl-certificate", str(certificate.certificate)]
        command += ["--ssl-key", str(certificate.key)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "the emulator did not start"
            time.sleep(0.1)
        yield Emulator(f"{request.param}://127.0.0.1:{port}", certificate)
    finally:
        process.terminate()
        process.wait(timeout=90)


def switch(emulator: Emulator, reset: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = sushy.Sushy(emulator.address, verify=False)
        root.get_system(SYSTEM).reset_system(sushy.ResetType(reset))


@asynccontextmanager
async def serving(state_dir: Path) -> AsyncIterator[tuple[House, str]]:
    """A house that polls fast, behind its real HTTP server."""
    listen = f"127.0.0.1:{free_port()}"
    options = HouseOptions(
        state_dir=state_dir,
        listen=listen,
        demo=True,
        periods=Periods(hot_s=0.2, inventory_s=5.0),
    )
    async with open_house(options) as house:
        server = make_server(house)
        task = asyncio.create_task(run_server(server, listen))
        try:
            while not server.started:
                await asyncio.sleep(0.02)
            yield house, f"http://{listen}"
        finally:
            server.should_exit = True
            await task


async def power_becomes(url: str, wanted: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=url, timeout=90) as client:
        for _ in range(600):
            found = (await client.get("/api/v1/nodes")).json()["items"]
            if found and found[0]["status"]["power_state"] == wanted:
                status: dict[str, Any] = found[0]["status"]
                return status
            await asyncio.sleep(0.05)
    raise AssertionError(f"power is never {wanted}: {found}")


async def test_it_is_discovered_and_its_power_state_followed(
    emulator: Emulator, tmp_path: Path
) -> None:
    shell = Shell(tmp_path)
    async with serving(tmp_path / "state") as (_, url):
        words = ["discover", emulator.address, "-o", "json", "--url", url]
        words += ["--allow-http"] if emulator.certificate is None else ["--trust", "first"]
        said = await asyncio.to_thread(shell, *words, without=["IOLAUS_BMC_PASSWORD"])
        assert said.code == 0, said
        assert said.json["counts"] == {"new": 1}
        node = await power_becomes(url, "Off")
        assert node["uuid"] == UUID
        for reset, state in (("On", "On"), ("ForceOff", "Off")):
            await asyncio.to_thread(switch, emulator, reset)
            assert (await power_becomes(url, state))["stale"] is False


def test_it_can_be_inspected(emulator: Emulator, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    said = shell(
        "inspect",
        emulator.address,
        *emulator.options,
        "-o",
        "json",
        without=["IOLAUS_BMC_PASSWORD"],
    )
    assert said.code == 0, said
    (node,) = said.json["nodes"]
    context = emulator.certificate.client if emulator.certificate else None
    with urllib.request.urlopen(emulator.address + SYSTEM, context=context) as answer:
        told = json.load(answer)
    assert (node["uuid"], node["power_state"]) == (told["UUID"], told["PowerState"])
    assert node["counts"]["drive"] is None, "its storage answers 500: unknown, and not none"
