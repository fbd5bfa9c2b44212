"""SPDM's measurement conversation as bytes: both sides, since the BMC and the root are ours.

DSP0274 1.1.2, 1.2.1 and 1.3.0. The transcript that a client gets is what Redfish prescribes: at
1.1 the GET_MEASUREMENTS and MEASUREMENTS messages, of which the last is signed; from 1.2 on the
negotiation (VCA) before them, which then is under the signature too.

Signed is L1/L2: before 1.2 its hash alone, from 1.2 on 100 bytes of context (the version's
prefix four times, zeroes, and what the signature is for, at the right) followed by that hash.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from iolaus.sim.roots.algorithms import HASHINGS, SIGNINGS, Hashing, Signing
from iolaus.sim.roots.measure import Block, record

ALL: Final = 0xFF
CONTEXT: Final = b"responder-measurements signing"
NOT_CHANGED: Final = 0x20
_CERT, _CHAL, _MEAS_SIG, _MEAS_FRESH, _ALIAS = 1 << 1, 1 << 2, 2 << 3, 1 << 5, 1 << 21
_GET_VERSION, _VERSION, _GET_CAPABILITIES, _CAPABILITIES = 0x84, 0x04, 0xE1, 0x61
_NEGOTIATE, _ALGORITHMS, _GET_MEASUREMENTS, _MEASUREMENTS = 0xE3, 0x63, 0xE0, 0x60
_MOST_BYTES: Final = 0x1200


@dataclass(frozen=True, slots=True)
class Suite:
    """What requester and responder agree on. `minor` is the x of SPDM 1.x."""

    minor: int
    signing: Signing
    hashing: Hashing
    minors: tuple[int, ...] = ()
    opaque_format: int = 2

    @classmethod
    def of(cls, version: str, signing: str, hashing: str, **more: int) -> Suite:
        minor = int(version.split(".")[1])
        minors = tuple(range(1, minor + 1))
        return cls(minor, SIGNINGS[signing], HASHINGS[hashing], minors, **more)

    @property
    def code(self) -> int:
        return 0x10 | self.minor

    @property
    def version(self) -> str:
        return f"1.{self.minor}"


@dataclass(frozen=True, slots=True)
class Asked:
    """One GET_MEASUREMENTS: a block, or ALL, or 0 for how many there are."""

    index: int
    nonce: bytes
    slot: int
    sign: bool = False
    raw: bool = False
    context: bytes = bytes(8)


def negotiation(suite: Suite) -> bytes:
    """GET_VERSION to ALGORITHMS, both directions."""
    entries = b"".join(struct.pack("<H", 0x1000 | minor << 8) for minor in suite.minors)
    version = struct.pack("<BBBBBB", 0x10, _VERSION, 0, 0, 0, len(suite.minors)) + entries
    return b"".join(
        (
            struct.pack("<BBBB", 0x10, _GET_VERSION, 0, 0),
            version,
            _capabilities(suite, _GET_CAPABILITIES, _CERT | _CHAL),
            _capabilities(suite, _CAPABILITIES, _responder_flags(suite)),
            _algorithms(suite, _NEGOTIATE),
            _algorithms(suite, _ALGORITHMS),
        )
    )


def _responder_flags(suite: Suite) -> int:
    return _CERT | _CHAL | _MEAS_SIG | _MEAS_FRESH | (_ALIAS if suite.minor >= 2 else 0)


def _capabilities(suite: Suite, code: int, flags: int) -> bytes:
    body = struct.pack("<BBBBxBxxI", suite.code, code, 0, 0, 14, flags)
    sizes = struct.pack("<II", _MOST_BYTES, _MOST_BYTES) if suite.minor >= 2 else b""
    return body + sizes


def _algorithms(suite: Suite, code: int) -> bytes:
    """Offer and choice have the same head; the choice names the measurement hash as well."""
    other = suite.opaque_format if suite.minor >= 2 else 0
    answer = code == _ALGORITHMS
    measured = struct.pack("<I", suite.hashing.measured) if answer else b""
    body = struct.pack("<BB", 1, other) + measured
    body += struct.pack("<II", suite.signing.bit, suite.hashing.bit) + bytes(12) + bytes(4)
    return struct.pack("<BBBBH", suite.code, code, 0, 0, len(body) + 6) + body


def request(suite: Suite, asked: Asked) -> bytes:
    attributes = int(asked.sign) | int(asked.raw) << 1
    head = struct.pack("<BBBB", suite.code, _GET_MEASUREMENTS, attributes, asked.index)
    fresh = asked.nonce + bytes([asked.slot]) if asked.sign else b""
    return head + fresh + (asked.context if suite.minor >= 3 else b"")


def response(
    suite: Suite, asked: Asked, blocks: Sequence[Block], *, nonce: bytes, opaque: bytes
) -> bytes:
    """MEASUREMENTS without its signature; `blocks` are all that the responder has."""
    chosen = [block for block in blocks if asked.index in (ALL, block.index)]
    count = len(blocks) if asked.index == 0 else 0
    param2 = asked.slot | (NOT_CHANGED if suite.minor >= 2 else 0) if asked.sign else 0
    data = record(chosen)
    head = struct.pack("<BBBBB", suite.code, _MEASUREMENTS, count, param2, len(chosen))
    body = head + len(data).to_bytes(3, "little") + data + nonce
    body += struct.pack("<H", len(opaque)) + opaque
    return body + (asked.context if suite.minor >= 3 else b"")


def to_be_signed(suite: Suite, pairs: bytes) -> bytes:
    """What the signature is over, before the signature scheme's own hash."""
    if suite.minor < 2:
        return pairs
    prefix = f"dmtf-spdm-v{suite.version}.*".encode() * 4
    combined = prefix + bytes(100 - len(prefix) - len(CONTEXT)) + CONTEXT
    return combined + suite.hashing.of(negotiation(suite) + pairs)


def transcript(
    suite: Suite,
    questions: Sequence[Asked],
    answer: Callable[[Asked], bytes],
    sign: Callable[[bytes], bytes],
) -> bytes:
    """The conversation with its signature, as SignedMeasurements carries it."""
    pairs = b"".join(request(suite, asked) + answer(asked) for asked in questions)
    head = negotiation(suite) if suite.minor >= 2 else b""
    return head + pairs + sign(to_be_signed(suite, pairs))
