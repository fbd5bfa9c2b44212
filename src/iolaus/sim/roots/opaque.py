"""Opaque data: what a responder adds to its measurements in a form of its own.

`plain` is the general format of DSP0274 1.2 (a list of elements, each under a registry's vendor
id); before 1.2 there is no such format, and it is a text. `tlv` is a bare list of u16 type, u16
length and value, as accelerators of the field send it at any version; the type numbers used here
are those that readers of such lists look for.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from iolaus.sim.roots.firmware import Image

NONE, TLV_FORMAT, GENERAL_FORMAT = 0, 1, 2
_DRIVER, _VBIOS, _SKU, _PROJECT, _PROJECT_SKU, _FWID, _VERSION = 3, 6, 15, 17, 18, 20, 34
_IANA: Final = 4
_ENTERPRISE: Final = struct.pack("<I", 32473)  # the number for examples (RFC 5612)


def opaque_data(kind: str, minor: int, model: str, images: Sequence[Image]) -> bytes:
    if kind == "tlv":
        return _tlv(model, images)
    if kind == "plain":
        text = f"{model} measured by itself".encode()
        return _general(text) if minor >= 2 else text
    return b""


def format_bit(kind: str) -> int:
    """OtherParamsSelection's opaque data format."""
    return {"tlv": TLV_FORMAT, "plain": GENERAL_FORMAT}.get(kind, GENERAL_FORMAT)


def _tlv(model: str, images: Sequence[Image]) -> bytes:
    last = images[-1] if images else Image(model, "0")
    fields = (
        (_VERSION, struct.pack("<I", 1)),
        (_DRIVER, b"0.0.0\0"),
        (_VBIOS, last.version.encode() + b"\0"),
        (_SKU, model[:15].encode() + b"\0"),
        (_PROJECT, b"SIM0\0"),
        (_PROJECT_SKU, b"0000\0"),
        (_FWID, last.component.encode() + b"\0"),
    )
    return b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in fields)


def _general(data: bytes) -> bytes:
    """One element; elements are padded to a multiple of four bytes."""
    head = struct.pack("<BB", _IANA, len(_ENTERPRISE)) + _ENTERPRISE
    element = head + struct.pack("<H", len(data)) + data
    return struct.pack("<B3x", 1) + element + b"\0" * (-len(element) % 4)
