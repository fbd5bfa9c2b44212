"""PLDM firmware update packages (DMTF DSP0267), as a controller reads them: format only.

A package is a header (who it is for, which images it holds) and the images. Four revisions are
in the field: 1 and 2 (downstream devices), 3 (opaque data by component), 4 (reference manifests
and a checksum of the payload). Each has its own UUID, and the parts follow each other without
padding, so the reader goes forward with a bound at every step and must end where the header says.
What it reads may be anybody's bytes: it gives a `Package` or raises `BadPackage`, nothing else.

Checksums say that a package arrived as it was sent. Who made it is for the component to find out.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

IDENTIFIERS: Final = {
    UUID("f018878c-cb7d-4943-9800-a02f059aca02"): 1,
    UUID("1244d264-8d7d-4718-a030-fc8a56587d5a"): 2,
    UUID("3119ce2f-e80a-4a99-af6d-46f8b121f6bf"): 3,
    UUID("7b291c99-6db6-4208-801b-02026e463c78"): 4,
}
PCI_VENDOR, IANA, DEVICE_UUID = 0x0000, 0x0001, 0x0002
PCI_DEVICE, PCI_SUBVENDOR, PCI_SUBSYSTEM, VENDOR_DEFINED = 0x0100, 0x0101, 0x0102, 0xFFFF
INITIAL: Final = frozenset(range(0x0007))
ASCII: Final = 1
_ENCODINGS: Final = {
    0: "ascii",
    1: "ascii",
    2: "utf-8",
    3: "utf-16",
    4: "utf-16-le",
    5: "utf-16-be",
}
_SIZES: Final = {
    0x0000: 2, 0x0001: 4, 0x0002: 16, 0x0003: 3, 0x0004: 4, 0x0005: 3, 0x0006: 8,
    0x0100: 2, 0x0101: 2, 0x0102: 2, 0x0103: 1, 0x0104: 4, 0x0105: 4, 0x0106: 40,
    0x0107: 10, 0x0108: 16, 0x0109: 4,
}  # fmt: skip
MOST_COMPONENTS: Final = 1024


class BadPackage(Exception):
    """Not a package, or a damaged one; the text says what is wrong, in a few words."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One fact about a device: of which kind, and its bytes as they stand in the package."""

    kind: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.kind:#06x}={self.data.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A device that the package is for: it has all these descriptors. `components` are numbers
    of images for it. `downstream`: it stands behind another."""

    descriptors: Sequence[Descriptor]
    components: Sequence[int]
    version: str = ""
    flags: int = 0
    data: bytes = b""
    manifest: bytes = b""
    downstream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """An image. `activation` are bits: 0 automatic, 1 self-contained, 2 medium-specific reset,
    3 system reboot, 4 DC cycle, 5 AC cycle. `options` bit 0 forces the update."""

    classification: int
    identifier: int
    version: str
    offset: int
    size: int
    stamp: int = 0xFFFFFFFF
    options: int = 0
    activation: int = 0
    opaque: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    revision: int
    version: str
    released: datetime | None
    records: Sequence[Record]
    components: Sequence[Component]
    header_size: int

    def image(self, data: Any, number: int) -> bytes:
        """The bytes of a component, out of those the package was read from."""
        found = self.components[number]
        return bytes(data[found.offset : found.offset + found.size])


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int, what: str) -> bytes:
        if size > len(self.data) - self.at:
            raise BadPackage(f"it ends within {what}")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, form: str, what: str) -> int:
        return int(struct.unpack(f"<{form}", self.take(struct.calcsize(form), what))[0])

    def text(self, kind: int, size: int, what: str) -> str:
        raw = self.take(size, what)
        if kind not in _ENCODINGS:
            raise BadPackage(f"{what} is of the unknown string type {kind}")
        try:
            return raw.decode(_ENCODINGS[kind]).rstrip("\0")
        except UnicodeDecodeError:
            raise BadPackage(f"{what} cannot be decoded") from None


def is_package(data: Any) -> bool:
    """Whether it begins as a package of a known revision does."""
    return len(data) >= 16 and UUID(bytes=bytes(data[:16])) in IDENTIFIERS


def parse_package(data: Any) -> Package:
    """Read and check a package (a bytes or an mmap). Raises BadPackage."""
    if not is_package(data):
        raise BadPackage("it does not begin with a package identifier")
    revision = IDENTIFIERS[UUID(bytes=bytes(data[:16]))]
    head = _Reader(bytes(data[: min(len(data), 0xFFFF)]))
    head.take(16, "the identifier")
    if (said := head.number("B", "the revision")) != revision:
        raise BadPackage(f"its identifier is of revision {revision}, and it says {said}")
    size = head.number("H", "the header size")
    if size > len(data):
        raise BadPackage(f"its header has {size} bytes, and only {len(data)} came")
    head.data = head.data[:size]
    released = _timestamp(head.take(13, "the release date"))
    bits = head.number("H", "the bitmap length")
    if not bits or bits % 8 or bits > MOST_COMPONENTS:
        raise BadPackage(f"a component bitmap of {bits} bits")
    version = _string(head, "the package version")
    records = _records(head, revision, bits, downstream=False)
    if revision >= 2:
        records += _records(head, revision, bits, downstream=True)
    components = _components(head, revision)
    _check_sums(data, head, revision)
    _check_places(components, size, len(data))
    _check_bitmaps(records, len(components))
    return Package(revision=revision, version=version, released=released, records=records,
                   components=components, header_size=size)  # fmt: skip


def _string(head: _Reader, what: str) -> str:
    kind, size = head.number("B", what), head.number("B", what)
    return head.text(kind, size, what)


def _records(head: _Reader, revision: int, bits: int, *, downstream: bool) -> list[Record]:
    what = "a downstream record" if downstream else "a device record"
    count = head.number("B", f"the count of {what}")
    if not count and not downstream:
        raise BadPackage("it is for no device")
    return [_record(head, revision, bits, what, downstream) for _ in range(count)]


def _record(head: _Reader, revision: int, bits: int, what: str, downstream: bool) -> Record:
    start = head.at
    length = head.number("H", what)
    count, flags = head.number("B", what), head.number("I", what)
    kind, text_size = head.number("B", what), head.number("B", what)
    data_size = head.number("H", what)
    manifest_size = head.number("I", what) if revision >= 4 else 0
    bitmap = int.from_bytes(head.take(bits // 8, what), "little")
    version = head.text(kind, text_size, f"the version of {what}")
    if downstream and flags & 1:
        head.number("I", what)
    descriptors = [_descriptor(head) for _ in range(count)]
    if not descriptors or descriptors[0].kind not in INITIAL:
        raise BadPackage(f"{what} does not begin with who made the device")
    found = Record(
        descriptors=descriptors,
        components=[n for n in range(bits) if bitmap >> n & 1],
        version=version,
        flags=flags,
        data=head.take(data_size, what),
        manifest=head.take(manifest_size, what),
        downstream=downstream,
    )
    if head.at - start != length:
        raise BadPackage(f"{what} has {head.at - start} bytes and says {length}")
    return found


def _descriptor(head: _Reader) -> Descriptor:
    what = "a descriptor"
    kind, size = head.number("H", what), head.number("H", what)
    if kind in _SIZES and size != _SIZES[kind]:
        raise BadPackage(f"a descriptor {kind:#06x} of {size} bytes")
    data = head.take(size, what)
    if kind == VENDOR_DEFINED and (size < 2 or 2 + data[1] > size):
        raise BadPackage("a vendor-defined descriptor that is cut")
    return Descriptor(kind, data)


def _components(head: _Reader, revision: int) -> list[Component]:
    what = "a component"
    count = head.number("H", "the count of components")
    if not 0 < count <= MOST_COMPONENTS:
        raise BadPackage(f"{count} components")
    found = []
    for _ in range(count):
        fields = struct.unpack("<HHIHHII", head.take(20, what))
        version = _string(head, "a component's version")
        opaque = head.take(head.number("I", what), what) if revision >= 3 else b""
        classification, identifier, stamp, options, activation, offset, size = fields
        found.append(
            Component(
                classification=classification,
                identifier=identifier,
                stamp=stamp,
                options=options,
                activation=activation,
                offset=offset,
                size=size,
                version=version,
                opaque=opaque,
            )
        )
    return found


def _check_sums(data: Any, head: _Reader, revision: int) -> None:
    covered = head.data[: head.at]
    if head.number("I", "the header checksum") != zlib.crc32(covered):
        raise BadPackage("the header checksum is wrong")
    if revision >= 4 and head.number("I", "the payload checksum") != _payload_sum(data, head):
        raise BadPackage("the payload checksum is wrong")
    if head.at != len(head.data):
        raise BadPackage(f"its header has {len(head.data) - head.at} bytes too many")


def _payload_sum(data: Any, head: _Reader) -> int:
    found, step = 0, 1 << 20
    for at in range(len(head.data), len(data), step):
        found = zlib.crc32(data[at : at + step], found)
    return found


def _check_places(components: Sequence[Component], header: int, size: int) -> None:
    places = sorted((found.offset, found.offset + found.size) for found in components)
    for start, end in places:
        if start < header or end > size or start == end:
            raise BadPackage(f"an image at {start} to {end} of {size} bytes")
    if any(first[1] > second[0] for first, second in pairwise(places)):
        raise BadPackage("two images overlap")


def _check_bitmaps(records: Sequence[Record], count: int) -> None:
    for record in records:
        if any(number >= count for number in record.components):
            raise BadPackage("a device takes an image that is not there")


def _timestamp(raw: bytes) -> datetime | None:
    """PLDM's timestamp104; None where it is no time."""
    offset, micro, second, minute, hour, day, month, year = struct.unpack("<h3s5BH", raw[:12])
    try:
        zone = timezone(timedelta(minutes=offset)) if offset else UTC
        micros = int.from_bytes(micro, "little")
        return datetime(year, month, day, hour, minute, second, micros, zone)
    except ValueError:
        return None
