"""Past values as north asks for them, out of the telemetry store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from iolaus.store.facts import Facts
from iolaus.store.samples import series_name
from iolaus.store.series import Series

MOST_POINTS: Final = 20_000


class Past(NamedTuple):
    """One value: the mean over its step."""

    at: float
    value: float


class StoredSeries:
    """`KeepsSeries` over `store.series`: finds the series behind a reading's key."""

    def __init__(self, facts: Facts, series: Series) -> None:
        self._facts, self._series = facts, series

    async def history(
        self, *, endpoint: str, reading: str, since: float, until: float, step_s: float, limit: int
    ) -> Sequence[Past]:
        held = self._facts.held(endpoint)
        found = held.readings.get(reading) if held else None
        uid = held.uids.get(found.asset) if held and found else None
        if found is None or uid is None or until <= since:
            return ()
        points = (until - since) / step_s if step_s > 0 else limit
        traces = await self._series.query(
            start=since,
            end=until,
            points=max(1, min(int(points), limit, MOST_POINTS)),
            asset=uid,
            name=series_name(found),
        )
        return [Past(bucket.at, bucket.mean) for trace in traces for bucket in trace.buckets]
