"""Set points of coolant are asked for in small steps, within guardrails, and never assumed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.coolant import CoolantRules, LoopState, coolant_request

RULES = CoolantRules()


def test_a_wide_margin_asks_for_a_degree_more_and_waits_until_it_is_so() -> None:
    state = LoopState(set_c=30.0, margin_k=30.0, dew_c=12.0)
    assert coolant_request(state, RULES, 0.0) == 31.0
    unconfirmed = LoopState(set_c=30.0, margin_k=30.0, dew_c=12.0, asked_c=31.0, asked_s=0.0)
    assert coolant_request(unconfirmed, RULES, 9000.0) is None
    confirmed = LoopState(set_c=31.0, margin_k=30.0, dew_c=12.0, asked_c=31.0, asked_s=0.0)
    assert coolant_request(confirmed, RULES, 299.0) is None
    assert coolant_request(confirmed, RULES, 300.0) == 32.0


def test_a_tight_margin_asks_for_less_sooner_whatever_was_asked() -> None:
    state = LoopState(set_c=30.0, margin_k=5.0, dew_c=12.0, asked_c=31.0, asked_s=0.0)
    assert coolant_request(state, RULES, 60.0) == 29.0


def test_a_set_point_outside_the_guardrails_is_asked_back() -> None:
    assert coolant_request(LoopState(set_c=45.0, margin_k=15.0, dew_c=12.0), RULES, 0.0) == 40.0
    assert coolant_request(LoopState(set_c=30.0, margin_k=15.0, dew_c=29.0), RULES, 0.0) == 31.0


maybe = st.none() | st.floats(0.0, 60.0)


@settings(max_examples=150, deadline=None)
@given(st.builds(LoopState, set_c=maybe, margin_k=maybe, dew_c=maybe, asked_c=maybe))
def test_nothing_outside_the_rails_and_nothing_from_the_unknown(state: LoopState) -> None:
    asked = coolant_request(state, RULES, 0.0)
    if asked is None:
        return
    assert state.set_c is not None
    assert state.margin_k is not None
    assert state.dew_c is not None
    least = max(RULES.least_c, state.dew_c + RULES.dry_k)
    assert least <= asked <= RULES.most_c
    if asked > state.set_c and state.set_c >= least:
        assert state.margin_k > RULES.ample_k
        assert asked <= state.set_c + RULES.step_k
