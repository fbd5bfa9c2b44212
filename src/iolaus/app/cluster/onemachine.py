"""`make cluster`: a whole cluster on one machine, against a simulated hall; for trying and testing.

Three bus servers that replicate, PostgreSQL, cores, edges and the hall, each a process of its own
in one folder. Every child dies with this process, and Ctrl-C stops all of them in order. Each part
can be killed, frozen and started again by its name, and `through` may put something between any
two of them: that is what the tests of survival do.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.kernel.ports import free_port

BIN: Final = Path(sys.executable).parent
NATS: Final = """
server_name: {name}
listen: "127.0.0.1:{port}"
max_payload: 8MB
ping_interval: "2s"
ping_max: 3
write_deadline: "2s"
jetstream {{ store_dir: "{store}" }}
authorization {{ users: [
  {{ user: core, password: "{password}", permissions: {{
    publish: ["iolaus.>", "$JS.API.>", "$JS.ACK.>", "_INBOX.>"]
    subscribe: ["iolaus.>", "_INBOX.>"]
  }} }}
  {{ user: edge, password: "{password}", permissions: {{
    publish: [
      "iolaus.say.>", "iolaus.log.facts.edge.>", "iolaus.table.members.>",
      "iolaus.table.leases.>", "iolaus.table.caps.>", "iolaus.table.seats.>",
      "iolaus.table.reports.>", "iolaus.knock.>", "$JS.API.>", "_INBOX.>"
    ]
    subscribe: [
      "iolaus.say.>", "iolaus.ask.lane.>", "iolaus.ask.power.>", "iolaus.ask.errand.>",
      "iolaus.knock.>", "_INBOX.>"
    ]
  }} }}
] }}
cluster {{
  name: iolaus, listen: "127.0.0.1:{route}", routes: [{routes}], no_advertise: true
  authorization {{ user: route, password: "{password}", timeout: 2 }}
}}
"""
POSTGRES: Final = """
port={port}
listen_addresses='127.0.0.1'
unix_socket_directories=''
max_connections=100
"""
HALL_PASSWORD: Final = "iolaus-sim"  # noqa: S105  the simulator's own
READY_S: Final = 120.0
NODES_READY: Final = 10
"""Simulated nodes that are made ready in a second, on a slow machine that does other things."""
HOSTS_AT_ONCE: Final = 2_000
"""What is discovered by one command: the core reads it before it does anything else."""
MOST_CONSOLES: Final = 500
SHARED_HALL: Final = ("--no-physics", "--processes", "0")
"""A hall on as many CPUs as there are."""


def _die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):  # only Linux knows this
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


Through = Callable[[str, str, int], int]


def _straight(_who: str, _whom: str, port: int) -> int:
    return port


class Part:
    """One process, by the command that starts it again in the same place."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, *, env: Mapping[str, str], as_: str = ""
    ) -> None:
        self.name, self._command, self._log = name, command, log
        self._env, self._as = env, as_
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        identity: dict[str, Any] = {}
        if self._as and os.getuid() == 0:
            identity = {"user": self._as, "group": "nogroup", "extra_groups": []}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                list(self._command),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self._env},
                cwd="/" if self._as else None,
                preexec_fn=_die_with_parent,
                start_new_session=True,
                **identity,
            )

    def run(self) -> None:
        """To its end. Raises `WeErred` where that is not a good one."""
        self.start()
        if self.process is None or self.process.wait(60.0) != 0:
            raise WeErred(self.tail(), operation="run", subject=self.name)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: int) -> None:
        """A signal, to all of it."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self, within_s: float = 20.0) -> int | None:
        """As its user would; killed where that takes too long. Its exit code."""
        if self.process is None:
            return None
        self.send(signal.SIGCONT)
        self.send(signal.SIGINT if self._as else signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(within_s)
        self.kill()
        return self.process.returncode

    def tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""


class Cluster:
    """`folder` holds all of it; made anew where it is empty. `through` says at which port of
    127.0.0.1 a part finds another (who, whom, the port at which that listens). `hall` are more
    options of `iolaus sim hall`; `pace` those of cores and edges, as `--poll-every`."""

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int,
        cores: int = 2,
        edges: int = 4,
        through: Through = _straight,
        hall: Sequence[str] = ("--no-physics",),
        pace: Sequence[str] = (),
    ) -> None:
        self.folder, self.nodes = folder, nodes
        self._through, self._hall_options, self._pace = through, hall, pace
        self.password, self.parts = secrets.token_hex(12), dict[str, Part]()
        folder.mkdir(exist_ok=True)
        self.key = folder / "key"
        self._private(self.key, secrets.token_bytes(32))
        self.nats_ports = [free_port() for _ in range(3)]
        self.postgres_port = free_port()
        self.listens = [f"127.0.0.1:{free_port()}" for _ in range(cores)]
        self.hosts = folder / "hosts.yaml"
        self.edges, self.began = edges, time.time()
        self.oracle = dict[str, str]()

    def bus(self, who: str) -> str:
        """The servers of the bus, as that part reaches them."""
        ports = (
            self._through(who, f"nats{number}", port) for number, port in enumerate(self.nats_ports)
        )
        return ",".join(f"nats://127.0.0.1:{port}" for port in ports)

    def database(self, who: str) -> str:
        port = self._through(who, "postgres", self.postgres_port)
        return f"postgresql://iolaus:{self.password}@127.0.0.1:{port}/postgres"

    def url(self, core: int = 0) -> str:
        return f"http://{self.listens[core]}"

    @property
    def token(self) -> str:
        """An operator's, once a core has led."""
        for number in range(len(self.listens)):
            path = self.folder / f"core{number}" / "operator.token"
            if path.exists():
                return path.read_text().strip()
        return ""

    # --- starting ------------------------------------------------------------------------------

    def start(self) -> None:
        """Everything, until a core leads."""
        self.start_bus()
        self.start_database()
        self.start_hall()
        self.start_work()

    def start_work(self) -> None:
        """Cores and edges, until a core leads."""
        for number, listen in enumerate(self.listens):
            self._core(number, listen)
        for number in range(self.edges):
            self._edge(number)
        self.until(lambda: bool(self.token) and self.ask("/healthz") is not None, "a core leads")

    def discover(self) -> None:
        """Take on the hall as its operator would, once there are edges that look."""
        self.until(lambda: self._serving() >= self.edges, "all edges serve")
        env = {"IOLAUS_URL": self.url(), "IOLAUS_TOKEN": self.token}
        env["IOLAUS_BMC_PASSWORD"] = HALL_PASSWORD
        for hosts in self._slices():
            command = [str(BIN / "iolaus"), "discover", "-f", str(hosts), "--user", "root"]
            subprocess.run(  # noqa: S603
                command,
                env={**os.environ, **env},
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=600 + HOSTS_AT_ONCE,
            )

    def _slices(self) -> Iterator[Path]:
        """The hosts file, in parts where it is long."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = yaml.load(self.hosts.read_text(), Loader=loader)  # noqa: S506  a safe one
        every = document["hosts"]
        if len(every) <= HOSTS_AT_ONCE:
            yield self.hosts
            return
        for at in range(0, len(every), HOSTS_AT_ONCE):
            part = self.hosts.with_stem(f"hosts-{at}")
            part.write_text(json.dumps({**document, "hosts": every[at : at + HOSTS_AT_ONCE]}))
            yield part

    def stop(self) -> dict[str, int | None]:
        """In the opposite order; how each ended."""
        ended = {name: part.stop() for name, part in reversed(self.parts.items()) if part.runs}
        self.parts.clear()
        return ended

    def _private(self, path: Path, content: bytes) -> None:
        path.touch(mode=0o600)
        path.write_bytes(content)

    def _part(self, name: str, command: Sequence[str], *, as_: str = "") -> Part:
        env = {"IOLAUS_STATE_KEY_FILE": str(self.key), "IOLAUS_BUS_PASSWORD": self.password}
        env["IOLAUS_DB_PASSWORD"] = self.password
        part = self.parts[name] = Part(name, command, self.folder / f"{name}.log", env=env, as_=as_)
        part.start()
        return part

    def start_bus(self) -> None:
        routes = [free_port() for _ in self.nats_ports]
        for number, port in enumerate(self.nats_ports):
            known = ", ".join(
                f'"nats://route:{self.password}@127.0.0.1:'
                f'{self._through(f"nats{number}", f"nats{other}", route)}"'
                for other, route in enumerate(routes)
                if other != number
            )
            config = NATS.format(
                name=f"nats{number}",
                port=port,
                store=self.folder / f"nats{number}",
                password=self.password,
                route=routes[number],
                routes=known,
            )
            path = self.folder / f"nats{number}.conf"
            self._private(path, config.encode())
            self._part(f"nats{number}", [str(BIN / "nats-server"), "-c", str(path)])
        for port in self.nats_ports:
            self.until(lambda port=port: _listens(port), f"a bus server listens on {port}")

    def start_database(self) -> None:
        programs = postgres_programs()
        data, user = self.folder / "postgres", "nobody" if os.getuid() == 0 else ""
        word = self.folder / "postgres.password"
        self._private(word, self.password.encode())
        data.mkdir()
        if user:
            for path in (data, word):
                shutil.chown(path, user, "nogroup")
            self.folder.chmod(0o711)
        Part(
            "initdb",
            [
                str(programs / "initdb"), "-D", str(data), "-U", "iolaus", "-A", "scram-sha-256",
                "-E", "UTF8", "--pwfile", str(word),
            ],
            self.folder / "initdb.log",
            env={},
            as_=user,
        ).run()  # fmt: skip
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(POSTGRES.format(port=self.postgres_port))
        self._part("postgres", [str(programs / "postgres"), "-D", str(data)], as_=user or "")
        self.until(lambda: _listens(self.postgres_port), "PostgreSQL listens")

    def start_hall(self) -> None:
        command = [
            str(BIN / "iolaus"), "sim", "hall", "--nodes", str(self.nodes), "--port", "0",
            *self._hall_options, "--hosts-out", str(self.hosts),
            "--tls-dir", str(self.folder / "tls"),
        ]  # fmt: skip
        part = self._part("hall", command)
        within_s = READY_S + self.nodes / NODES_READY
        self.until(lambda: '"ready": true' in part.tail(), "the hall is ready", within_s)
        ready = next(line for line in part.tail().splitlines() if '"ready": true' in line)
        self.oracle = json.loads(ready).get("oracle", {})

    def _core(self, number: int, listen: str) -> None:
        name, port = f"core{number}", int(listen.rpartition(":")[2])
        command = [
            str(BIN / "iolaus"), "core",
            "--db", self.database(name).replace(f":{self.password}@", "@"), "--bus", self.bus(name),
            "--bus-user", "core", "--listen", listen, "--name", name,
            "--advertise", f"127.0.0.1:{self._through('peers', name, port)}",
            "--state", str(self.folder / name), *self._pace,
        ]  # fmt: skip
        self._part(name, command)

    def _edge(self, number: int) -> None:
        name = f"edge{number}"
        command = [
            str(BIN / "iolaus"), "edge", "--site", "demo", "--bus", self.bus(name),
            "--bus-user", "edge", "--name", name, "--state", str(self.folder / name), *self._pace,
        ]  # fmt: skip
        self._part(name, command)

    # --- looking -------------------------------------------------------------------------------

    def _serving(self) -> int:
        """Edges that the core hears."""
        found = self.ask("/api/v1/members") or {"items": []}
        return sum(each.get("status", each)["state"] == "serving" for each in found["items"])

    def ask(self, path: str, *, core: int = 0, within_s: float = 5.0) -> Any:
        """What the API says, as JSON (or True where it says nothing of that kind); None where it
        does not answer, or refuses."""
        request = urllib.request.Request(  # noqa: S310
            self.url(core) + path, headers={"Authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=within_s) as answer:  # noqa: S310
                body = answer.read()
        except (OSError, urllib.error.URLError):
            return None
        try:
            return json.loads(body)
        except ValueError:
            return True

    def until(
        self, holds: Any, what: str, within_s: float = READY_S, *, every_s: float = 0.1
    ) -> None:
        """Raises `WeErred` with the ends of the logs."""
        until_s = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > until_s:
                logs = "\n".join(f"--- {n}\n{p.tail()}" for n, p in self.parts.items())
                said = f"{logs}\nnot in time: {what}"
                raise WeErred(said, operation="wait for", subject="cluster")
            time.sleep(every_s)


def postgres_programs() -> Path:
    """Where PostgreSQL's server programs are. Raises `OperatorMust`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if tool := shutil.which("initdb"):
        found.append(Path(tool).parent)
    for path in reversed(found):
        if (path / "initdb").exists():
            return path
    raise OperatorMust(
        "PostgreSQL's server programs are not installed",
        operation="start cluster",
        subject="postgres",
        code="NoPostgres",
        next_step="install them (Debian: apt install postgresql).",
    )


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def main() -> None:
    """`python -m iolaus.app.cluster.onemachine [--nodes N] [--cores N] [--edges N]`."""
    options = argparse.ArgumentParser(description="A cluster on one machine, until Ctrl-C.")
    options.add_argument("--nodes", type=int, default=64)
    options.add_argument("--cores", type=int, default=2)
    options.add_argument("--edges", type=int, default=4)
    chosen = options.parse_args()
    out = sys.stdout.write
    ended: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: ended.append(got))
    with tempfile.TemporaryDirectory(prefix="iolaus-cluster-") as name:
        cluster = Cluster(
            Path(name),
            nodes=chosen.nodes,
            cores=chosen.cores,
            edges=chosen.edges,
            hall=(*SHARED_HALL, *(("--console",) if chosen.nodes <= MOST_CONSOLES else ())),
        )
        try:
            cluster.start()
            cluster.discover()
            out(f"pages and API: {' '.join(map(cluster.url, range(chosen.cores)))}\n")
            out(f"export IOLAUS_URL={cluster.url()} IOLAUS_TOKEN={cluster.token}\n")
            out("iolaus get members; iolaus get nodes; Ctrl-C stops all of it\n")
            sys.stdout.flush()
            while not ended:
                time.sleep(0.2)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
