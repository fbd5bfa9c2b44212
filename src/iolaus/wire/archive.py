"""A zip archive of which no byte is free: what a signed pack is put into.

A zip file says most things twice, and what readers do not look at can be changed unseen. So there
is one way to write one here: entries sorted by name, stored without compression, one fixed date,
no comment, nothing before, between or after. Reading takes the names and contents and writes them
again; bytes that come out otherwise were not written so. Nothing is unpacked to disk, nothing
grows on reading (there is no compression), and no name can lead anywhere. Any unzip program reads
it. The layout is that of PKWARE's APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from typing import Final

from iolaus.wire.octets import EvidenceMalformed

MOST_BYTES: Final = 1 << 30
MOST_FILES: Final = 65_535
MOST_NAME: Final = 120
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]*(/[a-z0-9][a-z0-9.-]*)*", re.ASCII)
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION: Final = 20
_UNIX: Final = 3 << 8 | _VERSION
_FILE_MODE: Final = 0o100644 << 16
_TIME, _DATE = 0, 33  # 1980-01-01, the first that can be said


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """`ValueError` for a name that may not be, or for more than an archive holds."""
    if len(files) > MOST_FILES or sum(map(len, files.values())) > MOST_BYTES:
        raise ValueError("more than an archive holds")
    body, index, at = list[bytes](), list[bytes](), 0
    for name in sorted(files):
        if not is_plain(name):
            raise ValueError(f"{name!r} may not be the name of an entry")
        data, raw = files[name], name.encode("ascii")
        size, check = len(data), zlib.crc32(data)
        same = (_VERSION, 0, 0, _TIME, _DATE, check, size, size, len(raw), 0)
        body += (_LOCAL.pack(_LOCAL_MARK, *same), raw, data)
        index += (_CENTRAL.pack(_CENTRAL_MARK, _UNIX, *same, 0, 0, 0, _FILE_MODE, at), raw)
        at += _LOCAL.size + len(raw) + size
    count, length = len(files), sum(map(len, index))
    return b"".join((*body, *index, _END.pack(_END_MARK, 0, 0, count, count, length, at, 0)))


def parse_archive(data: bytes) -> dict[str, bytes]:
    """Contents by name. Raises `EvidenceMalformed` for anything that `write_archive` does not
    write."""
    if len(data) > MOST_BYTES:
        raise _wrong("too-large", f"more than {MOST_BYTES} bytes", 0)
    files: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == _LOCAL_MARK:
        name, content, at = _entry(data, at)
        if name in files:
            raise _wrong("duplicate-name", f"{name} is there twice", at)
        files[name] = content
    if not files:
        raise _wrong("not-an-archive", "it does not begin as an archive does", 0)
    if write_archive(files) != data:
        raise _wrong("not-canonical", "it is not as it was written", at)
    return files


def _entry(data: bytes, at: int) -> tuple[str, bytes, int]:
    if len(data) - at < _LOCAL.size:
        raise _wrong("truncated", "it ends within an entry", at)
    head = _LOCAL.unpack_from(data, at)
    method, packed, size, named, extra = head[3], head[7], head[8], head[9], head[10]
    if method or packed != size or extra or head[2]:
        raise _wrong("not-stored", "an entry is not stored as it is", at)
    start = at + _LOCAL.size
    end = start + named + size
    if named > MOST_NAME or end > len(data):
        raise _wrong("truncated", "an entry is longer than the archive", at)
    name = data[start : start + named].decode("latin-1")
    if not is_plain(name):
        raise _wrong("bad-name", f"{name!r} may not be the name of an entry", at)
    return name, data[start + named : end], end


def is_plain(name: str) -> bool:
    """A relative name of plain words, of which none begins with a dot."""
    return len(name) <= MOST_NAME and _NAME.fullmatch(name) is not None


def _wrong(reason: str, message: str, at: int) -> EvidenceMalformed:
    return EvidenceMalformed(reason, message, offset=at, subject="pack")
