"""kill -9 of a server, of an edge's process, and of both, with the machines watched from outside.

The simulated machines live in the process of the test. A server in another one holds one rack, an
`iolaus edge` in a third holds another. Fifty times a second it is written down what every cap is;
that record is judged: once a rack was under its limit it never is over it again, its boosts do not
outlive the server, nothing rises while nobody lives, and whoever starts again first reads and then
goes on, without a jump.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.app.watched import Watched, is_falling
from tests.survival.stage import Ground, grounded, housed, machine

pytestmark = pytest.mark.slow

SERVED, EDGED = ("one", "two"), ("three",)
LIMIT_W, FLOOR_W = 8_000.0, 2_600.0
POWER = """\
apiVersion: iolaus.dev/v1
kind: Plant
metadata: {name: h1}
spec:
  domains:
    - {name: feed-a, kind: feed, limit: 20 kW}
    - {name: r1, kind: rack, parent: feed-a, limit: 8 kW}
---
apiVersion: iolaus.dev/v1
kind: PowerPolicy
metadata: {name: hall}
spec: {mode: control}
"""
HOSTS = "hosts:\n  - {{address: '{address}', name: three, labels: {{rack: r2}}}}\n"


class Processes(Watched):
    """The machines, and who holds them."""

    def __init__(self, ground: Ground, folder: Path) -> None:
        super().__init__(ground, (*SERVED, *EDGED))
        self.folder = folder

    def sum_w(self) -> float:
        return sum(self.cap_w(name) for name in SERVED)

    def server(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.app.powered", str(self.folder / "state")]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def edge(self) -> subprocess.Popen[bytes]:
        folder = self.folder
        (folder / "hosts.yaml").write_text(HOSTS.format(address=self.ground.hall["three"].address))
        (folder / "pw").write_text("iolaus-sim")
        (folder / "pw").chmod(0o600)
        command = [
            *(sys.executable, "-m", "iolaus", "edge", str(folder / "hosts.yaml")),
            *("--user", "root", "--password-file", str(folder / "pw"), "--mode", "control"),
            *("--ca-file", str(self.ground.ca_file), "--state", str(folder / "edge")),
        ]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[Processes]:
    """Two machines in a rack that cannot carry both at full, one in another; targets are known."""
    (folder / "state").mkdir(mode=0o700)
    (folder / "state" / "power.yaml").write_text(POWER)
    names = (*SERVED, *EDGED)
    devices = [machine("gb300-tray", name, number=n) for n, name in enumerate(names)]
    async with grounded(folder, *devices) as ground:
        async with housed(folder, ground, managed=True) as on:
            for device in ground.hall.devices:
                facts = on.house.state.facts
                target = facts.target_of(device.address)
                assert target
                if device.name in SERVED:
                    labels = {"rack": "r1", "row": "a"}
                    facts.put_target(msgspec.structs.replace(target, labels=labels))
                else:
                    facts.remove_target(device.address)
        seen = Processes(ground, folder)
        async with seen.watching():
            yield seen


@contextmanager
def alive(*started: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        for each in started:
            if each.poll() is None:
                each.kill()
            each.wait()


def killed(*processes: subprocess.Popen[bytes]) -> float:
    for each in processes:
        os.kill(each.pid, signal.SIGKILL)
        each.wait()
    return time.monotonic()


def leased(on: Processes) -> bool:
    return 2 * FLOOR_W + 500.0 < on.sum_w() <= LIMIT_W


def at_floor(on: Processes) -> bool:
    return all(on.cap_w(name) == FLOOR_W for name in SERVED)


@pytest.mark.soak
async def test_a_server_that_is_killed_leaves_no_overrun_and_comes_back_without_a_jump(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as on:
        first = on.server()
        with alive(first):
            await on.until(lambda: leased(on), "the rack has what the plant lets it have")
            began = time.monotonic()
            dead = killed(first)
        await on.until(lambda: at_floor(on), "the heir takes the boosts back")
        assert is_falling(on.since(dead))
        second = on.server()
        with alive(second):
            await on.until(lambda: len(on.since(dead)) > 1200 and leased(on), "it is leased again")
        assert max(sum(row.caps[n] for n in SERVED) for row in on.since(began)) <= LIMIT_W


@pytest.mark.soak
async def test_an_edge_and_a_server_that_are_killed_together_leave_floors_and_no_overrun(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as on:
        server, edge = on.server(), on.edge()
        with alive(server, edge):
            await on.until(lambda: leased(on), "the rack has what the plant lets it have")
            await on.until(lambda: on.cap_w("three") == FLOOR_W, "an edge without a lease: floors")
            began = time.monotonic()
            killed(edge)
            again = on.edge()
            with alive(again):
                await asyncio.sleep(6.0)
                dead = killed(server, again)
        await on.until(lambda: at_floor(on), "the heir takes the boosts back")
        assert is_falling(on.since(dead))
        server, edge = on.server(), on.edge()
        with alive(server, edge):
            await on.until(lambda: len(on.since(dead)) > 1200 and leased(on), "it is leased again")
        rows = on.since(began)
        assert max(sum(row.caps[n] for n in SERVED) for row in rows) <= LIMIT_W
        assert {row.caps["three"] for row in rows} == {FLOOR_W}
