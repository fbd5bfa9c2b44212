"""A cluster of real processes on this machine, and what each of them used.

CPU time is read from the kernel for each process with all its children, so that neighbours on the
machine and the simulator beside it do not count. Requests are counted by the devices themselves.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import psutil
import yaml

from iolaus.app.cluster.onemachine import SHARED_HALL, Cluster
from iolaus.kernel.errors import WeErred

PATIENCE_S = 3600.0
KINDS = ("edge", "core", "nats", "postgres", "hall")


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Of one part: CPU seconds since it began, and memory now (PSS, 10^6 bytes)."""

    cpu_s: float
    mb: float


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """All parts at one time, and how many requests the devices were sent until then."""

    at: float
    parts: Mapping[str, Usage]
    requests: int

    def cpu_s(self, kind: str, since: Moment) -> float:
        """Of all parts of a kind together."""
        mine = [name for name in self.parts if name.startswith(kind)]
        return sum(self.parts[name].cpu_s - since.parts[name].cpu_s for name in mine)

    def mb(self, kind: str) -> list[float]:
        return [each.mb for name, each in sorted(self.parts.items()) if name.startswith(kind)]


class Stand:
    """A cluster that runs."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self._counted = cluster, 0

    def moment(self) -> Moment:
        parts = {name: usage(part.process.pid) for name, part in self._running()}
        return Moment(at=time.monotonic(), parts=parts, requests=self._requests())

    def summary(self) -> dict[str, Any]:
        """Endpoints by state, how many were read whole, and assets by kind."""
        found = self.cluster.ask("/api/v1/summary", within_s=60.0)
        return dict(found["status"]) if found else {}

    def told(self) -> dict[str, Any]:
        """The summary, however long the core takes to say it. Raises `WeErred`."""
        self.wait(lambda: bool(self.summary()), "the core says how the hall stands", within_s=600)
        return self.summary()

    def members(self) -> dict[str, dict[str, Any]]:
        found = self.cluster.ask("/api/v1/members", within_s=30.0) or {"items": []}
        return {each["metadata"]["name"]: each["status"] for each in found["items"]}

    def wait(self, holds: Callable[[], bool], what: str, *, within_s: float = PATIENCE_S) -> float:
        """How long it took. Raises `WeErred` with the ends of the logs."""
        began_s = time.monotonic()
        while not holds():
            if time.monotonic() - began_s > within_s:
                raise WeErred(
                    f"not in {within_s:.0f} s: {what}", operation="wait", subject="cluster"
                )
            time.sleep(0.1)
        return time.monotonic() - began_s

    def is_read(self) -> bool:
        """Every endpoint was read whole, and the core knows it."""
        found = self.summary()
        nodes = found["kinds"].get("node", 0) if found else 0
        return (
            nodes >= self.cluster.nodes and found["inventoried"] == found["endpoints"]["total"] > 0
        )

    def _running(self) -> Iterator[tuple[str, Any]]:
        yield from ((name, part) for name, part in self.cluster.parts.items() if part.runs)

    def _requests(self) -> int:
        """As last counted where the simulator is too busy to say."""
        with suppress(OSError):
            self._counted = self._count()
        return self._counted

    def _count(self) -> int:
        oracle = self.cluster.oracle
        if not oracle:
            return 0
        bearer = {"Authorization": f"Bearer {oracle['token']}"}
        with urlopen(Request(oracle["url"] + "/counters", headers=bearer), timeout=120) as answer:
            return int(json.load(answer)["requests"])

    def requests(self) -> dict[str, int]:
        """By address, as the devices counted them. Raises `OSError` where the simulator does not
        say."""
        oracle = self.cluster.oracle
        bearer = {"Authorization": f"Bearer {oracle['token']}"}
        with urlopen(Request(oracle["url"] + "/devices", headers=bearer), timeout=120) as answer:
            return {each["address"]: each["requests"] for each in json.load(answer)["devices"]}

    def labels(self) -> dict[str, dict[str, str]]:
        """Of each device of the hall, by its address."""
        return {each["address"]: each["labels"] for each in _hosts(self.cluster.hosts)["hosts"]}


def usage(pid: int) -> Usage:
    """Of a process and all below it, those that ended included."""
    root, cpu_s, mb = psutil.Process(pid), 0.0, 0.0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.Error):
            times = process.cpu_times()
            ended_s = times.children_user + times.children_system
            cpu_s += times.user + times.system + ended_s
            mb += process.memory_full_info().pss / 1e6
    return Usage(cpu_s=cpu_s, mb=mb)


@contextmanager
def standing(
    *, nodes: int, edges: int, cores: int = 1, apart: bool = False, poll_every: float = 10.0
) -> Iterator[Stand]:
    """A cluster with a hall that nobody has discovered yet. `apart`: each rack is a shard of its
    own, where the rows of a small hall are too few to share out."""
    with tempfile.TemporaryDirectory(prefix="iolaus-scale-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(
            Path(folder),
            nodes=nodes,
            cores=cores,
            edges=edges,
            hall=SHARED_HALL,
            pace=("--poll-every", str(poll_every)),
        )
        try:
            cluster.start()
            if apart:
                _racks_apart(cluster.hosts)
            yield Stand(cluster)
        finally:
            cluster.stop()


def _hosts(file: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return dict(yaml.load(file.read_text(), Loader=loader))


def _racks_apart(hosts: Path) -> None:
    document = _hosts(hosts)
    for host in document["hosts"]:
        host["labels"].pop("row", None)
    hosts.write_text(yaml.safe_dump(document))
