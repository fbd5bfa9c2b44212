"""Bytes from a device to one JSON object, tolerantly and within bounds.

Clean JSON takes the fast path. What real controllers write beside it is repaired and reported:
byte order marks, trailing NULs, NaN and Infinity (which become null), Latin-1 bytes, raw control
characters in strings, lone surrogates, numbers no float can hold. Depth is bounded because the
readers above recurse. Anything that is not an object in the end is `DeviceLied`.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any

import msgspec

from iolaus.kernel.errors import DeviceLied

Deviation = tuple[str, str, str]
"""(JSON pointer, rule, detail): what a device wrote that it should not have."""

MAX_DEPTH = 64
_BRACKETS = b"{}[]"
_OTHERS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,120})", re.IGNORECASE)
_decode = msgspec.json.Decoder().decode


def parse_object(raw: bytes, *, uri: str) -> tuple[dict[str, Any], tuple[Deviation, ...]]:
    """The object and what was wrong with its bytes. Raises `DeviceLied`, nothing else."""
    notes: list[Deviation] = []
    if _too_deep(raw):
        raise lied(uri, "the JSON is nested too deep", "NotJson")
    try:
        value = _decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        value = _repaired(raw, uri, notes)
    if not isinstance(value, dict):
        raise lied(uri, f"a JSON object was expected, not {_kind(value)}", "NotAnObject")
    return value, tuple(notes)


def lied(uri: str, message: str, code: str) -> DeviceLied:
    return DeviceLied(
        message,
        operation="read",
        subject=uri,
        code=code,
        next_step="check that the address is a management controller with Redfish;"
        " if it is, its firmware is at fault",
    )


def _repaired(raw: bytes, uri: str, notes: list[Deviation]) -> Any:
    text = _text(raw, notes).strip("\ufeff\x00 \t\r\n")
    if not text:
        raise lied(uri, "the answer is empty", "NotJson")
    if text.startswith("<"):
        raise lied(uri, _page(raw), "NotRedfish")
    try:
        return _scrub(
            json.loads(text, strict=False, parse_float=_finite, parse_constant=_no), notes
        )
    except (ValueError, RecursionError) as error:
        raise lied(uri, f"the JSON is cut or malformed: {error}"[:200], "NotJson") from error


def _text(raw: bytes, notes: list[Deviation]) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        notes.append(("", "encoding", "UTF-16 where UTF-8 is required"))
        return raw.decode("utf-16", "replace")
    if raw.startswith(codecs.BOM_UTF8):
        notes.append(("", "encoding", "a byte order mark"))
    if raw.rstrip(b" \t\r\n").endswith(b"\x00"):
        notes.append(("", "syntax", "trailing NUL bytes"))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        notes.append(("", "encoding", "bytes that are not UTF-8, read as Latin-1"))
        return raw.decode("latin-1")


def _no(_token: str) -> None:
    return None


def _finite(token: str) -> float | None:
    value = float(token)
    return value if math.isfinite(value) else None


def _scrub(value: Any, notes: list[Deviation]) -> Any:
    """Lone surrogates out (no database or terminal takes them); depth is already bounded."""
    notes.append(("", "syntax", "JSON that a strict parser refuses"))
    return _without_surrogates(value)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def _too_deep(raw: bytes) -> bool:
    """Peels one level of brackets per round, at C speed; brackets in strings err to a walk."""
    left = raw.translate(None, _OTHERS)
    if left.count(b"{") + left.count(b"[") <= MAX_DEPTH:
        return False
    for _ in range(MAX_DEPTH):
        before, left = left, left.replace(b"{}", b"").replace(b"[]", b"")
        if not left or left == before:
            break
    return bool(left) and _deepest(raw) > MAX_DEPTH


def _deepest(raw: bytes) -> int:
    depth = deepest = 0
    for byte in re.sub(rb'"(?:[^"\\]|\\.)*"', b"", raw, flags=re.DOTALL).translate(None, _OTHERS):
        depth += 1 if byte in b"{[" else -1
        deepest = max(deepest, depth)
    return deepest


def _page(raw: bytes) -> str:
    title = _TITLE.search(raw[:65536])
    named = f" titled {title[1].decode('latin-1').strip()!r}" if title else ""
    return f"it answers with a web page{named}, not with Redfish JSON"


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a string", type(None): "null", bool: "a boolean"}
    return names.get(type(value), "a number")
