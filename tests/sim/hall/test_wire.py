"""A small hall over the real wire, read by clients that others wrote."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import sys
import warnings
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redfish
import sushy
import yaml

from iolaus.sim.device import Latency
from iolaus.sim.hall import Seat, build_hall
from iolaus.sim.hall_sizes import default_site
from iolaus.sim.personas import personas
from iolaus.sim.server import Hall, running

PASSWORD = "hall-secret"
SMALL = """\
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  network: {cidr: 127.31.0.0/24}
  racks:
    one: {place: [{persona: dl365-cpu, u: 1, count: 2}, {persona: rack-pdu}]}
  halls: [{name: h1, rows: [{name: a, racks: [{template: one}]}]}]
"""


def one_of_each() -> list[Seat]:
    """The first seat of every persona of the default hall."""
    first: dict[str, Seat] = {}
    for seat in build_hall(replace(default_site(), latency=Latency())):
        first.setdefault(seat.persona.name, seat)
    return list(first.values())


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    accounts = {"root": PASSWORD}
    async with running([seat.device(accounts=accounts) for seat in one_of_each()]) as served:
        yield served


async def crawl(session: aiohttp.ClientSession, address: str) -> dict[str, Any]:
    """Everything reachable from the root by @odata.id, registries by their Uri, and parameters."""
    found: dict[str, Any] = {}
    ahead = ["/redfish/v1"]
    while ahead:
        path = ahead.pop()
        if path in found:
            continue
        async with session.get(address + path) as response:
            assert response.status == 200, path
            found[path] = await response.json()
        ahead += linked(found[path])
    return found


def linked(value: Any) -> list[str]:
    if isinstance(value, list):
        return [path for inner in value for path in linked(inner)]
    if not isinstance(value, dict):
        return []
    own = value.get("@odata.id")
    here = [own.split("#")[0].rstrip("/")] if isinstance(own, str) else []
    here += [value[name] for name in ("Uri", "@Redfish.ActionInfo") if name in value]
    return here + [path for name, inner in value.items() for path in linked(inner)]


async def test_every_persona_is_read_whole(hall: Hall) -> None:
    word = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {word}"}
    connector = aiohttp.TCPConnector(ssl=False, limit_per_host=4)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        for device in hall.devices:
            found = await crawl(session, device.address)
            assert set(found) == set(device.paths()), device.name
    assert len(hall.devices) == len(personas())


async def test_expansion_drops_nothing(hall: Hall) -> None:
    tray = next(d for d in hall.devices if d.get("/redfish/v1/Systems/HGX_Baseboard_0"))
    word = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
    url = f"{tray.address}/redfish/v1/Chassis/Chassis_0/Sensors"
    async with aiohttp.ClientSession(headers={"Authorization": f"Basic {word}"}) as session:
        async with session.get(f"{url}?$expand=.($levels=1)", ssl=False) as response:
            whole = await response.json()
        for member in whole["Members"]:
            async with session.get(tray.address + member["@odata.id"], ssl=False) as response:
                assert set(await response.json()) == set(member)


def with_sushy(address: str) -> list[tuple[str, str, str | None, int]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Basic, because a collected session client asks its device once more, whenever that is.
        auth = sushy.auth.BasicAuth(username="root", password=PASSWORD)
        root = sushy.Sushy(address, auth=auth, verify=False)
        return [
            (s.manufacturer, s.serial_number, s.power_state.value, len(s.processors.get_members()))
            for s in root.get_system_collection().get_members()
        ]


async def test_sushy_reads_the_hosts(hall: Hall) -> None:
    wanted = {
        "xe9680-h200": [("Dell Inc.", "On", 10)],
        "dl365-cpu": [("HPE", "On", 2)],
        "sd665-twin": [("Lenovo", "On", 2), ("Lenovo", "On", 2)],
        "gb300-tray": [("NVIDIA", "On", 2), ("NVIDIA", "On", 4)],
    }
    for seat, device in zip(one_of_each(), hall.devices, strict=True):
        if seat.persona.name in wanted:
            found = await asyncio.to_thread(with_sushy, device.address)
            said = [(maker, power, processors) for maker, _, power, processors in found]
            assert said == wanted[seat.persona.name]
            assert all(serial for _, serial, _, _ in found)


def with_redfish(address: str, outlet: str) -> tuple[str, int, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = redfish.redfish_client(base_url=address, username="root", password=PASSWORD)
        client.login(auth="session")
        before = client.get(outlet).dict["PowerState"]
        answer = client.post(f"{outlet}/Actions/Outlet.PowerControl", body={"PowerState": "Off"})
        after = client.get(outlet).dict["PowerState"]
        client.logout()
        return before, answer.status, after


async def test_redfish_library_switches_an_outlet(hall: Hall) -> None:
    strip = next(d for d in hall.devices if d.labels["role"] == "pdu")
    outlet = "/redfish/v1/PowerEquipment/RackPDUs/1/Outlets/3"
    found = await asyncio.to_thread(with_redfish, strip.address, outlet)
    assert found[0] == "On"
    assert found[1] in (200, 202, 204)
    assert found[2] == "Off"
    assert (strip.get(outlet) or {})["PowerWatts"]["Reading"] == 0


async def test_a_site_file_is_served_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SMALL)
    hosts = tmp_path / "hosts.yaml"
    code = (
        "import sys; from pathlib import Path;"
        "from iolaus.sim.command import ServeOptions;"
        "from iolaus.sim.hall_command import serve_hall;"
        "serve = ServeOptions(port=0, hosts_out=Path(sys.argv[2]), with_parent=True);"
        "sys.exit(serve_hall(Path(sys.argv[1]), serve=serve))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path / "site.yaml"), str(hosts),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert (ready["ready"], ready["devices"]) == (True, 3)
        listed = yaml.safe_load(hosts.read_text())
        assert listed["kind"] == "Hosts"
        assert [host["name"] for host in listed["hosts"]] == [
            "h1-r01-u01",
            "h1-r01-u02",
            "h1-r01-pdu1",
        ]
        assert listed["hosts"][0]["labels"]["u"] == "1"
        assert all(host["fingerprint"] for host in listed["hosts"])
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 90) == 0


async def test_a_wrong_site_file_ends_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SMALL.replace("dl365-cpu", "dl365-gpu"))
    code = (
        "import sys; from pathlib import Path;"
        "from iolaus.sim.hall_command import serve_hall; sys.exit(serve_hall(Path(sys.argv[1])))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path / "site.yaml"), stderr=asyncio.subprocess.PIPE
    )
    _, told = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert b"site.yaml:7:29: " in told
    assert b"Did you mean 'dl365-cpu'" in told
    assert b"Traceback" not in told
