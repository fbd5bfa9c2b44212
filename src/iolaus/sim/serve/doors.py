"""Listening sockets in a process of their own, where one may not have enough open files.

A hall of 10,240 nodes has 17,285 devices that listen; with a connection to each node that is more
than the 20,000 files many systems allow a process. So a porter (`porter.py`) keeps the listening
sockets and hands every accepted connection over; devices, plant and oracle stay in one process.
Neither outlives the other: a hall into which nobody can come ends, and says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from itertools import count

from iolaus.kernel.errors import WeErred
from iolaus.sim.serve.porter import ASKED, NUMBER

Factory = Callable[[], asyncio.Protocol]
Tls = Callable[[], ssl.SSLContext | None]


class Door:
    """One listening socket, elsewhere; closed like a server of this process."""

    def __init__(self, doors: Doors, number: int) -> None:
        self._doors, self._number = doors, number

    def close(self) -> None:
        self._doors.shut(self._number)


class Doors:
    """`ended` is called when the porter is gone; from then on nothing can be opened."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended, self._gone = ended, False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "iolaus.sim.serve.porter", str(theirs.fileno())]
        with theirs:
            self._porter = subprocess.Popen(  # noqa: S603  our own module
                command, pass_fds=[theirs.fileno()]
            )
        self._channel, self._number = ours, count(1)
        self._open: dict[int, tuple[Factory, Tls]] = {}
        self._said: dict[int, asyncio.Future[None]] = {}
        self._one = asyncio.Lock()
        self._taking: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(ours.fileno(), self._heard)

    async def listen(self, sock: socket.socket, factory: Factory, tls: Tls) -> Door:
        """Give a bound socket away; it listens when this returns."""
        number = next(self._number)
        self._open[number] = factory, tls
        async with self._one:  # else a thousand orders fill the channel before one answer is read
            with sock:
                await self._tell(number, sock.fileno())
        return Door(self, number)

    async def settled(self) -> None:
        """Wait until every door that was shut is shut."""
        async with self._one:
            await self._tell(ASKED)

    async def _tell(self, number: int, *files: int) -> None:
        """And wait until it is done. Raises WeErred if nobody is there to do it."""
        if self._gone:
            raise gone()
        said = self._said[number] = self._loop.create_future()
        try:
            socket.send_fds(self._channel, [number.to_bytes(NUMBER, "big")], files)
        except OSError:
            del self._said[number]
            raise gone() from None
        await said

    def shut(self, number: int) -> None:
        if self._open.pop(number, None) is not None:
            with contextlib.suppress(OSError):
                self._channel.send(number.to_bytes(NUMBER, "big"))

    def stop(self) -> None:
        self._close()
        self._channel.close()
        self._porter.wait()

    def _heard(self) -> None:
        try:
            data, files, _, _ = socket.recv_fds(self._channel, NUMBER, 1)
        except OSError:
            data, files = b"", []
        if not data:
            self._close()
            self._ended()
            return
        number = int.from_bytes(data, "big")
        for file in files:
            self._take(number, socket.socket(fileno=file))
        said = None if files else self._said.pop(number, None)
        if said is not None and not said.done():
            said.set_result(None)

    def _close(self) -> None:
        self._gone = True
        self._loop.remove_reader(self._channel.fileno())
        for said in self._said.values():
            if not said.done():
                said.set_exception(gone())

    def _take(self, number: int, sock: socket.socket) -> None:
        if number not in self._open:
            sock.close()
            return
        sock.setblocking(False)
        factory, tls = self._open[number]
        task = self._loop.create_task(self._taken(factory, sock, tls))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _taken(self, factory: Factory, sock: socket.socket, tls: Tls) -> None:
        with contextlib.suppress(OSError):  # who hangs up in the handshake is nobody's fault
            await self._loop.connect_accepted_socket(factory, sock, ssl=tls())


def gone() -> WeErred:
    return WeErred(
        "the process that listens for it has ended",
        operation="serve",
        subject="simulated hall",
        code="PorterGone",
        next_step="Start the hall again; the system's log says who ended it (short of memory?).",
    )
