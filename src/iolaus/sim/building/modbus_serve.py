"""Modbus on the network and on pseudo-terminals.

Each piece of equipment answers on an address of its own, all at one port; each rack also has a
serial line, a pseudo-terminal on which every unit of its shelves listens. Requests of one
connection are answered in their order; a connection that talks no Modbus is closed, and one that
asks faster than it takes answers is read no further.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tty
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

from iolaus.kernel.tasks import end
from iolaus.sim.building.bus import Bus, Verdict
from iolaus.sim.building.modbus import RtuFrames, TcpFrames, exception, rtu_frame, tcp_frame
from iolaus.sim.building.unit import NO_TARGET
from iolaus.sim.server import bind_all

MOST_WAITING: Final = 32


class TcpConnection(asyncio.Protocol):
    def __init__(self, bus: Bus, open_connections: set[TcpConnection]) -> None:
        self._bus, self._all = bus, open_connections
        self._frames = TcpFrames()
        self._waiting: deque[tuple[int, int, bytes]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by isinstance
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._all.discard(self)
        self._transport = None
        if self._worker is not None:
            self._worker.cancel()

    def data_received(self, data: bytes) -> None:
        self._waiting.extend(self._frames.feed(data))
        if self._transport is None:
            return
        if self._frames.broken or len(self._waiting) > MOST_WAITING:
            self._transport.abort()
        elif self._waiting and (self._worker is None or self._worker.done()):
            self._worker = asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self) -> None:
        while self._waiting:
            transaction, unit, pdu = self._waiting.popleft()
            verdict, found = await self._bus.transact(unit, pdu)
            if verdict is not Verdict.ANSWERED:
                found = exception(pdu[0] if pdu else 0, NO_TARGET)
            if verdict is not Verdict.LOST and self._transport is not None:
                self._transport.write(tcp_frame(transaction, unit, found))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class TcpDoor:
    """The Modbus TCP servers of a hall: one address each, one port for all."""

    def __init__(self) -> None:
        self.port = 0
        self.hosts: list[str] = []
        self._servers: list[asyncio.Server] = []
        self._connections: set[TcpConnection] = set()

    async def open(self, buses: Sequence[tuple[str, Bus]], *, port: int = 0) -> None:
        """`buses` are (host, bus). Raises OperatorMust when the port is not to be had."""
        self.hosts = [host for host, _ in buses]
        for sock, (_, bus) in zip(bind_all(self.hosts, port), buses, strict=True):
            self._servers.append(await self._listen(sock, bus))
            self.port = sock.getsockname()[1]

    async def _listen(self, sock: socket.socket, bus: Bus) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: TcpConnection(bus, self._connections), sock=sock)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.close()
        await asyncio.sleep(0)


class SerialLine:
    """A pseudo-terminal with a bus behind it. `path` is what a client opens."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._frames = RtuFrames()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(self._theirs)
        asyncio.get_running_loop().add_reader(self._ours, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._ours, 4096)
        except OSError:
            return
        before = self._frames.crc_errors
        for unit, pdu in self._frames.feed(data):
            task = asyncio.get_running_loop().create_task(self._answer(unit, pdu))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._frames.crc_errors > before:
            for each in self._bus.units.values():
                each.crc_errors += 1

    async def _answer(self, unit: int, pdu: bytes) -> None:
        verdict, found = await self._bus.transact(unit, pdu)
        if verdict in (Verdict.NOBODY, Verdict.LOST):
            return
        frame = rtu_frame(unit, found)
        if verdict is Verdict.GARBLED:
            frame = frame[:-1] + bytes((frame[-1] ^ 0xFF,))
        with contextlib.suppress(BlockingIOError):  # nobody reads: the line drops it
            os.write(self._ours, frame)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        await end(*self._tasks)
        os.close(self._ours)
        os.close(self._theirs)
