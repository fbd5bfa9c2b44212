"""A quote and its signature: TPMS_ATTEST and TPMT_SIGNATURE (TPM 2.0 Library, Part 2).

Redfish gives both in one (TPM2B_ATTEST, then TPMT_SIGNATURE; DSP2046, TPMGetSignedMeasurements);
tools write them as two files. Big-endian throughout.
"""

from __future__ import annotations

from typing import Final

import msgspec

from iolaus.wire.octets import Octets
from iolaus.wire.tpm.algorithms import HASHES, SCHEMES

MAGIC: Final = 0xFF544347
QUOTE: Final = 0x8018
MAX_BANKS: Final = 16
_MAX_SELECT: Final = 4


class PcrBank(msgspec.Struct, frozen=True, kw_only=True):
    """Registers of one bank in ascending order; `hashing` is a name ("sha256")."""

    hashing: str
    pcrs: tuple[int, ...]


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """TPMS_ATTEST of a quote. `attested` is the structure as it was signed; `signer` the
    qualified name of the key; `clock_ms` counts while the TPM has power."""

    attested: bytes
    signer: bytes
    nonce: bytes
    clock_ms: int
    reset_count: int
    restart_count: int
    safe: bool
    firmware: int
    banks: tuple[PcrBank, ...]
    digest: bytes


class QuoteSignature(msgspec.Struct, frozen=True, kw_only=True):
    """`scheme` is "rsassa", "rsapss" or "ecdsa"; `parts` (signature,) or (r, s)."""

    scheme: str
    hashing: str
    parts: tuple[bytes, ...]


def _hash_name(octets: Octets, what: str) -> str:
    number = octets.number(2, what)
    if number not in HASHES:
        raise octets.wrong("algorithm-unknown", f"{what} {number:#06x}")
    return HASHES[number].name


def _bank(octets: Octets) -> PcrBank:
    hashing = _hash_name(octets, "a bank's hash")
    size = octets.number(1, "a selection's size")
    if size > _MAX_SELECT:
        raise octets.wrong("count-impossible", f"a selection of {size} bytes")
    bits = int.from_bytes(octets.take(size, "a selection"), "little")
    return PcrBank(hashing=hashing, pcrs=tuple(n for n in range(8 * size) if bits >> n & 1))


def _banks(octets: Octets) -> tuple[PcrBank, ...]:
    count = octets.number(4, "the number of banks")
    if count > MAX_BANKS:
        raise octets.wrong("count-impossible", f"{count} banks")
    return tuple(_bank(octets) for _ in range(count))


def parse_quote(data: bytes, *, subject: str = "TPM quote") -> Quote:
    """TPMS_ATTEST, also behind its length (TPM2B_ATTEST). Raises `EvidenceMalformed`."""
    octets = Octets(data, subject=subject, order="big")
    if data[:4] != MAGIC.to_bytes(4, "big") and int.from_bytes(data[:2], "big") == len(data) - 2:
        data = data[2:]
        octets = Octets(data, subject=subject, order="big", start=2)
    if octets.number(4, "the magic number") != MAGIC:
        raise octets.wrong("magic-wrong", "no structure that a TPM made")
    kind = octets.number(2, "the type")
    if kind != QUOTE:
        raise octets.wrong("unexpected-message", f"an attestation of type {kind:#06x}, no quote")
    quote = Quote(
        attested=data,
        signer=octets.sized(2, "the signer's name"),
        nonce=octets.sized(2, "the nonce"),
        clock_ms=octets.number(8, "the clock"),
        reset_count=octets.number(4, "the reset count"),
        restart_count=octets.number(4, "the restart count"),
        safe=bool(octets.number(1, "the clock's safety")),
        firmware=octets.number(8, "the firmware version"),
        banks=_banks(octets),
        digest=octets.sized(2, "the digest"),
    )
    octets.end("the digest")
    return quote


def _signature(octets: Octets) -> QuoteSignature:
    number = octets.number(2, "the signature's scheme")
    if number not in SCHEMES:
        raise octets.wrong("algorithm-unknown", f"signature scheme {number:#06x}")
    scheme, hashing = SCHEMES[number], _hash_name(octets, "the signature's hash")
    count = 2 if scheme == "ecdsa" else 1
    parts = tuple(octets.sized(2, "the signature") for _ in range(count))
    octets.end("the signature")
    return QuoteSignature(scheme=scheme, hashing=hashing, parts=parts)


def parse_signature(data: bytes, *, subject: str = "TPM signature") -> QuoteSignature:
    """TPMT_SIGNATURE. Raises `EvidenceMalformed`."""
    return _signature(Octets(data, subject=subject, order="big"))


def parse_signed_quote(
    data: bytes, *, subject: str = "TPM measurements"
) -> tuple[Quote, QuoteSignature]:
    """TPM2B_ATTEST and TPMT_SIGNATURE one after the other. Raises `EvidenceMalformed`."""
    octets = Octets(data, subject=subject, order="big")
    attested = octets.sized(2, "the quote")
    return parse_quote(attested, subject=subject), _signature(octets)
