"""Certificates as they come with evidence: DER one after another, PEM text, SPDM's chain format.

Only the outline is read here, so that what follows is about certificates and not about framing.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, NamedTuple

from iolaus.wire.octets import EvidenceMalformed, Octets

MAX_CERTIFICATES: Final = 32
_SEQUENCE: Final = 0x30
_DIGEST_SIZES: Final = (32, 48, 64)
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]{1,65536})-----END CERTIFICATE-----")
_BEGIN: Final = b"-----BEGIN "


class Chain(NamedTuple):
    """SPDM's certificate chain: the digest of its root, and certificates from root to leaf."""

    root_hash: bytes
    certificates: tuple[bytes, ...]


def _one_der(octets: Octets) -> bytes:
    """The next certificate, whole: a sequence of a definite length."""
    tag, short = octets.take(2, "a certificate")
    if tag != _SEQUENCE:
        raise octets.wrong("certificate-malformed", "no certificate begins here")
    if short < 0x80:
        return bytes((tag, short)) + octets.take(short, "a certificate")
    if short not in (0x81, 0x82, 0x83):
        raise octets.wrong("certificate-malformed", "a certificate without a definite length")
    size = octets.take(short - 0x80, "a certificate's length")
    content = octets.take(int.from_bytes(size, "big"), "a certificate")
    return bytes((tag, short)) + size + content


def _ders(octets: Octets) -> tuple[bytes, ...]:
    found: list[bytes] = []
    while octets.left:
        if len(found) == MAX_CERTIFICATES:
            raise octets.wrong("too-large", f"more than {MAX_CERTIFICATES} certificates")
        found.append(_one_der(octets))
    if not found:
        raise octets.wrong("truncated", "no certificate")
    return tuple(found)


def split_der(data: bytes, *, subject: str = "certificates") -> tuple[bytes, ...]:
    """DER certificates one after another, to the exact end. Raises `EvidenceMalformed`."""
    return _ders(Octets(data, subject=subject))


def split_pem(data: bytes, *, subject: str = "certificates") -> tuple[bytes, ...]:
    """The DER of each certificate of a PEM text, in order. Raises `EvidenceMalformed`."""
    found = []
    for match in _PEM.finditer(data):
        try:
            der = base64.b64decode(b"".join(match[1].split()), validate=True)
        except binascii.Error:
            raise EvidenceMalformed(
                "certificate-malformed", "no base64", offset=match.start(), subject=subject
            ) from None
        found.append(der)
    if not 1 <= len(found) <= MAX_CERTIFICATES:
        told = f"{len(found)} certificates in a PEM text"
        raise EvidenceMalformed("certificate-malformed", told, subject=subject)
    return tuple(found)


def parse_certificates(data: bytes, *, subject: str = "certificates") -> tuple[bytes, ...]:
    """DER of each certificate of a file that is PEM or DER. Raises `EvidenceMalformed`."""
    return (split_pem if _BEGIN in data else split_der)(data, subject=subject)


def parse_chain(
    data: bytes, *, hash_size: int | None = None, subject: str = "certificate chain"
) -> Chain:
    """SPDM's chain (DSP0274, "Certificate chain format"): length u16, reserved u16 (from 1.4 on
    one u32), digest of the root, DER from root to leaf. Without `hash_size` the digest is as long
    as leaves whole certificates behind it. Raises `EvidenceMalformed`.
    """
    sizes = _DIGEST_SIZES if hash_size is None else (hash_size,)
    wrong = EvidenceMalformed("truncated", "no chain", subject=subject)
    for size in sizes:
        octets = Octets(data, subject=subject)
        length = octets.number(4, "the chain's length")
        if length != len(data):
            told = f"a chain of {length} bytes in {len(data)}"
            raise octets.wrong("length-wrong", told)
        try:
            return Chain(octets.take(size, "the root's digest"), _ders(octets))
        except EvidenceMalformed as error:
            wrong = error
    raise wrong


def looks_like_chain(data: bytes) -> bool:
    """Is it SPDM's chain, rather than PEM or bare DER?"""
    return len(data) > 4 and int.from_bytes(data[:4], "little") == len(data)
