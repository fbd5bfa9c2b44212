"""What consoles said, as bytes on disk, with the time at which they came.

A recording is a folder: pieces of raw bytes that are only ever appended to, each named after the
offset at which it begins, and beside each an index of lines `{"at", "offset", "mark", "text"}`: the
time of what came (a line a second at most) and marks (the line was opened, lost, had again). An
offset counts from the first byte ever recorded and is never given to another byte. Bytes are with
the operating system when `append` returns, so a process that is killed loses none; `sync` brings
them to the disk, so that a machine that fails loses at most what came since.

Pieces are closed at a size, and the oldest are removed beyond a number: what is gone shows as a
recording that begins later. Marks are never in the bytes, which are the host's alone.
"""

from __future__ import annotations

import contextlib
import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from iolaus.store.database import explain
from iolaus.store.files import PRIVATE_DIR, PRIVATE_FILE

PIECE_BYTES: Final = 8 << 20
PIECES: Final = 32
NEWEST_BYTES: Final = 4096
EVERY_S: Final = 1.0
MOST_LINE: Final = 4096
BYTES, INDEX = ".bytes", ".index"


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From `offset` on it came at `at` (seconds since 1970). `mark` names what happened to the
    line before that byte ("open", "lost", "back", "closed"), `text` says more."""

    at: float
    offset: int
    mark: str = ""
    text: str = ""


_DECODER: Final = msgspec.json.Decoder(Moment)


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """How large a piece gets, and how many are kept of one console."""

    piece_bytes: int = PIECE_BYTES
    pieces: int = PIECES


class Recording:
    """One console's, as it is on disk; `append` and `mark` are for its one writer."""

    def __init__(self, folder: Path, rotation: Rotation | None = None) -> None:
        self.folder, self._rotation = folder, rotation or Rotation()
        self._bases = sorted(int(each.stem, 16) for each in folder.glob(f"*{BYTES}"))
        self._end = self._bases[-1] + _size(self._piece(self._bases[-1])) if self._bases else 0
        self._file: int | None = None
        self._index: int | None = None
        self._indexed_at = 0.0
        self._newest: tuple[int, bytes] = 0, b""
        self.marks = 0
        """How many marks were made by this one; whoever shows them looks again when it moves."""

    @property
    def start(self) -> int:
        """The oldest offset that is still kept."""
        return self._bases[0] if self._bases else 0

    @property
    def end(self) -> int:
        """One past the newest."""
        return self._end

    def append(self, data: bytes, at: float) -> None:
        """Raises `WeErred` where the disk is full; what was not written is not counted."""
        self._ready()
        if at - self._indexed_at >= EVERY_S or at < self._indexed_at:
            self._note(Moment(at=at, offset=self._end))
            self._indexed_at = at
        view = memoryview(data)
        while view:
            taken = self._written(view)
            self._remember(bytes(view[:taken]))
            self._end += taken
            view = view[taken:]

    def _remember(self, data: bytes) -> None:
        """Whoever follows reads from memory. Replaced as a whole, as threads read it."""
        at, held = self._newest
        follows = at + len(held) == self._end and len(held) < NEWEST_BYTES
        self._newest = (at, held + data) if follows else (self._end, data)

    def mark(self, mark: str, at: float, text: str = "") -> None:
        """Raises `WeErred`."""
        self._ready()
        self._note(Moment(at=at, offset=self._end, mark=mark, text=text[:MOST_LINE]))
        self.marks += 1

    def sync(self) -> None:
        for descriptor in (self._file, self._index):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.fdatasync(descriptor)

    def close(self) -> None:
        self.sync()
        for descriptor in (self._file, self._index):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._index = None

    def read(self, offset: int, most: int) -> tuple[int, bytes]:
        """At most so many bytes from an offset, and the offset at which they really begin: later
        where what was asked for is gone. Empty at the end."""
        offset = max(offset, self.start)
        place = bisect_right(self._bases, offset) - 1
        if place < 0 or offset >= self._end:
            return offset, b""
        base, (newest, data) = self._bases[place], self._newest
        if offset >= newest and data:
            return offset, data[offset - newest :][:most]
        try:
            with self._piece(base).open("rb") as file:
                file.seek(offset - base)
                return offset, file.read(min(most, self._end - offset))
        except FileNotFoundError:  # removed between two looks
            later = self._bases[place + 1] if place + 1 < len(self._bases) else self._end
            return later, b""

    def moments(self, *, since: int = 0) -> Iterator[Moment]:
        """All that is noted from the one that holds at an offset on, oldest first."""
        place = max(bisect_right(self._bases, since) - 1, 0)
        before: Moment | None = None
        for base in self._bases[place:]:
            for each in _moments(self._piece(base).with_suffix(INDEX)):
                if each.offset < since:
                    before = each
                    continue
                if before is not None:
                    yield before
                    before = None
                yield each
        if before is not None:
            yield before

    def offset_at(self, at: float) -> int:
        """Where what came at that time or later begins; the end where nothing did."""
        for moment in self.moments():
            if moment.at >= at:
                return max(moment.offset, self.start)
        return self._end

    def _piece(self, base: int) -> Path:
        return self.folder / f"{base:016x}{BYTES}"

    def _ready(self) -> None:
        """A piece to write to: the last, or a new one where that is full."""
        if self._file is not None and self._end - self._bases[-1] < self._rotation.piece_bytes:
            return
        self.close()
        try:
            self.folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            full = self._bases and self._end - self._bases[-1] >= self._rotation.piece_bytes
            base = self._bases[-1] if self._bases and not full else self._end
            piece, flags = self._piece(base), os.O_WRONLY | os.O_APPEND | os.O_CREAT
            index = os.open(piece.with_suffix(INDEX), flags, PRIVATE_FILE)
            _mend(index, piece.with_suffix(INDEX))
            self._index, self._file = index, os.open(piece, flags, PRIVATE_FILE)
        except OSError as error:
            raise explain(error, operation="record", subject=str(self.folder)) from error
        if base not in self._bases:
            self._bases.append(base)
            self._indexed_at, self._newest = 0.0, (base, b"")
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self._bases) > self._rotation.pieces:
            gone = self._piece(self._bases.pop(0))
            gone.unlink(missing_ok=True)
            gone.with_suffix(INDEX).unlink(missing_ok=True)

    def _written(self, view: memoryview) -> int:
        assert self._file is not None
        try:
            return os.write(self._file, view)
        except OSError as error:
            raise explain(error, operation="record", subject=str(self.folder)) from error

    def _note(self, moment: Moment) -> None:
        assert self._index is not None
        try:
            os.write(self._index, msgspec.json.encode(moment) + b"\n")
        except OSError as error:
            raise explain(error, operation="record", subject=str(self.folder)) from error


def _size(path: Path) -> int:
    return path.stat().st_size


def _mend(descriptor: int, path: Path) -> None:
    """A line that was cut off by a crash is ended, so that the next one stands by itself."""
    size = os.fstat(descriptor).st_size
    if not size:
        return
    with path.open("rb") as file:
        file.seek(size - 1)
        if file.read(1) != b"\n":
            os.write(descriptor, b"\n")


def _moments(path: Path) -> Iterator[Moment]:
    """What is noted; a line that was cut off is none."""
    try:
        with path.open("rb") as file:
            for line in file:
                with contextlib.suppress(msgspec.MsgspecError):
                    yield _DECODER.decode(line)
    except FileNotFoundError:
        return
