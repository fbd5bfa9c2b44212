"""measurement-map and its values (draft-ietf-rats-corim, "measurement-values-map")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from iolaus.wire.cbor import Tag
from iolaus.wire.corim.values import Measured
from iolaus.wire.document import DocumentMalformed

ALGORITHMS: Final[Mapping[int, str]] = {
    1: "sha256",
    6: "sha256-32",
    7: "sha384",
    8: "sha512",
    10: "sha3-256",
    11: "sha3-384",
    12: "sha3-512",
    -16: "sha256",
    -43: "sha384",
    -44: "sha512",
}
"""IANA "Named Information" numbers and (negative) COSE's -> the words used here."""
SIZES: Final[Mapping[str, int]] = {
    "sha256": 32,
    "sha384": 48,
    "sha512": 64,
    "sha3-256": 32,
    "sha3-384": 48,
    "sha3-512": 64,
    "sha256-32": 4,
}
_EPOCH, _SVN, _SVN_LEAST, _RAW, _MASKED = 1, 552, 553, 560, 563
_OTHER: Final[Mapping[int, str]] = {
    3: "flags",
    6: "a MAC address",
    7: "an IP address",
    8: "a serial number",
    9: "a UEID",
    10: "a UUID",
    13: "keys",
    15: "a range",
}


class Shape:
    """Takes items only as what they should be. Every method raises `DocumentMalformed`."""

    def __init__(self, subject: str) -> None:
        self.subject = subject

    def wrong(self, reason: str, message: str) -> DocumentMalformed:
        """An error to be raised."""
        return DocumentMalformed(reason, message, subject=self.subject)

    def _of(self, value: Any, kind: type, what: str) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong("shape", f"{what}: {kind.__name__} expected")
        return value

    def mapping(self, value: Any, what: str) -> Mapping[Any, Any]:
        found: Mapping[Any, Any] = self._of(value, dict, what)
        return found

    def items(self, value: Any, what: str) -> list[Any]:
        found: list[Any] = self._of(value, list, what)
        return found

    def pair(self, value: Any, what: str) -> tuple[Any, Any]:
        found = self.items(value, what)
        if len(found) != 2:
            raise self.wrong("shape", f"{what} has two parts")
        return found[0], found[1]

    def octets(self, value: Any, what: str) -> bytes:
        found: bytes = self._of(value, bytes, what)
        return found

    def text(self, value: Any, what: str) -> str:
        found: str = self._of(value, str, what)
        return "".join(letter if letter.isprintable() else "?" for letter in found[:500])

    def number(self, value: Any, what: str) -> int | None:
        return None if value is None else int(self._of(value, int, what))

    def moment(self, value: Any, what: str) -> float | None:
        """Seconds since 1970 (RFC 8949, tag 1)."""
        if value is None:
            return None
        inner = value.value if isinstance(value, Tag) and value.number == _EPOCH else value
        if isinstance(inner, bool) or not isinstance(inner, int | float):
            raise self.wrong("shape", f"{what}: a time expected")
        if not -1e11 < inner < 1e11:
            raise self.wrong("shape", f"{what}: no such time")
        return float(inner)

    def validity(self, value: Any) -> dict[str, float | None]:
        """validity-map, as `not_before` and `not_after`."""
        found = self.mapping({} if value is None else value, "the validity")
        return {
            "not_before": self.moment(found.get(0), "the beginning"),
            "not_after": self.moment(found.get(1), "the end"),
        }

    def digests(self, value: Any) -> tuple[tuple[str, bytes], ...]:
        """digests-type; the length is that of the algorithm, where it is known."""
        return tuple(self._digest(one) for one in self.items(value, "the digests"))

    def _digest(self, one: Any) -> tuple[str, bytes]:
        number, value = self.pair(one, "a digest")
        if isinstance(number, int):
            word = ALGORITHMS.get(number, f"algorithm {number}")
        else:
            word = self.text(number, "a hash algorithm")
        found = self.octets(value, "a digest")
        if len(found) != SIZES.get(word, len(found)) or not found:
            raise self.wrong("digest-length", f"a {word} digest of {len(found)} bytes")
        return word, found


def measured_of(found: Any, shape: Shape) -> Iterator[Measured]:
    """The values of one measurement-map: one, or one per integrity register."""
    outer = shape.mapping(found, "a measurement")
    values = shape.mapping(outer.get(1), "the values of a measurement")
    key = _key(outer.get(0), shape)
    one = Measured(
        key=key,
        digests=shape.digests(values[2]) if 2 in values else (),
        version=_version(values.get(0), shape),
        name=shape.text(values.get(11, ""), "a name"),
        unsupported=tuple(_unsupported(outer, values)),
        **_svn(values.get(1), shape),
        **_raw(values.get(4), values.get(5), shape),
    )
    if 14 not in values:
        yield one
        return
    if len(values) > 1:
        yield one
    registers = shape.mapping(values[14], "the integrity registers")
    for register, digests in registers.items():
        at = _key(register, shape)
        yield Measured(key=at, digests=shape.digests(digests), unsupported=one.unsupported)


def _unsupported(outer: Mapping[Any, Any], values: Mapping[Any, Any]) -> Iterator[str]:
    for key in values:
        if key not in (0, 1, 2, 4, 5, 11, 14):
            yield _OTHER.get(key, f"the value {str(key)[:20]}")
    if 2 in outer:
        yield "who must have authorised it"


def _key(value: Any, shape: Shape) -> int | str | None:
    if isinstance(value, Tag) and isinstance(value.value, bytes):
        uuid = value.number == 37 and len(value.value) == 16
        return str(UUID(bytes=value.value)) if uuid else value.value.hex()
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    return shape.text(value, "a measurement's key")


def _version(value: Any, shape: Shape) -> str:
    if value is None:
        return ""
    return shape.text(shape.mapping(value, "a version").get(0, ""), "a version")


def _svn(value: Any, shape: Shape) -> dict[str, Any]:
    least = isinstance(value, Tag) and value.number == _SVN_LEAST
    if isinstance(value, Tag) and value.number in (_SVN, _SVN_LEAST):
        value = value.value
    return {"svn": shape.number(value, "a security version"), "svn_least": least}


def _raw(value: Any, mask: Any, shape: Shape) -> dict[str, Any]:
    if value is None:
        return {"raw": None, "mask": None}
    if isinstance(value, Tag) and value.number == _MASKED:
        value, mask = shape.pair(value.value, "a masked value")
    elif isinstance(value, Tag) and value.number == _RAW:
        value = value.value
    raw = shape.octets(value, "a raw value")
    if mask is not None and len(shape.octets(mask, "a mask")) != len(raw):
        raise shape.wrong("mask-length", "a mask and its value differ in length")
    return {"raw": raw, "mask": mask}
