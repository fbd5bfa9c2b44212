"""The limit: additive up, multiplicative down, one cut for one bad moment, inside its bounds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from iolaus.drivers.lane.limit import (
    TRANSITIONS,
    Limit,
    LimitEvent,
    LimitRules,
    LimitState,
    Move,
)


def test_every_state_knows_every_event() -> None:
    assert set(TRANSITIONS) == set(itertools.product(LimitState, LimitEvent))


@pytest.mark.parametrize(("state", "event"), list(itertools.product(LimitState, LimitEvent)))
def test_only_good_news_grows_and_old_news_moves_nothing(
    state: LimitState, event: LimitEvent
) -> None:
    after, move = TRANSITIONS[state, event]
    assert (move is Move.GROW) <= (event is LimitEvent.GOOD)
    assert (move in (Move.EASE, Move.HALVE)) == (
        event in (LimitEvent.SLOW, LimitEvent.BUSY, LimitEvent.SILENT)
    )
    if event is LimitEvent.EARLIER:
        assert (after, move) == (state, Move.HOLD)


def test_a_burst_of_refusals_cuts_once() -> None:
    limit = Limit(LimitRules(), ceiling=8)
    for _ in range(8):
        limit.busy(sent_at=1.0, now=2.0)
    assert limit.now == 4


def test_it_grows_back_to_the_ceiling_and_no_further() -> None:
    limit = Limit(LimitRules(), ceiling=4)
    limit.silent(sent_at=0.0, now=1.0)
    limit.silent(sent_at=2.0, now=3.0)
    assert limit.now == 1
    for at in range(4, 40):
        limit.answered(sent_at=float(at), elapsed_s=0.1, now=float(at))
    assert limit.now == limit.ceiling == 4


def test_slower_than_usual_cuts_and_quick_jitter_does_not() -> None:
    jitter, slow = Limit(LimitRules(), ceiling=4), Limit(LimitRules(), ceiling=4)
    for at in range(50):
        jitter.answered(sent_at=float(at), elapsed_s=0.002 if at % 2 else 0.02, now=float(at))
        slow.answered(sent_at=float(at), elapsed_s=0.1 if at < 40 else 2.0, now=float(at))
    assert jitter.now == 4
    assert slow.now < 4


def test_a_device_that_is_always_slow_is_usual() -> None:
    limit = Limit(LimitRules(), ceiling=4)
    for at in range(100):
        limit.answered(sent_at=float(at), elapsed_s=30.0, now=float(at))
    assert limit.now == 4


class Walk(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.limit, self.now = Limit(LimitRules(), ceiling=6), 0.0

    @rule(seconds=st.floats(0.0, 10.0), age=st.floats(0.0, 20.0), elapsed=st.floats(0.0, 100.0))
    def answer(self, seconds: float, age: float, elapsed: float) -> None:
        self.now += seconds
        before = self.limit.now
        self.limit.answered(sent_at=self.now - age, elapsed_s=elapsed, now=self.now)
        assert self.limit.now <= before + 1

    @rule(seconds=st.floats(0.0, 10.0), age=st.floats(0.0, 20.0), silent=st.booleans())
    def trouble(self, seconds: float, age: float, silent: bool) -> None:
        self.now += seconds
        before, cut_at, sent_at = self.limit.now, self.limit.cut_at, self.now - age
        (self.limit.silent if silent else self.limit.busy)(sent_at=sent_at, now=self.now)
        assert self.limit.now <= before
        if sent_at < cut_at:
            assert self.limit.now == before

    @rule(ceiling=st.integers(-1, 8))
    def learn(self, ceiling: int) -> None:
        self.limit.set_ceiling(ceiling)

    @invariant()
    def inside_its_bounds(self) -> None:
        assert 1 <= self.limit.now <= self.limit.ceiling


TestWalk = Walk.TestCase
