"""The simulated hall of a bench: a process of its own, and what it counted.

`python -m bench.fleet.hall NODES LATENCY_MS MIX HOSTS_FILE` serves until its parent ends. MIX is a
persona's name (so many of them and nothing else) or `demo` (the default hall, so many nodes).
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import psutil

from iolaus.sim.command import ServeOptions, serve_devices
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import Site
from iolaus.sim.hall_sizes import default_site, homogeneous

DEMO = "demo"
USER = "root"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the devices counted, and the CPU seconds that the hall took for it."""

    requests: int
    refused: int
    connections: int
    cpu_s: float

    def since(self, before: Counts) -> Counts:
        return Counts(
            requests=self.requests - before.requests,
            refused=self.refused - before.refused,
            connections=self.connections - before.connections,
            cpu_s=self.cpu_s - before.cpu_s,
        )


class Running:
    """A hall that listens. `hosts` is its hosts file, `password` its account's."""

    def __init__(self, ready: dict[str, Any], *, password: str) -> None:
        self.devices: int = ready["devices"]
        self.hosts, self.password = Path(ready["hosts"]), password
        self._oracle = ready["oracle"]
        self._process = psutil.Process(ready["pid"])

    def counts(self) -> Counts:
        devices = self._ask("/devices")["devices"]
        times = self._process.cpu_times()
        return Counts(
            requests=sum(each["requests"] for each in devices),
            refused=sum(_refused(each["by_status"]) for each in devices),
            connections=sum(each["connections"] for each in devices),
            cpu_s=times.user + times.system,
        )

    def rss_mb(self) -> float:
        return float(self._process.memory_info().rss) / 1e6

    def _ask(self, path: str) -> Any:
        bearer = {"Authorization": f"Bearer {self._oracle['token']}"}
        with urlopen(Request(self._oracle["url"] + path, headers=bearer), timeout=60) as answer:
            return json.load(answer)


def _refused(by_status: dict[str, int]) -> int:
    return sum(count for status, count in by_status.items() if int(status) >= 400)


def site_of(nodes: int, latency_ms: float, mix: str) -> Site:
    """A site whose devices all take the same time to answer."""
    site = default_site(nodes) if mix == DEMO else homogeneous(nodes, mix)
    steady = replace(site.latency, median_s=latency_ms / 1000, sigma=0.0)
    return replace(site, latency=steady, imperfections=False)


@contextmanager
def running_hall(nodes: int, latency_ms: float, mix: str, *, folder: Path) -> Iterator[Running]:
    """A hall for as long as the block runs."""
    password = secrets.token_urlsafe(12)
    command = [sys.executable, "-m", "bench.fleet.hall", str(nodes), str(latency_ms), mix]
    process = subprocess.Popen(
        [*command, str(folder / "hosts.yaml")],
        stdout=subprocess.PIPE,
        env={**os.environ, "IOLAUS_SIM_PASSWORD": password},
    )
    try:
        assert process.stdout is not None
        yield Running(json.loads(process.stdout.readline()), password=password)
    finally:
        process.terminate()
        process.wait()


def main(nodes: str, latency_ms: str, mix: str, hosts: str) -> int:
    site = site_of(int(nodes), float(latency_ms), mix)
    devices = hall_devices(site, HallOptions(nodes=int(nodes)))
    listening = ServeOptions(port=0, hosts_out=Path(hosts), with_parent=True)
    return serve_devices(devices, serve=listening)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
