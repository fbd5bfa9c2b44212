"""Load targets as limits over time: replaced, truncated, lifted; and whose feeds they name."""

from __future__ import annotations

from msgspec.structs import replace

from iolaus.energy.flex import ALL, Schedule
from iolaus.wire.dsx.flex import LoadTarget

FIRST = LoadTarget(
    limit_w=1000.0, feeds=(), start_s=100.0, end_s=None, best_effort=False, source="acme",
    event_id="e1", correlation="c1",
)  # fmt: skip


def test_the_lowest_that_holds_counts_from_its_start_to_its_end() -> None:
    found = Schedule({"main-a": "h1-a"}, [FIRST])
    other = replace(FIRST, source="zeta", limit_w=800.0, start_s=200.0, end_s=300.0)
    found.take(other, at=100.0)
    assert found.limits(99.0) == {}
    assert [found.limits(at)[ALL] for at in (100.0, 200.0, 300.0)] == [1000.0, 800.0, 1000.0]
    found.take(replace(FIRST, event_id="e3", feeds=("main-a",), limit_w=5.0), at=100.0)
    assert found.limits(150.0) == {ALL: 1000.0, "h1-a": 5.0}
    assert found.foreign(replace(FIRST, feeds=("main-a", "x"))) == ["x"]


def test_a_new_target_ends_the_one_before_it_and_null_lifts_all() -> None:
    found = Schedule({"main-a": "h1-a"}, [FIRST])
    found.take(replace(FIRST, event_id="e2", limit_w=500.0, start_s=150.0, end_s=160.0), at=100.0)
    assert found.limits(149.0) == {ALL: 1000.0}
    assert found.limits(150.0) == {ALL: 500.0}
    assert found.limits(160.0) == {}
    found.take(replace(FIRST, event_id="e3", feeds=("main-a",)), at=160.0)
    found.take(replace(FIRST, event_id="e4", limit_w=None, start_s=170.0), at=165.0)
    assert found.limits(169.0) == {"h1-a": 1000.0}
    assert found.limits(170.0) == {}
