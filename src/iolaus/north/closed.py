"""The shelf of hardening: every endpoint with its findings, judged when it is asked for.

What was judged is kept until the report or the look from outside is another, or an hour is over
(certificates end by time alone).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from iolaus.kernel.clock import Clock
from iolaus.model.select import Selector
from iolaus.model.surface import Surface
from iolaus.north.dto.hardening import hardening_view
from iolaus.north.fleet import Fleet, Item, Picture, visible
from iolaus.store.shelf import Shelf
from iolaus.trust.hardening import Check, judge

HOUR_S = 3_600.0


class Closed:
    """`surfaces` are the looks from outside, by address."""

    def __init__(self, *, surfaces: Shelf[Surface], fleet: Fleet, clock: Clock) -> None:
        self._surfaces, self._fleet, self._clock = surfaces, fleet, clock
        self._known: dict[str, tuple[tuple[object, ...], tuple[Check, ...]]] = {}
        self._shared: Counter[str] = Counter()
        self._counted = -1

    async def items(self, scope: Selector) -> AsyncIterator[Item]:
        """One object for each endpoint, by name."""
        self._count()
        async for picture in self._fleet.pictures():
            shown = [view for view in picture.assets if visible(view, scope)]
            if shown or (not picture.assets and visible(picture.endpoint, scope)):
                yield self._item(picture)

    def _item(self, picture: Picture) -> Item:
        target, report, now = picture.held.target, picture.held.report, self._clock.now()
        surface = self._surfaces.get(target.address)
        key = (id(report), surface, self._surfaces.revision, int(now // HOUR_S))
        known = self._known.get(target.address)
        if known is None or known[0] != key:
            found = judge(target.address, report, surface, now=now, shared=self._shared)
            known = self._known[target.address] = (key, found)
        view = hardening_view(
            picture.name,
            target.address,
            dict(target.labels),
            known[1],
            surface,
            seen=report.observed_at if report else None,
            now=now,
        )
        return Item(
            name=picture.name,
            origin=f"{target.address}/hardening",
            key=(picture.name,),
            revision=picture.revision,
            view=view,
        )

    def _count(self) -> None:
        """How many endpoints show each certificate."""
        if self._counted != self._surfaces.revision:
            self._counted = self._surfaces.revision
            shown = (each.certificate for each in self._surfaces.all().values())
            self._shared = Counter(each.fingerprint for each in shown if each)
