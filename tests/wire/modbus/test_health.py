"""Gone, slow and noisy are three things: the whole table, and the ways through it."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.modbus.health import DOUBTS, LONG_S, TABLE, Outcome, UnitHealth, UnitState


def after(*outcomes: Outcome, took_s: float = 0.02) -> UnitHealth:
    health = UnitHealth()
    for n, outcome in enumerate(outcomes):
        health.note(outcome, took_s=took_s, now=float(n))
    return health


def test_every_state_and_outcome_has_an_answer() -> None:
    assert set(TABLE) == set(product(UnitState, Outcome))


def test_one_silence_is_a_doubt_and_three_are_an_absence() -> None:
    assert after(Outcome.ANSWERED, Outcome.SILENT).state is UnitState.DOUBTED
    gone = after(Outcome.ANSWERED, *[Outcome.SILENT] * DOUBTS)
    assert gone.state is UnitState.GONE
    assert gone.rest_until > DOUBTS
    assert gone.why(13.0) == "the unit does not answer for 13 s"
    assert gone.patience_s < LONG_S


def test_an_answer_to_patience_says_slow_and_not_gone() -> None:
    slow = after(Outcome.ANSWERED, Outcome.SILENT, Outcome.ANSWERED, took_s=0.4)
    assert slow.state is UnitState.SLOW
    assert slow.patience_s > 1.0
    assert slow.why(5.0) == ""


def test_what_is_quick_again_is_slow_no_more() -> None:
    health = after(Outcome.LATE, *[Outcome.ANSWERED] * 3, took_s=0.01)
    assert health.state is UnitState.THERE


def test_garbled_answers_are_no_silence() -> None:
    noisy = after(Outcome.ANSWERED, *[Outcome.GARBLED] * 10)
    assert noisy.state is UnitState.NOISY
    assert noisy.counts[Outcome.GARBLED] == 10


@given(st.lists(st.sampled_from(Outcome), max_size=40))
def test_gone_is_only_who_was_silent_long_enough(outcomes: list[Outcome]) -> None:
    health = after(*outcomes)
    if health.state is UnitState.GONE:
        assert outcomes[-DOUBTS:] == [Outcome.SILENT] * DOUBTS
    if outcomes[-1:] == [Outcome.ANSWERED]:
        assert health.state in (UnitState.THERE, UnitState.SLOW)
    assert 0.1 < health.patience_s <= 0.7
