"""A host's serial line by IPMI's Serial over LAN (IPMI 2.0, clause 15).

The controller sends a piece, waits until it is acknowledged, and sends it again where it is not.
So a piece is acknowledged here only when the one before has been taken by whoever reads: what is
not recorded yet is still the controller's to keep, and it holds the line back meanwhile. Datagrams
get lost: what is ours is sent anew a few times, and a line that answers nothing for long is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import Any, Final

import msgspec

from iolaus.kernel.errors import DeviceRefused, IolausError, OperatorMust
from iolaus.wire.console import faults
from iolaus.wire.ipmi.login import ADMINISTRATOR, MOST_PASSWORD, Login, Refused
from iolaus.wire.ipmi.packets import (
    MESSAGE,
    SOL,
    SUITES,
    Packet,
    Piece,
    Reply,
    Suite,
    parse,
    parse_piece,
    parse_reply,
    piece,
    request,
    sealed,
)

SET_PRIVILEGE, CLOSE, GET_ID, ACTIVATE, DEACTIVATE = 0x3B, 0x3C, 0x01, 0x48, 0x49
AGAIN_S: Final = 1.0
TRIES: Final = 5
ALIVE_S: Final = 20.0
MOST_TEXT: Final = 200
ENCRYPTED: Final = 0xC0
WHY: Final = {
    0x80: "somebody else is on it",
    0x81: "it is switched off",
    0x82: "no console session is free",
    0x83: "it cannot be encrypted",
    0x84: "it must not be encrypted",
}
"""Completion codes of Activate Payload (table 24-2)."""


class IpmiPlace(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int
    user: str
    password: str

    def __repr__(self) -> str:
        return f"IpmiPlace({self.host!r}, {self.port}, user={self.user!r}, password=...)"

    @property
    def name(self) -> str:
        return f"ipmi://{self.host}:{self.port}"


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.hear: Callable[[bytes], None] = _unheard
        self.transport: Any = None
        self.error: OSError | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        del addr
        self.hear(data)

    def error_received(self, exc: Exception) -> None:
        self.error = exc if isinstance(exc, OSError) else None

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.sendto(data)


def _unheard(data: bytes) -> None:
    """Before anybody asked, nothing that comes is meant."""
    del data


async def open_sol(place: IpmiPlace) -> SolLine:
    """Raises `DeviceSilent`, `DeviceRefused` (ConsoleLoginRefused, ConsoleBusy), `OperatorMust` for
    a password that IPMI cannot carry."""
    if len(place.password.encode()) > MOST_PASSWORD:
        raise OperatorMust(
            f"IPMI knows passwords of {MOST_PASSWORD} characters at most",
            operation=faults.OPEN,
            subject=place.name,
            code="PasswordTooLong",
            next_step="take another way (--way ssh|websocket), or give IPMI an account of its own.",
        )
    loop = asyncio.get_running_loop()
    try:
        _, wire = await loop.create_datagram_endpoint(
            _Datagrams, remote_addr=(place.host, place.port)
        )
    except OSError as error:
        raise faults.silent(place.name, str(error)) from error
    try:
        login = await _logged_in(wire, place)
        line = SolLine(wire, login, place)
        await line.activate()
    except BaseException:
        wire.transport.close()
        raise
    return line


async def _logged_in(wire: _Datagrams, place: IpmiPlace) -> Login:
    for suite in SUITES:
        try:
            return await _try(wire, place, suite)
        except Refused as error:
            if error.is_suite and suite is not SUITES[-1]:
                continue
            if error.is_login:
                raise faults.login_refused(place.name, place.user) from error
            raise faults.busy(place.name, str(error)) from error
    raise faults.busy(place.name, "it knows no cipher suite of ours")


async def _try(wire: _Datagrams, place: IpmiPlace, suite: Suite) -> Login:
    login = Login(place.user, place.password, suite)
    inbox: asyncio.Queue[bytes] = asyncio.Queue(maxsize=64)

    def hear(data: bytes) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            inbox.put_nowait(data)

    wire.hear, said, tries = hear, login.begin(), 0
    while login.keys is None:
        wire.send(said)
        answer = await _step(inbox, login)
        if answer is not None:
            said, tries = answer, 0
        elif login.keys is None:
            tries += 1
            if tries >= TRIES:
                raise faults.silent(place.name, str(wire.error or "no answer to IPMI"))
    return login


async def _step(inbox: asyncio.Queue[bytes], login: Login) -> bytes | None:
    """What to send next; None where nothing came in time, or it is open."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(AGAIN_S):
            while login.keys is None:
                packet = parse(await inbox.get())
                answer = login.heard(packet) if packet else None
                if answer is not None:
                    return answer
    return None


class SolLine:
    """An open line. It needs no pin: the controller proved that it knows the password."""

    shown = ""

    def __init__(self, wire: _Datagrams, login: Login, place: IpmiPlace) -> None:
        assert login.keys is not None
        self._wire, self._keys, self._place = wire, login.keys, place
        self._session, self._own = login.theirs, login.ours
        self._sequence = self._heard = self._number = self._asked = 0
        self._pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._acks: dict[int, asyncio.Future[Piece]] = {}
        self._owed: Piece | None = None
        self._last: tuple[int, bytes] = (0, b"")
        self._writing = asyncio.Lock()
        self._cut = False
        self._alive: asyncio.Task[None] | None = None
        wire.hear = self._hear

    # --- the line -------------------------------------------------------------------------------

    async def read(self) -> bytes:
        """What it says next; b"" when the controller ended it. What was given before counts as
        kept, and is acknowledged. Raises `DeviceSilent`."""
        self._acknowledge()
        while True:
            got = await self._pieces.get()
            if got is None:
                if self._cut:
                    raise faults.silent(self._place.name, "it answers no longer")
                return b""
            self._owed = got
            if got.text:
                return got.text
            self._acknowledge()

    async def write(self, data: bytes) -> None:
        """Raises `DeviceSilent`."""
        async with self._writing:
            while data:
                data = data[await self._say(data[:MOST_TEXT]) :]

    async def aclose(self) -> None:
        self._acknowledge()
        if self._alive is not None:
            self._alive.cancel()
        if not self._cut:
            self._seal(MESSAGE, request(DEACTIVATE, b"\x01\x01\0\0\0\0", number=self._next()))
            end = struct.pack("<I", self._session)
            self._seal(MESSAGE, request(CLOSE, end, number=self._next()))
        self._wire.transport.close()

    async def activate(self) -> None:
        """Raises `DeviceRefused`, `DeviceSilent`."""
        raised = await self._ask(SET_PRIVILEGE, bytes([ADMINISTRATOR]))
        if raised.code:
            raise faults.login_refused(self._place.name, self._place.user)
        started = await self._ask(ACTIVATE, bytes([1, 1, ENCRYPTED, 0, 0, 0]))
        if started.code:
            raise self._not_started(started.code)
        self._alive = asyncio.create_task(self._keep_alive())

    def _not_started(self, code: int) -> DeviceRefused:
        return faults.busy(self._place.name, WHY.get(code, f"completion code {code:#04x}"))

    # --- packets --------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        packet = parse(data, self._keys)
        if packet is None or not packet.sealed or packet.session != self._own:
            return
        if packet.sequence <= self._heard:  # late or played again; what is missing comes anew
            return
        self._heard = packet.sequence
        if packet.kind == MESSAGE:
            self._answered(packet)
        elif packet.kind == SOL and (got := parse_piece(packet.payload)) is not None:
            self._came(got)

    def _answered(self, packet: Packet) -> None:
        reply = parse_reply(packet.payload)
        waiting = self._replies.pop(reply.number, None) if reply else None
        if reply is not None and waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def _came(self, got: Piece) -> None:
        waiting = self._acks.pop(got.acked, None) if got.acked else None
        if waiting is not None and not waiting.done():
            waiting.set_result(got)
        if got.inactive:
            self._pieces.put_nowait(None)
        elif got.number:
            self._text(got)

    def _text(self, got: Piece) -> None:
        """A piece that comes again is taken once; one that is still read is acknowledged later."""
        number, text = self._last
        if got.number != number:
            self._last = got.number, got.text
            self._pieces.put_nowait(got)
        elif self._owed is None and self._pieces.empty() and got.text == text:
            self._seal(SOL, piece(0, got.number, len(got.text)))

    def _acknowledge(self) -> None:
        got, self._owed = self._owed, None
        if got is not None:
            self._seal(SOL, piece(0, got.number, len(got.text)))

    def _seal(self, kind: int, payload: bytes) -> None:
        self._sequence += 1
        self._wire.send(
            sealed(kind, payload, session=self._session, sequence=self._sequence, keys=self._keys)
        )

    # --- asking ---------------------------------------------------------------------------------

    def _next(self) -> int:
        self._asked = (self._asked + 1) % 64
        return self._asked

    async def _ask(self, command: int, data: bytes) -> Reply:
        number = self._next()
        payload = request(command, data, number=number)
        reply: Reply = await self._until(
            self._replies, number, lambda: self._seal(MESSAGE, payload)
        )
        return reply

    async def _say(self, text: bytes) -> int:
        """How many characters were taken."""
        self._number = self._number % 15 + 1
        payload = piece(self._number, 0, 0, text)
        got = await self._until(self._acks, self._number, lambda: self._seal(SOL, payload))
        if got.refused and not got.taken:
            await asyncio.sleep(AGAIN_S / 4)
        return len(text) if not got.refused and not got.taken else min(got.taken, len(text))

    async def _until(self, waiting: dict[int, asyncio.Future[Any]], key: int, send: Any) -> Any:
        """Send until it is answered. Raises `DeviceSilent`."""
        answer = waiting[key] = asyncio.get_running_loop().create_future()
        try:
            for _ in range(TRIES):
                send()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_S):
                        return await asyncio.shield(answer)
        finally:
            waiting.pop(key, None)
            answer.cancel()
        raise faults.silent(self._place.name, "no answer")

    async def _keep_alive(self) -> None:
        """A session that asks nothing is closed by the controller; one that answers nothing is
        cut by us."""
        try:
            while True:
                await asyncio.sleep(ALIVE_S)
                await self._ask(GET_ID, b"")
        except IolausError:
            self._cut = True
            self._pieces.put_nowait(None)
