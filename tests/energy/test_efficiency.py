"""Losses by stage, and the ratios of a site: only what is measured, and why not where it is not."""

from __future__ import annotations

import pytest

from iolaus.energy.efficiency import Job, Measure, efficiency


def rows(*told: tuple[str, str, float | None]) -> list[Measure]:
    return [Measure(part=part, role=role, watts=watts) for part, role, watts in told]


HALL = rows(
    ("s1", "shelf_input_power", 1_000.0), ("s1", "shelf_output_power", 970.0),
    ("s2", "shelf_input_power", 500.0), ("s2", "shelf_output_power", None),
    ("n1", "node_power", 600.0), ("n1", "gpu_power", 300.0), ("n1", "gpu_power", 150.0),
    ("n1", "cpu_power", 50.0), ("n2", "node_power", 400.0), ("n2", "gpu_power", None),
    ("c1", "cdu_power", 80.0),
)  # fmt: skip


def test_a_stage_counts_where_both_sides_are_known() -> None:
    found = efficiency(HALL, facility_w=1_200.0, water_l_s=0.0005)
    shelf, supply, chip = found.stages
    assert (shelf.counted, shelf.of, shelf.efficiency) == (1, 2, 0.97)
    assert (supply.counted, supply.efficiency) == (0, None)
    assert (chip.input_w, chip.output_w, chip.counted, chip.of) == (600, 500, 1, 2)
    assert (found.it_w, found.cooling_w, found.pue) == (1_000, 80, 1.2)
    assert found.wue_l_kwh == pytest.approx(1.8)


def test_a_pair_that_is_read_seldom_counts_with_its_age_and_what_is_of_two_times_does_not() -> None:
    told = [
        Measure(part="p1", role="psu_input_power", watts=100.0, age_s=900.0, fresh=False),
        Measure(part="p1", role="psu_output_power", watts=96.0, age_s=895.0, fresh=False),
        Measure(part="p2", role="psu_input_power", watts=100.0, age_s=900.0, fresh=False),
        Measure(part="p2", role="psu_output_power", watts=50.0, age_s=1.0),
        Measure(part="p3", role="psu_input_power", watts=100.0, age_s=4_000.0, fresh=False),
        Measure(part="p3", role="psu_output_power", watts=90.0, age_s=4_000.0, fresh=False),
        Measure(part="n1", role="node_power", watts=300.0, age_s=900.0, fresh=False),
    ]
    found = efficiency(told, facility_w=None, water_l_s=None)
    supply = found.stages[1]
    assert (supply.counted, supply.of, supply.efficiency, supply.oldest_s) == (1, 3, 0.96, 900.0)
    assert (found.it_w, found.unmeasured) == (0.0, 1)


@pytest.mark.parametrize(
    ("more", "facility_w", "why"),
    [
        (rows(("n3", "node_power", None)), 1_200.0, "1 machines are not measured now"),
        ([], None, "nobody reports what the site draws"),
        ([], 900.0, "the site is said to draw less than its machines do"),
    ],
)
def test_a_ratio_that_cannot_be_known_is_unknown(
    more: list[Measure], facility_w: float | None, why: str
) -> None:
    found = efficiency([*HALL, *more], facility_w=facility_w, water_l_s=None)
    assert (found.pue, found.pue_why, found.wue_l_kwh) == (None, why, None)


def test_an_empty_hall_divides_by_nothing() -> None:
    found = efficiency([], facility_w=1.0, water_l_s=1.0)
    assert (found.pue, found.wue_l_kwh, found.cooling_w) == (None, None, None)
    assert Job(name="j", nodes=1, rate=2.0, watts=0.0).per_joule is None
    assert Job(name="j", nodes=1, rate=2.0, watts=4.0).per_joule == 0.5
