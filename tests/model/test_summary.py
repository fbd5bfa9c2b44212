"""The hall's counts: unknown is counted as unknown."""

from __future__ import annotations

from iolaus.model.summary import Reached, Seen, summarize


def test_sums_say_of_how_many() -> None:
    found = summarize(
        [
            Seen(kind="node", vendor="Dell", health="OK", power_state="On", power_w=500.0, age_s=1),
            Seen(kind="node", vendor="Dell", is_stale=True, age_s=99.0, has_identity=False),
            Seen(kind="cdu", vendor="X", health="OK", leak="leak", power_w=9.0),
        ],
        [
            Reached(reach="reachable", has_inventory=True, deviations=3, firmware=4),
            Reached(reach=None),
        ],
    )
    assert found.endpoints == {"total": 2, "reachable": 1, "untried": 1}
    assert found.health == {"OK": 2, "Unknown": 1}
    assert found.power_state == {"On": 1, "Unknown": 1}
    assert (found.power_w.value, found.power_w.known, found.power_w.of) == (500.0, 1, 2)
    assert found.power_limit_w.value is None
    assert found.leaks == {"leak": 1}
    assert (found.stale, found.without_identity, found.oldest_age_s) == (1, 1, 99.0)
    assert (found.deviations, found.firmware, found.inventoried) == (3, 4, 1)


def test_an_empty_hall_knows_nothing() -> None:
    found = summarize([], [])
    assert found.power_w.value is None
    assert found.oldest_age_s is None
    assert found.endpoints == {"total": 0}
