"""An image on its way to a device: sized before it is sent, read from disk as it goes.

Firmware images are hundreds of megabytes and go to many devices at once, so none is ever held in
memory: a body is a row of pieces, some of them bytes and some files, and what is in flight is one
buffer. The same upload can be opened again, because a session may have run out when it was sent.
The form is multipart/form-data (RFC 7578) as DSP0266 section 13.6 asks for it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from iolaus.kernel.errors import OperatorMust

OCTETS: Final = "application/octet-stream"
Piece = bytes | Path


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a form. A `filename` makes it a file."""

    name: str
    content: Piece
    content_type: str
    filename: str | None = None


class Upload:
    """A body to be sent. `size` is in bytes, files as large as they were when this was made.

    Raises `OperatorMust` where a file cannot be read.
    """

    __slots__ = ("_sized", "content_type", "size")

    def __init__(self, content_type: str, pieces: Sequence[Piece]) -> None:
        self.content_type = content_type
        self._sized = tuple((piece, _size(piece)) for piece in pieces)
        self.size = sum(size for _, size in self._sized)

    def __repr__(self) -> str:
        return f"Upload({self.content_type!r}, {self.size} bytes)"

    def open(self) -> Pour:
        """The bytes from the beginning; whoever opens it closes it."""
        return Pour(self._sized)


class Pour:
    """Gives the pieces' bytes in order. Raises `OperatorMust` where a file has become shorter."""

    def __init__(self, sized: Sequence[tuple[Piece, int]]) -> None:
        self._sized = sized
        self._file: BinaryIO | None = None
        self.rewind()

    def rewind(self) -> None:
        self.close()
        self._todo = iter(self._sized)
        self._piece: Piece = b""
        self._left = self._at = 0

    def read(self, most: int) -> bytes:
        """At most so many bytes; none only at the end."""
        while not self._left:
            following = next(self._todo, None)
            if following is None:
                self.close()
                return b""
            self._begin(*following)
        data = self._taken(min(most, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self, piece: Piece, size: int) -> None:
        self.close()
        self._piece, self._left, self._at = piece, size, 0
        if isinstance(piece, Path):
            try:
                self._file = piece.open("rb")
            except OSError as error:
                raise _unreadable(piece, error.strerror or "it cannot be opened") from error

    def _taken(self, size: int) -> bytes:
        if isinstance(self._piece, bytes):
            self._at += size
            return self._piece[self._at - size : self._at]
        try:
            data = self._file.read(size) if self._file else b""
        except OSError as error:
            self.close()
            raise _unreadable(self._piece, error.strerror or "it cannot be read") from error
        if not data:
            self.close()
            raise _unreadable(self._piece, "it became shorter while it was sent")
        return data


def raw(image: Piece) -> Upload:
    """The image alone, as `HttpPushUri` takes it."""
    return Upload(OCTETS, (image,))


def form(parts: Sequence[Part]) -> Upload:
    """A form of these fields, in this order."""
    boundary = f"iolaus-{secrets.token_hex(16)}"
    pieces = [piece for part in parts for piece in _framed(part, boundary)]
    return Upload(
        f'multipart/form-data; boundary="{boundary}"', [*pieces, f"--{boundary}--\r\n".encode()]
    )


def _framed(part: Part, boundary: str) -> Iterator[Piece]:
    named = f'; filename="{_plain(part.filename)}"' if part.filename else ""
    yield (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{_plain(part.name)}"{named}\r\n'
        f"Content-Type: {part.content_type}\r\n\r\n"
    ).encode()
    yield part.content
    yield b"\r\n"


def _plain(name: str) -> str:
    """A name that every parser of forms takes."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", name)[-120:] or "image"


def _size(piece: Piece) -> int:
    if isinstance(piece, bytes):
        return len(piece)
    try:
        return piece.stat().st_size
    except OSError as error:
        raise _unreadable(piece, error.strerror or "it cannot be read") from error


def _unreadable(piece: Piece, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read image",
        subject=str(piece),
        code="ImageUnreadable",
        next_step="give the path of a readable image, and leave it alone while it is sent",
    )
