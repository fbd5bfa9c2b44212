"""Serial consoles over SSH: `ssh -p PORT root@127.x.y.z`, as the machine's own Redfish tells.

The same lines are told by IPMI (`sol.py`) and, where the controller is an OpenBMC, by its
WebSocket (`sockets.py`); whoever comes by either way sees and types the same.

Every device whose hosts show a console listens at its own address, all at one port that is free on
all of them; a maker whose hosts have ports of their own gets the next ones. What stays of a device
nobody visits is a listening socket: its host key (always the same from the same seed) and SSH's
options are made when somebody first comes. Accounts, lock-outs and privileges are those of the
controller; whoever may not configure components sees no console, nor does one whose account is not
for consoles.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import aiohttp
import asyncssh
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iolaus.kernel.tasks import end
from iolaus.sim.device import Device
from iolaus.sim.manners.console import Consoles, Line, Reader, consoles_of, hosts
from iolaus.sim.manners.consoles_drawn import LEAVE
from iolaus.sim.manners.privileges import COMPONENTS, account_of, privileges_of
from iolaus.sim.serve.sockets import Sockets
from iolaus.sim.serve.sol import Porch, serve_sol
from iolaus.sim.server import Place, bind_all
from iolaus.sim.tree import Resource

LOGIN_S: Final = 60.0
MOST_CONNECTIONS: Final = 16
PROMPT: Final = "-> "
MOST_LINE: Final = 256


class Door(asyncssh.SSHServer):
    """One connection: who may come in."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._user = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._station.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._station.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        device = self._station.device
        word = aiohttp.encode_basic_auth(username.replace(":", ""), password)
        if not isinstance(device.gate.admit({"authorization": word}), str):
            return False
        self._user = username
        return may_read(device, username)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return Visit(self._station)


class Visit(asyncssh.SSHServerSession[bytes]):
    """One session: on the controller's command line, or on a host's console."""

    def __init__(self, station: Station) -> None:
        self._station, self._typed = station, ""
        self._reader, self._line = Reader(self._show, self._end), None  # type: Reader, Line | None
        self._word: str | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._word = command.strip()
        return True

    def pty_requested(self, *_: object) -> bool:
        return True

    def session_started(self) -> None:
        direct = self._station.direct
        if direct is not None:
            self._enter(direct)
        elif self._word is not None:
            self._command(self._word)
            if self._line is None:
                self._chan.exit(1)
        else:
            self._show(b"\r\n" + PROMPT.encode())

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        del datatype
        for key in data.decode("utf-8", "replace"):
            if self._line is None:
                self._cli(key)
            elif key == LEAVE and self._station.direct is None:
                self._leave()
                self._show(b"\r\n" + PROMPT.encode())
            else:
                self._line.typed(key.encode())

    def eof_received(self) -> bool:
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._leave()

    def _show(self, data: bytes) -> None:
        if not self._chan.is_closing():
            self._chan.write(data)

    def _end(self) -> None:
        self._line = None
        self._chan.exit(0)

    def _leave(self) -> None:
        if self._line is not None:
            self._line.leave(self._reader)
            self._line = None

    def _enter(self, system: str) -> None:
        line = self._station.line(system)
        why = self._station.refusal(system, line)
        if why:
            self._show(f"{why}\r\n".encode())
            if self._station.direct is not None:
                self._chan.exit(1)
            return
        self._line = line
        line.join(self._reader)

    def _cli(self, key: str) -> None:
        if key in "\r\n":
            self._show(b"\r\n")
            typed, self._typed = self._typed, ""
            self._command(typed.strip())
        elif key >= " " and len(self._typed) < MOST_LINE:
            self._typed += key
            self._show(key.encode())

    def _command(self, word: str) -> None:
        system = self._station.words().get(word)
        if system is not None:
            self._enter(system)
        elif word in ("exit", "quit"):
            self._chan.exit(0)
            return
        elif word:
            known = ", ".join([*self._station.words(), "exit"])
            self._show(f"{word!r} is not known; known are {known}.\r\n".encode())
        if self._line is None and self._word is None:
            self._show(PROMPT.encode())


class Station:
    """One device's way in: to `direct`, a host, or to its controller's command line (None)."""

    def __init__(self, device: Device, consoles: Consoles, *, direct: str | None) -> None:
        self.device, self._consoles, self.direct = device, consoles, direct
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._options: asyncssh.SSHServerConnectionOptions | None = None

    def options(self) -> asyncssh.SSHServerConnectionOptions:
        if self._options is None:
            self._options = asyncssh.SSHServerConnectionOptions(
                server_factory=lambda: Door(self),
                server_host_keys=[host_key(self.device)],
                encoding=None,
                line_editor=False,
                login_timeout=LOGIN_S,
                allow_scp=False,
                agent_forwarding=False,
                x11_forwarding=False,
            )
        return self._options

    def line(self, system: str) -> Line:
        return self._consoles.line(self.device, system)

    def words(self) -> dict[str, str]:
        """What is typed on the command line, and to which host it leads."""
        found = {system: _ssh_of(self.device, system) for system in hosts(self.device)}
        return {str(ssh.get("ConsoleEntryCommand")): system for system, ssh in found.items()}

    def refusal(self, system: str, line: Line, *, way: str = "SSH") -> str:
        """Why nobody more may read this line; "" if they may."""
        shown = (self.device.kept(system) or {}).get("SerialConsole") or {}
        if not (shown.get(way) or {}).get("ServiceEnabled"):
            return "The console is disabled."
        if len(line.readers) >= int(shown.get("MaxConcurrentSessions") or 1):
            return "No console session is free."
        return ""

    def is_up(self) -> bool:
        place = self.device.socket
        return not isinstance(place, Place) or place.state == "up"

    def shut(self) -> None:
        for connection in list(self.connections):
            connection.abort()


class Stations:
    """All that listen."""

    def __init__(self, devices: Sequence[Device], port: int = 0) -> None:
        self._stations: list[tuple[Station, int]] = []
        self._sockets: list[socket.socket] = []
        self._visits: set[asyncio.Task[None]] = set()
        self._ways: list[Sockets] = []
        self.porches: dict[str, Porch] = {}
        self.port = port
        for device in devices:
            consoles = consoles_of(device)
            systems = hosts(device) if consoles is not None else []
            if consoles is not None and systems:
                own = [s for s in systems if not _ssh_of(device, s).get("SharedWithManagerCLI")]
                ways = list(own) if own else [None]
                self._stations += [
                    (Station(device, consoles, direct=way), n) for n, way in enumerate(ways)
                ]

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        first = [station for station, n in self._stations if n == 0]
        sockets = bind_all([station.device.host for station in first], self.port)
        self.port = sockets[0].getsockname()[1] if sockets else self.port
        for station, sock in zip(first, sockets, strict=True):
            self._listen(loop, station, sock)
        for station, n in self._stations:
            if n:
                self._listen(loop, station, bind_all([station.device.host], 0)[0])
        for station in first:
            self._open_socket(station)
            await self._open_ipmi(station)

    def _open_socket(self, station: Station) -> None:
        consoles = consoles_of(station.device)
        if consoles is not None and _is_openbmc(station.device):
            way = Sockets(station.device, consoles, station.refusal)
            way.open()
            self._ways.append(way)

    async def _open_ipmi(self, station: Station) -> None:
        """Of the first host: a controller has one line by IPMI."""
        device, system = station.device, hosts(station.device)[0]
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((device.host, 0))

        def why() -> str:
            return station.refusal(system, station.line(system), way="IPMI")

        self.porches[device.name] = await serve_sol(sock, device, lambda: station.line(system), why)
        port = sock.getsockname()[1]
        shown = {"SerialConsole": {"IPMI": {"Port": port, "ServiceEnabled": True}}}
        device.patch(system, shown)

    def _listen(
        self, loop: asyncio.AbstractEventLoop, station: Station, sock: socket.socket
    ) -> None:
        sock.listen(8)
        self._sockets.append(sock)
        loop.add_reader(sock.fileno(), self._accept, station, sock)
        consoles = consoles_of(station.device)
        if consoles is not None:
            consoles.serve(station.device, sock.getsockname()[1], station.direct)

    def _accept(self, station: Station, sock: socket.socket) -> None:
        try:
            conn, _ = sock.accept()
        except OSError:
            return
        if not station.is_up() or len(station.connections) >= MOST_CONNECTIONS:
            conn.close()
            return
        conn.setblocking(False)
        task = asyncio.get_running_loop().create_task(_visited(station, conn))
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock.fileno())
            sock.close()
        for station, _ in self._stations:
            station.shut()
        for way in self._ways:
            way.close()
        for porch in self.porches.values():
            porch.close()
        await end(*self._visits)

    def told(self) -> Mapping[str, Any]:
        return {"port": self.port, "consoles": len(self._stations)}

    async def asked(self, verb: str, body: Mapping[str, Any]) -> Any:
        """Nothing may be asked of it: what befalls a console is a fault of its device."""
        del body
        raise ValueError(f"{verb!r} is not known; consoles answer nothing")


async def _visited(station: Station, conn: socket.socket) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):  # who hangs up early is nobody's fault
        await asyncssh.run_server(conn, options=station.options())


def may_read(device: Device, user: str) -> bool:
    """Whether this account, whose password was right, is for consoles."""
    account = device.gate.accounts.get(user)
    if account is None or account.must_change or COMPONENTS not in privileges_of(device, user):
        return False
    shown = device.kept(account_of(device, user)) or {}
    return "HostConsole" in (shown.get("AccountTypes") or ())


def host_key(device: Device) -> asyncssh.SSHKey:
    seed = f"{device.options.seed}/{device.name}/ssh".encode()
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return asyncssh.import_private_key(pem)


def _is_openbmc(device: Device) -> bool:
    paths = (path for path in device.tree.paths() if path.count("/") == 4 and "/Managers/" in path)
    return any((device.kept(path) or {}).get("Model") == "OpenBmc" for path in paths)


def _ssh_of(device: Device, system: str) -> Resource:
    shown: Any = (device.kept(system) or {}).get("SerialConsole")
    ssh = shown.get("SSH") if isinstance(shown, dict) else None
    return ssh if isinstance(ssh, dict) else {}


@contextlib.asynccontextmanager
async def serve_consoles(devices: Sequence[Device], *, port: int = 0) -> AsyncIterator[Stations]:
    """The consoles of these devices, which have their addresses, until the block ends. `port` 0
    takes one that is free on all of them."""
    stations = Stations(devices, port)
    await stations.open()
    try:
        yield stations
    finally:
        await stations.close()
