"""The folder of firmware images: files that are named by a baseline, each known by its hash.

A file `NAME.yaml` beside an image says what it brings and what it is for, where the package does
not; nothing of it is believed about the bytes themselves, which are hashed. An image is hashed
again right before it is sent if its size or time is another than when it was hashed last.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Final

import msgspec

from iolaus.fleet.images import Image
from iolaus.kernel.errors import OperatorMust

CHUNK: Final = 1024 * 1024
NOTE: Final = ".yaml"
MAX_NOTE: Final = 64 * 1024
Print = tuple[int, int]


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands beside an image: versions by component id or class, and models it is for."""

    versions: dict[str, str] = {}
    models: list[str] = []


class ImageFolder:
    """Images below one folder (which need not exist: then there are none)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hashed: dict[str, tuple[Print, str]] = {}

    async def images(self) -> dict[str, Image]:
        """All images by file name. Raises `OperatorMust` for a note that cannot be read."""
        return await asyncio.to_thread(self._read)

    async def checked(self, file: str, sha256: str) -> Path:
        """The path of an image whose bytes have this hash now. Raises `OperatorMust`."""
        found = await asyncio.to_thread(self._hash_of, file)
        if found is None or found.casefold() != sha256.casefold():
            said = "it is not there" if found is None else f"its bytes are {found[:12]}... now"
            raise OperatorMust(
                f"{said}, and {sha256[:12]}... was planned",
                operation="read image",
                subject=file,
                code="ImageChanged",
                next_step=f"put the planned file back into {self.folder}, or make a new plan.",
            )
        return self.folder / file

    def _read(self) -> dict[str, Image]:
        found = {}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if path.name.startswith(".") or path.name.endswith(NOTE) or not path.is_file():
                continue
            digest, note = self._hash_of(path.name), _note_of(path)
            if digest is not None:
                found[path.name] = Image(
                    file=path.name,
                    sha256=digest,
                    size=path.stat().st_size,
                    versions=note.versions,
                    models=tuple(note.models),
                )
        return found

    def _hash_of(self, file: str) -> str | None:
        path = self.folder / file
        try:
            stat = path.stat()
            print_ = (stat.st_size, stat.st_mtime_ns)
            known = self._hashed.get(file)
            if known is None or known[0] != print_:
                with path.open("rb") as stream:
                    digest = hashlib.sha256()
                    while chunk := stream.read(CHUNK):
                        digest.update(chunk)
                self._hashed[file] = known = (print_, digest.hexdigest())
            return known[1]
        except OSError:
            return None


def _note_of(path: Path) -> Note:
    note = path.with_name(path.name + NOTE)
    if not note.is_file():
        return Note()
    try:
        raw = note.read_bytes()[: MAX_NOTE + 1]
        if len(raw) > MAX_NOTE:
            raise msgspec.ValidationError("it is larger than 64 KiB")
        return msgspec.yaml.decode(raw, type=Note)
    except (OSError, msgspec.MsgspecError) as error:
        raise OperatorMust(
            f"it cannot be read: {error}",
            operation="read images",
            subject=str(note.name),
            code="ImageNoteInvalid",
            next_step="write versions: {bmc: 1.8} and models: [...] into it, or remove it.",
        ) from None
