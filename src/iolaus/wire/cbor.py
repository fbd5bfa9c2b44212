"""CBOR (RFC 8949) of somebody else: only what a signed manifest needs, to its exact end.

General decoders give tags a meaning of their own: they compile regular expressions, follow shared
references into circles and build numbers of any size, and what follows the item they leave. Here
a tag stays a tag, and what two readers might read differently is refused: a key that stands twice
in a map, an indefinite length, a number that is not written in its shortest form.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from iolaus.wire.document import DocumentMalformed, bounded

MAX_DEPTH: Final = 32
MAX_ITEMS: Final = 200_000
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLE: Final = {20: False, 21: True, 22: None, 23: None}
_SHORTEST: Final = {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}


class Tag(NamedTuple):
    """A tagged item; nothing is made of it."""

    number: int
    value: Any


def decode(data: bytes, *, subject: str = "document") -> Any:
    """One item: int, float, bytes, str, bool, None, `Tag`, list, or dict whose keys are numbers,
    strings or bytes. Raises `DocumentMalformed`."""
    reader = _Reader(bounded(data, subject), subject)
    found = reader.item(0)
    if reader.at != len(data):
        raise reader.wrong("trailing-bytes", f"{len(data) - reader.at} bytes follow the item")
    return found


class _Reader:
    def __init__(self, data: bytes, subject: str) -> None:
        self.data, self.subject, self.at, self.items = data, subject, 0, 0

    def wrong(self, reason: str, message: str) -> DocumentMalformed:
        return DocumentMalformed(reason, f"{message} (at byte {self.at})", subject=self.subject)

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise self.wrong("truncated", f"it ends: {size} bytes more should follow")
        self.at += size
        return self.data[self.at - size : self.at]

    def head(self) -> tuple[int, int, int]:
        """Major type, additional information and the argument."""
        first = self.take(1)[0]
        major, extra = first >> 5, first & 31
        if extra < 24 or (major == 7 and extra in _FLOATS):
            return major, extra, extra
        if extra > 27:
            raise self.wrong("not-canonical", "an indefinite or reserved length")
        size = 1 << (extra - 24)
        value = int.from_bytes(self.take(size), "big")
        if value < _SHORTEST[size]:
            raise self.wrong("not-canonical", "a number that is not in its shortest form")
        return major, extra, value

    def item(self, depth: int) -> Any:
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise self.wrong("too-large", "nested too deeply, or too many items")
        major, extra, value = self.head()
        if major < 2:
            return value if major == 0 else -1 - value
        if major == 2:
            return self.take(value)
        if major == 3:
            return self.text(value)
        if major == 4:
            return [self.item(depth + 1) for _ in range(self.count(value))]
        if major == 5:
            return self.mapping(self.count(2 * value) // 2, depth + 1)
        if major == 6:
            return Tag(value, self.item(depth + 1))
        return self.simple(extra, value)

    def count(self, value: int) -> int:
        """Each item has a byte at least, so a count never promises more than there can be."""
        if value > len(self.data) - self.at:
            raise self.wrong("truncated", f"{value} items in {len(self.data) - self.at} bytes")
        return value

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode()
        except UnicodeDecodeError:
            raise self.wrong("not-text", "a text that is not UTF-8") from None

    def mapping(self, size: int, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        kinds: set[tuple[type, Any]] = set()
        for _ in range(size):
            key = self.item(depth)
            if not isinstance(key, int | str | bytes) or isinstance(key, bool):
                raise self.wrong("key-unknown", "a key that is no number, text or bytes")
            if (type(key), key) in kinds:
                raise self.wrong("duplicate-key", f"the key {str(key)[:40]!r} stands twice")
            kinds.add((type(key), key))
            found[key] = self.item(depth)
        return found

    def simple(self, extra: int, value: int) -> Any:
        if extra in _FLOATS:
            form = _FLOATS[extra]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if value not in _SIMPLE:
            raise self.wrong("value-unknown", f"the simple value {value}")
        return _SIMPLE[value]
