"""Hosts' consoles by IPMI: RMCP+ sessions and Serial over LAN, as a controller speaks them.

One UDP socket per device. Accounts are the controller's, as far as their passwords fit into the
20 bytes that IPMI knows; cipher suites 3 and 17. One visitor at a time has the line, as on most
machines, and whoever comes second is told so. A piece that is not acknowledged is sent again, and
after some tries the visitor counts as gone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hmac import HMAC

from iolaus.sim.device import Device
from iolaus.sim.manners.console import Line, Reader

MAGIC: Final = b"\x06\x00\xff\x07"
SUITES: Final = {(1, 1): ("sha1", 12), (3, 4): ("sha256", 16)}
"""(authentication, integrity) -> hash, and how much of it a packet carries."""
HASHES: Final = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}
TAKEN, OFF, DENIED, NO_COMMAND = 0x80, 0x81, 0xD4, 0xC1
MOST_SESSIONS: Final = 8
MOST_PIECE: Final = 240
AGAIN_S: Final = 0.25
TRIES: Final = 20
SILENT_S: Final = 60.0
Address = Any


@dataclass(slots=True)
class Guest:
    """One session, from its first question on."""

    theirs: int
    ours: int
    address: Address
    digest: str
    size: int
    user: str = ""
    secret: bytes = b""
    their_random: bytes = b""
    random: bytes = b""
    role: bytes = b""
    key: bytes = b""
    mac: HMAC | None = None
    writing: CipherContext | None = None
    reading: CipherContext | None = None
    sequence: int = 0
    heard: int = 0
    heard_at: float = 0.0
    open: bool = False
    line: Line | None = None
    reader: Reader | None = None
    waiting: bytearray = field(default_factory=bytearray)
    number: int = 0
    sent: bytes = b""
    tries: int = 0
    timer: asyncio.TimerHandle | None = None
    typed: tuple[int, int] = (0, 0)


class Porch(asyncio.DatagramProtocol):
    """One device's socket. `line` is its host's, `why` says why nobody may have it ("": they may),
    `lossy` decides of a packet of ours whether it gets lost."""

    def __init__(self, device: Device, line: Callable[[], Line], why: Callable[[], str]) -> None:
        self._device, self._line, self._why = device, line, why
        self._guests: dict[int, Guest] = {}
        self._guid = hashlib.sha256(f"{device.name}/guid".encode()).digest()[:16]
        self.lossy: Callable[[], bool] = lambda: False
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        place = self._device.socket
        if self._device.dead or (place is not None and getattr(place, "state", "up") != "up"):
            return
        if data[:4] != MAGIC or len(data) < 14:
            return
        if data[4] == 0x06 and len(data) >= 16:
            self._plus(data, addr)
        elif data[4] == 0x00 and data[14:].find(b"\x38") == 5:
            self._capabilities(data, addr)

    def close(self) -> None:
        for guest in list(self._guests.values()):
            self._forget(guest)
        self._transport.close()

    # --- before a session -----------------------------------------------------------------------

    def _capabilities(self, data: bytes, addr: Address) -> None:
        """Get Channel Authentication Capabilities, as clients ask before they ask anything."""
        asked = data[14:]
        said = bytes([0, 1, 0x80, 0x04, 0x02, 0, 0, 0, 0])
        body = _answer(asked, said)
        self._send(data[:4] + bytes(9) + bytes([len(body)]) + body, addr)

    def _plus(self, data: bytes, addr: Address) -> None:
        kind, session, sequence, length = struct.unpack_from("<BIIH", data, 5)
        body = data[16 : 16 + length]
        if len(body) != length:
            return
        if not kind & 0xC0:
            steps = {0x10: self._asked, 0x12: self._named, 0x14: self._proved, 0x00: self._unheld}
            if (kind & 0x3F) in steps and len(body) >= 8:
                steps[kind & 0x3F](body, addr)
            return
        guest = self._guests.get(session)
        if guest is None or not guest.open or guest.address != addr or sequence <= guest.heard:
            return
        payload = _unsealed(data, body, guest)
        if payload is None:
            return
        guest.heard, guest.heard_at = sequence, self._device.clock.monotonic()
        if kind & 0x3F == 0x00:
            self._message(guest, payload)
        elif kind & 0x3F == 0x01 and len(payload) >= 4:
            self._piece(guest, payload)

    def _unheld(self, body: bytes, addr: Address) -> None:
        """Questions without a session: what it can, and nothing else."""
        if len(body) > 5 and body[5] == 0x38:
            said = _answer(body, bytes([0, 1, 0x80, 0x04, 0x02, 0, 0, 0, 0]))
            self._plain(0x00, said, addr)
        elif len(body) > 5 and body[5] == 0x54:
            self._plain(0x00, _answer(body, bytes([0, 1, 0xC0, 3, 0x01, 0x41, 0x81])), addr)

    def _asked(self, body: bytes, addr: Address) -> None:
        tag, theirs = body[0], struct.unpack_from("<I", body, 4)[0]
        suite = SUITES.get((body[12], body[20])) if len(body) >= 32 and body[28] == 1 else None
        if suite is None:
            self._plain(0x11, struct.pack("<BBHI", tag, 0x11, 0, theirs), addr)
            return
        self._tidy()
        if len(self._guests) >= MOST_SESSIONS:
            self._plain(0x11, struct.pack("<BBHI", tag, 0x01, 0, theirs), addr)
            return
        guest = Guest(theirs, int.from_bytes(os.urandom(4), "little") | 1, addr, *suite)
        guest.heard_at = self._device.clock.monotonic()
        self._guests[guest.ours] = guest
        head = struct.pack("<BBBBII", tag, 0, 4, 0, theirs, guest.ours)
        self._plain(0x11, head + body[8:32], addr)

    def _named(self, body: bytes, addr: Address) -> None:
        guest = self._guests.get(struct.unpack_from("<I", body, 4)[0])
        if guest is None or len(body) < 28 or guest.address != addr:
            return
        guest.their_random, guest.role = body[8:24], body[24:25] + body[27:]
        guest.user = body[28 : 28 + body[27]].decode("utf-8", "replace")
        account = self._device.gate.accounts.get(guest.user)
        password = account.password if account is not None else ""
        if account is None or account.must_change or not 0 < len(password.encode()) <= 20:
            self._plain(0x13, struct.pack("<BBHI", body[0], 0x0D, 0, guest.theirs), addr)
            self._forget(guest)
            return
        guest.secret, guest.random = password.encode(), os.urandom(16)
        ends = struct.pack("<II", guest.theirs, guest.ours)
        said = ends + guest.their_random + guest.random + self._guid + guest.role
        head = struct.pack("<BBHI", body[0], 0, 0, guest.theirs) + guest.random + self._guid
        self._plain(0x13, head + hmac.digest(guest.secret, said, guest.digest), addr)

    def _proved(self, body: bytes, addr: Address) -> None:
        guest = self._guests.get(struct.unpack_from("<I", body, 4)[0])
        if guest is None or not guest.random or guest.address != addr:
            return
        said = guest.random + struct.pack("<I", guest.theirs) + guest.role
        if not hmac.compare_digest(body[8:], hmac.digest(guest.secret, said, guest.digest)):
            self._plain(0x15, struct.pack("<BBHI", body[0], 0x0F, 0, guest.theirs), addr)
            self._forget(guest)
            return
        both = guest.their_random + guest.random + guest.role
        guest.key = hmac.digest(guest.secret, both, guest.digest)
        mac, key = (hmac.digest(guest.key, bytes([n]) * 20, guest.digest) for n in (1, 2))
        guest.mac = HMAC(mac, HASHES[guest.digest]())
        cipher = Cipher(AES(key[:16]), CBC(bytes(16)))
        guest.writing, guest.reading = cipher.encryptor(), cipher.decryptor()
        guest.open = True
        check = guest.their_random + struct.pack("<I", guest.ours) + self._guid
        head = struct.pack("<BBHI", body[0], 0, 0, guest.theirs)
        self._plain(0x15, head + hmac.digest(guest.key, check, guest.digest)[: guest.size], addr)

    # --- within one -----------------------------------------------------------------------------

    def _message(self, guest: Guest, asked: bytes) -> None:
        if len(asked) < 7:
            return
        said = self._said(guest, asked[5], asked[6:-1])
        self._sealed(guest, 0x00, _answer(asked, said))
        if asked[5] == 0x3C:
            self._forget(guest)

    def _said(self, guest: Guest, command: int, data: bytes) -> bytes:
        if command == 0x3B:
            return bytes([0, data[0] & 0x0F if data else 4])
        if command == 0x01:
            return bytes([0, 0x20, 1, 2, 0x10, 0x02, 0, 0, 0, 0, 0, 0])
        if command == 0x48:
            return self._activated(guest)
        if command == 0x49:
            self._leave(guest)
            return b"\0"
        return b"\0" if command == 0x3C else bytes([NO_COMMAND])

    def _activated(self, guest: Guest) -> bytes:
        if self._why():
            return bytes([OFF])
        if any(each.line is not None and each is not guest for each in self._guests.values()):
            return bytes([TAKEN])
        if guest.line is None:
            guest.line = self._line()
            guest.reader = Reader(lambda data: self._show(guest, data), lambda: self._ended(guest))
            asyncio.get_running_loop().call_soon(self._join, guest)
        port = self._transport.get_extra_info("sockname")[1]
        sizes = struct.pack("<HHHH", MOST_PIECE + 4, MOST_PIECE + 4, port, 0xFFFF)
        return b"\0" + bytes(4) + sizes

    def _join(self, guest: Guest) -> None:
        if guest.line is not None and guest.reader is not None:
            guest.line.join(guest.reader)

    def _piece(self, guest: Guest, payload: bytes) -> None:
        number, acked, taken = payload[0] & 15, payload[1] & 15, payload[2]
        if acked and acked == guest.number and guest.sent:
            left = guest.sent[taken:] if payload[3] & 0x40 else b""
            guest.sent, guest.waiting[:0] = b"", left
            self._quiet(guest)
            self._more(guest)
        if number and guest.line is not None:
            text = payload[4:]
            if guest.typed[0] != number:
                guest.typed = number, len(text)
                guest.line.typed(bytes(text))
            self._sealed(guest, 0x01, bytes([0, number, guest.typed[1], 0]))

    def _show(self, guest: Guest, data: bytes) -> None:
        guest.waiting += data
        self._more(guest)

    def _more(self, guest: Guest) -> None:
        """The next piece, once the last one is acknowledged."""
        if guest.sent or not guest.waiting or guest.line is None:
            return
        guest.sent = bytes(guest.waiting[:MOST_PIECE])
        del guest.waiting[:MOST_PIECE]
        guest.number, guest.tries = guest.number % 15 + 1, 0
        self._again(guest)

    def _again(self, guest: Guest) -> None:
        self._quiet(guest)
        if guest.tries >= TRIES:
            self._forget(guest)
            return
        guest.tries += 1
        self._sealed(guest, 0x01, bytes([guest.number, 0, 0, 0]) + guest.sent)
        guest.timer = asyncio.get_running_loop().call_later(AGAIN_S, self._again, guest)

    def _quiet(self, guest: Guest) -> None:
        if guest.timer is not None:
            guest.timer.cancel()
            guest.timer = None

    def _ended(self, guest: Guest) -> None:
        """The controller restarts: whoever was on the line is told that it is not active."""
        self._sealed(guest, 0x01, bytes([0, 0, 0, 0x10]))
        guest.line = None
        self._forget(guest)

    def _leave(self, guest: Guest) -> None:
        self._quiet(guest)
        if guest.line is not None and guest.reader is not None:
            guest.line.leave(guest.reader)
        guest.line = guest.reader = None

    def _forget(self, guest: Guest) -> None:
        self._leave(guest)
        self._guests.pop(guest.ours, None)

    def _tidy(self) -> None:
        now = self._device.clock.monotonic()
        for guest in [g for g in self._guests.values() if now - g.heard_at > SILENT_S]:
            self._forget(guest)

    # --- packets --------------------------------------------------------------------------------

    def _plain(self, kind: int, body: bytes, addr: Address) -> None:
        self._send(MAGIC + struct.pack("<BBIIH", 6, kind, 0, 0, len(body)) + body, addr)

    def _sealed(self, guest: Guest, kind: int, payload: bytes) -> None:
        assert guest.writing is not None
        guest.sequence += 1
        pad = -(len(payload) + 1) % 16
        padded = payload + bytes(range(1, pad + 1)) + bytes([pad])
        body = guest.writing.update(os.urandom(16) + padded)  # the first block is the vector
        head = struct.pack("<BBIIH", 6, kind | 0xC0, guest.theirs, guest.sequence, len(body))
        covered = head + body
        fill = -(len(covered) + 2) % 4
        covered += b"\xff" * fill + bytes([fill, 7])
        self._send(MAGIC + covered + _proof(guest, covered), guest.address)

    def _send(self, data: bytes, addr: Address) -> None:
        if not self._transport.is_closing() and not self.lossy():
            self._transport.sendto(data, addr)


def _unsealed(data: bytes, body: bytes, guest: Guest) -> bytes | None:
    covered, mac = data[4 : -guest.size], data[-guest.size :]
    if not hmac.compare_digest(mac, _proof(guest, covered)) or len(body) < 32 or len(body) % 16:
        return None
    assert guest.reading is not None
    padded = guest.reading.update(body)[16:]
    return padded[: -padded[-1] - 1]


def _proof(guest: Guest, covered: bytes) -> bytes:
    assert guest.mac is not None
    counting = guest.mac.copy()
    counting.update(covered)
    return counting.finalize()[: guest.size]


def _answer(asked: bytes, said: bytes) -> bytes:
    """The message that answers another; `said` begins with its completion code."""
    head = bytes([asked[3], (asked[1] & 0xFC) + 4])
    body = bytes([asked[0], asked[4], asked[5]]) + said
    return head + _sum(head) + body + _sum(body)


def _sum(data: bytes) -> bytes:
    return bytes([-sum(data) & 0xFF])


async def serve_sol(
    sock: socket.socket, device: Device, line: Callable[[], Line], why: Callable[[], str]
) -> Porch:
    """IPMI on a bound socket."""
    loop = asyncio.get_running_loop()
    _, porch = await loop.create_datagram_endpoint(lambda: Porch(device, line, why), sock=sock)
    return porch
