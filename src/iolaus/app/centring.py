"""The centre of a hall as a task: reports of the bus in, budgets out, once a period.

The centre itself decides without I/O; here are only its clock and its bus. What cannot be read is
counted and left, because whoever wrote it will write again.
"""

from __future__ import annotations

import asyncio
from typing import Any

from iolaus.bus.port import Bus
from iolaus.energy.centre import Centre
from iolaus.energy.frames import REPORTS, Report, budget_topic, encode, parse_report
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied


class Centring:
    """`centre` may be looked at and told of events; call `now` right after one. `unread` counts
    what was no report."""

    def __init__(self, centre: Centre, *, bus: Bus, clock: Clock) -> None:
        self.centre, self.unread = centre, 0
        self._bus, self._clock = bus, clock

    async def run(self) -> None:
        """Until it is cancelled, or another centre took over."""
        async with self._bus.subscribe(REPORTS) as heard, asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(self._hear(heard))
            while not self.centre.deposed:
                self.now()
                await self._clock.sleep(self.centre.policy.period_s)
            hearing.cancel()

    def now(self) -> None:
        """Plan, and send what comes of it."""
        for frame in self.centre.tick(self._clock.monotonic()):
            self._bus.publish(budget_topic(frame.rack), encode(frame))

    async def _hear(self, heard: Any) -> None:
        async for message in heard:
            try:
                report = message if isinstance(message, Report) else parse_report(message)
            except DeviceLied:
                self.unread += 1
                continue
            self.centre.take(report, self._clock.monotonic())
