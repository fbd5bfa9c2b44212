"""The whole building side beside a hall that runs: found by the ready line and the hosts file,
asked by stock clients, played by the oracle, gone with the hall."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiomqtt
import psutil
import pytest
import yaml
from pymodbus.client import AsyncModbusTcpClient

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.building.serve import BuildingOptions, serve_building
from iolaus.sim.command import ServeOptions, run
from iolaus.sim.device import Device
from tests.sim.building.conftest import SITE
from tests.sim.building.hand_clock import HandClock
from tests.sim.building.modbus_client import read

Line = dict[str, Any]
NO_WAIT = BuildingOptions(baud=0)


@asynccontextmanager
async def hall(devices: Sequence[Device], clock: HandClock, folder: Path) -> Any:
    """The devices and the building beside them; the ready line."""
    lines: asyncio.Queue[Line] = asyncio.Queue()
    stop = asyncio.Event()
    serve = ServeOptions(port=0, tls=False, hosts_out=folder / "hosts.yaml")
    task = asyncio.create_task(
        run(
            devices, serve=serve, ready=lambda line: lines.put_nowait(dict(line)), stop=stop,
            signals=False,
            companions={
                "building": lambda found: serve_building(found, clock=clock, options=NO_WAIT)
            },
        )
    )  # fmt: skip
    first = asyncio.create_task(lines.get())
    await asyncio.wait({task, first}, return_when="FIRST_COMPLETED", timeout=90)
    if not first.done():
        first.cancel()
        await task
    try:
        yield first.result()
    finally:
        stop.set()
        await task


async def ask(line: Line, verb: str, **body: Any) -> Any:
    oracle = line["oracle"]
    headers = {"Authorization": f"Bearer {oracle['token']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        url = f"{oracle['url']}/beside/building/{verb}"
        async with session.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


async def test_all_of_it_beside_a_hall(
    devices: Sequence[Device], clock: HandClock, tmp_path: Path
) -> None:
    others = set(psutil.Process().children())
    async with hall(devices, clock, tmp_path) as line:
        told = line["building"]
        labels = {
            host["name"]: host["labels"]
            for host in yaml.safe_load((tmp_path / "hosts.yaml").read_text())["hosts"]
        }
        shelf, pdu = labels["h1-r01-ps1"], labels["h1-r03-pdu1"]
        assert shelf["modbus"].endswith(f":{told['modbus']['port']}")
        assert pdu["snmp"].endswith(f":{told['snmp']['port']}")
        assert Path(shelf["serial"]).is_char_device()
        await _modbus(shelf["modbus"])
        while not (await ask(line, "links"))["bms"]["turns"]:
            await asyncio.sleep(0)
        await _mqtt(told)
        await _played(line, clock)
        folder = Path(told["folder"])
        for name in ("credentials.json", "building.json", "grid.jwks.json"):
            assert (folder / name).is_file()
        assert (folder / "credentials.json").stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert not [c for c in psutil.Process().children() if c not in others and "nats" in c.name()]


async def _modbus(where: str) -> None:
    host, _, port = where.rpartition(":")
    client = AsyncModbusTcpClient(host, port=int(port))
    assert await client.connect()
    assert await read(client, 192, "psu", "firmware") > 0
    client.close()


async def _mqtt(told: Mapping[str, Any]) -> None:
    password = json.loads(Path(told["credentials"]).read_text())["mqtt"]["viewer"]
    host, _, port = told["mqtt"].rpartition(":")
    async with (
        aiomqtt.Client(host, int(port), username="viewer", password=password) as mqtt,
        asyncio.timeout(90),
    ):
        await mqtt.subscribe("BMS/v1/PUB/Metadata/#", qos=1)
        for _ in range(told["points"]):
            assert (await anext(mqtt.messages)).topic.matches("BMS/v1/PUB/Metadata/#")


async def _played(line: Line, clock: HandClock) -> None:
    await ask(line, "spill", rack="h1-r01")
    assert await ask(line, "read", thing="h1-r01", point="leak") == {"value": 1.0}
    fault = await ask(line, "arm", name="bad-quality", thing="h1-*")
    assert (await ask(line, "faults"))["armed"] == [fault]
    assert await ask(line, "disarm", word="bad-quality") == [fault]
    await ask(line, "set", thing="h1-r01-ps1", point="ac_loss_forced.0", value=1)
    assert await ask(line, "read", thing="h1-r01-ps1", point="working") == {"value": 5.0}
    sent = await ask(line, "set-load", targets=[{"limit_w": 1000.0, "feeds": ["main-a"]}])
    assert set(sent) == {"correlation"}
    assert await ask(line, "heard") == []
    assert await ask(line, "judged") == []
    before = line["building"]["mqtt"]
    assert (await ask(line, "restart-broker"))["mqtt"] == before
    with pytest.raises(AssertionError, match="unknown verb"):
        await ask(line, "burn")


async def test_rack_that_is_cut_off_is_dark_on_every_protocol(
    devices: Sequence[Device], clock: HandClock, tmp_path: Path
) -> None:
    tray = next(d for d in devices if d.name.startswith("h1-r01-u"))
    async with (
        hall(devices, clock, tmp_path),
        serve_building(devices, clock=clock) as building,
        aiohttp.ClientSession() as session,
    ):
        assert not await _refused(session, tray.address)
        building.plant.isolate("h1-r01", "electrical", isolated=True)
        assert await _refused(session, tray.address)
        building.plant.isolate("h1-r01", "electrical", isolated=False)
        async with asyncio.timeout(90):
            while await _refused(session, tray.address):
                await asyncio.sleep(0)


async def _refused(session: aiohttp.ClientSession, address: str) -> bool:
    try:
        return (await session.get(f"{address}/redfish/v1")).status != 200
    except aiohttp.ClientError:
        return True


async def test_port_that_is_taken(devices: Sequence[Device], clock: HandClock) -> None:
    async with serve_building(devices, clock=clock) as building:
        for options in (
            BuildingOptions(modbus_port=building.modbus.port),
            BuildingOptions(snmp_port=building.snmp.port),
        ):
            with pytest.raises(OperatorMust, match="cannot listen"):
                async with serve_building(devices, options=options, clock=clock):
                    pass


def test_command_line_and_its_end(tmp_path: Path) -> None:
    """Killed without mercy, the simulator takes its broker along."""
    site = tmp_path / "site.yaml"
    site.write_text(SITE.replace("127.61.0.0", "127.62.0.0"))
    command = [sys.executable, "-m", "iolaus", "sim", "hall", str(site)]
    with subprocess.Popen(
        [*command, "--port", "0", "--http", "--building"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            assert line["building"]["points"] > 100
            parent = psutil.Process(process.pid)
            (broker,) = [c for c in parent.children() if "nats-server" in c.name()]
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert not psutil.wait_procs([broker], timeout=90)[1]
