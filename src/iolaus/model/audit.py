"""The audit log as a chain: each entry carries the digest of the one before it. Pure.

A change, a removal and an insertion break the chain where they were made. What a chain alone
cannot show is that its end was cut off, or that all of it was written anew by somebody who may
write the whole log: for both it takes a head (the number and digest of an entry) that was kept
where that person cannot write. Verification says how far it goes, and what it rests on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Final

import msgspec

from iolaus.kernel.errors import OperatorMust

GENESIS: Final = "0" * 64
MOST_BREAKS: Final = 100
_HEAD: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down: who asked for what, of which object, and in what state it is.
    `what` is a verb ("ask", "answer", "note"); `detail` is JSON text of what else is known."""

    who: str
    what: str
    subject: str
    detail: str = ""


class Entry(Record, frozen=True, kw_only=True):
    """A record in the chain. `number` counts from 1; `at_ms` is in milliseconds since 1970;
    `before` and `digest` are SHA-256 in hex."""

    number: int
    at_ms: int
    before: str
    digest: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The last entry that somebody saw."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """Where the chain does not hold. `number` is the entry's, or that of the one missing."""

    number: int
    code: str
    message: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What verifying found. `head` is the last entry read (None: there is none); `unanswered`
    are the numbers of requests whose outcome was never written down: the server died first."""

    entries: int
    head: Head | None
    breaks: tuple[Break, ...] = ()
    unanswered: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.breaks


def digest_of(record: Record, *, number: int, at_ms: int, before: str) -> str:
    """SHA-256 of the entry as one line of JSON: an array of all that it says, UTF-8 unescaped and
    without blanks, so that other tools can compute it."""
    parts = [number, at_ms, record.who, record.what, record.subject, record.detail, before]
    line = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()


def next_entry(record: Record, last: Head | None, *, at_ms: int) -> Entry:
    """The entry that follows `last`; the first one where there is none."""
    number = last.number + 1 if last else 1
    before = last.digest if last else GENESIS
    return Entry(
        who=record.who,
        what=record.what,
        subject=record.subject,
        detail=record.detail,
        number=number,
        at_ms=at_ms,
        before=before,
        digest=digest_of(record, number=number, at_ms=at_ms, before=before),
    )


def verify(entries: Iterable[Entry], heads: Iterable[Head] = ()) -> Checked:
    """Follow the chain from its first entry to its end; `heads` must stand in it."""
    kept = {head.number: head for head in heads}
    breaks: list[Break] = []
    last: Head | None = None
    count, asked = 0, set[int]()
    for entry in entries:
        count += 1
        breaks += _breaks(entry, last)
        if (head := kept.pop(entry.number, None)) and head.digest != entry.digest:
            why = "it is not the entry that was there when the head was kept"
            breaks.append(Break(number=entry.number, code="HeadDiffers", message=why))
        if entry.what == "ask":
            asked.add(entry.number)
        elif entry.what == "answer":
            asked.discard(_answered(entry))
        last = Head(number=entry.number, digest=entry.digest)
    for head in kept.values():
        why = f"the log ends at {last.number if last else 0}, and a head of {head.number} was kept"
        breaks.append(Break(number=head.number, code="Truncated", message=why))
    return Checked(
        entries=count,
        head=last,
        breaks=tuple(breaks[:MOST_BREAKS]),
        unanswered=tuple(sorted(asked)),
    )


def parse_head(text: str) -> Head:
    """`N:DIGEST`. Raises `OperatorMust`."""
    found = _HEAD.fullmatch(text.strip().lower())
    if not found:
        raise OperatorMust(
            "not a head of the audit log",
            operation="read head",
            subject=text[:100],
            code="BadHead",
            next_step="write it as NUMBER:DIGEST, as `iolaus audit head` prints it.",
        )
    return Head(number=int(found[1]), digest=found[2])


def _breaks(entry: Entry, last: Head | None) -> list[Break]:
    found = []
    expected = last.number + 1 if last else 1
    if entry.number != expected:
        why = f"entry {expected} should stand here, and {entry.number} does"
        code = "Missing" if entry.number > expected else "Inserted"
        found.append(Break(number=expected, code=code, message=why))
    if entry.before != (last.digest if last else GENESIS):
        why = "it does not follow the entry before it"
        found.append(Break(number=entry.number, code="Unchained", message=why))
    own = digest_of(entry, number=entry.number, at_ms=entry.at_ms, before=entry.before)
    if own != entry.digest:
        found.append(
            Break(number=entry.number, code="Changed", message="it is not what was written")
        )
    return found


def _answered(entry: Entry) -> int:
    """The number of the request that it answers; 0 where it does not say."""
    try:
        told = json.loads(entry.detail)
        return int(told["ask"])
    except (ValueError, KeyError, TypeError):
        return 0
