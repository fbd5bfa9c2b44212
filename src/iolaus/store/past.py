"""A reading's past, by the reading's name in the picture.

The picture names a reading by endpoint and key; history by the asset's stable uid, so that a
curve goes on when a device gets another address. This is the bridge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from iolaus.store.facts import Facts
from iolaus.store.samples import series_name
from iolaus.store.series import Series


class Point(NamedTuple):
    """A mean over a step, or a single value. `at` is the step's beginning."""

    at: float
    value: float


class Past:
    def __init__(self, *, facts: Facts, series: Series) -> None:
        self._facts, self._series = facts, series

    async def history(
        self,
        *,
        endpoint: str,
        reading: str,
        since: float,
        until: float,
        step_s: float = 0.0,
        limit: int = 1000,
    ) -> Sequence[Point]:
        """Oldest first, at most `limit`; empty for a reading that is not known. `step_s` 0 asks
        for the finest steps that `limit` allows."""
        held = self._facts.held(endpoint)
        now = held.readings.get(reading) if held is not None else None
        uid = held.uids.get(now.asset) if held is not None and now is not None else None
        if now is None or uid is None or until <= since:
            return ()
        points = math.ceil((until - since) / step_s) if step_s > 0 else limit
        traces = await self._series.query(
            start=since,
            end=until,
            points=max(1, min(points, limit)),
            asset=uid,
            name=series_name(now),
        )
        return [Point(bucket.at, bucket.mean) for trace in traces for bucket in trace.buckets]
