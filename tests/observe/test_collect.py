"""The collector: what is asked when, and what a dead device leaves behind."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from tests.observe.fakes import FakeDevice, FakePicture

from iolaus.drivers.ports import CLOSED
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    IolausError,
    Unverified,
    WeErred,
)
from iolaus.loop import Loop
from iolaus.model.asset import LogEntry
from iolaus.model.endpoint import Reach, Target
from iolaus.observe.collect import RECHECK_S, Collector, Job, Key, Periods
from iolaus.observe.reach import judge_reach

PERIODS = Periods(hot_s=10, inventory_s=100, logs_s=40, retry_s=10, retry_max_s=60)
ADDRESS = "https://10.0.0.1"


class House:
    def __init__(self, count: int = 1) -> None:
        self.clock, self.picture = JumpClock(), FakePicture()
        self.devices: dict[str, FakeDevice] = {}
        for index in range(1, count + 1):
            address = f"https://10.0.0.{index}"
            self.devices[address] = FakeDevice(address, self.clock)
            self.picture.targets[address] = Target(address=address)
        self.device = self.devices[ADDRESS]


@asynccontextmanager
async def collecting(house: House, *, spread: bool = False) -> AsyncIterator[Collector]:
    def wake(key: Key, after_s: float) -> None:
        loop.wake(key, after_s=after_s)

    async def reconcile(key: Hashable) -> float | None:
        return await collector.reconcile(key)

    collector = Collector(
        picture=house.picture,
        open_device=lambda target: house.devices[target.address],
        clock=house.clock,
        wake=wake,
        periods=PERIODS,
    )
    loop = Loop(clock=house.clock, reconcile=reconcile, workers=8, name="collect")
    task = asyncio.create_task(loop.run())
    for address in house.devices:
        collector.begin(address, spread=spread)
    try:
        yield collector
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def silent() -> DeviceSilent:
    return DeviceSilent("no answer in 10 s", operation="GET", subject=ADDRESS, next_step="ping it.")


async def test_a_device_is_read_whole_once_and_its_hot_set_every_period() -> None:
    house = House()
    async with collecting(house):
        await house.clock.sleep(85)
    kinds = [what for what, _ in house.device.asked]
    assert kinds.count("inventory") == 1
    assert 7 <= kinds.count("hot") <= 9
    assert house.picture.statuses[ADDRESS].reach is Reach.REACHABLE
    assert house.picture.events == []


@pytest.mark.parametrize("is_target", [False, True])
async def test_what_fails_because_we_gave_the_device_up_says_nothing_of_it(is_target: bool) -> None:
    house = House()
    async with collecting(house) as collector:
        await house.clock.sleep(30)
        before = house.picture.statuses[ADDRESS]
        error: IolausError = silent()
        if is_target:
            error = WeErred("the lane is closed", operation="ask", subject=ADDRESS, code=CLOSED)
        house.device.error = error
        reading = asyncio.create_task(collector.reconcile(Key(ADDRESS, Job.INVENTORY)))
        await asyncio.sleep(0)
        if not is_target:
            del house.picture.targets[ADDRESS]
        await reading
        assert house.picture.statuses[ADDRESS] == before
        assert house.picture.events == []


async def test_a_new_life_reads_what_was_read_lately_when_that_is_due_again() -> None:
    house = House()
    async with collecting(house):
        await house.clock.sleep(40)
    asked, kinds = house.device.asked, [what for what, _ in house.device.asked]
    assert kinds.count("inventory") == 1
    asked.clear()
    async with collecting(house, spread=True):
        await house.clock.sleep(40)
        kinds = [what for what, _ in asked]
        assert (kinds.count("inventory"), kinds.count("hot")) == (0, 4)
        await house.clock.sleep(40)
        assert [what for what, _ in asked].count("inventory") == 1
    await house.clock.sleep(3 * PERIODS.inventory_s)
    asked.clear()
    async with collecting(house, spread=True):
        await house.clock.sleep(PERIODS.hot_s + 1)
        assert [what for what, _ in asked].count("inventory") == 1


async def test_what_this_life_did_not_read_is_asked_who_it_is_once() -> None:
    house = House()
    async with collecting(house):
        await house.clock.sleep(30)
    house.device.asked.clear()
    async with collecting(house, spread=True):
        await house.clock.sleep(45)
    kinds = [what for what, _ in house.device.asked]
    assert (kinds[0], kinds.count("unlike"), kinds.count("inventory")) == ("unlike", 1, 0)


async def test_a_device_that_was_exchanged_meanwhile_is_read_whole_and_not_laid_over() -> None:
    house = House()
    async with collecting(house):
        await house.clock.sleep(30)
    house.device.asked.clear()
    house.device.serial = "S2"
    heard = len(house.picture.hot[ADDRESS])
    async with collecting(house, spread=True):
        while house.picture.reports[ADDRESS].assets[0].identity.serial == "S1":
            assert len(house.picture.hot[ADDRESS]) == heard, "nothing of it is the old one's"
            await house.clock.sleep(0.1)
        await house.clock.sleep(2 * PERIODS.hot_s)
    kinds = [what for what, _ in house.device.asked]
    assert kinds[:2] == ["unlike", "inventory"]
    assert (kinds.count("unlike"), kinds.count("inventory")) == (1, 1)
    assert len(house.picture.hot[ADDRESS]) > heard


async def test_one_that_says_ever_something_else_is_followed_and_seldom_read_for_it() -> None:
    house = House()
    async with collecting(house) as collector:
        await house.clock.sleep(30)
        for number in range(30):
            house.device.serial = f"S{number + 2}"
            await house.clock.sleep(PERIODS.hot_s)
            if number == 10:
                heard = len(house.picture.hot[ADDRESS])
        assert not collector._doubts.unmet
    kinds = [what for what, _ in house.device.asked]
    assert kinds.count("inventory") <= 8, "one for a doubt in a period, beside those that are due"
    assert len(house.picture.hot[ADDRESS]) > heard + 10


async def test_a_dead_device_is_lost_within_two_periods_and_comes_back_by_itself() -> None:
    house = House()
    async with collecting(house):
        await house.clock.sleep(30)
        house.device.error = silent()
        await house.clock.sleep(2 * PERIODS.hot_s)
        status = house.picture.statuses[ADDRESS]
        assert status.reach is Reach.UNREACHABLE
        assert status.last_error == "no answer in 10 s"
        assert status.next_step == "ping it."
        read_before = [w for w, _ in house.device.asked].count("inventory")
        house.device.error = None
        await house.clock.sleep(2 * PERIODS.hot_s)
        assert house.picture.statuses[ADDRESS].reach is Reach.REACHABLE
        assert [w for w, _ in house.device.asked].count("inventory") == read_before + 1
    assert [event.kind for event in house.picture.events] == ["EndpointLost", "EndpointBack"]


async def test_a_device_that_says_nothing_is_lost_after_one_period_of_listening() -> None:
    house = House()
    async with collecting(house):
        await house.clock.sleep(30)
        house.device.answer_s = 1000.0
        await house.clock.sleep(2 * PERIODS.hot_s + 0.5)
        status = house.picture.statuses[ADDRESS]
        assert status.reach is Reach.UNREACHABLE
        assert status.last_error == "nothing was heard for 10 s"
        house.device.answer_s = 0.1
        await house.clock.sleep(PERIODS.patience_s + 2 * PERIODS.hot_s)
        assert house.picture.statuses[ADDRESS].reach is Reach.REACHABLE


async def test_where_all_devices_are_slow_none_is_lost_for_it() -> None:
    """What a device usually takes is known late: here it never is."""
    house = House(8)
    others = [each for each in house.devices.values() if each is not house.device]
    async with collecting(house) as collector:
        await house.clock.sleep(30)
        assert collector.round_s == pytest.approx(PERIODS.hot_s, rel=0.05)
        for each in others:
            each.answer_s = each.usual_s = 6.0
        await house.clock.sleep(600)
        house.device.answer_s = 14.0
        await house.clock.sleep(60)
        assert house.picture.statuses[ADDRESS].reach is Reach.REACHABLE
        house.device.answer_s = 1000.0
        await house.clock.sleep(60)
        assert house.picture.statuses[ADDRESS].reach is Reach.UNREACHABLE
    assert [event.kind for event in house.picture.events] == ["EndpointLost"]


async def test_how_long_a_round_takes_is_known() -> None:
    house = House(2)
    async with collecting(house) as collector:
        await house.clock.sleep(60)
        assert collector.round_s == pytest.approx(PERIODS.hot_s, rel=0.05)
        for each in house.devices.values():
            each.answer_s = each.usual_s = 25.0
        await house.clock.sleep(3000)
        assert collector.round_s == pytest.approx(25.0 + PERIODS.hot_s, rel=0.1)


async def test_a_tree_that_is_not_there_any_more_is_read_anew_but_not_at_every_poll() -> None:
    house = House()
    async with collecting(house):
        await house.clock.sleep(70)
        house.device.error = refused(404)
        read = [w for w, _ in house.device.asked].count("inventory")
        await house.clock.sleep(25)
        house.device.error = None
        await house.clock.sleep(35)
    assert house.picture.statuses[ADDRESS].reach is Reach.REACHABLE
    assert read < [w for w, _ in house.device.asked].count("inventory") <= read + 4


async def test_an_inventory_whose_device_died_meanwhile_replaces_nothing() -> None:
    house = House()
    async with collecting(house) as collector:
        await house.clock.sleep(30)
        before = house.picture.reports[ADDRESS]
        lost = replace(
            house.picture.statuses[ADDRESS], reach=Reach.UNREACHABLE, since=house.clock.now() + 50
        )
        house.picture.statuses[ADDRESS] = lost
        await collector.reconcile(Key(ADDRESS, Job.INVENTORY))
        assert house.picture.reports[ADDRESS] is before
    assert [event.kind for event in house.picture.events] in ([], ["EndpointBack"])


async def test_an_inventory_that_found_nothing_is_tried_again_soon() -> None:
    house, periods = House(), replace(PERIODS, inventory_s=10 * RECHECK_S)
    house.device.unread = {"/redfish/v1/Systems": "HTTP 401"}
    async with collecting(house) as collector:
        collector.periods = periods
        await house.clock.sleep(RECHECK_S / 2)
        assert house.picture.reports[ADDRESS].assets == ()
        house.device.unread = {}
        await house.clock.sleep(2 * RECHECK_S)
        assert house.picture.reports[ADDRESS].assets


async def test_one_dead_device_leaves_the_others_alone() -> None:
    house = House(5)
    house.device.error = silent()
    async with collecting(house):
        await house.clock.sleep(60)
    reached = {a: s.reach for a, s in house.picture.statuses.items()}
    assert reached.pop(ADDRESS) is Reach.UNREACHABLE
    assert set(reached.values()) == {Reach.REACHABLE}


async def test_an_endpoint_never_read_is_asked_ever_more_seldom() -> None:
    house = House()
    house.device.error = silent()
    async with collecting(house):
        await house.clock.sleep(400)
    times = [at for what, at in house.device.asked if what == "inventory"]
    gaps = [round(b - a) for a, b in itertools.pairwise(times)]
    assert gaps[:4] == [10, 20, 40, 60]
    assert max(gaps) == 60
    assert len(house.picture.events) == 1


async def test_a_removed_target_is_forgotten() -> None:
    house = House()
    async with collecting(house):
        await house.clock.sleep(30)
        del house.picture.targets[ADDRESS]
        await house.clock.sleep(15)
        asked = len(house.device.asked)
        await house.clock.sleep(300)
        assert len(house.device.asked) == asked


async def test_what_was_not_tried_yet_is_counted() -> None:
    house = House(count=3)
    async with collecting(house) as collector:
        assert collector.unread == 3
        house.devices["https://10.0.0.2"].error = silent()
        del house.picture.targets["https://10.0.0.3"]
        await house.clock.sleep(30)
        assert collector.unread == 0


async def test_logs_are_followed_without_repeating() -> None:
    house = House()
    house.device.log = [_entry(1), _entry(2)]
    async with collecting(house):
        await house.clock.sleep(30)
        house.device.log.append(_entry(3))
        await house.clock.sleep(60)
    assert [e.entry_id for e in house.picture.entries[ADDRESS]] == ["1", "2", "3"]


def _entry(number: int) -> LogEntry:
    return LogEntry(
        uri=f"/log/{number}", entry_id=str(number), severity="OK", message="m", at=float(number)
    )


def refused(status: int) -> DeviceRefused:
    return DeviceRefused("no", operation="GET", subject="x", status=status)


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        (None, None, Reach.REACHABLE),
        (None, Reach.UNREACHABLE, Reach.REACHABLE),
        (silent(), Reach.REACHABLE, Reach.UNREACHABLE),
        (refused(401), Reach.REACHABLE, Reach.UNAUTHENTICATED),
        (refused(403), None, Reach.UNAUTHENTICATED),
        (refused(503), Reach.REACHABLE, Reach.REACHABLE),
        (refused(503), None, Reach.REACHABLE),
        (refused(404), None, Reach.UNSUPPORTED),
        (refused(404), Reach.REACHABLE, Reach.REACHABLE),
        (DeviceLied("html", operation="GET", subject="x"), None, Reach.UNSUPPORTED),
        (DeviceLied("html", operation="GET", subject="x"), Reach.REACHABLE, Reach.UNREACHABLE),
        (Unverified("pin", operation="GET", subject="x"), Reach.REACHABLE, Reach.UNAUTHENTICATED),
    ],
)
def test_reach_is_a_table(error: IolausError | None, before: Reach | None, after: Reach) -> None:
    assert judge_reach(error, before) is after
