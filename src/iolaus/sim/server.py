"""Devices on the network: one 127.x.y.z address and one listening socket each.

Addresses instead of ports, because a hall is then what it is in reality (every controller at the
usual port) and because ports by the thousand collide with everything else. All devices of a hall
share a port and an authority; each has its own certificate. A device that is down does not
listen, or listens and says nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from ipaddress import IPv4Address
from typing import Any, Final

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.sim.cords import plug, settle
from iolaus.sim.device import Device
from iolaus.sim.faults import concerns
from iolaus.sim.front import Front
from iolaus.sim.http import Connection, Mute
from iolaus.sim.rules import Rule
from iolaus.sim.serve.doors import Door, Doors
from iolaus.sim.tls import Authority, Leaf, server_context, show

DEFAULT_SUBNET = "127.20.0.0"
CLOSING_TURNS = 8
"""Of the loop, until a connection that was cut has let its socket go, TLS and all."""
_TRIES = 50
TAKEN: Final = "AddressTaken"
FILES_EACH: Final = 4
"""Open files that a device may need: where it listens, and three connections."""
SPARE_FILES: Final = 1024


class Place:
    """One device's address: listening, refusing, or silent."""

    def __init__(
        self,
        device: Device,
        port: int,
        authority: Authority | None,
        doors: Doors | None = None,
    ) -> None:
        self.device, self.front, self._doors = device, Front(device), doors
        self._port, self._authority = port, authority
        self._state = self._wanted = "refuse"
        self._server: asyncio.Server | Door | None = None
        self._moving: asyncio.Task[None] | None = None
        self._silent: set[asyncio.Transport] = set()
        self._leaf: Leaf | None = None
        self._context: ssl.SSLContext | None = None
        scheme = "https" if authority else "http"
        device.address = f"{scheme}://{device.host}" + ("" if port == 443 else f":{port}")
        if authority is not None:
            self._leaf = authority.leaf(host=device.host, name=device.name)
            device.fingerprint = self._leaf.fingerprint
        device.socket = self

    @property
    def state(self) -> str:
        return self._wanted

    def _tls(self) -> ssl.SSLContext | None:
        """Made when it is first needed: what costs most of all in the start of a large hall."""
        if self._context is None and self._leaf is not None:
            self._context = server_context(self._leaf)
        return self._context

    async def open(self, sock: socket.socket | None = None) -> None:
        self._wanted = self._state = "up"
        self._server = await self._listen(sock)

    def up(self) -> None:
        self._want("up")

    def down(self, how: str) -> None:
        self._want(how)

    def move(self, host: str) -> None:
        """Answer at another address from now on, and no more at the old one."""
        device = self.device
        device.address = device.address.replace(device.host, host, 1)
        device.host = host
        self.reissue()
        self._want("refuse")
        self._want("up")

    def reissue(self) -> None:
        """Show a new certificate that fits the device's clock."""
        if self._authority is not None:
            device = self.device
            offset = device.clock_offset_s
            leaf = self._authority.leaf(host=device.host, name=device.name, clock_offset_s=offset)
            device.fingerprint, self._leaf = leaf.fingerprint, leaf
            if self._context is not None:
                show(self._context, leaf)

    def install(self, pem: bytes) -> None:
        """Show this certificate, with its key, from the next handshake on."""
        if self._authority is not None:
            self._leaf = Leaf(pem)
            self.device.fingerprint = self._leaf.fingerprint
            if self._context is not None:
                show(self._context, self._leaf)

    def shown(self) -> bytes:
        """The certificate that clients see, with its key, as PEM; nothing without TLS."""
        return b"" if self._leaf is None else self._leaf.pem

    async def close(self) -> None:
        self._wanted = "refuse"
        self.device.cancel()
        with contextlib.suppress(WeErred):  # whatever could not open need not
            await self.settled()
        self._shut()

    async def settled(self) -> None:
        """Wait until the last `up` or `down` has been done."""
        if self._moving is not None:
            await self._moving

    def _want(self, state: str) -> None:
        self._wanted = state
        if state != "up":
            self._shut()
        if self._moving is None or self._moving.done():
            self._moving = asyncio.get_running_loop().create_task(self._move())

    async def _move(self) -> None:
        while self._state != self._wanted:
            self._shut()
            self._state = self._wanted
            if self._state != "refuse":
                self._server = await self._listen(None)

    async def _listen(self, sock: socket.socket | None) -> asyncio.Server | Door:
        loop = asyncio.get_running_loop()
        if sock is None and self._doors is not None:
            await self._doors.settled()
        sock = sock or bind(self.device.host, self._port)
        if self._state == "silence":
            return await loop.create_server(lambda: Mute(self._silent), sock=sock)
        if self._doors is not None:
            return await self._doors.listen(sock, lambda: Connection(self.front), self._tls)
        return await loop.create_server(lambda: Connection(self.front), sock=sock, ssl=self._tls())

    def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.front.connections):
            connection.reset()
        for transport in list(self._silent):
            transport.abort()
        self._state = "refuse"


class Hall:
    """Devices that run together. `port` 0 takes one that is free on all their addresses; `apart`
    listens in a process of its own (None: where this one may not have enough open files), without
    which it is `broken`."""

    def __init__(
        self,
        devices: Sequence[Device],
        *,
        subnet: str = DEFAULT_SUBNET,
        port: int = 0,
        tls: bool = True,
        authority: Authority | None = None,
        apart: bool | None = None,
    ) -> None:
        self.devices = tuple(devices)
        self._apart = apart
        self._doors: Doors | None = None
        self.broken = asyncio.Event()
        self.authority = (authority or Authority()) if tls else None
        self.port = port
        self.places: dict[str, Place] = {}
        self._rules: list[Rule] = []
        free = addresses(subnet, taken={device.host for device in devices})
        for device in self.devices:
            device.host = device.host or next(free)
        if len({device.name for device in devices}) != len(self.devices):
            raise _refused("two devices have the same name", "give each its own name.")
        plug(self.devices)
        settle(self.devices)

    def __getitem__(self, name: str) -> Device:
        return self.places[name].device

    async def start(self) -> None:
        files = _allow_files(files_for(len(self.devices)))
        if len(self.devices) * 2 + SPARE_FILES > files if self._apart is None else self._apart:
            _suffice(files, len(self.devices))
            self._doors = Doors(self.broken.set)
        sockets = bind_all([device.host for device in self.devices], self.port)
        if sockets:
            self.port = sockets[0].getsockname()[1]
        for device, sock in zip(self.devices, sockets, strict=True):
            place = self.places[device.name] = Place(device, self.port, self.authority, self._doors)
            await place.open(sock)

    async def stop(self) -> None:
        if self._doors is not None:
            self._doors.stop()
        for place in self.places.values():
            await place.close()
        for _ in range(CLOSING_TURNS):
            await asyncio.sleep(0)

    def inject(self, *rules: Rule) -> int:
        """Arm rules on every device they select; how many devices are concerned."""
        concerned = set()
        for rule in rules:
            self._rules.append(rule)
            for place in self.places.values():
                if concerns(rule.select, place.device):
                    place.front.faults.arm(rule)
                    concerned.add(place.device.name)
        return len(concerned)

    def clear(self, rule_id: str | None = None) -> None:
        """Disarm the rules with this id, or all."""
        self._rules = [r for r in self._rules if rule_id is not None and r.id != rule_id]
        for place in self.places.values():
            place.front.faults.disarm(rule_id)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(self._rules)

    def hosts(self) -> dict[str, Any]:
        """The hosts file's content: what a discovery needs to know of this hall."""
        return {
            "apiVersion": "iolaus.dev/v1",
            "kind": "Hosts",
            "hosts": [host_of(device) for device in self.devices],
        }


def host_of(device: Device) -> dict[str, Any]:
    return {
        "address": device.address,
        "name": device.name,
        "fingerprint": device.fingerprint or None,
        "labels": dict(device.labels),
    }


@contextlib.asynccontextmanager
async def running(
    devices: Sequence[Device],
    *,
    subnet: str = DEFAULT_SUBNET,
    port: int = 0,
    tls: bool = True,
    authority: Authority | None = None,
    faults: Sequence[Rule] = (),
) -> AsyncIterator[Hall]:
    """Devices on the network for as long as the block runs:
    `async with running([Device(...)]) as hall: hall["name"].address`."""
    hall = Hall(devices, subnet=subnet, port=port, tls=tls, authority=authority)
    try:
        await hall.start()
        hall.inject(*faults)
        yield hall
    finally:
        await hall.stop()


def addresses(subnet: str, *, taken: set[str]) -> Iterator[str]:
    """Host addresses from `subnet` on, without the network and broadcast looking ones."""
    try:
        number = int(IPv4Address(subnet))
    except ValueError:
        raise _refused(f"{subnet!r} is not an IPv4 address", "give one in 127.0.0.0/8.") from None
    while number >> 24 == 127:
        address = str(IPv4Address(number))
        if number & 0xFF not in (0, 255) and address not in taken:
            yield address
        number += 1
    raise _refused(f"no addresses of 127.0.0.0/8 left after {subnet}", "start at a lower one.")


def bind(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def bind_all(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """A socket on each address, all at the same port."""
    for attempt in range(_TRIES):
        sockets: list[socket.socket] = []
        chosen = port
        try:
            for host in hosts:
                sockets.append(bind(host, chosen))
                chosen = chosen or sockets[0].getsockname()[1]
            return sockets
        except OSError as error:
            for sock in sockets:
                sock.close()
            again = port == 0 and error.errno == errno.EADDRINUSE and attempt + 1 < _TRIES
            if not again:
                where = f"{hosts[len(sockets)]}:{chosen}"
                raise _refused(
                    f"cannot listen on {where}: {error.strerror}",
                    "choose another --port or --subnet.",
                    code=TAKEN,
                ) from None
    return []


def files_for(devices: int) -> int:
    """Open files of a process that serves so many devices by itself."""
    return devices * FILES_EACH + SPARE_FILES


def most_files() -> int:
    """That a process may have open, at most."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _suffice(files: int, devices: int) -> None:
    """Even where others listen, there is a connection for each device. Raises OperatorMust."""
    if devices > files:
        raise _refused(
            f"{devices} devices need as many open files, and a process may have {files}",
            "allow more (ulimit -Hn), or share the hall out: --no-physics --processes 0.",
            code="TooFewFiles",
        )


def _allow_files(wanted: int) -> int:
    """As many open files as are wanted, or as there may be; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(wanted, most_files())
    if soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return max(soft, limit)


def _refused(why: str, next_step: str, *, code: str = "") -> OperatorMust:
    return OperatorMust(
        why, operation="start", subject="simulated hall", code=code, next_step=next_step
    )
