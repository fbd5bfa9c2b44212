"""A host's console as a WebSocket of its controller, at `/console0` as OpenBMC has it.

It is on the device's own address and port, behind its certificate and its accounts. No session is
opened and none is taken: a login by Basic or by a session's token that is there already. Whoever
may not come in is answered in HTTP; a console that is full or switched off closes with 1013.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from iolaus.sim.device import Device
from iolaus.sim.http import Connection, Feed, Request
from iolaus.sim.manners.console import Consoles, Line, Reader, hosts
from iolaus.sim.manners.privileges import COMPONENTS, privileges_of

PATH: Final = "/console{n}"
TRY_LATER: Final = 1013
MOST_MESSAGE: Final = 1 << 16
Refusal = Callable[[str, Line], str]
"""Why nobody may have a host's line; "" if they may."""


class Sockets:
    """The consoles of one device's hosts."""

    def __init__(self, device: Device, consoles: Consoles, refusal: Refusal) -> None:
        self._device, self._consoles = device, consoles
        self._systems = {PATH.format(n=n): path for n, path in enumerate(hosts(device))}
        self._refusal = refusal

    def open(self) -> None:
        self._device.sockets = dict.fromkeys(self._systems, self._upgrade)

    def close(self) -> None:
        self._device.sockets = {}

    def _upgrade(self, request: Request, connection: Connection) -> Feed | None:
        status = self._status(request)
        visit = Visit(connection)
        handshake = visit.heard(request)
        if status or handshake is None:
            visit.refuse(status or 400)
            return visit.hear
        system = self._systems[request.path]
        line = self._consoles.line(self._device, system)
        visit.accept(handshake, line, why=self._refusal(system, line))
        return visit.hear

    def _status(self, request: Request) -> int:
        """0: they may come in."""
        user = self._device.gate.admit(request.headers)
        if not isinstance(user, str):
            return 401
        return 0 if COMPONENTS in privileges_of(self._device, user) else 403


class Visit:
    """One WebSocket."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._protocol = connection, ServerProtocol(max_size=MOST_MESSAGE)
        self._reader, self._line = Reader(self._show, self._end), None  # type: Reader, Line | None

    def heard(self, request: Request) -> Handshake | None:
        """The request once more, as the protocol wants to read it itself."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        said = f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n"
        self._protocol.receive_data(said.encode("latin-1"))
        found = self._protocol.events_received()
        return found[0] if found and isinstance(found[0], Handshake) else None

    def refuse(self, status: int) -> None:
        self._protocol.send_response(self._protocol.reject(HTTPStatus(status), ""))
        self._flush()

    def accept(self, handshake: Handshake, line: Line, *, why: str) -> None:
        answer: Response = self._protocol.accept(handshake)
        self._protocol.send_response(answer)
        self._connection.at_end(self._leave)
        if answer.status_code == 101 and why:
            self._protocol.send_close(TRY_LATER, why)
        elif answer.status_code == 101:
            self._line = line
            line.join(self._reader)
        self._flush()

    def hear(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            typed = isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY)
            if typed and isinstance(event, Frame) and self._line is not None:
                self._line.typed(bytes(event.data))
        self._flush()

    def _show(self, data: bytes) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_binary(data)
            self._flush()

    def _end(self) -> None:
        self._line = None
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1001, "")
        self._flush()

    def _leave(self) -> None:
        if self._line is not None:
            self._line.leave(self._reader)
            self._line = None

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._connection.write(data)
            else:
                self._connection.close()
