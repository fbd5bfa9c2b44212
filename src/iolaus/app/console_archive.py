"""What consoles said, read again: words found in it, a stretch of it, the end of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec

from iolaus.north.consoles import Findings
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

    async def find(
        self,
        uids: Sequence[str],
        words: Sequence[str],
        *,
        since: float | None,
        until: float | None,
        most: int,
    ) -> Findings:
        found: dict[str, Sequence[Hit]] = {}
        for uid in uids:
            if (recording := self._recording(uid)) is None:
                continue
            hits = await asyncio.to_thread(
                find, recording, words, since=since, until=until, most=most
            )
            if hits:
                found[uid] = hits
        return Findings(hits=found)

    async def replay(
        self, uid: str, *, since: float | None, until: float | None
    ) -> AsyncIterator[bytes] | None:
        span = await self.span(uid, since=since, until=until)
        return self._pieces(uid, span) if span else None

    async def tail(self, uid: str, most: int) -> bytes | None:
        recording = self._recording(uid)
        return recording.read(recording.end - most, most)[1] if recording else None

    async def span(self, uid: str, *, since: float | None, until: float | None) -> Span | None:
        """What came in between; None where nothing was ever recorded."""
        recording = self._recording(uid)
        return await asyncio.to_thread(_span, recording, since, until) if recording else None

    async def piece(self, uid: str, offset: int, most: int) -> tuple[int, bytes]:
        """As `Recording.read`."""
        recording = self._recording(uid)
        return await asyncio.to_thread(recording.read, offset, most) if recording else (offset, b"")

    async def _pieces(self, uid: str, span: Span) -> AsyncIterator[bytes]:
        offset = span.begin
        while offset < span.end:
            began, data = await self.piece(uid, offset, min(STEP, span.end - offset))
            if not data:
                return
            yield data
            offset = began + len(data)


def _span(recording: Recording, since: float | None, until: float | None) -> Span:
    begin = recording.start if since is None else recording.offset_at(since)
    end = recording.end if until is None else recording.offset_at(until)
    at = max((each.at for each in recording.moments(since=begin)), default=0.0)
    return Span(begin=begin, end=end, at=at)
