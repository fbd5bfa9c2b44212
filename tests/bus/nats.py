"""NATS servers of the tests' own: one, or three that replicate, on free ports of 127.0.0.1."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iolaus.kernel.ports import free_port

PROGRAM = Path(sys.executable).parent / "nats-server"
CONFIG = """
server_name: n{number}
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}", sync_interval: "2m" }}
{cluster}
{more}
"""
CLUSTER = """
cluster {{ name: tests, listen: "127.0.0.1:{route}", routes: [{routes}] }}
"""


def _die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class NatsServer:
    """One server, which can be killed, frozen and started again over what it kept."""

    def __init__(self, folder: Path, number: int = 0, cluster: str = "", more: str = "") -> None:
        self.port, self._folder, self._number = free_port(), folder, number
        self._cluster, self._more = cluster, more
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self._folder / f"nats{self._number}.conf"
        store = self._folder / f"store{self._number}"
        config.write_text(
            CONFIG.format(
                number=self._number,
                port=self.port,
                store=store,
                cluster=self._cluster,
                more=self._more,
            )
        )
        log = (self._folder / f"nats{self._number}.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [str(PROGRAM), "-c", str(config)],
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        self._listens()

    def _listens(self) -> None:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise TimeoutError(f"no server on {self.url}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def one_server(more: str = "") -> Iterator[NatsServer]:
    """`more` is added to its configuration."""
    with tempfile.TemporaryDirectory(prefix="nats", ignore_cleanup_errors=True) as name:
        server = NatsServer(Path(name), more=more)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def three_servers() -> Iterator[list[NatsServer]]:
    """Replicas of each other."""
    with tempfile.TemporaryDirectory(prefix="nats", ignore_cleanup_errors=True) as name:
        ports = [free_port() for _ in range(3)]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        servers = [
            NatsServer(Path(name), number, CLUSTER.format(route=port, routes=routes))
            for number, port in enumerate(ports)
        ]
        try:
            for server in servers:
                server.start()
            yield servers
        finally:
            for server in servers:
                server.kill()
