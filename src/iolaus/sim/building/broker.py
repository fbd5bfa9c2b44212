"""A real MQTT broker for the building side: NATS with JetStream and its MQTT listener.

The broker is the event bus that building systems and ours meet on, so it is no imitation: the
server comes with the simulator's dependencies and runs as a child on loopback, in a directory of
its own that goes with it. It dies with this process, however that ends. Each party has an account
that may publish in its own namespace only, as the contract demands; passwords are made at start
and stand in a file that only this user can read.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import secrets
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from iolaus.kernel.errors import OperatorMust
from iolaus.kernel.ports import free_port
from iolaus.sim.building.folders import private_folder

HOST: Final = "127.0.0.1"
READY_S, STOP_S, TRIES = 20.0, 5.0, 5
PR_SET_PDEATHSIG: Final = 1
CONFIG: Final = """
server_name: iolaus-building
host: 127.0.0.1
port: -1
jetstream {{ store_dir: {store}, max_memory_store: 64MB, max_file_store: 1GB }}
mqtt {{ host: 127.0.0.1, port: {port} }}
authorization {{ users: [
{users}
] }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who may publish where (MQTT filters; everybody may read everything)."""

    user: str
    publish: Sequence[str] = ()
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)


class Broker:
    """`port` is the MQTT port on 127.0.0.1, the same over a restart."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self.accounts: Mapping[str, Account] = {item.user: item for item in accounts}
        self.port = 0
        self._folder = private_folder("iolaus-broker-")
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def credentials(self) -> Path:
        """JSON: user to password."""
        return self._folder / "credentials.json"

    async def start(self) -> None:
        """Raises OperatorMust if it does not come up."""
        said: list[str] = []
        for _ in range(1 if self.port else TRIES):
            port = self.port or free_port()
            self._write(port)
            said = []
            if await self._launch(said):
                self.port = port
                return
            await self._end()
        raise _unstarted(said[-1] if said else "it said nothing")

    async def stop(self) -> None:
        await self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def kill(self) -> None:
        """Gone without a word, as in a crash; `restart` brings it back."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await self._end()

    async def restart(self) -> None:
        """Gone, and back at the same port with what was retained."""
        await self._end()
        await self.start()

    def _write(self, port: int) -> None:
        users = "\n".join(_user(account) for account in self.accounts.values())
        store = json.dumps(str(self._folder / "store"))
        private(self._folder / "nats.conf", CONFIG.format(store=store, port=port, users=users))
        passwords = {user: account.password for user, account in self.accounts.items()}
        private(self.credentials, json.dumps(passwords))

    async def _launch(self, said: list[str]) -> bool:
        self._process = await asyncio.create_subprocess_exec(
            _program(), "-c", str(self._folder / "nats.conf"),
            stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE,
            start_new_session=True, preexec_fn=_die_with_parent,
        )  # fmt: skip
        ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read(self._process, said, ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({waiting, self._reading}, timeout=READY_S, return_when="FIRST_COMPLETED")
        waiting.cancel()
        return ready.is_set()

    async def _read(self, process: Process, said: list[str], ready: asyncio.Event) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            text = line.decode("utf-8", "replace").strip()
            if not ready.is_set():
                said.append(text)
            if "Server is ready" in text:
                ready.set()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reading is not None:
            await self._reading


def _program() -> str:
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    found = found or shutil.which("nats-server")
    if found is None:
        raise _unstarted("no nats-server is installed")
    return found


def _die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):  # only Linux knows this
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _user(account: Account) -> str:
    allowed = json.dumps([_subject(topic) for topic in account.publish] or ["_none_"])
    name, password = json.dumps(account.user), json.dumps(account.password)
    return (
        f"  {{user: {name}, password: {password}, "
        f'permissions: {{publish: {{allow: {allowed}}}, subscribe: ">"}}}}'
    )


def _subject(topic: str) -> str:
    """An MQTT filter as NATS writes it."""
    return topic.replace("/", ".").replace("+", "*").replace("#", ">")


def private(file: Path, text: str) -> None:
    """A file that only this user can read."""
    file.touch(mode=0o600)
    file.write_text(text)


def _unstarted(why: str) -> OperatorMust:
    return OperatorMust(
        f"it does not start: {why}",
        operation="start",
        subject="the building's message broker",
        code="BrokerUnstarted",
        next_step="Install the project's dependencies (make setup), or leave --building out.",
    )
