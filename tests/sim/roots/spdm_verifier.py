"""An SPDM verifier of its own, written from DSP0274 and Redfish's words for the action.

It shares nothing with the simulator and uses `cryptography` alone, so the two can only agree if
both are right; that it is right itself is shown on transcripts of a responder that nobody here
wrote. It reads forward to an exact end, takes the algorithms from the signed negotiation where
there is one, and trusts only the roots it is given.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

HASH = {"SHA_256": hashes.SHA256(), "SHA_384": hashes.SHA384(), "SHA_512": hashes.SHA512()}
HASH_BITS = {1: "SHA_256", 2: "SHA_384", 4: "SHA_512"}
MEASURED_BITS = {2: "SHA_256", 4: "SHA_384", 8: "SHA_512"}
ASYM_BITS = {
    0x001: "RSASSA_2048", 0x002: "RSAPSS_2048", 0x004: "RSASSA_3072", 0x008: "RSAPSS_3072",
    0x010: "ECDSA_P256", 0x020: "RSASSA_4096", 0x040: "RSAPSS_4096", 0x080: "ECDSA_P384",
    0x100: "ECDSA_P521",
}  # fmt: skip
SIZES = {"ECDSA_P256": 64, "ECDSA_P384": 96, "ECDSA_P521": 132}


class Rejected(Exception):
    """The transcript is no evidence; the first word says in what way."""


@dataclass(frozen=True)
class Block:
    index: int
    kind: int
    raw: bool
    value: bytes


@dataclass(frozen=True)
class Pair:
    """A question and its answer. `nonce` is the requester's, if it asked for a signature."""

    index: int
    signed: bool
    raw: bool
    nonce: bytes
    asked_slot: int
    param1: int
    slot: int
    changed: int
    blocks: tuple[Block, ...]
    responder_nonce: bytes
    opaque: bytes
    context: bytes


@dataclass(frozen=True)
class Negotiated:
    minors: tuple[int, ...]
    responder_flags: int
    signing: str
    hashing: str
    measured: str
    opaque_format: int


@dataclass
class Transcript:
    minor: int
    negotiated: Negotiated | None
    pairs: list[Pair] = field(default_factory=list)
    to_hash: bytes = b""
    signature: bytes = b""

    @property
    def blocks(self) -> list[Block]:
        return [block for pair in self.pairs for block in pair.blocks]


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def take(self, count: int) -> bytes:
        found = self.data[self.place : self.place + count]
        if len(found) != count:
            raise Rejected("malformed: it ends too early")
        self.place += count
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def head(self, version: int, code: int) -> tuple[int, int]:
        found = self.take(4)
        if found[:2] != bytes([version, code]):
            raise Rejected(f"malformed: {found[:2].hex()} where {version:02x}{code:02x} belongs")
        return found[2], found[3]


def signature_size(signing: str) -> int:
    return SIZES.get(signing) or int(signing[-4:]) // 8


def parse(data: bytes, version: str, signing: str) -> Transcript:
    """The transcript of Redfish's SignedMeasurements; `signing` is needed before 1.2."""
    minor = int(version.split(".")[1])
    reader = Reader(data)
    negotiated = _negotiation(reader, minor) if minor >= 2 else None
    found = Transcript(minor, negotiated)
    size = signature_size(negotiated.signing if negotiated else signing)
    while reader.place < len(data):
        if found.pairs and found.pairs[-1].signed:
            raise Rejected("malformed: something follows the signature")
        pair = _pair(reader, minor)
        found.pairs.append(pair)
        if pair.signed:
            found.to_hash = data[: reader.place]
            found.signature = reader.take(size)
    if not found.signature:
        raise Rejected("malformed: no signature")
    return found


def _negotiation(reader: Reader, minor: int) -> Negotiated:
    version = 0x10 | minor
    reader.head(0x10, 0x84)
    reader.head(0x10, 0x04)
    reader.take(1)
    minors = tuple(reader.number(2) >> 8 & 0xF for _ in range(reader.number(1)))
    reader.head(version, 0xE1)
    reader.take(16)
    reader.head(version, 0x61)
    reader.take(4)
    flags = reader.number(4)
    reader.take(8)
    _algorithms(reader, version, 0xE3)
    chosen = _algorithms(reader, version, 0x63)
    measured, signing, hashing = struct.unpack("<III", chosen[2:14])
    if signing not in ASYM_BITS or hashing not in HASH_BITS or measured not in MEASURED_BITS:
        raise Rejected("malformed: not one algorithm was chosen")
    return Negotiated(minors, flags, ASYM_BITS[signing], HASH_BITS[hashing],
                      MEASURED_BITS[measured], chosen[1])  # fmt: skip


def _algorithms(reader: Reader, version: int, code: int) -> bytes:
    reader.head(version, code)
    return reader.take(reader.number(2) - 6)


def _pair(reader: Reader, minor: int) -> Pair:
    version = 0x10 | minor
    attributes, index = reader.head(version, 0xE0)
    signed, nonce, asked_slot = bool(attributes & 1), b"", 0
    if signed:
        nonce, asked_slot = reader.take(32), reader.number(1)
    sent = reader.take(8) if minor >= 3 else b""
    param1, param2 = reader.head(version, 0x60)
    count = reader.number(1)
    blocks = _blocks(reader.take(reader.number(3)), count)
    responder_nonce = reader.take(32)
    opaque = reader.take(reader.number(2))
    context = reader.take(8) if minor >= 3 else b""
    if context != sent:
        raise Rejected("malformed: the requester's context did not come back")
    return Pair(index, signed, bool(attributes & 2), nonce, asked_slot, param1, param2 & 0xF,
                param2 >> 4 & 3, blocks, responder_nonce, opaque, context)  # fmt: skip


def _blocks(data: bytes, count: int) -> tuple[Block, ...]:
    reader, found = Reader(data), []
    for _ in range(count):
        index, specification, size = reader.number(1), reader.number(1), reader.number(2)
        if specification != 1:
            raise Rejected("malformed: not DMTF's measurement specification")
        inner = Reader(reader.take(size))
        kind, length = inner.number(1), inner.number(2)
        found.append(Block(index, kind & 0x7F, bool(kind & 0x80), inner.take(length)))
        if inner.place != size:
            raise Rejected("malformed: a block is longer than its value")
    if reader.place != len(data):
        raise Rejected("malformed: the record is longer than its blocks")
    return tuple(found)


def parse_chain(data: bytes, hashing: str) -> list[x509.Certificate]:
    """SPDM's certificate chain structure, root first."""
    size = HASH[hashing].digest_size
    if int.from_bytes(data[:2], "little") != len(data):
        raise Rejected("malformed: the chain's length is wrong")
    root_hash, place, found = data[4 : 4 + size], 4 + size, []
    while place < len(data):
        wide = data[place + 1] & 0x7F if data[place + 1] & 0x80 else 0
        length = int.from_bytes(data[place + 2 : place + 2 + wide], "big") or data[place + 1]
        end = place + 2 + wide + length
        found.append(x509.load_der_x509_certificate(data[place:end]))
        place = end
    if _hash(hashing, found[0].public_bytes(Encoding.DER)) != root_hash:
        raise Rejected("malformed: the root hash is wrong")
    return found


def check_chain(chain: Sequence[x509.Certificate], anchors: Iterable[x509.Certificate]) -> None:
    """`chain` goes from the root to the leaf, and its root must be one of ours."""
    for above, below in zip((chain[0], *chain), chain, strict=False):
        if above is not below and not _is_authority(above):
            raise Rejected("chain: signed by what is no authority")
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise Rejected(f"chain: {below.subject.rfc4514_string()}: {error}") from None
    known = {anchor.fingerprint(hashes.SHA256()) for anchor in anchors}
    if chain[0].fingerprint(hashes.SHA256()) not in known:
        raise Rejected("unanchored: the root is none of ours")


def _is_authority(certificate: x509.Certificate) -> bool:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def check_signature(found: Transcript, leaf: x509.Certificate, hashing: str, signing: str) -> None:
    """`hashing` and `signing` are what the device said beside the bytes."""
    said = found.negotiated
    if said is not None and (said.hashing, said.signing) != (hashing, signing):
        raise Rejected("algorithms: what is signed is not what was said")
    message = found.to_hash
    if found.minor >= 2:
        prefix = f"dmtf-spdm-v1.{found.minor}.*".encode() * 4
        context = b"responder-measurements signing".rjust(36, b"\0")
        message = prefix + context + _hash(hashing, found.to_hash)
    key, algorithm = leaf.public_key(), HASH[hashing]
    try:
        _check(key, found.signature, message, algorithm, signing)
    except InvalidSignature:
        raise Rejected("signature: it does not fit") from None


def _check(
    key: object, signature: bytes, message: bytes, algorithm: hashes.HashAlgorithm, signing: str
) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey) and signing == f"ECDSA_P{key.key_size}":
        half = len(signature) // 2
        numbers = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        key.verify(encode_dss_signature(*numbers), message, ec.ECDSA(algorithm))
    elif isinstance(key, rsa.RSAPublicKey) and signing.endswith(str(key.key_size)):
        salted = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        plain = signing.startswith("RSASSA")
        key.verify(signature, message, padding.PKCS1v15() if plain else salted, algorithm)
    else:
        raise Rejected("algorithms: the leaf's key is of another kind")


def verify(
    data: bytes,
    *,
    version: str,
    signing: str,
    hashing: str,
    chain: Sequence[x509.Certificate],
    anchors: Iterable[x509.Certificate],
    nonce: bytes,
    slot: int = 0,
) -> Transcript:
    """Everything; raises Rejected at the first thing that is wrong."""
    found = parse(data, version, signing)
    check_chain(chain, anchors)
    check_signature(found, chain[-1], hashing, signing)
    last = found.pairs[-1]
    if last.nonce != nonce:
        raise Rejected("stale: the nonce is not ours")
    if (last.asked_slot, last.slot) != (slot, slot):
        raise Rejected("slot: it is not the one asked for")
    return found


def _hash(hashing: str, data: bytes) -> bytes:
    digest = hashes.Hash(HASH[hashing])
    digest.update(data)
    return digest.finalize()
