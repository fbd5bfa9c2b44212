"""The process: one ready line, the oracle's door, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.command import ServeOptions, read_password, run
from iolaus.sim.tls import Authority
from tests.sim.engine.conftest import basic
from tests.sim.engine.test_replay import written
from tests.sim.engine.tree import V1, device

SYSTEM = f"{V1}/Systems/1"


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    words = [str(argument) for argument in arguments]
    command = [sys.executable, "-m", "iolaus.sim", "replay", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_says_when_it_is_ready_and_ends_when_told(
    tmp_path: Path, number: signal.Signals
) -> None:
    hosts = tmp_path / "hosts.yaml"
    arguments = ("--port", "0", "--subnet", "127.77.0.0", "--hosts-out", hosts)
    with started(written(tmp_path / "box"), *arguments) as process:
        try:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            assert (line["ready"], line["devices"], line["hosts"]) == (True, 1, str(hosts))
            (host,) = yaml.safe_load(hosts.read_text())["hosts"]
            assert host["name"] == "box"
            unchecked = ssl._create_unverified_context()
            with urllib.request.urlopen(host["address"] + V1, context=unchecked) as answer:
                assert json.load(answer)["RedfishVersion"] == "1.15.0"
            process.send_signal(number)
            output, errors = process.communicate(timeout=90)
        finally:
            process.kill()
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.parametrize("more", [(), ("--faults", "/nowhere.yaml"), ("--subnet", "10.0.0.0")])
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, more: tuple[str, ...]) -> None:
    path = written(tmp_path / "box") if more else tmp_path / "absent"
    with started(path, "--port", "0", *more) as process:
        output, errors = process.communicate(timeout=90)
    assert (process.returncode, output) == (2, "")
    assert "Traceback" not in errors
    assert errors.startswith("iolaus sim: ")
    assert "Next: " in errors


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-m', 'iolaus.sim', 'replay', *sys.argv[1:]],"
        " stdout=subprocess.PIPE)\n"
        "sys.stdout.buffer.write(p.stdout.readline()); sys.stdout.flush()\n"
        "import os; os._exit(0)\n"
    )
    box = str(written(tmp_path / "box"))
    command = [sys.executable, "-c", script, box, "--port", "0", "--with-parent"]
    command += ["--subnet", "127.78.0.0"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    pid = json.loads(found.stdout)["pid"]
    for _ in range(200):
        if not _alive(pid):
            return
        signal.sigtimedwait([], 0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the simulator outlived its parent")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Door:
    """The oracle's client."""

    def __init__(self, session: aiohttp.ClientSession, line: Mapping[str, Any]) -> None:
        self._session, self._line = session, line

    async def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        oracle = self._line["oracle"]
        headers = {"Authorization": f"Bearer {token or oracle['token']}"}
        async with self._session.request(
            method, oracle["url"] + path, json=body, headers=headers
        ) as response:
            return response.status, await response.json()

    async def bmc(self, method: str, path: str, **more: Any) -> int:
        address = self._line["first"] + path
        async with self._session.request(
            method, address, ssl=False, headers=basic(), **more
        ) as response:
            await response.read()
            return int(response.status)


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[Door]:
    ready = asyncio.Queue[Mapping[str, Any]]()
    stop = asyncio.Event()
    serve = ServeOptions(port=0, subnet="127.79.0.0", **options)
    devices = [device("n1"), device("n2")]
    task = asyncio.create_task(
        run(devices, serve=serve, ready=ready.put_nowait, stop=stop, signals=False)
    )
    try:
        line = asyncio.create_task(ready.get())
        waiting: set[asyncio.Task[Any]] = {task, line}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            line.cancel()
            await task
        async with aiohttp.ClientSession() as session:
            yield Door(session, line.result())
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_oracle_counts_and_orders() -> None:
    async with opened() as door:
        await door.ask("POST", "/devices/n1/record", {"on": True})
        for path in (V1, SYSTEM, SYSTEM):
            assert await door.bmc("GET", path) == 200
        _, found = await door.ask("GET", "/devices/n1")
        assert found["requests"] == 3
        assert found["by_path"] == {V1: 1, SYSTEM: 2}
        assert [path for _, _, path in found["order"]] == [V1, SYSTEM, SYSTEM]
        _, total = await door.ask("GET", "/counters")
        assert (total["devices"], total["requests"], total["max_in_flight"]) == (2, 3, 1)
        await door.ask("POST", "/devices/n1/reset-counters")
        _, found = await door.ask("GET", "/devices/n1")
        assert (found["requests"], found["order"]) == (0, [])


async def test_the_oracle_knows_the_truth_and_can_change_it() -> None:
    async with opened() as door:
        rule = {"effect": "lie", "lie": "accept_without_effect"}
        assert (await door.ask("POST", "/faults", [rule]))[1] == {"rules": 1, "devices": 2}
        await door.bmc("PATCH", SYSTEM, json={"AssetTag": "x"})
        _, truth = await door.ask("GET", f"/devices/n1/truth?path={SYSTEM}")
        assert truth["resource"]["AssetTag"] == ""
        assert (await door.ask("DELETE", "/faults"))[1] == {"faults": 0, "mended": []}
        changes = {"path": SYSTEM, "changes": {"AssetTag": "y"}}
        await door.ask("POST", "/devices/n1/patch", changes)
        _, truth = await door.ask("GET", "/devices/n1/truth")
        assert truth["changed"][SYSTEM]["AssetTag"] == "y"


async def test_the_oracle_kills_and_revives() -> None:
    async with opened() as door:
        _, found = await door.ask("POST", "/devices/n1/down", {"how": "refuse"})
        assert found["state"] == "refuse"
        with pytest.raises(aiohttp.ClientConnectorError):
            await door.bmc("GET", V1)
        _, found = await door.ask("POST", "/devices/n1/up")
        assert (found["state"], await door.bmc("GET", V1)) == ("up", 200)


async def test_the_oracles_door_is_shut_to_strangers_and_nonsense() -> None:
    async with opened() as door:
        assert (await door.ask("GET", "/devices", token="guess"))[0] == 401
        for method, path, body in (
            ("GET", "/devices/nobody", None),
            ("POST", "/devices/n1/down", {"how": "loudly"}),
            ("POST", "/devices/n1/patch", {}),
            ("POST", "/faults", [{"effect": "boom"}]),
            ("POST", "/faults", 5),
        ):
            status, found = await door.ask(method, path, body)
            assert (status, "error" in found) == (400, True), path
        assert (await door.ask("POST", "/devices/n1/fly", {}))[0] == 404


async def test_faults_and_hosts_from_files(tmp_path: Path) -> None:
    faults, hosts = tmp_path / "faults.yaml", tmp_path / "hosts.yaml"
    faults.write_text("- {effect: status, status: 418, select: {device: n1}}")
    async with opened(faults=faults, hosts_out=hosts) as door:
        assert await door.bmc("GET", V1) == 418
        assert len(yaml.safe_load(hosts.read_text())["hosts"]) == 2
    with pytest.raises(OperatorMust):
        async with opened(hosts_out=tmp_path / "no/such/hosts.yaml"):
            pytest.fail("a hosts file that cannot be written was not noticed")


def test_certificates_outlive_the_process(tmp_path: Path) -> None:
    def shown(authority: Authority) -> str:
        return authority.leaf(host="127.0.0.1", name="n1").fingerprint

    folder = tmp_path / "tls"
    assert shown(Authority(folder)) == shown(Authority(folder)) != shown(Authority())
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())


def test_the_password_is_read_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IOLAUS_SIM_PASSWORD", raising=False)
    assert read_password(None) == "iolaus-sim"
    monkeypatch.setenv("IOLAUS_SIM_PASSWORD", "other")
    assert read_password(None) == "other"
    file = tmp_path / "password"
    file.write_text("third\n")
    assert read_password(file) == "third"
    with pytest.raises(OperatorMust):
        read_password(tmp_path / "absent")
