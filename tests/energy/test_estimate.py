"""What a node may want: crests, and the worst where that cannot be seen."""

from __future__ import annotations

import numpy as np

from iolaus.energy.estimate import PeakHold

PLATE = 1000.0


def demand(peaks: PeakHold, cap_w: float, now_s: float) -> float:
    return float(peaks.demand(np.array([cap_w]), now_s, margin=0.05)[0])


def fed(watts: list[float], cap_w: float, *, begin_s: float = 0.0) -> PeakHold:
    peaks = PeakHold([PLATE], hold_s=20.0, period_s=1.0)
    for second, each in enumerate(watts):
        peaks.take(0, each, begin_s + second, cap_w=cap_w)
    return peaks


def test_a_crest_is_held_through_troughs() -> None:
    peaks = fed([600.0, 200.0, 200.0, 200.0], 900.0)
    assert demand(peaks, 900.0, 3.0) == 630.0


def test_a_node_at_its_cap_may_want_all_it_can_draw() -> None:
    assert demand(fed([495.0], 500.0), 500.0, 0.0) == PLATE
    assert demand(fed([480.0], 500.0), 500.0, 0.0) == 504.0


def test_what_was_held_is_not_judged_by_what_it_drew_then() -> None:
    peaks = fed([500.0, 500.0, 200.0], 500.0)
    assert demand(peaks, 900.0, 2.0) == PLATE
    for second in range(3, 14):
        peaks.take(0, 200.0, float(second), cap_w=900.0)
    assert demand(peaks, 900.0, 13.0) == PLATE
    peaks.take(0, 700.0, 14.0, cap_w=900.0)
    assert demand(peaks, 900.0, 14.0) == 735.0


def test_what_a_node_draws_while_its_cap_moves_is_no_crest() -> None:
    peaks = fed([500.0], 500.0)
    peaks.take(0, 600.0, 1.0, cap_w=900.0)
    assert demand(peaks, 900.0, 1.0) == PLATE
    peaks.take(0, 800.0, 2.0, cap_w=900.0)
    assert demand(peaks, 900.0, 2.0) == 840.0


def test_a_trough_under_an_old_cap_is_not_a_wish_for_less() -> None:
    peaks = fed([500.0, *[150.0] * 10], 500.0)
    assert demand(peaks, 500.0, 10.0) == PLATE


def test_the_stale_and_the_bad_count_as_the_nameplate() -> None:
    peaks = fed([300.0], 900.0)
    assert demand(peaks, 900.0, 2.0) == 315.0
    assert demand(peaks, 900.0, 2.1) == PLATE
    peaks.take(0, None, 3.0, cap_w=900.0)
    assert demand(peaks, 900.0, 3.0) == PLATE
