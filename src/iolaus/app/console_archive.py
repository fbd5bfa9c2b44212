"""What consoles said, read again: words found in it, a stretch of it, the end of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec

from iolaus.north.consoles import Findings, Sought
from iolaus.store.recordings import Recording
from iolaus.store.searching import Hit, find

STEP: Final = 256 << 10


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a recording; `at` is when the last of it came (seconds since 1970)."""

    begin: int
    end: int
    at: float


class OwnArchive:
    """Of recordings on this machine. `recording` gives a node's, by its uid."""

    def __init__(self, recording: Callable[[str], Recording | None]) -> None:
        self._recording = recording

    async def find(self, sought: Sought) -> Findings:
        found: dict[str, Sequence[Hit]] = {}
        for uid in sought.uids:
            if (recording := self._recording(uid)) is None:
                continue
            hits = await asyncio.to_thread(
                find,
                recording,
                sought.words,
                since=sought.since,
                until=sought.until,
                most=sought.most,
            )
            if hits:
                found[uid] = hits
        return Findings(hits=found)

    async def replay(self, sought: Sought) -> AsyncIterator[bytes] | None:
        span = await self.span(sought)
        return self._pieces(sought.uid, span) if span else None

    async def tail(self, uid: str, most: int) -> bytes | None:
        recording = self._recording(uid)
        return recording.read(recording.end - most, most)[1] if recording else None

    async def span(self, sought: Sought) -> Span | None:
        """What came in between; None where nothing was ever recorded."""
        if (recording := self._recording(sought.uid)) is None:
            return None
        return await asyncio.to_thread(_span, recording, sought.since, sought.until)

    async def piece(self, sought: Sought) -> tuple[int, bytes]:
        """As `Recording.read`."""
        if (recording := self._recording(sought.uid)) is None:
            return sought.offset, b""
        return await asyncio.to_thread(recording.read, sought.offset, sought.most)

    async def _pieces(self, uid: str, span: Span) -> AsyncIterator[bytes]:
        offset = span.begin
        while offset < span.end:
            most = min(STEP, span.end - offset)
            began, data = await self.piece(Sought(uids=(uid,), offset=offset, most=most))
            if not data:
                return
            yield data
            offset = began + len(data)


def _span(recording: Recording, since: float | None, until: float | None) -> Span:
    begin = recording.start if since is None else recording.offset_at(since)
    end = recording.end if until is None else recording.offset_at(until)
    at = max((each.at for each in recording.moments(since=begin)), default=0.0)
    return Span(begin=begin, end=end, at=at)
