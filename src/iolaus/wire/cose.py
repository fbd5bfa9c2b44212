"""COSE signatures (RFC 9052): COSE_Sign1 (tag 18) and COSE_Sign (tag 98), taken apart.

Only the outline and the bytes that were signed; which key may sign is not this room's to say. An
algorithm in the unprotected header is nobody's word and is not read. Some tools leave the
protected header empty, so that no algorithm is signed at all: `algorithm` is None then, and
whoever verifies takes it from the key that was configured, and says so.
"""

from __future__ import annotations

from typing import Any, Final

import cbor2
import msgspec

from iolaus.wire.cbor import Tag, decode
from iolaus.wire.document import DocumentMalformed

SIGN1: Final = 18
SIGN: Final = 98
MAX_SIGNATURES: Final = 16
MAX_CERTIFICATES: Final = 16
_ALG, _CRITICAL, _CONTENT, _KID, _X5CHAIN = 1, 2, 3, 4, 33
NAMES: Final = {
    -7: "ES256",
    -35: "ES384",
    -36: "ES512",
    -37: "PS256",
    -38: "PS384",
    -39: "PS512",
    -257: "RS256",
    -258: "RS384",
    -259: "RS512",
    -8: "EdDSA",
    -9: "ES256",
    -51: "ES384",
    -52: "ES512",
}
"""COSE algorithm numbers (IANA) -> the names that JOSE gives them."""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """One signature. `data` is what it is over (Sig_structure), `algorithm` a JOSE name or None,
    `certificates` DER, the signer's first."""

    data: bytes
    signature: bytes
    algorithm: str | None
    kid: bytes = b""
    certificates: tuple[bytes, ...] = ()


class Cose(msgspec.Struct, frozen=True, kw_only=True):
    """`tag` is 18 or 98; `content_type` as it was signed, or None; `headers` is the protected
    header of the body."""

    tag: int
    payload: bytes
    signatures: tuple[Signed, ...]
    content_type: str | int | None = None
    headers: dict[int | str, Any] = {}


def parse_cose(data: bytes, *, subject: str = "document") -> Cose:
    """Raises `DocumentMalformed` for anything but a tagged COSE signature with its payload."""
    return read_cose(decode(data, subject=subject), subject=subject)


def read_cose(item: Any, *, subject: str) -> Cose:
    """The same from a decoded item."""
    if not isinstance(item, Tag) or item.number not in (SIGN1, SIGN):
        raise _wrong("not-cose", "no COSE signature (tag 18 or 98)", subject)
    parts = item.value
    if not isinstance(parts, list) or len(parts) != 4:
        raise _wrong("cose-malformed", "a COSE signature has four parts", subject)
    body, headers = _protected(parts[0], subject)
    open_headers, payload = _mapping(parts[1], subject), parts[2]
    if not isinstance(payload, bytes):
        raise _wrong("payload-detached", "the signed payload is not in the file", subject)
    if item.number == SIGN1:
        signed = _signed(["Signature1", body, b"", payload], headers, open_headers, parts[3])
        signatures: tuple[Signed, ...] = (signed,) if signed else ()
    else:
        signatures = tuple(_each(parts[3], body, payload, subject))
    if not signatures:
        raise _wrong("cose-malformed", "it has no signature", subject)
    return Cose(
        tag=item.number,
        payload=payload,
        signatures=signatures,
        content_type=headers.get(_CONTENT),
        headers=headers,
    )


def _each(listed: Any, body: bytes, payload: bytes, subject: str) -> list[Signed]:
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_SIGNATURES:
        raise _wrong("cose-malformed", f"1 to {MAX_SIGNATURES} signatures are taken", subject)
    found = []
    for one in listed:
        if not isinstance(one, list) or len(one) != 3:
            raise _wrong("cose-malformed", "a signature has three parts", subject)
        own, headers = _protected(one[0], subject)
        structure = ["Signature", body, own, b"", payload]
        signed = _signed(structure, headers, _mapping(one[1], subject), one[2])
        if signed is None:
            raise _wrong("cose-malformed", "a signature that is no bytes", subject)
        found.append(signed)
    return found


def _signed(
    structure: list[Any], headers: dict[Any, Any], unprotected: dict[Any, Any], signature: Any
) -> Signed | None:
    if not isinstance(signature, bytes):
        return None
    algorithm = headers.get(_ALG)
    kid = headers.get(_KID, unprotected.get(_KID, b""))
    chain = headers.get(_X5CHAIN, unprotected.get(_X5CHAIN, ()))
    listed = [chain] if isinstance(chain, bytes) else chain if isinstance(chain, list) else []
    return Signed(
        data=cbor2.dumps(structure),
        signature=signature,
        algorithm=None if algorithm is None else _name(algorithm),
        kid=kid if isinstance(kid, bytes) else b"",
        certificates=tuple(c for c in listed if isinstance(c, bytes))[:MAX_CERTIFICATES],
    )


def _name(algorithm: Any) -> str:
    known = NAMES.get(algorithm) if isinstance(algorithm, int) else None
    return known or str(algorithm)[:40]


def _protected(raw: Any, subject: str) -> tuple[bytes, dict[Any, Any]]:
    """The bytes as they were signed, and the headers. An empty map may be written as no bytes."""
    if not isinstance(raw, bytes):
        raise _wrong("cose-malformed", "a protected header is bytes", subject)
    headers = _mapping(decode(raw, subject=subject), subject) if raw else {}
    if _CRITICAL in headers:
        raise _wrong("header-unknown", "a header that must be understood and is not", subject)
    return (b"" if raw == b"\xa0" else raw), headers


def _mapping(value: Any, subject: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _wrong("cose-malformed", "a header is a map", subject)
    return value


def _wrong(reason: str, message: str, subject: str) -> DocumentMalformed:
    return DocumentMalformed(reason, message, subject=subject)
