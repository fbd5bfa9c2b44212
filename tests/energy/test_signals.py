"""What somebody says of a site and its work: rates of counters, ages, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.signals import MOST, Signal, Signals
from iolaus.kernel.errors import OperatorMust


def said(*rows: tuple[str, float, float]) -> Signals:
    signals = Signals()
    for name, value, at in rows:
        signals.say(Signal(name=name, value=value, at=at, unit="tokens"), now=at)
    return signals


def test_a_counter_has_a_rate_and_a_power_a_value_while_they_are_fresh() -> None:
    signals = said(("facility.power", 9e5, 0), ("job/a", 100, 0), ("job/a", 400, 30))
    assert signals.value("facility.power", 300) == 9e5
    assert signals.value("facility.power", 301) is None
    assert signals.rate("job/a", 40) == 10
    assert signals.rate("job/a", 331) is None
    assert signals.rate("facility.power", 1) is None
    assert (signals.jobs(), signals.unit("job/a"), signals.unit("job/b")) == (["a"], "tokens", "")


def test_a_counter_that_went_back_began_again_and_old_news_is_none() -> None:
    signals = said(("job/a", 100, 0), ("job/a", 400, 30), ("job/a", 5, 40))
    assert signals.rate("job/a", 41) is None
    signals.say(Signal(name="job/a", value=1, at=10), now=41)
    signals.say(Signal(name="job/a", value=25, at=50, unit="tokens"), now=50)
    assert signals.rate("job/a", 50) == 2


def test_the_rate_is_of_the_last_two_minutes() -> None:
    signals = said(
        *(("facility.water", float(min(at, 500)), float(at)) for at in range(0, 1000, 10))
    )
    assert signals.rate("facility.water", 990) == 0


@pytest.mark.parametrize("name", ["power", "job/", "job/a b", "facility.powers", ""])
def test_what_is_no_signal_is_refused(name: str) -> None:
    with pytest.raises(OperatorMust):
        said((name, 1.0, 0.0))


def test_tomorrow_and_too_many_are_refused_and_the_old_make_room() -> None:
    with pytest.raises(OperatorMust):
        Signals().say(Signal(name="job/a", value=1, at=100), now=0)
    signals = said(*((f"job/{n}", 1.0, 0.0) for n in range(MOST)))
    with pytest.raises(OperatorMust):
        signals.say(Signal(name="job/x", value=1, at=1), now=1)
    signals.say(Signal(name="job/x", value=1, at=400), now=400)
    assert signals.jobs() == ["x"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e6)), max_size=20))
def test_a_rate_is_never_negative(rows: list[tuple[float, float]]) -> None:
    signals = said(*(("job/a", value, at) for value, at in rows))
    rate = signals.rate("job/a", max((at for _, at in rows), default=0.0))
    assert rate is None or rate >= 0
