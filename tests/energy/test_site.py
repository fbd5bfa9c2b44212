"""The site's limit over time: load targets, ramps both ways, and what comes too late."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.site import LoadTarget, SiteLoop, SiteRules
from iolaus.kernel.errors import OperatorMust

CEILING = 1000.0
RULES = SiteRules(ramp_up_w_s=5.0, ramp_down_w_s=10.0, lead_s=2.0)


def walked(loop: SiteLoop, seconds: int, *, drawn_w: float = 900.0) -> list[float]:
    """The limit in each second; the ceiling where there is none."""
    limits = (loop.tick(float(second), drawn_w) for second in range(seconds))
    return [CEILING if limit is None else limit for limit in limits]


def test_a_target_is_reached_before_it_begins_and_left_slowly() -> None:
    loop = SiteLoop(CEILING, RULES)
    loop.ask(LoadTarget(name="peak", limit_w=600.0, start_s=60.0, until_s=100.0))
    limits = walked(loop, 200)
    assert limits[0] == limits[17] == CEILING
    assert limits[58] == limits[99] == 600.0
    assert limits[30] == pytest.approx(880.0)
    assert limits[110] == pytest.approx(655.0)
    assert limits[180] == CEILING
    assert loop.limit_w is None
    assert not loop.targets


def test_a_target_that_comes_late_is_walked_to_and_named() -> None:
    loop = SiteLoop(CEILING, RULES)
    loop.ask(LoadTarget(name="now", limit_w=600.0, start_s=0.0))
    assert loop.tick(0.0, 900.0) == 900.0
    assert loop.late == ("now",)
    assert loop.tick(10.0, 900.0) == 800.0
    assert loop.tick(30.0, 700.0) == 600.0
    assert not loop.late


def test_the_lowest_target_counts_and_a_withdrawn_one_no_more() -> None:
    loop = SiteLoop(CEILING, SiteRules())
    loop.ask(LoadTarget(name="a", limit_w=700.0, start_s=0.0))
    loop.ask(LoadTarget(name="b", limit_w=500.0, start_s=10.0, until_s=20.0))
    assert loop.tick(0.0, 900.0) == 700.0
    assert loop.tick(8.0, 700.0) == 500.0
    assert loop.tick(20.0, 500.0) == 700.0
    assert loop.withdraw("a")
    assert not loop.withdraw("a")
    assert loop.tick(21.0, 500.0) is None


def test_what_is_no_target_is_refused() -> None:
    loop = SiteLoop(CEILING)
    for target in (
        LoadTarget(name="x", limit_w=-1.0, start_s=0.0),
        LoadTarget(name="x", limit_w=float("nan"), start_s=0.0),
        LoadTarget(name="x", limit_w=1.0, start_s=5.0, until_s=5.0),
        LoadTarget(name="x", limit_w=1.0, start_s=5.0, ramp_w_s=0.0),
    ):
        with pytest.raises(OperatorMust, match="cannot be taken"):
            loop.ask(target)
    assert not loop.targets


targets = st.builds(
    LoadTarget,
    name=st.sampled_from("abc"),
    limit_w=st.floats(0.0, 1200.0),
    start_s=st.floats(-20.0, 120.0),
    until_s=st.none() | st.floats(121.0, 300.0),
    ramp_w_s=st.none() | st.floats(0.5, 50.0),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(targets, max_size=4), st.lists(st.floats(0.1, 15.0), min_size=2, max_size=40))
def test_the_limit_never_moves_faster_than_it_may(
    asked: list[LoadTarget], steps: list[float]
) -> None:
    loop, now_s, drawn_w = SiteLoop(CEILING, RULES), 0.0, 900.0
    for target in asked:
        loop.ask(target)
    before = loop.tick(now_s, drawn_w)
    for step in steps:
        now_s += step
        after = loop.tick(now_s, drawn_w)
        low = CEILING if after is None else after
        start = min(CEILING, drawn_w) if before is None else before
        assert low >= start - 10.0 * step - 1e-6
        assert low <= (CEILING if before is None else before + 5.0 * step) + 1e-6
        assert low >= min([CEILING, *(each.limit_w for each in loop.targets.values())]) - 1e-6
        before, drawn_w = after, low


@settings(max_examples=60, deadline=None)
@given(st.lists(targets, max_size=4))
def test_in_the_end_no_target_that_stands_is_overrun(asked: list[LoadTarget]) -> None:
    loop = SiteLoop(CEILING, RULES)
    for target in asked:
        loop.ask(target)
    for second in range(121):
        loop.tick(float(second), 900.0)
    for second in range(121, 5000, 100):
        limit = loop.tick(float(second), 900.0)
    standing = [each.limit_w for each in loop.targets.values()]
    assert (CEILING if limit is None else limit) <= min([CEILING, *standing]) + 1e-6
    assert loop.late == ()
