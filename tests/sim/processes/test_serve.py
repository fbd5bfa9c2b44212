"""A hall of two processes on the wire: to whoever uses it, it is one."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from iolaus.sim.hall import spots_of
from iolaus.sim.hall_site import load_site

PATIENCE_S = 360.0
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  network: {cidr: 127.67.0.0/24}
  racks:
    dry:
      place:
        - {persona: rack-pdu}
        - {persona: xe9680-h200, u: 4}
  halls:
    - name: h1
      rows: [{name: a, racks: [{template: dry, count: 4}]}]
"""
SCRIPT = """
apiVersion: iolaus.dev/v1
kind: FaultScript
steps: [{at: 0s, break: identity-blank, select: role=node, id: blank}]
"""
NODES = [f"h1-r0{n}-u04" for n in (1, 2, 3, 4)]


class Running:
    def __init__(self, process: subprocess.Popen[str], tls: ssl.SSLContext) -> None:
        self.process, self.tls = process, tls
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=PATIENCE_S)[1]
        self.line: Mapping[str, Any] = json.loads(line)
        self.parts = psutil.Process(process.pid).children()

    def ask(self, path: str, body: object = None, *, method: str = "") -> Any:
        oracle = self.line["oracle"]
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            oracle["url"] + path,
            data=data,
            headers={"Authorization": f"Bearer {oracle['token']}"},
            method=method or ("GET" if body is None else "POST"),
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return {"status": refused.code, **json.load(refused)}

    def uuid(self, address: str) -> str:
        with urllib.request.urlopen(f"{address}/redfish/v1", context=self.tls) as answer:
            return str(json.load(answer)["UUID"])

    def ended(self) -> tuple[int, str]:
        """Its exit code and what it said, once it and all its parts are gone."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        _, left = psutil.wait_procs(self.parts, timeout=PATIENCE_S)
        assert left == []
        return self.process.returncode, said


@contextmanager
def started(folder: Path, *more: str, port: int = 0) -> Iterator[Running]:
    site, tls_dir, hosts = folder / "site.yaml", folder / "tls", folder / "hosts.yaml"
    site.write_text(SITE)
    command = [
        sys.executable, "-m", "iolaus", "sim", "hall", str(site), "--no-physics",
        "--processes", "2", "--port", str(port), "--tls-dir", str(tls_dir),
        "--hosts-out", str(hosts), *more,
    ]  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            trusted = ssl.create_default_context()
            running = Running(process, trusted)
            trusted.load_verify_locations(tls_dir / "authority.pem")
            yield running
        finally:
            process.kill()


def test_two_processes_are_one_hall(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text(SCRIPT)
    with started(tmp_path, "--script", str(script)) as hall:
        names = [spot.name for spot in spots_of(load_site(tmp_path / "site.yaml"))]
        hosts = yaml.safe_load((tmp_path / "hosts.yaml").read_text())["hosts"]
        assert (hall.line["devices"], hall.line["processes"], len(hall.parts)) == (8, 2, 2)
        assert [host["name"] for host in hosts] == names
        assert hall.line["first"] == hosts[0]["address"]
        _is_struck(hall, hosts)
        _answers_for_all(hall, names)
        _refuses_its_port_to_another(hall, tmp_path / "site.yaml")
        hall.process.send_signal(signal.SIGTERM)
        assert hall.ended() == (0, "iolaus sim: 0 s: identity-blank on 4 devices (blank)\n")


def _is_struck(hall: Running, hosts: list[dict[str, Any]]) -> None:
    """By the script, in both parts, until it is mended; then by rules."""
    nodes = [host["address"] for host in hosts if host["name"] in NODES]
    while not (on := hall.ask("/faults")["on"]):
        time.sleep(0.05)
    assert (on[0]["id"], on[0]["on"]) == ("blank", NODES)
    assert {hall.uuid(each) for each in nodes} == {"00000000-0000-0000-0000-000000000000"}
    assert [each["id"] for each in hall.ask("/faults/blank", method="DELETE")["mended"]] == [
        "blank"
    ]
    assert len({hall.uuid(each) for each in nodes}) == 4
    struck = hall.ask("/faults", {"fault": "identity-duplicate", "select": "role=node"})
    assert (struck["id"], struck["on"]) == ("identity-duplicate-1", NODES)
    assert len({hall.uuid(each) for each in nodes}) == 1
    again = hall.ask("/faults", {"fault": "silent", "id": "identity-duplicate-1"})
    assert (again["status"], again["subject"]) == (400, "silent")
    assert [each["fault"] for each in hall.ask("/faults")["on"]] == ["identity-duplicate"]
    assert len(hall.ask("/faults", method="DELETE")["mended"]) == 1
    assert hall.ask("/faults", [{"preset": "clock-off"}]) == {"rules": 1, "devices": 8}
    assert len(hall.ask("/faults")["faults"]) == 1
    assert hall.ask("/faults", method="DELETE") == {"faults": 0, "mended": []}


def _answers_for_all(hall: Running, names: list[str]) -> None:
    told = hall.ask("/devices")["devices"]
    assert [each["name"] for each in told] == names
    counters = hall.ask("/counters")
    assert counters["devices"] == 8
    assert counters["requests"] == sum(each["requests"] for each in told) > 0
    assert hall.ask("/truth") == {"devices": 8, "off": [], "leaking": [], "over_limit": []}
    for name in NODES:
        assert hall.ask(f"/truth/{name}")["draws_w"] > 0
        hall.ask(f"/devices/{name}/record", {"on": True})
        assert hall.ask(f"/devices/{name}")["order"] == []
        assert "Members" in str(hall.ask(f"/devices/{name}/truth?path=/redfish/v1/Systems"))
    assert "BEGIN CERTIFICATE" in hall.ask("/trust")["anchors"]
    assert hall.ask("/devices/nobody")["status"] == 400
    assert hall.ask("/faults", {"fault": "no-such"})["code"] == "NoSuchFault"


def _refuses_its_port_to_another(hall: Running, site: Path) -> None:
    command = [
        sys.executable, "-m", "iolaus", "sim", "hall", str(site), "--no-physics",
        "--processes", "2", "--http", "--port", str(hall.line["port"]),
    ]  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as other:
        told = other.communicate(timeout=PATIENCE_S)
    assert (other.returncode, told[0]) == (2, "")
    assert told[1].startswith("start simulated hall: cannot listen on 127.67.0.1:")


def test_neither_the_hall_nor_a_part_outlives_the_other(tmp_path: Path) -> None:
    with started(tmp_path) as hall:
        port = hall.line["port"]
        hall.process.kill()
        assert hall.ended() == (-signal.SIGKILL, "")
    with started(tmp_path, port=port) as hall:
        hall.parts[1].kill()
        code, said = hall.ended()
    assert code == 1
    assert "a process that serves a part of it has ended Next: Start the hall again" in said
    assert "Traceback" not in said
