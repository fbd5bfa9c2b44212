"""How many runs at once: fewer when late, more when not, never out of bounds."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.app.pace import (
    TICK_S,
    Bounds,
    Spent,
    keep_pace,
    next_workers,
    spent,
    within,
    yields,
)
from iolaus.app.pace import felt as own_lateness
from iolaus.kernel.clock import WallClock
from iolaus.loop import Loop

BOUNDS = Bounds(least=4, most=64, patience_s=0.1)


@given(st.lists(st.floats(min_value=0.0, max_value=5.0), max_size=200))
def test_the_bounds_hold_whatever_is_felt(felt: list[float]) -> None:
    workers = 16
    for late_s in felt:
        workers = next_workers(workers, late_s=late_s, bounds=BOUNDS)
        assert BOUNDS.least <= workers <= BOUNDS.most


def test_late_cuts_on_time_grows_and_between_nothing_moves() -> None:
    assert next_workers(50, late_s=0.2, bounds=BOUNDS) == 40
    assert next_workers(50, late_s=0.0, bounds=BOUNDS) == 55
    assert next_workers(4, late_s=0.0, bounds=BOUNDS) == 5
    assert next_workers(50, late_s=0.07, bounds=BOUNDS) == 50


def test_the_impatient_yields_first() -> None:
    patient = Bounds(least=4, most=64, patience_s=0.4)
    assert next_workers(50, late_s=0.3, bounds=BOUNDS) < 50
    assert next_workers(50, late_s=0.3, bounds=patient) == 50


HOT = Bounds(least=4, most=64, patience_s=0.1, promise_s=10.0)
REST = Bounds(least=4, most=64, patience_s=0.2, promise_s=300.0)


def felt(late_s: float, *, hot_lag_s: float, rest_lag_s: float = 0.0) -> tuple[int, int]:
    """What 50 workers of each become."""
    bounds = {"hot": HOT, "rest": REST}
    found = yields(bounds, {"hot": hot_lag_s, "rest": rest_lag_s}, late_s)
    hot, rest = (next_workers(50, late_s=found[k], bounds=bounds[k]) for k in bounds)
    return hot, rest


def test_who_keeps_its_promise_makes_room_for_who_does_not() -> None:
    assert felt(0.15, hot_lag_s=1.0) == (40, 50)
    assert felt(0.15, hot_lag_s=11.0) == (50, 40)
    assert felt(0.06, hot_lag_s=11.0) == (55, 40)
    assert felt(0.0, hot_lag_s=11.0) == (55, 55)


def test_where_nobody_can_keep_it_the_order_is_as_ever() -> None:
    assert felt(0.3, hot_lag_s=11.0, rest_lag_s=math.inf) == (40, 50)
    assert felt(0.5, hot_lag_s=11.0, rest_lag_s=math.inf) == (40, 40)


def test_an_overload_sheds_inventories_before_hot_sets() -> None:
    """Also when both are late: there is work for twice the time that there is."""
    assert felt(0.15, hot_lag_s=11.0, rest_lag_s=400.0) == (50, 40)
    bounds, workers, lags_s = {"hot": HOT, "rest": REST}, {"hot": 64, "rest": 64}, {}
    lags_s = {"hot": 0.0, "rest": 400.0}
    for _ in range(6000):
        busy = (workers["hot"] + workers["rest"]) / 64
        late_s = max(0.0, busy - 1.0) * 0.3
        lags_s["hot"] = max(0.0, lags_s["hot"] + 0.1 * (1.0 - workers["hot"] / 48))
        lags_s["rest"] += 0.1 * (1.0 - workers["rest"] / 48)
        for key, felt_s in yields(bounds, lags_s, late_s).items():
            workers[key] = next_workers(workers[key], late_s=felt_s, bounds=bounds[key])
    assert lags_s["hot"] < 30.0
    assert lags_s["rest"] > 400.0


WORK = st.floats(min_value=0.0, max_value=2.0)


def test_a_thread_without_rest_feels_all_of_its_lateness() -> None:
    before = Spent(0.0, 0.0, 0.0)
    assert own_lateness(before, Spent(0.5, 0.1, 0.38)) == pytest.approx(0.4)
    assert own_lateness(before, Spent(0.5, 0.1, 0.2)) == pytest.approx(0.1)
    assert own_lateness(before, Spent(0.5, 0.5, 0.0)) == pytest.approx(0.4)
    assert own_lateness(before, Spent(0.1, 0.0, 0.0)) == pytest.approx(0.0)


@given(WORK, WORK, WORK)
def test_where_nobody_tells_what_was_waited_only_our_own_work_counts(
    ran_s: float, waited_s: float, rested_s: float
) -> None:
    took_s = max(TICK_S, ran_s + waited_s + rested_s)
    found = own_lateness(Spent(0.0, 0.0, None), Spent(took_s, ran_s, None))
    assert found == min(took_s - TICK_S, ran_s)
    told = own_lateness(Spent(0.0, 0.0, 0.0), Spent(took_s, ran_s, waited_s))
    assert found <= told <= took_s - TICK_S


def test_what_was_spent_never_runs_back() -> None:
    before, after = spent(), spent()
    assert after.at_s >= before.at_s
    assert after.ran_s >= before.ran_s
    assert (after.waited_s is None) == (before.waited_s is None)


def test_who_is_owed_nothing_steps_further_back() -> None:
    bounds = Bounds(spare=2, least=16, most=64)
    assert within(bounds, steps_back=True) == Bounds(spare=2, least=2, most=64)
    assert within(bounds, steps_back=False) == bounds
    aside = within(Bounds(spare=2, least=16, most=64, aside=4), steps_back=True)
    assert aside.most == 4
    assert [next_workers(64, late_s=each, bounds=aside) for each in (0.0, 0.07, 1.0)] == [4, 4, 4]


async def test_more_is_allowed_while_keys_wait() -> None:
    started: list[Hashable] = []
    go_on = asyncio.Event()

    async def serve(key: Hashable) -> None:
        started.append(key)
        await go_on.wait()

    loop = Loop(clock=WallClock(), reconcile=serve, workers=1, name="test")
    running = asyncio.create_task(loop.run())
    pace = asyncio.create_task(keep_pace({"it": loop}, {"it": Bounds(least=1, most=3)}))
    for key in range(5):
        loop.wake(key)
    async with asyncio.timeout(90):
        while len(started) < 3:
            await asyncio.sleep(0.01)
    assert loop.workers == 3
    for task in (pace, running):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
