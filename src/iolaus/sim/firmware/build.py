"""Packages to push: the other direction of `pldm.py`, for tests, rehearsals and people.

`pldm_package` writes any of the four revisions of DSP0267; `tarball` the kind of archive that
OpenBMC takes (a MANIFEST, images, a signature file). What stands in them is the caller's; the
images that simulated components accept are made in `examples.py`.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from iolaus.sim.firmware.pldm import ASCII, IDENTIFIERS, Descriptor, Record

_UUIDS: Final[Mapping[int, UUID]] = {revision: uuid for uuid, revision in IDENTIFIERS.items()}
RELEASED: Final = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An image to be packed; see `pldm.Component`."""

    image: bytes
    identifier: int
    version: str
    classification: int = 0x000A
    activation: int = 0
    stamp: int = 0xFFFFFFFF
    options: int = 0
    opaque: bytes = b""


def pldm_package(
    parts: Sequence[Part],
    records: Sequence[Record],
    *,
    version: str = "1",
    revision: int = 1,
    released: datetime = RELEASED,
) -> bytes:
    """A package of this revision (1 to 4), with right checksums."""
    bits = 8 * max(1, -(-len(parts) // 8))
    area = _area([r for r in records if not r.downstream], revision, bits)
    if revision >= 2:
        area += _area([r for r in records if r.downstream], revision, bits)
    checksums = 8 if revision >= 4 else 4
    named = _named(version)
    fixed = 16 + 1 + 2 + 13 + 2 + len(named)
    size = fixed + len(area) + sum(22 + len(_rest(p, revision)) - 2 for p in parts) + 2 + checksums
    head = _UUIDS[revision].bytes + struct.pack("<BH", revision, size)
    head += _timestamp(released) + struct.pack("<H", bits) + named + area
    head += struct.pack("<H", len(parts))
    at, payload = size, b""
    for part in parts:
        head += struct.pack("<HHIHHII", part.classification, part.identifier, part.stamp,
                            part.options, part.activation, at, len(part.image))  # fmt: skip
        head += _rest(part, revision)
        payload += part.image
        at += len(part.image)
    head += struct.pack("<I", zlib.crc32(head))
    if revision >= 4:
        head += struct.pack("<I", zlib.crc32(payload))
    return head + payload


def _named(text: str) -> bytes:
    raw = text.encode("ascii")
    return struct.pack("<BB", ASCII, len(raw)) + raw


def _rest(part: Part, revision: int) -> bytes:
    opaque = struct.pack("<I", len(part.opaque)) + part.opaque if revision >= 3 else b""
    return _named(part.version) + opaque


def _area(records: Sequence[Record], revision: int, bits: int) -> bytes:
    return struct.pack("<B", len(records)) + b"".join(_record(r, revision, bits) for r in records)


def _record(record: Record, revision: int, bits: int) -> bytes:
    version = record.version.encode("ascii")
    body = struct.pack("<BIBBH", len(record.descriptors), record.flags, ASCII, len(version),
                       len(record.data))  # fmt: skip
    if revision >= 4:
        body += struct.pack("<I", len(record.manifest))
    body += sum(1 << n for n in record.components).to_bytes(bits // 8, "little") + version
    if record.downstream and record.flags & 1:
        body += bytes(4)
    body += b"".join(_descriptor(found) for found in record.descriptors) + record.data
    body += record.manifest if revision >= 4 else b""
    return struct.pack("<H", len(body) + 2) + body


def _descriptor(found: Descriptor) -> bytes:
    return struct.pack("<HH", found.kind, len(found.data)) + found.data


def _timestamp(t: datetime) -> bytes:
    micro = t.microsecond.to_bytes(3, "little")
    return struct.pack("<h3s5BHB", 0, micro, t.second, t.minute, t.hour, t.day, t.month, t.year, 0)


def tarball(images: Mapping[str, bytes], manifest: Mapping[str, str]) -> bytes:
    """An archive of MANIFEST, the images, and a signature of each as a file beside it."""
    lines = "".join(f"{key}={value}\n" for key, value in manifest.items()).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in {"MANIFEST": lines, **images}.items():
            found = tarfile.TarInfo(name)
            found.size = len(data)
            archive.addfile(found, io.BytesIO(data))
    return packed.getvalue()
