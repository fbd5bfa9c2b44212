"""What is slow never holds up what is fast, and is read all the same."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.wire.modbus.schedule import SHARE, Schedule

COST_S = 0.02


def line(fast: int, slow: int, *, seconds: float, period_s: float = 0.1) -> Counter[int]:
    """How often each of these keys was read on a line of 50 transactions a second."""
    schedule, now, done = Schedule(), 0.0, Counter[int]()
    for n in range(fast + slow):
        quick = n < fast
        key = (n, 0, 1)
        schedule.put(key, period_s=period_s if quick else 1.0, fast=quick, now=0.0)
    while now < seconds:
        job = schedule.next(now)
        if job is None:
            now += max(schedule.wait_s(now), 1e-6)
            continue
        now += COST_S
        done[job.key[0]] += 1
        schedule.done(job, now=now)
    return done


def test_fast_registers_keep_their_period_on_a_line_that_can() -> None:
    done = line(4, 2, seconds=10.0)
    assert all(95 <= done[n] <= 101 for n in range(4))
    assert all(9 <= done[n] <= 11 for n in (4, 5))


@given(st.integers(1, 12), st.integers(1, 100))
@settings(max_examples=20)
def test_a_full_line_serves_everybody(fast: int, slow: int) -> None:
    done = line(fast, slow, seconds=60.0, period_s=0.001)
    share = sum(done[n] for n in range(fast)) / sum(done.values())
    assert share >= 1 - 1 / SHARE - 0.01
    assert max(done[n] for n in range(fast)) - min(done[n] for n in range(fast)) <= 1
    assert all(done[fast + n] for n in range(slow))


def test_a_key_that_is_put_again_keeps_its_turn() -> None:
    schedule, key = Schedule(), (1, 0, 1)
    schedule.put(key, period_s=1.0, fast=True, now=0.0)
    job = schedule.next(0.0)
    assert job is not None
    schedule.done(job, now=0.0)
    schedule.put(key, period_s=1.0, fast=True, now=0.5)
    assert schedule.next(0.9) is None
    assert schedule.wait_s(0.9) < 0.2


def test_an_empty_schedule_waits() -> None:
    assert Schedule().next(0.0) is None
    assert Schedule().wait_s(5.0) > 1.0
