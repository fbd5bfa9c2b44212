"""Finding words in what consoles said.

Lines are compared as a person reads them: without what moves cursors and changes colours, case
aside. Words only, no expressions: what somebody types must not keep the server busy. A line is
found once, and is given with the time at which its second began.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from iolaus.store.recordings import Moment, Recording

STEP: Final = 1 << 20
MOST_LINE: Final = 2_000
_ESCAPES: Final = re.compile(
    rb"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[ -/]{0,4}[0-~])"
)
_ENDS: Final = re.compile(rb"[\r\n]+")


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was found. `at` is None where the time is not known; `text` is printable."""

    offset: int
    at: float | None
    text: str


def plain(line: bytes) -> str:
    """A line as a person reads it: printable, bounded."""
    text = _ESCAPES.sub(b"", line[: 4 * MOST_LINE]).decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text[:MOST_LINE].rstrip()


def lines(recording: Recording, *, since: int, hint: bytes = b"") -> Iterator[tuple[int, bytes]]:
    """(offset, line) from an offset on; a line without an end is cut at a length. Where nothing
    is like `hint` (lower case, as bytes), a stretch of lines may be left out."""
    left, at = b"", max(since, recording.start)
    offset = at
    while True:
        began, data = recording.read(offset, STEP)
        if not data:
            break
        if began != offset:
            left, at = b"", began
        offset = began + len(data)
        whole = left + data
        start = _skipped(whole, hint)
        for end in _ENDS.finditer(whole):
            if end.start() > start:
                yield at + start, whole[start : end.start()]
            start = end.end()
        left, at = whole[start:], at + start
        if len(left) > STEP:
            yield at, left
            left, at = b"", offset
    if left:
        yield at, left


def _skipped(whole: bytes, hint: bytes) -> int:
    """Where to begin in a stretch: at its last line, if no other can hold the hint."""
    if not hint or b"\x1b" in whole or hint in whole.lower():
        return 0
    return max(whole.rfind(b"\n"), whole.rfind(b"\r")) + 1


def find(
    recording: Recording,
    words: Sequence[str],
    *,
    since: float | None = None,
    until: float | None = None,
    most: int = 200,
) -> list[Hit]:
    """Lines that hold all of the words, the newest `most`, oldest first."""
    wanted = [word.casefold() for word in words]
    hint = max((word.encode() for word in wanted if word.isascii()), key=len, default=b"")
    moments = [each for each in recording.moments() if not each.mark]
    begin = recording.start if since is None else recording.offset_at(since)
    found: list[Hit] = []
    for offset, line in lines(recording, since=begin, hint=hint):
        text = plain(line)
        folded = text.casefold()
        if all(word in folded for word in wanted):
            at = _when(moments, offset)
            if until is not None and at is not None and at > until:
                break
            found.append(Hit(offset=offset, at=at, text=text))
            if len(found) > 2 * most:
                del found[:-most]
    return found[-most:]


def _when(moments: Sequence[Moment], offset: int) -> float | None:
    place = bisect_right(moments, offset, key=lambda each: each.offset) - 1
    return moments[place].at if place >= 0 else None
