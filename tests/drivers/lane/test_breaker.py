"""The breaker: every (state, event) has a row, and time decides nothing but the probe."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from iolaus.drivers.lane.breaker import (
    TRANSITIONS,
    Breaker,
    BreakerEvent,
    BreakerRules,
    BreakerState,
)

RULES = BreakerRules(threshold=3, pause_s=5.0, pause_max_s=30.0)


def test_every_state_knows_every_event() -> None:
    assert set(TRANSITIONS) == set(itertools.product(BreakerState, BreakerEvent))


@pytest.mark.parametrize(("state", "event"), list(itertools.product(BreakerState, BreakerEvent)))
def test_an_answer_closes_and_only_someone_asking_half_opens(
    state: BreakerState, event: BreakerEvent
) -> None:
    after = TRANSITIONS[state, event]
    assert (after is BreakerState.CLOSED) >= (event is BreakerEvent.ANSWERED)
    if after is BreakerState.HALF_OPEN:
        assert event is BreakerEvent.DUE
    if state is BreakerState.CLOSED and after is not BreakerState.CLOSED:
        assert event is BreakerEvent.TRIPPED


def test_three_silences_open_it_and_one_probe_decides() -> None:
    breaker = Breaker(RULES)
    assert [breaker.silent(now=0.0) for _ in range(4)] == [False, False, True, False]
    assert not breaker.admits(now=4.9)
    assert breaker.admits(now=5.0)
    assert not breaker.admits(now=5.0), "one probe at a time"
    assert not breaker.silent(now=6.0), "given up once, said once"
    assert not breaker.admits(now=15.9)
    assert breaker.admits(now=16.0), "the pause has doubled"
    assert breaker.answered()
    assert not breaker.answered(), "back once, said once"


def test_a_forced_request_is_let_through_and_is_the_probe() -> None:
    breaker = Breaker(RULES)
    for _ in range(3):
        breaker.silent(now=0.0)
    assert breaker.admits(now=0.1, forced=True)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.admits(now=0.1, forced=True), "safety is never refused"
    assert not breaker.admits(now=0.1)


def test_an_abandoned_probe_does_not_wedge_it() -> None:
    breaker = Breaker(RULES)
    for _ in range(3):
        breaker.silent(now=0.0)
    assert breaker.admits(now=5.0)
    breaker.abandoned(now=6.0)
    assert breaker.admits(now=6.0)


@given(st.integers(3, 200))
def test_the_pause_is_bounded(failures: int) -> None:
    breaker, now = Breaker(RULES), 0.0
    for _ in range(failures):
        breaker.silent(now=now)
        now = max(now, breaker.probe_at)
        breaker.admits(now=now)
    assert breaker.probe_at - now <= RULES.pause_max_s


class Walk(RuleBasedStateMachine):
    """Against the plain sentence: silent for good only after three in a row, never stuck."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.now, self.in_a_row, self.given_up = Breaker(RULES), 0.0, 0, False

    @rule(seconds=st.floats(0.0, 60.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def answer(self) -> None:
        assert self.breaker.answered() == self.given_up
        self.in_a_row, self.given_up = 0, False

    @rule()
    def silence(self) -> None:
        self.in_a_row += 1
        newly = self.breaker.silent(now=self.now)
        assert newly == (not self.given_up and self.in_a_row >= RULES.threshold)
        self.given_up = self.given_up or newly

    @rule(forced=st.booleans())
    def ask(self, forced: bool) -> None:
        before = self.breaker.state
        admitted = self.breaker.admits(now=self.now, forced=forced)
        assert admitted or before is not BreakerState.CLOSED
        assert admitted or not forced

    @rule()
    def abandon(self) -> None:
        self.breaker.abandoned(now=self.now)

    @invariant()
    def given_up_is_what_is_not_closed(self) -> None:
        assert self.given_up == (self.breaker.state is not BreakerState.CLOSED)

    @invariant()
    def an_open_breaker_has_a_probe_ahead(self) -> None:
        if self.breaker.state is BreakerState.OPEN:
            assert self.breaker.probe_at <= self.now + RULES.pause_max_s


TestWalk = Walk.TestCase
