"""Virtual time: it stands, moves when told, does all that is due in its order, and waits for the
real world only where it is held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.sim.clock import START_S, Due, VirtualClock, after, holding, stands
from iolaus.sim.timekeeper import Timekeeper, keep_time, virtual_clock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def test_it_stands_until_it_is_moved(clock: VirtualClock) -> None:
    await asyncio.sleep(0.01)
    assert (clock.now(), clock.monotonic()) == (START_S, 0.0)
    await clock.advance(90.0)
    assert (clock.now(), clock.monotonic()) == (START_S + 90.0, 90.0)


async def test_all_that_is_due_is_done_at_its_moment_in_its_order(clock: VirtualClock) -> None:
    seen: list[tuple[str, float]] = []

    def note(word: str) -> Callable[[], None]:
        return lambda: seen.append((word, clock.monotonic()))

    clock.later(2.0, note("b"))
    clock.later(1.0, note("a"))
    clock.later(2.0, note("c"))
    clock.later(1.5, lambda: void(clock.later(0.5, note("d"))))
    clock.later(9.0, note("never"))
    await clock.advance(2.0)
    assert seen == [("a", 1.0), ("b", 2.0), ("c", 2.0), ("d", 2.0)]


async def test_tenths_are_whole_however_they_are_cut(clock: VirtualClock) -> None:
    other = VirtualClock()
    ticks: dict[VirtualClock, int] = {clock: 0, other: 0}

    async def tick(own: VirtualClock) -> None:
        while True:
            await own.sleep(0.1)
            ticks[own] += 1

    tasks = [asyncio.create_task(tick(own)) for own in (clock, other)]
    await asyncio.sleep(0)
    await clock.advance(30.0)
    for _ in range(100):
        await other.advance(0.3)
    for task in tasks:
        task.cancel()
    assert ticks == {clock: 300, other: 300}


async def test_whoever_wakes_is_let_run_until_it_sleeps_again(clock: VirtualClock) -> None:
    woke: list[float] = []

    async def deep(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    async def work() -> None:
        for _ in range(3):
            await clock.sleep(1.0)
            await deep(20)
            woke.append(clock.monotonic())

    task = asyncio.create_task(work())
    await clock.advance(10.0)
    assert (woke, task.done()) == ([1.0, 2.0, 3.0], True)


async def test_time_is_held_for_the_real_world(clock: VirtualClock) -> None:
    seen: list[float] = []

    async def fetch() -> None:
        await clock.sleep(1.0)
        with holding(clock):
            await asyncio.sleep(0.05)
        seen.append(clock.monotonic())

    task = asyncio.create_task(fetch())
    await clock.advance(60.0)
    assert (seen, task.done()) == ([1.0], True)


async def test_what_is_cancelled_is_not_done(clock: VirtualClock) -> None:
    seen: list[str] = []
    second = clock.later(1.0, lambda: seen.append("second"))
    clock.later(0.5, second.cancel)
    sleeper = asyncio.create_task(clock.sleep(1.0))
    await asyncio.sleep(0)
    sleeper.cancel()
    await clock.advance(5.0)
    assert (seen, sleeper.cancelled()) == ([], True)


async def test_who_waits_for_another_does_not_stop_time(clock: VirtualClock) -> None:
    async def parent() -> None:
        await clock.sleep(1.0)
        await asyncio.create_task(clock.sleep(5.0))

    task = asyncio.create_task(parent())
    await clock.advance(6.0)
    assert task.done()


async def test_a_speed_runs_by_itself() -> None:
    clock = virtual_clock(5_000.0)
    async with keep_time((), clock) as keeper:
        await asyncio.wait_for(clock.sleep(300.0), timeout=60)
        assert (keeper.told()["speed"], stands(clock)) == (5_000.0, False)
    before = clock.monotonic()
    await asyncio.sleep(0.05)
    assert clock.monotonic() == before >= 300.0


@pytest.mark.parametrize("speed", [0.0, -1.0, 1e9, float("nan")])
def test_no_speed(speed: float) -> None:
    with pytest.raises(OperatorMust, match="no speed"):
        virtual_clock(speed)


@pytest.mark.parametrize("seconds", [None, "60", -1, 1e9, float("nan")])
async def test_no_duration(clock: VirtualClock, seconds: object) -> None:
    with pytest.raises(OperatorMust, match="is no number of seconds"):
        await Timekeeper((), clock).asked("advance", {"seconds": seconds})
    with pytest.raises(ValueError, match="unknown verb"):
        await Timekeeper((), clock).asked("stop", {})


async def test_clocks_without_timers_have_those_of_the_loop() -> None:
    done = asyncio.Event()
    after(JumpClock(), 0.0, done.set)
    await asyncio.wait_for(done.wait(), timeout=60)
    assert not stands(JumpClock())


def void(timer: Due) -> None:
    """What a callback answers: nothing."""
    del timer
