"""Package bytes to a `Package`, within bounds and without I/O (DSP0267 1.0 to 1.3).

The header's parts follow each other without padding, so the reader goes forward and must end
where the header says that it ends. Its size is a 16-bit number, which bounds everything but the
images; those may not overlap (two may be one and the same), so hashing all of them reads no byte
twice. Whatever the bytes are, the outcome is a `Package` or `PackageMalformed` with the offset.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from mmap import mmap
from types import MappingProxyType
from typing import Final
from uuid import UUID

import msgspec

from iolaus.wire.pldm.package import (
    USE_COMPARISON_STAMP,
    ComponentImage,
    Descriptor,
    DescriptorKind,
    DeviceRecord,
    Package,
    PackageMalformed,
)

Bytes = bytes | bytearray | memoryview | mmap
REVISIONS: Final = MappingProxyType(
    {
        UUID("f018878c-cb7d-4943-9800-a02f059aca02"): 1,
        UUID("1244d264-8d7d-4718-a030-fc8a56587d5a"): 2,
        UUID("3119ce2f-e80a-4a99-af6d-46f8b121f6bf"): 3,
        UUID("7b291c99-6db6-4208-801b-02026e463c78"): 4,
    }
)
"""PackageHeaderIdentifier -> PackageHeaderFormatRevision."""
_HAS_DOWNSTREAM, _HAS_OPAQUE, _HAS_MANIFEST = 2, 3, 4
_CODECS: Final = ("ascii", "ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be")
_K = DescriptorKind
_SIZES: Final[Mapping[int, int]] = MappingProxyType(
    {
        _K.PCI_VENDOR: 2,
        _K.IANA_ENTERPRISE: 4,
        _K.UUID: 16,
        _K.PNP_VENDOR: 3,
        _K.ACPI_VENDOR: 4,
        _K.IEEE_COMPANY: 3,
        _K.SCSI_VENDOR: 8,
        _K.PCI_DEVICE: 2,
        _K.PCI_SUBSYSTEM_VENDOR: 2,
        _K.PCI_SUBSYSTEM: 2,
        _K.PCI_REVISION: 1,
        _K.PNP_PRODUCT: 4,
        _K.ACPI_PRODUCT: 4,
        _K.ASCII_MODEL_LONG: 40,
        _K.ASCII_MODEL_SHORT: 10,
        _K.SCSI_PRODUCT: 16,
        _K.UBM_CONTROLLER: 4,
    }
)
_SELF_CONTAINED_STAMP: Final = 1
_STEP: Final = 1 << 20


def parse_package(data: Bytes, *, subject: str = "package") -> Package:
    """Read and check a package whole, the images' hashes included. `subject` names it in errors.

    Raises `PackageMalformed`, nothing else. Held in memory besides `data` (which may be a mapped
    file) is the header alone.
    """
    try:
        with memoryview(data) as view:
            return _package(view)
    except PackageMalformed as wrong:
        if subject != wrong.subject:
            wrong.subject = subject
        raise


def looks_like_package(data: Bytes) -> bool:
    """Does it begin as one?"""
    return len(data) >= 16 and UUID(bytes=bytes(data[:16])) in REVISIONS


class _Header:
    """Goes forward through the header. `at` is the offset in the package."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, size: int, what: str) -> bytes:
        if size > len(self.raw) - self.at:
            raise PackageMalformed(
                f"the header ends within {what}", offset=self.at, reason="truncated"
            )
        self.at += size
        return self.raw[self.at - size : self.at]

    def number(self, size: int, what: str) -> int:
        return int.from_bytes(self.take(size, what), "little")

    def text(self, kind: int, size: int, what: str) -> str:
        start, raw = self.at, self.take(size, what)
        if kind >= len(_CODECS):
            raise PackageMalformed(f"{what} has the unknown string type {kind}", offset=start)
        try:
            found = raw.decode(_CODECS[kind]).strip("\0")
        except UnicodeDecodeError:
            raise PackageMalformed(f"{what} cannot be decoded", offset=start) from None
        return "".join(letter if letter.isprintable() else "?" for letter in found).strip()

    def string(self, what: str) -> str:
        kind, size = self.take(2, what)
        return self.text(kind, size, what)


def _package(view: memoryview) -> Package:
    revision = _revision(view)
    size = int.from_bytes(view[17:19], "little")
    if not 19 <= size <= len(view):
        told = f"a header of {size} bytes in {len(view)}"
        raise PackageMalformed(told, offset=17, reason="truncated")
    head = _Header(bytes(view[:size]))
    head.take(19, "the beginning")
    released = _time(head.take(13, "the release time"))
    bits = head.number(2, "the bitmap length")
    if not bits or bits % 8:
        raise PackageMalformed(f"a component bitmap of {bits} bits", offset=head.at - 2)
    version = head.string("the package version")
    records = [*_records(head, revision, bits, downstream=False)]
    if not records:
        raise PackageMalformed("it is for no device", offset=head.at)
    if revision >= _HAS_DOWNSTREAM:
        records += _records(head, revision, bits, downstream=True)
    places_at = head.at
    components = [*_components(head, revision)]
    _check_sums(head, view, revision)
    _check_bitmaps(records, len(components), places_at)
    return Package(
        revision=revision,
        version=version,
        released=released,
        records=tuple(records),
        components=tuple(_hashed(components, view, header_size=size, at=places_at)),
        header_size=size,
        size=len(view),
    )


def _revision(view: memoryview) -> int:
    if len(view) < 19:
        raise PackageMalformed("shorter than any package", offset=len(view))
    revision = REVISIONS.get(UUID(bytes=bytes(view[:16])))
    if revision is None:
        raise PackageMalformed("it does not begin as a PLDM package does", offset=0)
    if view[16] != revision:
        raise PackageMalformed(
            f"the identifier is of revision {revision}, the header says {view[16]}", offset=16
        )
    return revision


def _time(raw: bytes) -> str | None:
    """PLDM timestamp104 (DSP0240): offset in minutes, microseconds, seconds to year."""
    offset = int.from_bytes(raw[:2], "little", signed=True)
    micro, year = int.from_bytes(raw[2:5], "little"), int.from_bytes(raw[10:12], "little")
    second, minute, hour, day, month = raw[5:10]
    try:
        zone = timezone(timedelta(minutes=offset)) if offset else UTC
        return datetime(year, month, day, hour, minute, second, micro, zone).isoformat()
    except ValueError:
        return None


def _records(
    head: _Header, revision: int, bits: int, *, downstream: bool
) -> Iterator[DeviceRecord]:
    what = "a downstream device record" if downstream else "a device record"
    for _ in range(head.number(1, "the record count")):
        start = head.at
        length = head.number(2, what)
        found = _record(head, revision, bits, downstream=downstream, what=what)
        if head.at - start != length:
            raise PackageMalformed(
                f"{what} says {length} bytes and has {head.at - start}", offset=start
            )
        yield found


def _record(
    head: _Header, revision: int, bits: int, *, downstream: bool, what: str
) -> DeviceRecord:
    count, flags = head.number(1, what), head.number(4, what)
    kind, text_size = head.take(2, what)
    data_size = head.number(2, what)
    manifest_size = head.number(4, what) if revision >= _HAS_MANIFEST else 0
    bitmap = head.number(bits // 8, what)
    version = head.text(kind, text_size, f"the version of {what}")
    if downstream and flags & _SELF_CONTAINED_STAMP:
        head.take(4, what)
    descriptors = tuple(_descriptors(head, count))
    return DeviceRecord(
        descriptors=descriptors,
        components=tuple(n for n in range(bits) if bitmap >> n & 1),
        version=version,
        flags=flags,
        package_data=head.take(data_size, what),
        reference_manifest=head.take(manifest_size, what),
        downstream=downstream,
    )


def _descriptors(head: _Header, count: int) -> Iterator[Descriptor]:
    if not count:
        raise PackageMalformed("a record without a descriptor", offset=head.at)
    for position in range(count):
        start = head.at
        kind, size = head.number(2, "a descriptor"), head.number(2, "a descriptor")
        data = head.take(size, "a descriptor")
        if not position and kind > DescriptorKind.SCSI_VENDOR:
            raise PackageMalformed("a record that does not begin with a maker", offset=start)
        if size != _SIZES.get(kind, size) or not size:
            raise PackageMalformed(f"a descriptor {kind:#06x} of {size} bytes", offset=start)
        if kind == DescriptorKind.VENDOR_DEFINED and (size < 2 or 2 + data[1] > size):
            raise PackageMalformed("a vendor-defined descriptor that is cut", offset=start)
        yield Descriptor(kind, data)


def _components(head: _Header, revision: int) -> Iterator[ComponentImage]:
    count = head.number(2, "the component count")
    if not count:
        raise PackageMalformed("it holds no image", offset=head.at - 2)
    for index in range(count):
        fixed = struct.unpack("<HHIHHII", head.take(20, "a component"))
        classification, identifier, stamp, options, activation, offset, size = fixed
        version = head.string("the version of a component")
        sized = head.number(4, "a component") if revision >= _HAS_OPAQUE else 0
        yield ComponentImage(
            index=index,
            classification=classification,
            identifier=identifier,
            version=version,
            offset=offset,
            size=size,
            sha256="",
            comparison_stamp=stamp if options & USE_COMPARISON_STAMP else None,
            options=options,
            activation=activation,
            opaque=head.take(sized, "a component's opaque data"),
        )


def _check_sums(head: _Header, view: memoryview, revision: int) -> None:
    at, covered = head.at, zlib.crc32(head.raw[: head.at])
    if head.number(4, "the header checksum") != covered:
        raise PackageMalformed(
            "the header checksum is wrong", offset=at, reason="header-checksum-wrong"
        )
    if revision >= _HAS_MANIFEST:
        at = head.at
        if head.number(4, "the payload checksum") != _payload_sum(view, len(head.raw)):
            raise PackageMalformed(
                "the payload checksum is wrong", offset=at, reason="payload-checksum-wrong"
            )
    if head.at != len(head.raw):
        raise PackageMalformed("the header is longer than what it holds", offset=head.at)


def _payload_sum(view: memoryview, start: int) -> int:
    found = 0
    for at in range(start, len(view), _STEP):
        with view[at : at + _STEP] as piece:
            found = zlib.crc32(piece, found)
    return found


def _check_bitmaps(records: Iterable[DeviceRecord], count: int, at: int) -> None:
    for record in records:
        if record.components and record.components[-1] >= count:
            told = "a device takes an image that is not there"
            raise PackageMalformed(told, offset=at, reason="image-missing")


def _hashed(
    components: Iterable[ComponentImage], view: memoryview, *, header_size: int, at: int
) -> Iterator[ComponentImage]:
    """The images with their hashes; one place is hashed once, whoever shares it."""
    found = list(components)
    places = sorted({(each.offset, each.offset + each.size) for each in found})
    for start, end in places:
        if not header_size <= start < end <= len(view):
            told = f"an image from byte {start} to {end}"
            raise PackageMalformed(told, offset=at, reason="image-out-of-range")
    for one, other in pairwise(places):
        if one[1] > other[0]:
            told = f"images overlap at byte {other[0]}"
            raise PackageMalformed(told, offset=at, reason="images-overlap")
    hashes = {start: _sha256(view, start, end) for start, end in places}
    for each in found:
        yield msgspec.structs.replace(each, sha256=hashes[each.offset])


def _sha256(view: memoryview, start: int, end: int) -> str:
    with view[start:end] as image:
        return hashlib.sha256(image).hexdigest()
