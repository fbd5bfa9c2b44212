"""How soon, on a clock that jumps: a real lane and a real collector beside a silent device.

Whenever it dies and whatever hangs meanwhile, two periods later it is known to be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence

import pytest

from iolaus.drivers.lane import Lane
from iolaus.drivers.ports import Priority, Reads
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import IolausError
from iolaus.loop import Loop
from iolaus.model.asset import HotUpdate, LogEntry, Report
from iolaus.model.endpoint import Reach, Target
from iolaus.model.fact import Health, Known
from iolaus.observe.collect import Collector, Key, Periods, Vitals
from tests.drivers.lane.fake import V1, FakeDevice, lane_of
from tests.observe.fakes import FakeDevice as Reporter
from tests.observe.fakes import FakePicture

HOT = [f"{V1}/Systems/1", *(f"{V1}/Chassis/1/Sensors/{n}" for n in range(9))]
PERIODS = Periods(hot_s=10.0, inventory_s=1e6, logs_s=1e6)


class Driver(Reporter):
    """Ten requests a pass, through the lane; the report is a made-up one."""

    async def hot(self, device: Reads, last: Report) -> HotUpdate:
        answers = await asyncio.gather(*(device.get(uri) for uri in HOT), return_exceptions=True)
        failures = [each for each in answers if isinstance(each, IolausError)]
        if len(failures) == len(HOT):
            raise failures[0]
        now = self.clock.now()
        return HotUpdate(endpoint=self.address, at=now, healths={"Systems/1": _well(now)})

    async def logs(self, device: Reads, *, since: str | None, limit: int) -> Sequence[LogEntry]:
        return ()


def _well(now: float) -> Known[Health]:
    return Known(Health.OK, now)


class Opened:
    """The device as the collector meets it."""

    def __init__(self, lane: Lane, driver: Driver) -> None:
        self.address, self._lane, self._driver = lane.address, lane, driver

    async def driver(self, *, afresh: bool = False) -> Driver:
        return self._driver

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads:
        return self._lane.at(priority, timeout_s=timeout_s)

    def vitals(self) -> Vitals:
        stats = self._lane.stats()
        return Vitals(latency_ms=stats.latency_ms, heard_at=stats.heard_at)


@pytest.mark.parametrize("hung", [0, 1, 2], ids=["idle", "one listing hangs", "two listings hang"])
@pytest.mark.parametrize("moment_s", [30.5, 33.0, 37.0, 39.99, 40.05])
async def test_a_silent_device_is_lost_two_periods_later(moment_s: float, hung: int) -> None:
    clock, picture = JumpClock(), FakePicture()
    device = FakeDevice(clock)
    lane = lane_of(device)
    opened = Opened(lane, Driver(device.address, clock))
    picture.targets[device.address] = Target(address=device.address)

    def wake(key: Key, after_s: float) -> None:
        loop.wake(key, after_s=after_s)

    async def reconcile(key: Hashable) -> float | None:
        return await collector.reconcile(key)

    collector = Collector(
        picture=picture, open_device=lambda _: opened, clock=clock, wake=wake, periods=PERIODS
    )
    loop = Loop(clock=clock, reconcile=reconcile, workers=4, name="test")
    running = asyncio.create_task(loop.run())
    collector.begin(device.address)
    await clock.sleep(moment_s)
    assert picture.statuses[device.address].reach is Reach.REACHABLE
    device.mute = True
    listings = [
        asyncio.create_task(lane.at(Priority.INVENTORY).get(f"{V1}/Listing/{n}"))
        for n in range(hung)
    ]
    await clock.sleep(2 * PERIODS.hot_s + 0.5)
    status = picture.statuses[device.address]
    assert status.reach is Reach.UNREACHABLE, status
    assert status.last_error
    assert [event.kind for event in picture.events] == ["EndpointLost"]
    device.mute = False
    await clock.sleep(4 * PERIODS.hot_s + 60.0)
    assert picture.statuses[device.address].reach is Reach.REACHABLE
    assert [event.kind for event in picture.events] == ["EndpointLost", "EndpointBack"]
    running.cancel()
    await asyncio.gather(running, *listings, return_exceptions=True)
    await lane.close()
