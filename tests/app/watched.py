"""Simulated machines that are looked at from outside, fifty times a second: what every cap is and
what is drawn. The record is what a test judges."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import NamedTuple

from tests.survival.stage import Ground

from iolaus.sim.hall_life import Life

CAP = "/redfish/v1/Chassis/Chassis_0/EnvironmentMetrics"
ROW_S = 0.02


class Row(NamedTuple):
    """Watts by machine at a monotonic second."""

    at_s: float
    caps: Mapping[str, float]
    drawn: Mapping[str, float]


class Watched:
    def __init__(self, ground: Ground, names: Sequence[str]) -> None:
        self.ground, self.names = ground, names
        self.rows: list[Row] = []

    def cap_w(self, name: str) -> float:
        kept = self.ground.hall[name].kept(CAP) or {}
        return float(kept["PowerLimitWatts"]["SetPoint"])

    def drawn_w(self, name: str) -> float:
        live = self.ground.hall[name].live
        assert isinstance(live, Life)
        return live.drawn_w(time.time())

    def since(self, at_s: float) -> list[Row]:
        return [row for row in self.rows if row.at_s >= at_s]

    async def until(
        self, is_so: Callable[[], bool], what: str, *, within_s: float = 180.0
    ) -> float:
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < within_s, f"it did not come: {what}"
            await asyncio.sleep(ROW_S)
        return time.monotonic() - began

    async def watch(self) -> None:
        while True:
            caps = {name: self.cap_w(name) for name in self.names}
            drawn = {name: self.drawn_w(name) for name in self.names}
            self.rows.append(Row(time.monotonic(), caps, drawn))
            await asyncio.sleep(ROW_S)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def is_falling(rows: Sequence[Row]) -> bool:
    """No cap rises."""
    return all(
        after.caps[name] <= before.caps[name]
        for before, after in pairwise(rows)
        for name in before.caps
    )
