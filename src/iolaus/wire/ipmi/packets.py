"""RMCP+ packets and IPMI messages as bytes (IPMI 2.0 revision 1.1, clauses 13 and 22). No I/O.

Everything that comes may have been sent by anybody: what does not have the right form, length or
integrity is None to whoever asked, never an exception. Two cipher suites are spoken: 17 (SHA-256)
and, for controllers that know no better, 3 (SHA-1); both encrypt with AES-CBC-128.

A console at full speed is a hundred packets a second, and setting up a cipher or a digest costs ten
times what a packet does: the keys of a session keep theirs.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from typing import Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hmac import HMAC

RMCP: Final = b"\x06\x00\xff\x07"
HEAD: Final = struct.Struct("<4sBBIIH")
MESSAGE, SOL, OPEN_ASK, OPEN_ANSWER = 0x00, 0x01, 0x10, 0x11
RAKP_1, RAKP_2, RAKP_3, RAKP_4 = 0x12, 0x13, 0x14, 0x15
BMC, CONSOLE = 0x20, 0x81
APP: Final = 0x06
BLOCK: Final = 16
MOST_BYTES: Final = 1024
NEXT: Final = 0x07
HASHES: Final = {"sha256": hashes.SHA256, "sha1": hashes.SHA1}
PADDING: Final = tuple(bytes([*range(1, pad + 1), pad]) for pad in range(BLOCK))


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """A cipher suite (table 22-20): its algorithms' numbers, the hash, and how much of a hash is
    sent with a packet and with RAKP message 4."""

    number: int
    authentication: int
    integrity: int
    digest: str
    mac_bytes: int
    check_bytes: int


SUITES: Final = (
    Suite(number=17, authentication=3, integrity=4, digest="sha256", mac_bytes=16, check_bytes=16),
    Suite(number=3, authentication=1, integrity=1, digest="sha1", mac_bytes=12, check_bytes=12),
)
"""The better one first."""


class Keys:
    """Of one session (13.31, 13.32)."""

    def __init__(self, suite: Suite, *, mac: bytes, cipher: bytes) -> None:
        self.suite = suite
        self._mac = HMAC(mac, HASHES[suite.digest]())
        self._writing = Cipher(AES(cipher), CBC(bytes(BLOCK))).encryptor()
        self._reading = Cipher(AES(cipher), CBC(bytes(BLOCK))).decryptor()

    def mac(self, data: bytes) -> bytes:
        """What proves that nobody changed it."""
        counting = self._mac.copy()
        counting.update(data)
        return counting.finalize()[: self.suite.mac_bytes]

    def encrypt(self, padded: bytes) -> bytes:
        """Whole blocks, after their initialization vector: a random block, encrypted."""
        return self._writing.update(secrets.token_bytes(BLOCK) + padded)

    def decrypt(self, body: bytes) -> bytes:
        """The opposite. The first block comes out as nobody's text and is left out: the vector."""
        return self._reading.update(body)[BLOCK:]


def keys_of(suite: Suite, session_key: bytes) -> Keys:
    one, two = (hmac.digest(session_key, bytes([n]) * 20, suite.digest) for n in (1, 2))
    return Keys(suite, mac=one, cipher=two[:BLOCK])


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """What a packet carries. `sealed`: it was encrypted and its integrity is proved."""

    kind: int
    payload: bytes
    session: int = 0
    sequence: int = 0
    sealed: bool = False


def plain(kind: int, payload: bytes) -> bytes:
    """Outside a session."""
    return HEAD.pack(RMCP, 0x06, kind, 0, 0, len(payload)) + payload


def sealed(kind: int, payload: bytes, *, session: int, sequence: int, keys: Keys) -> bytes:
    """Within one: encrypted, then authenticated."""
    pad = -(len(payload) + 1) % BLOCK
    body = keys.encrypt(payload + PADDING[pad])
    covered = HEAD.pack(RMCP, 0x06, kind | 0xC0, session, sequence, len(body))[len(RMCP) :] + body
    fill = -(len(covered) + 2) % 4
    covered += b"\xff" * fill + bytes([fill, NEXT])
    return RMCP + covered + keys.mac(covered)


def parse(data: bytes, keys: Keys | None = None) -> Packet | None:
    """A packet of RMCP+; None for anything else, and for one that `keys` do not open."""
    if not HEAD.size <= len(data) <= MOST_BYTES:
        return None
    magic, form, kind, session, sequence, length = HEAD.unpack_from(data)
    body = data[HEAD.size : HEAD.size + length]
    if magic != RMCP or form != 0x06 or len(body) != length:
        return None
    if not kind & 0xC0:
        return Packet(kind=kind & 0x3F, payload=body, session=session, sequence=sequence)
    if kind & 0xC0 != 0xC0 or keys is None or not _is_whole(data, HEAD.size + length, keys):
        return None
    payload = _opened(body, keys)
    if payload is None:
        return None
    return Packet(
        kind=kind & 0x3F, payload=payload, session=session, sequence=sequence, sealed=True
    )


def _is_whole(data: bytes, end: int, keys: Keys) -> bool:
    size = keys.suite.mac_bytes
    covered, mac = data[len(RMCP) : -size], data[-size:]
    if (
        len(data) < end + 2 + size
        or covered[-1] != NEXT
        or covered[-2] != len(data) - end - 2 - size
    ):
        return False
    return hmac.compare_digest(mac, keys.mac(covered))


def _opened(body: bytes, keys: Keys) -> bytes | None:
    if len(body) < 2 * BLOCK or len(body) % BLOCK:
        return None
    padded = keys.decrypt(body)
    pad = padded[-1]
    return padded[: -pad - 1] if pad < BLOCK and pad < len(padded) else None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An IPMI message of the controller: to which request, with which completion code."""

    number: int
    command: int
    code: int
    data: bytes


def request(command: int, data: bytes, *, number: int) -> bytes:
    """A request of the application's function (13.8): `number` is 0 to 63."""
    head = bytes([BMC, APP << 2])
    body = bytes([CONSOLE, number << 2, command]) + data
    return head + checksum(head) + body + checksum(body)


def parse_reply(payload: bytes) -> Reply | None:
    if len(payload) < 8 or checksum(payload[:2]) != payload[2:3]:
        return None
    if checksum(payload[3:-1]) != payload[-1:] or payload[0] != CONSOLE:
        return None
    return Reply(number=payload[4] >> 2, command=payload[5], code=payload[6], data=payload[7:-1])


def checksum(data: bytes) -> bytes:
    return bytes([-sum(data) & 0xFF])


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A payload of SOL from the controller (15.9). `number` 0 carries no text; `acked` is which of
    ours it answers (0: none), of which it took `taken` characters."""

    number: int
    acked: int
    taken: int
    refused: bool
    inactive: bool
    text: bytes


def piece(number: int, acked: int, taken: int, text: bytes = b"") -> bytes:
    """A payload of SOL to the controller."""
    return bytes([number & 0x0F, acked & 0x0F, taken & 0xFF, 0]) + text


def parse_piece(payload: bytes) -> Piece | None:
    if len(payload) < 4:
        return None
    number, acked, taken, status = payload[:4]
    return Piece(
        number=number & 0x0F,
        acked=acked & 0x0F,
        taken=taken,
        refused=bool(status & 0x40),
        inactive=bool(status & 0x10),
        text=payload[4:],
    )
