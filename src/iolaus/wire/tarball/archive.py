"""A firmware tarball to its files' digests, within bounds; nothing is unpacked.

The archive is read once as a stream, whatever it is compressed with, and only what is small and
is needed later (MANIFEST, keys, signatures) is kept. What an archive can do to a reader is refused
by name: other things than plain files, paths, a name that stands twice, and more bytes than any
firmware has.
"""

from __future__ import annotations

import hashlib
import re
import struct
import tarfile
import zlib
from collections.abc import Mapping
from mmap import mmap
from typing import IO, Final, Literal, Self

import msgspec

from iolaus.wire.document import DocumentMalformed

MAX_MEMBERS: Final = 256
MAX_TOTAL: Final = 2 << 30
MAX_HEADER: Final = 64 * 1024
MAX_KEPT: Final = 256 * 1024
"""Bytes of a file that is kept whole."""
_NAME: Final = re.compile(r"(?:\./)?([A-Za-z0-9][A-Za-z0-9._+-]{0,127})")
_LINE: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,63})=(.{0,500})")
_STEP: Final = 1 << 20
HASHES: Final = ("sha256", "sha384", "sha512")
_XZ: Final = b"\xfd7zXZ\x00"
_MODES: Final[Mapping[bytes, Literal["r|gz", "r|bz2"]]] = {b"\x1f\x8b": "r|gz", b"BZh": "r|bz2"}
_DAMAGE: Final = (
    tarfile.TarError, zlib.error, struct.error, EOFError, OSError, ValueError, TypeError, IndexError
)  # fmt: skip
"""What the library raises for damaged bytes, of gzip's own header too."""


class _Bounded(tarfile.TarInfo):
    """Headers that say more of the next one (long names, attributes) are read whole by the
    library, so they must be small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if not found.isreg() and found.size > MAX_HEADER:
            raise ValueError(f"a header of {found.size} bytes")
        return found


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the archive. `digests` are raw, by algorithm; `content` only of small files."""

    name: str
    size: int
    digests: Mapping[str, bytes]
    content: bytes | None = None


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest` is what MANIFEST says (`purpose`, `version`, `MachineName`, `HashType`, ...);
    `files` are by name, in the archive's order."""

    manifest: Mapping[str, str]
    files: Mapping[str, Held]

    @property
    def images(self) -> tuple[Held, ...]:
        """What is neither MANIFEST, key nor signature."""
        return tuple(
            each
            for name, each in self.files.items()
            if name not in ("MANIFEST", "publickey") and not name.endswith(".sig")
        )


def looks_like_archive(data: bytes | bytearray | memoryview | mmap) -> bool:
    """Does it begin as a tar, compressed or not? 262 bytes are enough to say."""
    return bytes(data[257:262]) == b"ustar" or bytes(data[:5]).startswith((*_MODES, _XZ[:5]))


def read_archive(stream: IO[bytes], *, subject: str = "archive") -> Archive:
    """`stream` is at the beginning and can go back there. Raises `DocumentMalformed`."""
    head = stream.read(len(_XZ))
    stream.seek(0)
    if head == _XZ:
        told = "xz may ask for any memory, so it is not unpacked here"
        raise DocumentMalformed(
            "compression-refused", told, subject=subject, next_step="unpack it to a plain tar."
        )
    mode: Literal["r|", "r|gz", "r|bz2"] = "r|"
    for magic, word in _MODES.items():
        if head.startswith(magic):
            mode = word
    try:
        with tarfile.open(fileobj=stream, mode=mode, tarinfo=_Bounded) as opened:
            files = _files(opened, subject)
    except _DAMAGE as error:
        told = f"it is no archive, or a damaged one: {str(error)[:100]}"
        raise DocumentMalformed("not-archive", told, subject=subject) from None
    if "MANIFEST" not in files or files["MANIFEST"].content is None:
        raise DocumentMalformed("no-manifest", "it has no MANIFEST", subject=subject)
    return Archive(manifest=manifest_of(files["MANIFEST"].content, subject=subject), files=files)


def _files(opened: tarfile.TarFile, subject: str) -> dict[str, Held]:
    files: dict[str, Held] = {}
    total = 0
    for member in opened:
        if member.isdir() and member.name in (".", "./"):
            continue
        matched = _NAME.fullmatch(member.name)
        if not member.isreg() or not matched or member.issparse():
            told = f"{member.name[:60]!r} is no plain file at the top"
            raise DocumentMalformed("member-refused", told, subject=subject)
        name, total = matched[1], total + member.size
        if name in files:
            raise DocumentMalformed("duplicate-member", f"{name} stands twice", subject=subject)
        if len(files) >= MAX_MEMBERS or total > MAX_TOTAL:
            told = f"more than {MAX_MEMBERS} files, or {MAX_TOTAL >> 30} GiB"
            raise DocumentMalformed("too-large", told, subject=subject)
        files[name] = _held(opened, member, name)
    return files


def _held(opened: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Held:
    hashes = {word: hashlib.new(word) for word in HASHES}
    kept = b"" if member.size <= MAX_KEPT else None
    found = opened.extractfile(member)
    size = 0
    while found is not None and (piece := found.read(_STEP)):
        size += len(piece)
        kept = kept + piece if kept is not None else None
        for each in hashes.values():
            each.update(piece)
    if size != member.size:
        raise EOFError("it ends within a file")
    digests = {word: each.digest() for word, each in hashes.items()}
    return Held(name=name, size=size, digests=digests, content=kept)


def manifest_of(data: bytes, *, subject: str) -> dict[str, str]:
    """The `key=value` lines of a MANIFEST; a key that stands twice keeps both, joined by commas
    (phosphor-software-manager reads CompatibleName so). Raises `DocumentMalformed`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise DocumentMalformed("not-text", "MANIFEST is no text", subject=subject) from None
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        matched = _LINE.fullmatch(line.strip())
        if not matched or not matched[2].isprintable():
            told = f"MANIFEST has the line {line[:60]!r}"
            raise DocumentMalformed("manifest-malformed", told, subject=subject)
        key, value = matched[1], matched[2].strip()
        found[key] = f"{found[key]},{value}" if key in found else value
    return found
