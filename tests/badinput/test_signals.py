"""Ctrl-C and SIGTERM at an awkward time: an end in words, nothing left running, no session left."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest
import yaml

from iolaus.kernel.ports import free_port
from tests.badinput.command import CANARY, Shell
from tests.badinput.hostile import Hostile, silent

STOPS = [signal.SIGINT, signal.SIGTERM]
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  network: {cidr: 127.63.0.0/24}
  racks: {one: {place: [{persona: dl365-cpu, u: 1}]}}
  halls: [{name: h1, rows: [{name: a, racks: [{template: one, count: 1}]}]}]
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


class Hall:
    """A simulated device of the program's own, and what its oracle counts."""

    def __init__(self, ready: dict[str, Any], hosts: Path) -> None:
        self._oracle = ready["oracle"]
        self.name = yaml.safe_load(hosts.read_text())["hosts"][0]["name"]
        self.address = yaml.safe_load(hosts.read_text())["hosts"][0]["address"]

    def ask(self, path: str, body: Any = None) -> Any:
        bearer = {"Authorization": f"Bearer {self._oracle['token']}"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self._oracle["url"] + path, data, bearer), timeout=60) as answer:
            return json.load(answer)

    def device(self) -> Any:
        return self.ask(f"/devices/{self.name}")


@pytest.fixture
def hall(shell: Shell, tmp_path: Path) -> Iterator[Hall]:
    site, hosts, password = tmp_path / "site.yaml", tmp_path / "hosts.yaml", tmp_path / "pw"
    site.write_text(SITE)
    password.write_text(CANARY)
    words = ("sim", "hall", site, "--port", 0, "--hosts-out", hosts, "--password-file", password)
    with shell.started(*words) as running:
        yield Hall(json.loads(running.first_line()), hosts)


@pytest.mark.parametrize("number", STOPS)
def test_inspect_that_hangs_is_ended(shell: Shell, number: signal.Signals) -> None:
    with Hostile(silent) as server:
        words = ("inspect", server.url, "--allow-http", "--user", "root")
        with shell.started(*words) as running:
            running.until(lambda: bool(server.asked))
            said = running.ended(number, wait_s=60)
    assert said.code in (130, 143, -number)
    assert said.out == ""


def test_what_a_script_left_in_the_background_is_ended_too(shell: Shell) -> None:
    with Hostile(silent) as server:
        words = ("inspect", server.url, "--allow-http", "--user", "root")
        with shell.started(*words, ignored=[signal.SIGINT]) as running:
            running.until(lambda: bool(server.asked))
            said = running.ended(signal.SIGTERM, wait_s=60)
    assert said.code in (130, 143, -signal.SIGTERM)


def test_inspect_only_reads_and_leaves_no_session(shell: Shell, hall: Hall) -> None:
    said = shell("inspect", hall.address, "--user", "root", "--trust", "first", "-o", "json")
    assert said.code == 0, said
    told = hall.device()
    assert told["sessions"] == []
    assert set(told["by_method"]) <= {"GET", "POST", "DELETE"}
    assert told["by_method"].get("POST", 0) == told["by_method"].get("DELETE", 0) <= 1


@pytest.mark.parametrize("number", STOPS)
def test_interrupted_inspect_leaves_no_session(
    shell: Shell, hall: Hall, number: signal.Signals
) -> None:
    rule = {"effect": "latency", "hang": True, "select": {"path": "*/FirmwareInventory*"}}
    hall.ask("/faults", [rule])
    words = ("inspect", hall.address, "--user", "root", "--trust", "first")
    with shell.started(*words) as running:
        running.until(lambda: bool(hall.device()["sessions"]))
        said = running.ended(number, wait_s=60)
    assert said.code in (130, 143, -number)
    assert said.out == ""
    assert hall.device()["sessions"] == []


@pytest.mark.parametrize("number", STOPS)
def test_serve_ends_well(shell: Shell, tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    words = ("serve", "--state", tmp_path / "s", "--listen", f"127.0.0.1:{port}")

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with shell.started(*words) as running:
        running.until(listens)
        assert running.ended(number, wait_s=60).code == 0


def test_impatience_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    port = free_port()
    words = ("serve", "--state", tmp_path / "s", "--listen", f"127.0.0.1:{port}")

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with shell.started(*words) as running:
        running.until(listens)
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGTERM)
        assert running.ended(signal.SIGINT, wait_s=60).code == 0


@pytest.mark.parametrize("number", STOPS)
def test_up_that_is_still_starting_leaves_nothing(shell: Shell, number: signal.Signals) -> None:
    with shell.started("up", "--nodes", 20, "--listen", f"127.0.0.1:{free_port()}") as running:
        process = psutil.Process(running.process.pid)
        running.until(lambda: bool(process.children(recursive=True)))
        children = process.children(recursive=True)
        said = running.ended(number, wait_s=90)
    assert said.code in (0, 130, 143, -number)
    assert not psutil.wait_procs(children, timeout=60)[1]
