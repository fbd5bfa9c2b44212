"""A response body, bounded while it arrives.

The bound holds for what is kept and for what it unpacks to, so neither a 50 MB answer nor a
gzip bomb is ever held. Compressed bytes are unpacked piecewise with a ceiling per step.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_STEP = 256 * 1024


class BodyTooLarge(Exception):
    """More than the bound, counted after unpacking."""


class BodyGarbled(Exception):
    """The content coding is unknown, broken or cut."""


class Unpack:
    """Undoes one `Content-Encoding`: `feed` yields pieces of at most 256 KiB."""

    def __init__(self, coding: str) -> None:
        self._coding = coding.strip().lower()
        if self._coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise BodyGarbled(f"unknown content coding {coding[:40]!r}")
        self._plain = self._coding in ("", "identity")
        self._zip = None if self._plain else zlib.decompressobj(_GZIP_OR_ZLIB)
        self._fed = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._zip is None:
            if data:
                yield data
            return
        self._fed = self._fed or bool(data)
        pending = data
        while pending and not self._zip.eof:
            try:
                piece = self._zip.decompress(pending, _STEP)
            except zlib.error as error:
                pending = self._as_raw_deflate(pending, error)
                continue
            pending = self._zip.unconsumed_tail
            if piece:
                yield piece

    def finish(self) -> None:
        """Raises `BodyGarbled` if the coded body ended early."""
        if self._zip is not None and self._fed and not self._zip.eof:
            raise BodyGarbled(f"the {self._coding} body is cut")

    def _as_raw_deflate(self, pending: bytes, error: zlib.error) -> bytes:
        if self._coding != "deflate":
            raise BodyGarbled(f"broken {self._coding} body") from error
        self._coding, self._zip = "raw deflate", zlib.decompressobj(-zlib.MAX_WBITS)
        return pending


class Body:
    """Collects a whole body of at most `max_bytes`."""

    def __init__(self, *, coding: str, max_bytes: int) -> None:
        self._unpack, self._max, self._size = Unpack(coding), max_bytes, 0
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> None:
        for piece in self._unpack.feed(data):
            self._size += len(piece)
            if self._size > self._max:
                self._pieces.clear()
                raise BodyTooLarge(f"over {self._max} bytes")
            self._pieces.append(piece)

    def finish(self) -> bytes:
        self._unpack.finish()
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
