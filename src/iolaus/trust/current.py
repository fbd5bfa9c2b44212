"""Every appraisal as it counts now, in order: kept so that a list of a hall costs no walk over it.

What is kept of an attester changes seldom, and by itself only once: when fresh evidence turns old.
So only what changed is looked at again, and of the rest whatever turned since the last question.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from iolaus.model.appraisal import Appraisal, AttesterKey
from iolaus.model.trust import Evidence

Counts = Callable[[Appraisal, float], Appraisal]
"""(what is held, now) -> what counts now."""
LONG_AGO: Final = float("-inf")


class Current:
    """A view of `held` (by place), which changes under it: whoever changes it says what by
    `changed`. `counts` gives what counts now; `lasts_s` is how long evidence is fresh."""

    def __init__(
        self, held: Callable[[], Mapping[AttesterKey, Appraisal]], counts: Counts, *, lasts_s: float
    ) -> None:
        self._held, self._counts, self._lasts_s = held, counts, lasts_s
        self._now: dict[AttesterKey, Appraisal] = {}
        self._listed: tuple[Appraisal, ...] | None = None
        self._order: list[AttesterKey] | None = None
        self._of_asset: dict[str, dict[AttesterKey, None]] = {}
        self._turning: list[tuple[float, AttesterKey]] = []
        self._due: set[AttesterKey] = set(held())
        self._at = LONG_AGO
        self.revision = 0

    def changed(self, places: Iterable[AttesterKey]) -> None:
        """These are others now, or gone."""
        self._due.update(places)

    def begin_anew(self, *, lasts_s: float) -> None:
        """What counts is decided otherwise now."""
        self._lasts_s = lasts_s
        self._turning.clear()
        self._due.update(self._held(), self._now)

    def all(self, now: float) -> tuple[Appraisal, ...]:
        """By endpoint and URI."""
        self.settle(now)
        if self._order is None:
            self._order, self._listed = sorted(self._now), None
        if self._listed is None:
            self._listed = tuple(map(self._now.__getitem__, self._order))
        return self._listed

    def get(self, place: AttesterKey, now: float) -> Appraisal | None:
        self.settle(now)
        return self._now.get(place)

    def of_asset(self, asset: str, now: float) -> list[Appraisal]:
        """Of an asset by its uid, by endpoint and URI."""
        self.settle(now)
        return [self._now[place] for place in sorted(self._of_asset.get(asset, ()))]

    def settle(self, now: float) -> None:
        """Look again at what changed, and at what turned by time alone."""
        if now < self._at:
            self._due.update(self._now)
        self._at = now
        while self._turning and self._turning[0][0] <= now:
            self._due.add(heapq.heappop(self._turning)[1])
        if self._due:
            due, self._due = self._due, set()
            held = self._held()
            for place in due:
                self._look(place, held.get(place), now)

    def _look(self, place: AttesterKey, held: Appraisal | None, now: float) -> None:
        before = self._now.get(place)
        found = None if held is None else self._counts(held, now)
        if found is not None and found.verdict.evidence is Evidence.FRESH:
            self._turns(place, found, now)
        if found == before:
            return
        self.revision += 1
        self._listed = None
        if before is not None and (found is None or found.asset != before.asset):
            self._of_asset[before.asset].pop(place, None)
        if found is None:
            del self._now[place]
            self._order = None
            return
        if before is None:
            self._order = None
        self._now[place] = found
        self._of_asset.setdefault(found.asset, {})[place] = None

    def _turns(self, place: AttesterKey, found: Appraisal, now: float) -> None:
        """When its evidence will be old: at once after that instant, never in the past."""
        if found.asked_at is not None:
            at = max(found.asked_at + self._lasts_s, now) + 0.001
            heapq.heappush(self._turning, (at, place))
