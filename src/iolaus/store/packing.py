"""Documents as bytes: MessagePack, compressed when large.

MessagePack and not JSON because a sensor may say NaN, which JSON turns into a null that then no
longer decodes as a number. The first byte says which of the two it is.
"""

from __future__ import annotations

import zlib
from typing import Any, TypeVar

import msgspec
import structlog

log = structlog.get_logger(__name__)
T = TypeVar("T")
_PLAIN, _DEFLATED = b"p", b"z"
_WORTH_IT = 512
MOST_BYTES = 256 * 1024 * 1024
_encoder = msgspec.msgpack.Encoder()


def pack(document: Any) -> bytes:
    """Raises `ValueError` for what cannot be written (a text with half a character)."""
    try:
        raw = _encoder.encode(document)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    if len(raw) < _WORTH_IT:
        return _PLAIN + raw
    return _DEFLATED + zlib.compress(raw, 1)


def unpack(packed: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """Raises `ValueError` for bytes that `pack` did not write for this type."""
    kind, raw = packed[:1], packed[1:]
    if kind == _DEFLATED:
        raw = _inflate(raw)
    elif kind != _PLAIN:
        raise ValueError("not a document of ours")
    return decoder.decode(raw)


def read_row(table: str, key: str, doc: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
    """None, and a line in the log, for a row that cannot be read: it costs itself alone."""
    try:
        return unpack(doc, decoder)
    except ValueError as error:
        log.warning("state_row_unreadable", table=table, key=key, error=str(error))
        return None


def _inflate(raw: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        whole = inflater.decompress(raw, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged document: {error}") from error
    if not inflater.eof:
        raise ValueError("damaged document: it is cut or too large")
    return whole
