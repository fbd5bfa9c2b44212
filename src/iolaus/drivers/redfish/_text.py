"""Words and small values out of hostile payloads: cleaned, bounded, never raising.

Whatever a device writes ends in a log, a terminal and a page. So control characters (and the
bidirectional marks that turn text round) are dropped here, once, and length is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
REMEMBERED: Final = 16_384
"""A fleet repeats itself: what follows from a word alone is worked out once and remembered."""
HEALTHS: Final = frozenset({"OK", "Warning", "Critical"})


def clean(value: object, limit: int = 256) -> str:
    """Printable text of at most `limit` characters; "" for what is not text."""
    if not isinstance(value, str):
        return ""
    if len(value) <= limit and value.isprintable():
        return value.strip()
    text = _UNSAFE.sub(" ", value[: limit * 4]).strip()
    return _SURROGATES.sub("\ufffd", text)[:limit].strip()


def maybe(value: object, limit: int = 256) -> str | None:
    return clean(value, limit) or None


def mapping(value: object) -> Mapping[str, Any]:
    """The object itself, or an empty one where something else stands."""
    return value if isinstance(value, dict | Mapping) else {}


def items(value: object, limit: int = 4096) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; an object where a list belongs counts as a list of one."""
    if isinstance(value, Mapping):
        yield value
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        yield from (each for each in value[:limit] if isinstance(each, Mapping))


def texts(value: object, limit: int = 64) -> tuple[str, ...]:
    """The strings of a list, or the string where a list belongs."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence):
        return ()
    return tuple(word for each in value[:limit] if (word := clean(each)))


def health(payload: Mapping[str, Any]) -> str | None:
    word = mapping(payload.get("Status")).get("Health")
    return word if isinstance(word, str) and word in HEALTHS else None


def state(payload: Mapping[str, Any]) -> str:
    return clean(mapping(payload.get("Status")).get("State"), 64)


def tail(uri: str) -> str:
    return uri.rpartition("/")[2]
