"""A verifier of TPM 2.0 quotes and measured-boot logs of its own, with `cryptography` alone.

Written from TPM 2.0 Library part 2 and the PC Client Platform Firmware Profile; it shares nothing
with the simulator and is itself tried on a quote and logs that nobody here made.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.sim.roots.spdm_verifier import Reader, Rejected, check_chain

ALGORITHMS = {0x0004: "sha1", 0x000B: "sha256", 0x000C: "sha384", 0x000D: "sha512"}
HASHES = {0x000B: hashes.SHA256(), 0x000C: hashes.SHA384(), 0x000D: hashes.SHA512()}
NO_ACTION, SEPARATOR = 0x3, 0x4
MEASURED_AS_LOGGED = {0x4, 0x8, 0x80000001, 0x80000006, 0x80000007}


@dataclass(frozen=True)
class Quote:
    signer: bytes
    nonce: bytes
    clock_ms: int
    resets: int
    restarts: int
    safe: bool
    firmware: int
    selection: tuple[tuple[str, tuple[int, ...]], ...]
    digest: bytes


@dataclass(frozen=True)
class Logged:
    register: int
    kind: int
    digests: dict[str, bytes]
    data: bytes


class Big(Reader):
    """Reads big-endian numbers and sized buffers."""

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self) -> bytes:
        return self.take(self.number(2))

    def end(self) -> None:
        if self.place != len(self.data):
            raise Rejected("malformed: something follows")


def parse_attest(data: bytes) -> Quote:
    reader = Big(data)
    if reader.take(6) != bytes.fromhex("ff5443478018"):
        raise Rejected("malformed: not a quote that a TPM made")
    signer, nonce = reader.sized(), reader.sized()
    clock, resets, restarts, safe = struct.unpack(">QIIB", reader.take(17))
    firmware, selection = reader.number(8), []
    for _ in range(reader.number(4)):
        algorithm = ALGORITHMS[reader.number(2)]
        bits = int.from_bytes(reader.take(reader.number(1)), "little")
        selection.append((algorithm, tuple(n for n in range(24) if bits >> n & 1)))
    digest = reader.sized()
    reader.end()
    return Quote(
        signer, nonce, clock, resets, restarts, bool(safe), firmware, tuple(selection), digest
    )


def split(data: bytes) -> tuple[bytes, bytes]:
    """TPM2B_ATTEST followed by TPMT_SIGNATURE: what was signed, and the signature."""
    reader = Big(data)
    attest = reader.sized()
    return attest, data[reader.place :]


def check_signature(attest: bytes, signature: bytes, key: object) -> str:
    """The hash that was signed with."""
    reader = Big(signature)
    scheme, algorithm = reader.number(2), reader.number(2)
    if algorithm not in HASHES:
        raise Rejected("algorithms: a hash that will not do")
    chosen = HASHES[algorithm]
    parts = [reader.sized() for _ in range(2 if scheme == 0x18 else 1)]
    reader.end()
    try:
        if scheme == 0x18 and isinstance(key, ec.EllipticCurvePublicKey):
            r, s = (int.from_bytes(part, "big") for part in parts)
            key.verify(encode_dss_signature(r, s), attest, ec.ECDSA(chosen))
        elif scheme == 0x14 and isinstance(key, rsa.RSAPublicKey):
            key.verify(parts[0], attest, padding.PKCS1v15(), chosen)
        elif scheme == 0x16 and isinstance(key, rsa.RSAPublicKey):
            salted = padding.PSS(padding.MGF1(chosen), padding.PSS.AUTO)
            key.verify(parts[0], attest, salted, chosen)
        else:
            raise Rejected("algorithms: the key is of another kind")
    except InvalidSignature:
        raise Rejected("signature: it does not fit") from None
    return ALGORITHMS[algorithm]


def parse_log(data: bytes) -> list[Logged]:
    reader = Reader(data)
    register, kind = reader.number(4), reader.number(4)
    reader.take(20)
    head = reader.take(reader.number(4))
    if kind != NO_ACTION or not head.startswith(b"Spec ID Event03\0"):
        raise Rejected("malformed: the log does not begin with its specification")
    sizes = _sizes(Reader(head[24:]))
    found = [Logged(register, kind, {}, head)]
    while reader.place < len(data):
        register, kind, count = (reader.number(4) for _ in range(3))
        digests = {}
        for _ in range(count):
            algorithm = reader.number(2)
            digests[ALGORITHMS[algorithm]] = reader.take(sizes[algorithm])
        found.append(Logged(register, kind, digests, reader.take(reader.number(4))))
    return found


def _sizes(reader: Reader) -> dict[int, int]:
    return {reader.number(2): reader.number(2) for _ in range(reader.number(4))}


def replay(events: Iterable[Logged], algorithm: str) -> dict[int, bytes]:
    """The registers that these events leave behind."""
    size = hashlib.new(algorithm).digest_size
    held = dict.fromkeys(range(24), bytes(size))
    held |= dict.fromkeys(range(17, 23), b"\xff" * size)
    for event in events:
        if event.kind == NO_ACTION:
            if event.data.startswith(b"StartupLocality\0"):
                held[0] = bytes(size - 1) + event.data[-1:]
            continue
        joined = held[event.register] + event.digests[algorithm]
        held[event.register] = hashlib.new(algorithm, joined).digest()
    return held


def check_events(events: Iterable[Logged]) -> None:
    """Where the profile says that the logged bytes are what is measured, they must be."""
    for event in events:
        if event.kind in MEASURED_AS_LOGGED:
            for algorithm, digest in event.digests.items():
                if hashlib.new(algorithm, event.data).digest() != digest:
                    raise Rejected(f"log: event {event.kind:x} is not what was measured")


def secure_boot(events: Iterable[Logged]) -> bool:
    """Whether secure boot was enforced, by the log."""
    for event in events:
        if event.kind == 0x80000001:
            space, count, size = UUID(bytes_le=event.data[:16]), *_counts(event.data)
            name = event.data[32 : 32 + 2 * count].decode("utf-16-le")
            if (str(space)[:8], name) == ("8be4df61", "SecureBoot"):
                return event.data[32 + 2 * count :][:size] == b"\x01"
    raise Rejected("log: nothing is said of secure boot")


def _counts(data: bytes) -> tuple[int, int]:
    count, size = struct.unpack("<QQ", data[16:32])
    return count, size


def verify(
    data: bytes,
    *,
    chain: Sequence[x509.Certificate],
    anchors: Iterable[x509.Certificate],
    nonce: bytes,
    log: bytes,
) -> tuple[Quote, list[Logged]]:
    """Everything; raises Rejected at the first thing that is wrong."""
    attest, signature = split(data)
    check_chain(chain, anchors)
    hashed = check_signature(attest, signature, chain[-1].public_key())
    quote = parse_attest(attest)
    if quote.nonce != nonce:
        raise Rejected("stale: the nonce is not ours")
    events = parse_log(log)
    values = b"".join(
        replay(events, algorithm)[number]
        for algorithm, numbers in quote.selection
        for number in numbers
    )
    if hashlib.new(hashed, values).digest() != quote.digest:
        raise Rejected("log: it is not the one that was quoted")
    check_events(events)
    return quote, events
