"""Opaque data: what a responder adds to its measurements, and signs with them.

From 1.2 on there is a general format (DSP0274, "General opaque data format"). Accelerators in the
field send a bare list of type, length and value instead, at any version; the types that readers
of such lists agree on are named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from iolaus.wire.octets import Octets

TLV_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        3: "driver-version",
        6: "vbios-version",
        15: "chip-sku",
        17: "project",
        18: "project-sku",
        20: "fwid",
        34: "version",
    }
)
_TEXTS: Final = frozenset((3, 15, 17, 18))
_VBIOS: Final = 6
_LEGACY_VBIOS: Final = 8


class Element(NamedTuple):
    """One element of the general format; `registry` says whose numbers `vendor` is of."""

    registry: int
    vendor: bytes
    data: bytes


def parse_general(data: bytes) -> tuple[Element, ...]:
    """Elements, each padded to four bytes. Raises `EvidenceMalformed`."""
    octets = Octets(data, subject="opaque data")
    count = octets.number(1, "the number of elements")
    octets.take(3, "the number of elements")
    elements = []
    for _ in range(count):
        start = octets.at
        registry = octets.number(1, "an element")
        element = Element(registry, octets.sized(1, "a vendor"), octets.sized(2, "an element"))
        octets.take((start - octets.at) % 4, "an element's padding")
        elements.append(element)
    octets.end("the last element")
    return tuple(elements)


def parse_tlv(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """(type, value) as they come: u16 type, u16 length, value. Raises `EvidenceMalformed`."""
    octets = Octets(data, subject="opaque data")
    fields = []
    while octets.left:
        kind = octets.number(2, "a field's type")
        fields.append((kind, octets.sized(2, f"field {kind}")))
    return tuple(fields)


def _text(value: bytes) -> str:
    letters = value.split(b"\0", 1)[0].decode("latin-1")
    return "".join(letter if letter.isprintable() else "?" for letter in letters)


def _vbios(value: bytes) -> str:
    """A text, or before that the four version bytes in the second word and one more: a little
    number that reads "96.00.5E.00.01"."""
    if len(value) != _LEGACY_VBIOS:
        return _text(value)
    digits = value[:4][::-1].hex().upper() + f"{value[4]:02X}"
    return ".".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def tlv_words(fields: tuple[tuple[int, bytes], ...]) -> dict[str, str]:
    """The named fields as text (hex where they are none); the first of each counts."""
    words: dict[str, str] = {}
    for kind, value in fields:
        if name := TLV_NAMES.get(kind):
            said = _text(value) if kind in _TEXTS else value.hex()
            words.setdefault(name, _vbios(value) if kind == _VBIOS else said)
    return words
