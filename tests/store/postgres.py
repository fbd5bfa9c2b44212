"""A PostgreSQL server of the tests' own: in a temporary directory, on a free port of 127.0.0.1.

It will not run as root, so it then runs as nobody. Flushing is off unless `durable` is asked for:
it is never the machine that fails in these tests, only processes and connections.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from iolaus.kernel.ports import free_port

_NUMBERS = count(1)


def binaries() -> Path | None:
    """Where the server's programs are, or None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if tool := shutil.which("pg_config"):
        printed = subprocess.run([tool, "--bindir"], capture_output=True, text=True, check=False)
        found.append(Path(printed.stdout.strip()))
    return next((path for path in reversed(found) if (path / "initdb").exists()), None)


class Postgres:
    """A server that can be stopped and started again; `database()` makes an empty database."""

    def __init__(self, programs: Path, directory: Path, *, durable: bool) -> None:
        self._programs, self._data = programs, directory / "data"
        self._log = directory / "log"
        self.port = free_port()
        self._call("initdb", "-U", "iolaus", "-A", "trust", "-E", "UTF8", "--no-sync")
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"port={self.port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories=''\n"
                "max_connections=200\nlog_min_messages=fatal\n"
                + ("" if durable else "fsync=off\nfull_page_writes=off\n")
            )

    def start(self) -> None:
        self._call("pg_ctl", "start", "-w", "-s", "-l", str(self._log))

    def stop(self) -> None:
        """At once, as if it had been killed."""
        self._call("pg_ctl", "stop", "-w", "-s", "-m", "immediate")

    def url(self, name: str = "postgres") -> str:
        return f"postgresql+psycopg://iolaus@127.0.0.1:{self.port}/{name}"

    def database(self) -> str:
        """The URL of a new database."""
        name = f"t{os.getpid()}_{next(_NUMBERS)}"
        self.say(f"CREATE DATABASE {name}")
        return self.url(name)

    def cut(self) -> None:
        """End every connection to it."""
        self.say(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )

    def say(self, statement: str) -> None:
        import psycopg

        where = f"host=127.0.0.1 port={self.port} user=iolaus dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        identity: dict[str, Any] = {}
        if os.getuid() == 0:
            identity = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        subprocess.run(
            command,
            check=True,
            cwd="/",
            timeout=60,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **identity,
        )


@contextmanager
def serving(*, durable: bool = False) -> Iterator[Postgres]:
    """A running server; skips the test where PostgreSQL is not installed."""
    programs = binaries()
    if programs is None:
        pytest.skip("needs PostgreSQL's server programs (Debian: postgresql)")
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        if os.getuid() == 0:
            shutil.chown(directory, "nobody", "nogroup")
        server = Postgres(programs, directory, durable=durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()
