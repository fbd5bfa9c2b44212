"""What serving a whole hall costs: `python -m bench.twin serve [NODES] [GETS]` (10240, 40000).

Starts `iolaus sim hall` as its own process with HTTPS on, holds one TLS connection to each node,
and reads resources over 256 of them, every node's own pages in turn, each with a session token.
What the server costs is its CPU time, not the clock on the wall, so that neighbours on the machine
and this load generator do not count. Goals: up in 60 s, 5,000 GETs a second a core, under 8 GB.
"""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import yaml

READERS, PAGES, BATCH = 256, 150, 32
LINK = re.compile(rb'"@odata\.id": ?"(/redfish/v1[^"#]*)"')
OTHERS = re.compile(rb"/Sessions/|/SSE$|\\?")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Reader:
    """One kept-alive TLS connection, blocking, with nothing on it that costs."""

    def __init__(self, context: ssl.SSLContext, host: str, port: int) -> None:
        self._sock = context.wrap_socket(socket.create_connection((host, port), timeout=120))
        self._host, self._token = host, b""

    def log_in(self, password: str) -> None:
        body = json.dumps({"UserName": "root", "Password": password}).encode()
        path = b"/redfish/v1/SessionService/Sessions"
        lines = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        self._sock.sendall(self._head(b"POST", path, lines) + body)
        head, _ = self.answer()
        found = re.search(rb"X-Auth-Token: (\S+)", head)
        assert found is not None, head
        self._token = b"X-Auth-Token: %s\r\n" % found[1]

    def ask(self, path: bytes) -> None:
        self._sock.sendall(self._head(b"GET", path, self._token))

    def answer(self) -> tuple[bytes, bytes]:
        data = self._sock.recv(65536)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head, body = data[:end], data[end + 4 :]
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), head
        length = re.search(rb"Content-Length: (\d+)", head)
        while length is not None and len(body) < int(length[1]):
            body += self._more()
        return head, body

    def _more(self) -> bytes:
        data = self._sock.recv(65536)
        if not data:
            raise ConnectionError(f"{self._host} hung up")
        return data

    def _head(self, method: bytes, path: bytes, lines: bytes) -> bytes:
        return b"%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (method, path, self._host.encode(), lines)

    def pages(self) -> list[bytes]:
        """Paths of this device, found by following its links."""
        found, at = [b"/redfish/v1"], 0
        while at < len(found) and len(found) < PAGES:
            self.ask(found[at])
            for path in LINK.findall(self.answer()[1]):
                if path not in found and not OTHERS.search(path):
                    found.append(path)
            at += 1
        return found[:at]


class Served:
    """The hall's process and the ones below it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._root = psutil.Process(process.pid)

    def _all(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]

    def cpu_s(self) -> float:
        return sum(sum(p.cpu_times()[:2]) for p in self._all())

    def pss_mb(self) -> float:
        return sum(p.memory_full_info().pss for p in self._all()) / 1e6


@contextmanager
def hall(nodes: int, folder: Path, *more: str) -> Iterator[tuple[Served, dict[str, object], float]]:
    """`iolaus sim hall` with so many nodes; its ready line and how long it took to say it."""
    words = ["sim", "hall", "--nodes", str(nodes), "--port", "0", "--hosts-out", "hosts.yaml"]
    words += more
    env = os.environ | {"IOLAUS_SIM_PASSWORD": "iolaus-sim"}
    began = time.perf_counter()
    command = [str(Path(sys.executable).with_name("iolaus")), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, env=env) as process:
        assert process.stdout is not None
        try:
            line = json.loads(process.stdout.readline() or b"{}")
            yield Served(process), line, time.perf_counter() - began
        finally:
            process.terminate()


def held(context: ssl.SSLContext, addresses: Sequence[str]) -> list[Reader]:
    parts = [urlsplit(address) for address in addresses]
    return [Reader(context, part.hostname or "", part.port or 443) for part in parts]


def read(readers: Sequence[Reader], pages: Sequence[Sequence[bytes]], gets: int) -> int:
    """So many GETs, a batch of connections at a time; how many bytes of body came."""
    size = done = turn = 0
    while done < gets:
        for at in range(0, len(readers), BATCH):
            batch = list(zip(readers, pages, strict=True))[at : at + BATCH]
            for reader, own in batch:
                reader.ask(own[turn % len(own)])
            size += sum(len(reader.answer()[1]) for reader, _ in batch)
            done += len(batch)
        turn += 1
    return size


def measure(served: Served, folder: Path, gets: int) -> float:
    """Prints as it goes; GETs a second of the server's CPU time."""
    hosts = yaml.load((folder / "hosts.yaml").read_text(), LOADER)["hosts"]
    nodes = [host for host in hosts if host["labels"]["role"] == "node"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    cpu, before = served.cpu_s(), served.pss_mb()
    readers = held(context, [node["address"] for node in nodes])
    used, after = served.cpu_s() - cpu, served.pss_mb()
    each = (after - before) * 1000 / len(readers)
    print(f"connections  {len(readers):,} held, {used:.1f} s of CPU, {each:.0f} KB each")
    some = readers[:: max(1, len(readers) // READERS)]
    for reader in some:
        reader.log_in("iolaus-sim")
    pages = [reader.pages() for reader in some]
    cpu = served.cpu_s()
    size = read(some, pages, gets)
    rate = gets / (served.cpu_s() - cpu)
    print(f"GET          {gets:,} over {len(some)} connections, {size / gets:.0f} bytes each: "
          f"{rate:,.0f} a second of one core's time")  # fmt: skip
    print(f"memory       {served.pss_mb():,.0f} MB (PSS) at the end")
    return rate


def main(words: list[str]) -> int:
    nodes, gets = [int(word) for word in words] + [10_240, 40_000][len(words) :]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as name, hall(nodes, Path(name)) as (served, line, took):
        load = os.getloadavg()[0]
        print(f"start        {line.get('devices', 0):,} devices, {nodes:,} of them nodes: "
              f"{took:.1f} s (load {load:.1f}), {served.cpu_s():.1f} s of CPU, "
              f"{served.pss_mb():,.0f} MB")  # fmt: skip
        rate = measure(served, Path(name), gets)
        met = took <= 60.0 and rate >= 5000.0 and served.pss_mb() < 8000.0
    print(f"goals        {'met' if met else 'MISSED'} at {nodes:,} nodes")
    return 0 if met else 1
