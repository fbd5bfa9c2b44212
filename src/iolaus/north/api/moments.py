"""Times in queries: "15m", "2h", "2026-11-05T12:00:00Z" or seconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from iolaus.kernel.errors import OperatorMust

_SPAN: Final = re.compile(r"^(\d{1,9}(?:\.\d{1,6})?)(s|m|h|d|w)$")
_SIZE: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_SECONDS: Final = re.compile(r"^\d{1,11}(?:\.\d{1,9})?$")


def read_span(text: str) -> float:
    """ "15m" in seconds. Raises `OperatorMust`."""
    match = _SPAN.match(text)
    if match is None:
        raise _bad(text)
    return float(match[1]) * _SIZE[match[2]]


def read_moment(text: str, *, now: float) -> float:
    """A span before `now`, a date, or seconds since 1970. Raises `OperatorMust`."""
    if _SPAN.match(text):
        return now - read_span(text)
    if _SECONDS.match(text):
        return float(text)
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise _bad(text) from None


def _bad(text: str) -> OperatorMust:
    return OperatorMust(
        "this is not a time",
        operation="read time",
        subject=text[:60],
        code="BadTime",
        next_step="write 15m, 2h, 3d, or 2026-11-05T12:00:00Z.",
    )
