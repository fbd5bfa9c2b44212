"""The reconcile loop: what a key is promised, on a clock that jumps."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceSilent
from iolaus.loop import RETRY_S, Loop, Reconcile


@asynccontextmanager
async def running(clock: JumpClock, reconcile: Reconcile, workers: int = 4) -> AsyncIterator[Loop]:
    loop = Loop(clock=clock, reconcile=reconcile, workers=workers, name="test")
    task = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_key_comes_again_after_the_delay_it_asked_for() -> None:
    clock, seen = JumpClock(), list[float]()

    async def reconcile(key: Hashable) -> float | None:
        seen.append(clock.monotonic())
        return 10.0 if len(seen) < 4 else None

    async with running(clock, reconcile) as loop:
        loop.wake("a")
        await clock.sleep(100)
        assert loop.waiting == 0
    assert seen == [0, 10, 20, 30]


async def test_a_key_never_runs_twice_at_once_and_a_wake_during_its_run_is_kept() -> None:
    clock, active, most, runs = JumpClock(), 0, 0, 0

    async def reconcile(key: Hashable) -> float | None:
        nonlocal active, most, runs
        active, runs = active + 1, runs + 1
        most = max(most, active)
        await clock.sleep(5)
        active -= 1
        return None

    async with running(clock, reconcile) as loop:
        loop.wake("a")
        await clock.sleep(1)
        loop.wake("a")
        loop.wake("a")
        await clock.sleep(60)
    assert (most, runs) == (1, 2)


async def test_workers_bound_what_runs_at_once() -> None:
    clock, active, most = JumpClock(), 0, 0

    async def reconcile(key: Hashable) -> float | None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await clock.sleep(1)
        active -= 1
        return None

    async with running(clock, reconcile, workers=3) as loop:
        for key in range(20):
            loop.wake(key)
        await clock.sleep(60)
        assert loop.running == loop.waiting == 0
    assert most == 3


@pytest.mark.parametrize(
    "error",
    [DeviceSilent("no answer", operation="read", subject="x"), ZeroDivisionError("a bug")],
)
async def test_an_error_in_one_key_is_backed_off_and_leaves_the_others_alone(
    error: Exception,
) -> None:
    clock, bad, good = JumpClock(), list[float](), list[float]()

    async def reconcile(key: Hashable) -> float | None:
        (bad if key == "bad" else good).append(clock.monotonic())
        if key == "bad":
            raise error
        return 7.0

    async with running(clock, reconcile) as loop:
        loop.wake("bad")
        loop.wake("good")
        await clock.sleep(RETRY_S + 1)
    assert bad == [0, RETRY_S]
    assert good[:3] == [0, 7, 14]


async def test_a_forgotten_key_is_cancelled_and_does_not_come_back() -> None:
    clock, runs, ended = JumpClock(), 0, 0

    async def reconcile(key: Hashable) -> float | None:
        nonlocal runs, ended
        runs += 1
        try:
            await clock.sleep(50)
        except asyncio.CancelledError:
            ended += 1
            raise
        return 1.0

    async with running(clock, reconcile) as loop:
        loop.wake("a")
        await clock.sleep(1)
        loop.forget("a")
        await clock.sleep(200)
        assert loop.running == loop.waiting == 0
    assert (runs, ended) == (1, 1)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 50)), min_size=1, max_size=30))
def test_every_woken_key_runs_no_later_than_its_earliest_appointment(
    wakes: list[tuple[int, float]],
) -> None:
    ran: dict[Hashable, list[float]] = {}

    async def scenario() -> None:
        clock = JumpClock()

        async def reconcile(key: Hashable) -> float | None:
            ran.setdefault(key, []).append(clock.monotonic())
            return None

        async with running(clock, reconcile, workers=100) as loop:
            for key, after in wakes:
                loop.wake(key, after_s=after)
            await clock.sleep(100)

    asyncio.run(scenario())
    for key, _ in wakes:
        earliest = min(after for k, after in wakes if k == key)
        assert ran[key][0] == pytest.approx(earliest)


async def test_what_somebody_waits_for_does_not_stand_behind_all_that_is_overdue() -> None:
    clock, order = JumpClock(), list[Hashable]()

    async def reconcile(key: Hashable) -> float | None:
        order.append(key)
        await clock.sleep(1)
        return None

    async with running(clock, reconcile, workers=1) as loop:
        for key in range(10):
            loop.wake(key)
        for late in (8, 9, "never woken"):
            loop.hurry(late)
        await clock.sleep(60)
        assert loop.running == loop.waiting == 0
    assert sorted(order, key=str) == [*range(10), "never woken"]
    assert order.index(8) <= 1
    assert order.index(9) <= 3
    assert order.index("never woken") <= 5


async def test_what_is_awaited_leaves_every_second_worker_to_what_is_due() -> None:
    clock, order = JumpClock(), list[Hashable]()

    async def reconcile(key: Hashable) -> float | None:
        order.append(key)
        await clock.sleep(1)
        return None

    async with running(clock, reconcile, workers=1) as loop:
        for key in range(10):
            loop.wake(key)
            loop.hurry(f"awaited {key}")
        await clock.sleep(10.5)
    assert {type(first) is type(second) for first, second in itertools.pairwise(order)} == {False}


async def test_a_run_under_way_will_do_for_who_waits_unless_it_is_wanted_afresh() -> None:
    clock, began = JumpClock(), list[float]()

    async def reconcile(key: Hashable) -> float | None:
        began.append(clock.monotonic())
        await clock.sleep(5)
        return None

    async with running(clock, reconcile) as loop:
        loop.wake("a")
        await clock.sleep(1)
        loop.hurry("a")
        await clock.sleep(10)
        assert began == [0]
        loop.wake("a")
        await clock.sleep(1)
        loop.hurry("a", afresh=True)
        loop.hurry("a", afresh=True)
        await clock.sleep(60)
    assert began == [0, 11, 16]
