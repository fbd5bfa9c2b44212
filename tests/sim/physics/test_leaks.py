"""Leaks spread in order, detectors see them late or not, and loops run dry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.sim.physics import actuators as do
from iolaus.sim.physics import faults
from iolaus.sim.physics.leaks import Sees
from iolaus.sim.physics.plant import Plant
from iolaus.sim.physics.truth import truth
from tests.sim.physics.halls import air_hall, hall, settled


def first_seen(plant: Plant, sites: list[int], seconds: float, dt: float = 0.5) -> list[float]:
    seen = [np.inf] * len(sites)
    start = plant.t_s
    for _ in range(round(seconds / dt)):
        plant.step(dt)
        for n, site in enumerate(sites):
            if plant.leaks.says[site] in (Sees.WARNING, Sees.CRITICAL):
                seen[n] = min(seen[n], plant.t_s - start)
    return seen


@pytest.fixture
def plant() -> Plant:
    return settled(hall(54), 60.0)


def test_water_comes_by_order_tray_pan_floor_neighbour(plant: Plant) -> None:
    leaks = plant.leaks
    faults.strike(plant, "leak-tray", [20], 2.0)
    path = [leaks.tray(20), leaks.pan(1), leaks.floor(1), leaks.floor(2)]
    other = [leaks.tray(21), leaks.pan(0), leaks.floor(0)]
    seen = first_seen(plant, path + other, 400.0)
    assert seen[:4] == sorted(seen[:4])
    assert np.isfinite(seen[:4]).all()
    assert np.isinf(seen[4:]).all()
    assert seen[0] == pytest.approx(0.01 / (2.0 / 60.0) + 2.0, abs=1.0)


def test_a_small_leak_warns_long_before_it_is_critical(plant: Plant) -> None:
    faults.strike(plant, "leak-tray", [20], 0.06)
    plant.run(20.0)
    assert plant.leaks.says[20] == Sees.WARNING
    plant.run(60.0, 0.5)
    assert plant.leaks.says[20] == Sees.CRITICAL


def test_a_leak_costs_level_then_prime_and_flow(plant: Plant) -> None:
    faults.strike(plant, "leak-floor", [0], 40.0)
    plant.run(60.0, 0.5)
    lost = float(plant.leaks.lost_l.sum())
    assert lost == pytest.approx(40.0, rel=0.05)
    assert plant.coolant.level_l[0] == pytest.approx(60.0 - lost)
    plant.run(120.0, 0.5)
    assert plant.coolant.level_l[0] < 1.0
    assert plant.coolant.flow_share[0] < 0.3
    assert plant.coolant.drop_kpa[0] < 0.2 * plant.coolant.design_kpa[0]


def test_shutting_the_branch_stops_the_leak(plant: Plant) -> None:
    faults.strike(plant, "leak-rack", [1], 3.0)
    plant.run(10.0)
    do.set_valves(plant, 0.0, racks=[1])
    plant.run(1.0)
    lost = float(plant.leaks.lost_l.sum())
    plant.run(60.0, 0.5)
    assert plant.leaks.lost_l.sum() == lost
    assert truth(plant)["water"]["isolated_racks"] == [1]


def test_a_broken_detector_is_not_a_leak_and_a_leak_does_not_mend_it(plant: Plant) -> None:
    faults.strike(plant, "detector-fault", [5])
    faults.strike(plant, "detector-silent", [6])
    plant.run(1.0)
    assert plant.leaks.says[5] == Sees.FAULT
    assert plant.leaks.says[6] == Sees.SILENT
    assert truth(plant)["water"]["wet"] == []
    faults.strike(plant, "leak-tray", [5, 6], 1.0)
    plant.run(30.0)
    assert plant.leaks.says[5] == Sees.FAULT
    assert truth(plant)["water"]["live_and_wet_nodes"] == [5, 6]
    faults.mend(plant, "detector-fault", [5])
    assert plant.leaks.says[5] == Sees.CRITICAL


def test_mended_and_mopped_is_dry(plant: Plant) -> None:
    faults.strike(plant, "leak-tray", [3])
    plant.run(30.0)
    faults.mend(plant, "leak-tray", [3])
    plant.leaks.dry(np.arange(plant.leaks.water_l.size))
    plant.run(1.0)
    assert plant.leaks.says.max() == Sees.DRY
    assert not plant.leaks.active


def test_a_hall_of_air_has_nothing_to_leak() -> None:
    plant = air_hall()
    plant.run(5.0)
    assert plant.leaks.says.max() == Sees.DRY


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0.0, 50.0)), max_size=5))
def test_water_is_never_made(leaking: list[tuple[int, float]]) -> None:
    plant = hall(36)
    leaks = plant.leaks
    for site, lpm in leaking:
        leaks.open(site % leaks.water_l.size, lpm)
    for _ in range(60):
        plant.step(1.0)
        assert (leaks.water_l >= 0.0).all()
        assert leaks.water_l.sum() <= leaks.lost_l.sum() + 1e-9
        assert (plant.coolant.level_l >= 0.0).all()
