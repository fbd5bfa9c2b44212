"""Smoothing is raised while the site's power ramps too fast, and lowered only after a calm."""

from __future__ import annotations

import itertools
import math

from iolaus.energy.swing import LEVELS, Swing, SwingRules

RULES = SwingRules(ramp_w_s=100.0, look_s=10.0, calm_s=60.0)


def fed(swing: Swing, begin_s: float, end_s: float, half_swing_w: float) -> list[int]:
    """Levels, asked once a second, under a wave of two seconds' period, sampled ten times a
    second."""
    levels = []
    for tenth in range(round(begin_s * 10), round(end_s * 10)):
        now_s = tenth / 10.0
        swing.sample(1000.0 + half_swing_w * math.sin(math.pi * now_s), now_s)
        if tenth % 10 == 0:
            levels.append(swing.tick(now_s))
    return levels


def test_a_quiet_site_is_left_alone() -> None:
    swing = Swing(RULES)
    assert set(fed(swing, 0, 120, 40.0)) == {0}
    assert swing.smoothing is None
    assert swing.ramp_w_s is not None
    assert 70.0 < swing.ramp_w_s < 81.0


def test_levels_go_up_one_at_a_time_and_each_is_looked_at() -> None:
    swing = Swing(RULES)
    levels = fed(swing, 0, 60, 500.0)
    assert max(levels) == len(LEVELS)
    assert all(b - a in (0, 1) for a, b in itertools.pairwise(levels))
    assert levels.index(1) >= 10
    assert levels.index(2) - levels.index(1) >= 10
    assert swing.smoothing == LEVELS[-1]


def disturbed(swing: Swing, begin_s: int) -> int:
    """Swing until it is smoothed; the second after that."""
    second = begin_s
    while swing.level == 0:
        fed(swing, second, second + 1, 60.0)
        second += 1
    return second


def test_a_level_is_lowered_after_a_calm_that_doubles_when_it_was_too_short() -> None:
    swing = Swing(RULES)
    begin_s = disturbed(swing, 0)
    first = fed(swing, begin_s, begin_s + 100, 20.0).index(0)
    begin_s = disturbed(swing, begin_s + 100)
    second = fed(swing, begin_s, begin_s + 200, 20.0).index(0)
    assert 60 <= first <= 85
    assert 120 <= second <= 145


def test_silence_is_no_calm() -> None:
    swing = Swing(RULES)
    for second in range(disturbed(swing, 0), 500):
        swing.sample(None, float(second))
        assert swing.tick(float(second)) == 1
    assert swing.ramp_w_s is None


def test_what_comes_after_a_gap_is_not_compared_with_what_was_before() -> None:
    swing = Swing(RULES)
    fed(swing, 0, 12, 10.0)
    swing.sample(9000.0, 30.0)
    assert swing.tick(30.0) == 0
