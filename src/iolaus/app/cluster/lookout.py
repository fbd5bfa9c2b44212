"""The edge's end of errands: it looks where its site's core cannot, and says what it saw.

An errand is carried out if it came from a core that may still lead, in time, for this site; so
many at once, the rest in turn. Whatever comes of it is an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from iolaus.app.cluster.errands import errand_topic
from iolaus.app.cluster.letters import (
    Brought,
    Errand,
    Seals,
    answered,
    opened,
    trouble_of,
)
from iolaus.app.console_archive import STEP, OwnArchive
from iolaus.app.sight import Sight
from iolaus.bus.port import Trunk
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, WeErred
from iolaus.model.endpoint import Target
from iolaus.north.consoles import Sought
from iolaus.store.searching import Hit

log = structlog.get_logger(__name__)
AT_ONCE: Final = 128


class Lookout:
    """`archive` is what this edge recorded of consoles. `stale` says why what a term asked until a
    time is not obeyed ("": it is); `let_go` is told of every target that was looked at and may not
    be ours."""

    def __init__(
        self,
        *,
        name: str,
        site: str,
        trunk: Trunk,
        seals: Callable[[], Seals],
        sight: Sight,
        archive: OwnArchive,
        stale: Callable[[int, float], str],
        let_go: Callable[[Target], None],
    ) -> None:
        self._name, self._site, self._trunk, self._seals = name, site, trunk, seals
        self._sight, self._stale, self._let_go = sight, stale, let_go
        self._archive = archive
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Until cancelled."""
        async with self._trunk.answer(errand_topic(self._name), self.answer):
            await asyncio.Event().wait()

    async def answer(self, sealed: bytes) -> bytes:
        seals, said = self._seals(), self._look(sealed)
        return await answered(seals, said, Brought, who="edge", operation="look", subject="edge")

    async def _look(self, sealed: bytes) -> Brought:
        errand = opened(self._seals(), sealed, Errand)
        async with self._gate:
            self._must_hold(errand)
            return await self._run(errand)

    async def _run(self, errand: Errand) -> Brought:
        if errand.do == "search":
            return Brought(addresses=tuple(await self._sight.search(errand.site)))
        if errand.sought is not None:
            return await self._seek(errand.do, errand.sought)
        if (target := errand.target) is None:
            raise WeErred("it names no target", operation=errand.do, subject="errand")
        match errand.do:
            case "probe":
                return await self._probe(target)
            case "shown":
                return Brought(fingerprint=await self._sight.shown(target))
            case "trusted":
                return Brought(trusted=await self._sight.trusted(target))
            case "survey":
                return Brought(surface=await self._sight.survey(target, errand.now))
        raise _unknown(errand.do)

    async def _seek(self, do: str, sought: Sought) -> Brought:
        match do:
            case "find":
                told = await self._archive.find(sought)
                return Brought(hits=_newest(told.hits, sought.most))
            case "span":
                return Brought(span=await self._archive.span(sought))
            case "piece":
                few = msgspec.structs.replace(sought, most=min(sought.most, STEP))
                offset, data = await self._archive.piece(few)
                return Brought(offset=offset, data=data)
        raise _unknown(do)

    async def _probe(self, target: Target) -> Brought:
        try:
            found = await self._sight.probe(target)
        finally:
            self._let_go(target)
        said = trouble_of(found.error) if found.error else None
        if said is not None and isinstance(found.error, DeviceSilent):
            said = msgspec.structs.replace(said, message=f"{said.message}, seen from {self._name}")
        return Brought(found=msgspec.structs.replace(found, error=None), said=said)

    def _must_hold(self, errand: Errand) -> None:
        """Raises `DeviceRefused` (503): nobody looked."""
        why = self._stale(errand.term, errand.until)
        if errand.site != self._site:
            why = f"this edge serves the site {self._site} and not {errand.site}"
        if why:
            raise DeviceRefused(
                why,
                operation=errand.do,
                subject=errand.target.address if errand.target else errand.site,
                code="Fenced",
                status=503,
                next_step="ask again: whoever leads or serves there now answers.",
            )


def _newest(hits: Mapping[str, Sequence[Hit]], most: int) -> dict[str, tuple[Hit, ...]]:
    """The newest `most` of all."""
    found = sorted(
        ((each.at or 0.0, uid, each) for uid, h in hits.items() for each in h),
        key=lambda one: one[0],
    )
    kept: dict[str, tuple[Hit, ...]] = {}
    for _, uid, each in found[-most:]:
        kept[uid] = (*kept.get(uid, ()), each)
    return kept


def _unknown(do: str) -> WeErred:
    return WeErred(
        "this edge knows no such errand",
        operation=do[:40],
        subject="edge",
        code="ErrandUnknown",
        next_step="run one version on all machines.",
    )
