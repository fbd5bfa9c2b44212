"""What consoles said, wherever it was recorded: every edge is asked for what lies on its disk.

An endpoint may have had several owners, so a node's recording may lie in pieces at several edges.
Edges that are not heard are named, because what they hold is not known while they are away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, NamedTuple

import structlog

from iolaus.app.cluster.errands import FarSight
from iolaus.app.cluster.letters import Brought
from iolaus.app.console_archive import STEP, Span
from iolaus.kernel.errors import DeviceSilent, IolausError
from iolaus.north.consoles import Findings, Sought
from iolaus.store.searching import Hit

log = structlog.get_logger(__name__)
MOST_AT_ONCE: Final = 16


class Shelf(NamedTuple):
    """An edge that may hold recordings. `is_heard`: it answers."""

    name: str
    site: str
    is_heard: bool


class FarArchive:
    """`app.consoles.Archive`. `shelves` are the edges that are known."""

    def __init__(self, sight: FarSight, shelves: Callable[[], Sequence[Shelf]]) -> None:
        self._sight, self._shelves = sight, shelves

    async def find(self, sought: Sought) -> Findings:
        told, unheard = await self._all("find", sought)
        hits: dict[str, list[Hit]] = {}
        for _, brought in told:
            for uid, found in brought.hits.items():
                hits.setdefault(uid, []).extend(found)
        kept = {
            u: sorted(h, key=lambda each: each.at or 0.0)[-sought.most :] for u, h in hits.items()
        }
        return Findings(hits=kept, unheard=tuple(unheard))

    async def replay(self, sought: Sought) -> AsyncIterator[bytes] | None:
        """The pieces of all edges, in the order of their last word. Raises `DeviceSilent` where
        nobody has any and somebody who may have is not heard."""
        told, unheard = await self._all("span", sought)
        spans = [(shelf, each.span) for shelf, each in told if each.span is not None]
        if not spans and unheard:
            raise DeviceSilent(
                f"nobody who is heard recorded it; not heard: {', '.join(unheard)}",
                operation="replay",
                subject="console",
                code="EdgeSilent",
                next_step="see who is away: iolaus get members",
            )
        spans.sort(key=lambda each: each[1].at)
        return self._pieces(sought.uid, spans) if spans else None

    async def tail(self, uid: str, most: int) -> bytes | None:
        told, _ = await self._all("span", Sought(uids=(uid,)))
        spans = [(shelf, each.span) for shelf, each in told if each.span is not None]
        if not spans:
            return None
        shelf, span = max(spans, key=lambda each: each[1].at)
        begin = max(span.begin, span.end - most)
        last = Span(begin=begin, end=span.end, at=span.at)
        return b"".join([piece async for piece in self._pieces(uid, [(shelf, last)])])

    async def _pieces(self, uid: str, spans: Sequence[tuple[Shelf, Span]]) -> AsyncIterator[bytes]:
        for shelf, span in spans:
            offset = span.begin
            while offset < span.end:
                most = min(STEP, span.end - offset)
                sought = Sought(uids=(uid,), offset=offset, most=most)
                brought = await self._ask(shelf, "piece", sought)
                if not brought.data or brought.offset < offset:
                    break
                yield brought.data
                offset = brought.offset + len(brought.data)

    async def _all(self, do: str, sought: Sought) -> tuple[list[tuple[Shelf, Brought]], list[str]]:
        """What each brought, and who is not heard."""
        shelves = list(self._shelves())
        heard = [each for each in shelves if each.is_heard]
        unheard = [each.name for each in shelves if not each.is_heard]
        gate = asyncio.Semaphore(MOST_AT_ONCE)

        async def one(shelf: Shelf) -> Brought | None:
            async with gate:
                try:
                    return await self._ask(shelf, do, sought)
                except IolausError as error:
                    log.info("shelf_not_read", edge=shelf.name, error=str(error))
                    return None

        found: list[Any] = await asyncio.gather(*map(one, heard))
        pairs = list(zip(heard, found, strict=True))
        unheard += [shelf.name for shelf, brought in pairs if brought is None]
        return [(shelf, each) for shelf, each in pairs if each is not None], unheard

    async def _ask(self, shelf: Shelf, do: str, sought: Sought) -> Brought:
        return await self._sight.send(shelf.site, [shelf.name], do, sought=sought)
