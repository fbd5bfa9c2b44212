"""What a DICE certificate says of the layer whose key it certifies.

TCG "DICE Attestation Architecture": TcbInfo (2.23.133.5.4.1), MultiTcbInfo (.5), Ueid (.4). The
same number for TcbInfo was used before for the composite device identity of RIoT, which much
silicon in the field still carries; both are read. DMTF's device information (DSP0274) is the
name beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from iolaus.wire.octets import EvidenceMalformed, Octets

TCB_INFO: Final = "2.23.133.5.4.1"
UEID: Final = "2.23.133.5.4.4"
MULTI_TCB_INFO: Final = "2.23.133.5.4.5"
_SEQUENCE, _INTEGER, _OCTETS, _OBJECT, _UTF8 = 0x30, 0x02, 0x04, 0x06, 0x0C
_MAX_FIELDS: Final = 64
_DIGESTS: Final = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.8": "sha3-256",
    "2.16.840.1.101.3.4.2.9": "sha3-384",
    "2.16.840.1.101.3.4.2.10": "sha3-512",
}


class Fwid(msgspec.Struct, frozen=True, kw_only=True):
    """The digest of the firmware of a layer; `algorithm` is a dotted number if it has no name."""

    algorithm: str
    digest: bytes


class TcbInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is not said is None. `flags` are bits from the left: 0 not configured, 1 not secure,
    2 recovery, 3 debug. `device_key` is RIoT's: the device's own public key in DER."""

    vendor: str | None = None
    model: str | None = None
    version: str | None = None
    svn: int | None = None
    layer: int | None = None
    index: int | None = None
    fwids: tuple[Fwid, ...] = ()
    flags: tuple[bool, ...] = ()
    kind: bytes | None = None
    device_key: bytes | None = None

    @property
    def debug(self) -> bool:
        return len(self.flags) > 3 and self.flags[3]


def _wrong(message: str) -> EvidenceMalformed:
    return EvidenceMalformed("certificate-extension", message, subject="DICE extension")


def _elements(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """Tags and contents of DER elements one after another."""
    octets = Octets(data, subject="DICE extension", order="big")
    found: list[tuple[int, bytes]] = []
    while octets.left:
        tag, size = octets.number(1, "a tag"), octets.number(1, "a length")
        if size > 0x84 or size == 0x80 or tag & 0x1F == 0x1F or len(found) == _MAX_FIELDS:
            raise _wrong("no DER of few short fields")
        if size > 0x80:
            size = octets.number(size - 0x80, "a length")
        found.append((tag, octets.take(size, "a value")))
    return tuple(found)


def _sequence(data: bytes) -> tuple[tuple[int, bytes], ...]:
    found = _elements(data)
    if len(found) != 1 or found[0][0] != _SEQUENCE:
        raise _wrong("not one sequence")
    return _elements(found[0][1])


def _object(data: bytes) -> str:
    """An object identifier's content in dots."""
    numbers, value = [], 0
    if not data or data[-1] & 0x80 or len(data) > 64:
        raise _wrong("no object identifier")
    for octet in data:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))


def _fwid(fields: tuple[tuple[int, bytes], ...]) -> Fwid:
    if [tag for tag, _ in fields] != [_OBJECT, _OCTETS]:
        raise _wrong("a FWID is an algorithm and a digest")
    algorithm = _object(fields[0][1])
    return Fwid(algorithm=_DIGESTS.get(algorithm, algorithm), digest=fields[1][1])


def _fwids(data: bytes) -> tuple[Fwid, ...]:
    return tuple(_fwid(_elements(content)) for _, content in _elements(data))


def _text(data: bytes) -> str:
    found = data.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in found)


def _integer(data: bytes) -> int:
    if not 1 <= len(data) <= 32:
        raise _wrong("no integer")
    return int.from_bytes(data, "big", signed=True)


def _bits(data: bytes) -> tuple[bool, ...]:
    if not data or data[0] > 7 or len(data) > 16:
        raise _wrong("no bit string")
    bits = [bool(octet & 0x80 >> n) for octet in data[1:] for n in range(8)]
    return tuple(bits[: len(bits) - data[0]])


_FIELDS: Final[Mapping[int, tuple[str, Callable[[bytes], object]]]] = {
    0: ("vendor", _text),
    1: ("model", _text),
    2: ("version", _text),
    3: ("svn", _integer),
    4: ("layer", _integer),
    5: ("index", _integer),
    6: ("fwids", _fwids),
    7: ("flags", _bits),
    9: ("kind", bytes),
}
"""Context tag -> field of `TcbInfo` (DiceTcbInfo)."""


def _tcb_info(fields: tuple[tuple[int, bytes], ...]) -> TcbInfo:
    held: dict[str, object] = {}
    for tag, content in fields:
        if tag & 0xC0 != 0x80:
            raise _wrong(f"tag {tag:#04x} in a TcbInfo")
        if known := _FIELDS.get(tag & 0x1F):
            held[known[0]] = known[1](content)
    return msgspec.convert(held, TcbInfo)


def _composite(fields: tuple[tuple[int, bytes], ...]) -> TcbInfo:
    """RIoT: version, the device's public key, the FWID of what runs above it."""
    if [tag for tag, _ in fields] != [_INTEGER, _SEQUENCE, _SEQUENCE]:
        raise _wrong("neither a TcbInfo nor a composite device identity")
    key = fields[1][1]
    size = len(key).to_bytes(2, "big")
    der = bytes((_SEQUENCE, len(key))) if len(key) < 0x80 else bytes((_SEQUENCE, 0x82)) + size
    return TcbInfo(fwids=(_fwid(_elements(fields[2][1])),), device_key=der + key)


def parse_tcb_info(data: bytes) -> TcbInfo:
    """The value of a TcbInfo extension. Raises `EvidenceMalformed`."""
    fields = _sequence(data)
    return _composite(fields) if fields and fields[0][0] == _INTEGER else _tcb_info(fields)


def parse_multi_tcb_info(data: bytes) -> tuple[TcbInfo, ...]:
    """The value of a MultiTcbInfo extension. Raises `EvidenceMalformed`."""
    return tuple(_tcb_info(_elements(content)) for _, content in _sequence(data))


def parse_ueid(data: bytes) -> bytes:
    """The value of a Ueid extension. Raises `EvidenceMalformed`."""
    fields = _sequence(data)
    if [tag for tag, _ in fields] != [_OCTETS]:
        raise _wrong("no UEID")
    return fields[0][1]


def parse_device_info(data: bytes) -> tuple[str, str, str]:
    """Maker, product and serial number of DMTF's otherName ("ACME:WIDGET:0123"), "" where one is
    not given. Raises `EvidenceMalformed`."""
    fields = _elements(data)
    if [tag for tag, _ in fields] != [_UTF8]:
        raise _wrong("no device information")
    maker, _, rest = _text(fields[0][1]).partition(":")
    product, _, serial = rest.partition(":")
    return maker, product, serial


def parse_module_name(data: bytes) -> bytes:
    """The number in a hardwareModuleName (RFC 4108, 5): whose is said by its object identifier,
    which is not asked. Raises `EvidenceMalformed`."""
    fields = _sequence(data)
    if [tag for tag, _ in fields] != [_OBJECT, _OCTETS] or not 0 < len(fields[1][1]) <= 256:
        raise _wrong("no hardware module name")
    return fields[1][1]
