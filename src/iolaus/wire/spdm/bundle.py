"""Evidence of accelerators as their tools store it: a JSON list, or one transcript in hex.

Each item of the list has `arch`, `certificate` (Base64 of a PEM chain from leaf to root),
`evidence` (Base64 of GET_MEASUREMENTS and MEASUREMENTS) and `nonce` (hex). The hex text is the
transcript alone; its chain comes as a file of its own.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from iolaus.wire.octets import MAX_EVIDENCE, EvidenceMalformed

MAX_ITEMS: Final = 64
_SUBJECT: Final = "evidence bundle"


class Bundled(msgspec.Struct, frozen=True, kw_only=True):
    """One device's evidence. `chain` is PEM or None; `nonce` is what the file says was sent."""

    measurements: bytes
    chain: bytes | None = None
    nonce: bytes | None = None
    arch: str = ""


class _Item(msgspec.Struct):
    evidence: str
    certificate: str | None = None
    nonce: str | None = None
    arch: str = ""


def _wrong(message: str) -> EvidenceMalformed:
    return EvidenceMalformed("bundle-malformed", message, subject=_SUBJECT)


def _hex(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _wrong(f"{what} is no hex") from None


def _base64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(f"{what} is no Base64") from None


def _bundled(item: _Item) -> Bundled:
    return Bundled(
        measurements=_base64(item.evidence, "the evidence"),
        chain=None if item.certificate is None else _base64(item.certificate, "the certificate"),
        nonce=None if item.nonce is None else _hex(item.nonce, "the nonce"),
        arch="".join(letter for letter in item.arch[:32] if letter.isprintable()),
    )


def parse_bundle(data: bytes) -> tuple[Bundled, ...]:
    """One item or more of either form. Raises `EvidenceMalformed`."""
    if len(data) > MAX_EVIDENCE:
        raise _wrong(f"{len(data)} bytes, more than {MAX_EVIDENCE}")
    if not data.lstrip().startswith((b"[", b"{")):
        return (Bundled(measurements=_hex(data.decode("latin-1"), "the text")),)
    try:
        items = msgspec.json.decode(data, type=list[_Item] | _Item)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _wrong("no list of evidence") from None
    items = [items] if isinstance(items, _Item) else items
    if not 1 <= len(items) <= MAX_ITEMS:
        raise _wrong(f"{len(items)} items")
    return tuple(_bundled(each) for each in items)
