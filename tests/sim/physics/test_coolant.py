"""Loops: flows, rises, approach, the unit's own control, and what faults do to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.sim.physics import actuators as do
from iolaus.sim.physics import faults
from iolaus.sim.physics.build import uniform_hall
from iolaus.sim.physics.coolant import J_PER_LPM_K, Coolant, effectiveness, stirred
from iolaus.sim.physics.kinds import COOLANT_J_LK, NodeKind
from tests.sim.physics.halls import LoopKind, Shape, hall, settled


def loop(**kind: float) -> Coolant:
    return Coolant(uniform_hall(Shape(nodes=36, loop=LoopKind(**kind))))  # type: ignore[arg-type]


def run(coolant: Coolant, watts: float, seconds: float, dt: float = 1.0) -> None:
    for _ in range(round(seconds / dt)):
        coolant.step(np.full(coolant.racks.size, watts / coolant.racks.size), dt)


def test_the_published_rise() -> None:
    """1.5 L/min per kW of rack, 85 % of it to liquid: 8.5 K at 120 kW."""
    flow_w_k = 1.5 * 120.0 * J_PER_LPM_K
    assert 0.85 * 120_000.0 / flow_w_k == pytest.approx(8.5)


def test_steady_rise_is_heat_over_flow() -> None:
    coolant = loop()
    heat_w = float(coolant.rack_design_w.sum())
    run(coolant, heat_w, 1500.0)
    flow_w_k = coolant.flow_lpm[0] * J_PER_LPM_K
    assert coolant.return_c[0] - coolant.supply_c[0] == pytest.approx(heat_w / flow_w_k, rel=1e-4)
    rack = coolant.rack_c - coolant.supply_c[0]
    assert rack == pytest.approx(coolant.rack_design_w / (coolant.rack_lpm * J_PER_LPM_K), rel=1e-4)
    assert coolant.heat_w[0] == pytest.approx(heat_w, rel=1e-5)
    warmed = coolant.facility_return_c[0] - coolant.facility_c[0]
    assert warmed == pytest.approx(heat_w / (coolant.facility_lpm[0] * J_PER_LPM_K), rel=1e-4)


def test_the_unit_holds_its_supply_and_its_pressure() -> None:
    coolant = loop()
    run(coolant, 0.7 * float(coolant.rack_design_w.sum()), 2500.0)
    assert coolant.supply_c[0] == pytest.approx(36.0, abs=0.05)
    assert coolant.drop_kpa[0] == pytest.approx(150.0, rel=0.01)
    assert coolant.flow_share == pytest.approx(np.ones(2), rel=0.01)
    run(coolant, 0.4 * float(coolant.rack_design_w.sum()), 2500.0)
    assert coolant.supply_c[0] == pytest.approx(36.0, abs=0.05)


@pytest.mark.parametrize("approach", [3.0, 4.0, 5.0])
def test_with_the_valve_open_the_approach_is_the_designed_one(approach: float) -> None:
    coolant = loop(approach_k=approach)
    coolant.manual[:] = 1.0
    heat_w = float(coolant.rack_design_w.sum())
    run(coolant, heat_w, 2500.0)
    assert coolant.supply_c[0] - 28.0 == pytest.approx(approach, rel=0.05)


def test_the_exchanger_against_the_textbook() -> None:
    one = np.array([1.0])
    assert effectiveness(2.0 * one, one, one)[0] == pytest.approx(2.0 / 3.0)
    assert effectiveness(1.0 * one, one, 2.0 * one)[0] == pytest.approx(0.5647, abs=1e-4)
    assert effectiveness(3.0 * one, one, 1e9 * one)[0] == pytest.approx(
        1.0 - np.exp(-3.0), abs=1e-6
    )


@settings(deadline=None)
@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6), st.floats(1.0, 1e7))
def test_no_exchanger_is_perfect(hot: float, cold: float, ua: float) -> None:
    effect = effectiveness(*(np.array([v]) for v in (ua, hot, cold)))[0]
    assert 0.0 <= effect <= 1.0


@settings(deadline=None)
@given(
    at=st.floats(-20.0, 90.0),
    into=st.floats(-20.0, 90.0),
    flow=st.floats(1e-6, 1e6),
    heat=st.floats(1.0, 1e7),
    dt=st.floats(1e-3, 100.0),
)
def test_a_stirred_volume_loses_no_joule(
    at: float, into: float, flow: float, heat: float, dt: float
) -> None:
    one = np.ones(1)
    mean, end = stirred(at * one, into * one, flow * one, heat * one, dt)
    came = flow * dt * (into - mean[0])
    assert heat * (end[0] - at) == pytest.approx(came, rel=1e-6, abs=1e-5 * max(heat, flow * dt))
    assert min(at, into) - 1e-6 <= end[0] <= max(at, into) + 1e-6


def test_the_loops_time_constant_is_its_volume_over_its_flow() -> None:
    coolant = loop()
    run(coolant, 1e5, 10.0)
    coolant.supply_c[:], coolant._from_hx_c[:] = 30.0, 40.0
    flow_w_k = coolant.flow_lpm * J_PER_LPM_K
    tau = 0.5 * 200.0 * COOLANT_J_LK / flow_w_k[0]
    _, after = stirred(coolant.supply_c, coolant._from_hx_c, flow_w_k, coolant._pipe_j_k, tau)
    assert after[0] == pytest.approx(40.0 - 10.0 * np.exp(-1.0))
    assert pytest.approx(200.0, rel=0.03) == 780e3 / COOLANT_J_LK


@pytest.mark.parametrize(("name", "tau"), [("valve", 7.0), ("pump", 6.0)])
def test_actuators_are_first_order(name: str, tau: float) -> None:
    coolant = loop()
    run(coolant, 1e5, 600.0)
    start = float(getattr(coolant, name)[0])
    (coolant.manual if name == "valve" else coolant.manual_pump)[:] = 1.0
    for _ in range(round(tau / 0.1)):
        coolant.step(np.full(2, 5e4), 0.1)
    assert getattr(coolant, name)[0] == pytest.approx(1.0 - (1.0 - start) * np.exp(-1.0), rel=1e-3)


def test_a_lost_pump_is_made_up_for_and_both_are_not() -> None:
    plant = settled(hall(), 900.0)
    nominal, speed = plant.coolant.flow_lpm[0], plant.coolant.pump[0]
    faults.strike(plant, "pump-loss", [0], 1)
    plant.run(120.0, 0.5)
    assert plant.coolant.pump[0] > speed
    assert plant.coolant.flow_lpm[0] == pytest.approx(nominal, rel=0.05)
    faults.strike(plant, "pump-loss", [0], 2)
    plant.run(30.0, 0.5)
    assert plant.coolant.flow_lpm[0] < 0.05 * nominal
    assert plant.coolant.pumping_w[0] == 0.0
    hot = plant.heat.hottest_c.max()
    faults.mend(plant, "pump-loss", [0])
    plant.run(200.0, 0.5)
    assert plant.coolant.flow_lpm[0] == pytest.approx(nominal, rel=0.05)
    assert plant.heat.hottest_c.max() < hot


def test_flow_loss_heats_as_estimated() -> None:
    """A part of 900 W on 460 J/K (die and plate) gains 30 K in a quarter of a minute: what the two
    seconds of a controller are measured against."""
    plant = settled(hall(node=NodeKind(throttle_c=200.0, trip_c=250.0)), 900.0)
    start = float(plant.heat.die_c.mean())
    plant.coolant.pumps_ok[:] = 0.0
    plant.coolant.pump[:] = 0.0
    seconds = 0.0
    while plant.heat.die_c.mean() < start + 30.0 and seconds < 60.0:
        plant.step(0.1)
        seconds += 0.1
    assert 14.0 < seconds < 25.0


def test_shutting_a_branch_gives_the_others_more() -> None:
    plant = settled(hall(), 300.0)
    do.set_pumps(plant, float(plant.coolant.pump[0]), loops=[0])
    before = plant.coolant.rack_lpm.copy()
    do.set_valves(plant, 0.0, racks=[0])
    plant.run(1.0)
    assert plant.coolant.rack_lpm[0] == 0.0
    assert plant.coolant.rack_lpm[1] > 1.02 * before[1]
    do.set_valves(plant, 1.0, racks=[0])
    plant.run(1.0)
    assert plant.coolant.rack_lpm == pytest.approx(before, rel=0.01)


def test_a_set_point_is_reached_and_held_within_guardrails() -> None:
    plant = settled(hall(), 900.0)
    do.set_supply_temperature(plant, 40.0, loops=[0])
    plant.run(900.0, 1.0)
    assert plant.coolant.supply_c[0] == pytest.approx(40.0, abs=0.1)
    do.set_supply_temperature(plant, 400.0, loops=[0])
    assert plant.coolant.target_c[0] == 50.0


def test_warm_facility_water_is_felt_and_goes_again() -> None:
    plant = settled(hall(), 900.0)
    faults.strike(plant, "facility-warm", [0], 12.0)
    plant.run(900.0, 1.0)
    assert plant.coolant.supply_c[0] > 40.0
    faults.mend(plant, "facility-warm", [0])
    plant.run(900.0, 1.0)
    assert plant.coolant.supply_c[0] == pytest.approx(36.0, abs=0.2)


def test_a_clogged_branch_runs_hot() -> None:
    plant = settled(hall(), 600.0)
    faults.strike(plant, "flow-blocked", [1], 0.3)
    plant.run(200.0, 0.5)
    racks = plant.topology.node_rack
    assert plant.coolant.flow_share[1] < 0.45
    assert plant.heat.die_c[:, racks == 1].mean() > plant.heat.die_c[:, racks == 0].mean() + 5.0
    assert plant.coolant.rack_c[1] > plant.coolant.rack_c[0] + 5.0
