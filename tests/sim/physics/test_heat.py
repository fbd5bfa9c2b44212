"""Dies and plates against closed forms and against a fine integration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.sim.physics import actuators as do
from iolaus.sim.physics import faults
from iolaus.sim.physics.plant import Plant
from tests.sim.physics.halls import air_hall, hall, settled

CD, R1, CC, R2 = 60.0, 0.02, 400.0, 0.03


def sink_of(plant: Plant) -> float:
    return float(plant.coolant.supply_mean_c[0])


def test_steady_die_and_plate_are_the_closed_form() -> None:
    plant = settled(hall())
    flow = float(plant.flow()[0])
    r2 = R2 * flow**-0.8 + plant.heat._rise[0] / flow
    watts = plant.gpus.power_w[:, 0].astype(float)
    plate = sink_of(plant) + watts * r2
    assert plant.heat.plate_c[:, 0] == pytest.approx(plate, abs=0.02)
    assert plant.heat.die_c[:, 0] == pytest.approx(plate + watts * R1, abs=0.02)


def test_the_coolants_rise_is_half_of_what_the_branch_rises() -> None:
    plant = hall()
    rise = plant.heat._rise[0] * 1000.0
    assert rise == pytest.approx(0.5 * 1000.0 / (1.5 * 4000.0 / 60.0), rel=1e-5)


def reference(
    *, power: float, sink: float, start: tuple[float, float], r2: float, seconds: float
) -> tuple[float, float]:
    """Tiny explicit steps, in double precision."""
    die, plate, dt = start[0], start[1], 1e-4
    for _ in range(round(seconds / dt)):
        up, on = (die - plate) / R1, (plate - sink) / r2
        die, plate = die + dt * (power - up) / CD, plate + dt * (up - on) / CC
    return die, plate


@pytest.mark.parametrize("dt", [0.01, 0.1, 1.0, 3.0])
def test_a_transient_is_exact_at_any_step(dt: float) -> None:
    plant = hall(18)
    plant.run(30.0)
    heat, gpus = plant.heat, plant.gpus
    gpus.power_w[:] = 800.0
    gpus.node_w[:] = 6400.0
    flow, sink = np.ones(18, dtype=np.float32), np.full(18, 36.0, dtype=np.float32)
    start = float(heat.die_c[0, 0]), float(heat.plate_c[0, 0])
    r2 = float(heat.resistance(flow)[0])
    for _ in range(round(3.0 / dt)):
        heat.step(gpus, np.zeros(18), (sink, sink), flow, dt)
    die, plate = reference(power=800.0, sink=36.0, start=start, r2=r2, seconds=3.0)
    assert heat.die_c[0, 0] == pytest.approx(die, abs=0.01)
    assert heat.plate_c[0, 0] == pytest.approx(plate, abs=0.01)


def test_time_constants_of_die_and_plate() -> None:
    """The die reaches 63 % of its own rise in about Cd R1 (1.2 s), the plate in about 14 s."""
    plant = hall(18)
    heat, gpus = plant.heat, plant.gpus
    flow, sink = np.ones(18, dtype=np.float32), np.full(18, 36.0, dtype=np.float32)
    heat.die_c[:], heat.plate_c[:] = 36.0, 36.0
    heat._sum_up()
    gpus.power_w[:] = 1000.0
    rises = []
    for _ in range(1000):
        heat.step(gpus, np.zeros(18), (sink, sink), flow, 0.1)
        rises.append((heat.die_c[0, 0] - heat.plate_c[0, 0], heat.plate_c[0, 0] - 36.0))
    over, plate = np.array(rises).T
    assert 1.0 <= 0.1 * np.argmax(over > 0.63 * over[-1]) <= 1.4
    resistance = float(heat.resistance(flow)[0])
    assert 0.1 * np.argmax(plate > 0.632 * plate[-1]) == pytest.approx(
        (CC + CD) * resistance, rel=0.12
    )


def test_less_flow_is_hotter_by_the_power_of_eight_tenths() -> None:
    heat = hall(18).heat
    half, full = heat.resistance(np.full(18, 0.5, "f4")), heat.resistance(np.ones(18, "f4"))
    rise = heat._rise
    assert (half - rise / 0.5) / (full - rise) == pytest.approx(np.full(18, 0.5**-0.8), rel=1e-5)


def test_a_blocked_node_throttles_and_cools_down_again() -> None:
    plant = settled(hall(), 300.0)
    faults.strike(plant, "node-blocked", [4], 0.25)
    plant.run(120.0, 0.5)
    assert plant.hosts.ease[4] < 1.0
    assert plant.heat.hottest_c[4] < plant.hosts.trip_c[4]
    assert plant.gpus.power_w[:, 4].mean() < 0.9 * plant.gpus.power_w[:, 5].mean()
    faults.mend(plant, "node-blocked", [4])
    plant.run(200.0, 0.5)
    assert plant.hosts.ease[4] == 1.0


def test_without_any_flow_parts_trip_and_latch_until_a_power_cycle() -> None:
    plant = settled(hall(18), 300.0)
    plant.gpus.limits_w[:] = 1e9
    faults.strike(plant, "node-blocked", [4], 0.0)
    plant.run(600.0, 0.5)
    assert plant.gpus.broken[:, 4].any()
    faults.mend(plant, "node-blocked", [4])
    plant.run(60.0, 0.5)
    assert plant.gpus.broken[:, 4].any()
    do.switch_nodes(plant, False, nodes=[4])
    plant.run(5.0)
    do.switch_nodes(plant, True, nodes=[4])
    plant.run(200.0, 0.5)
    assert not plant.gpus.broken.any()
    assert plant.gpus.power_w[:, 4].mean() == pytest.approx(900.0, rel=0.02)


def test_fans_follow_heat_and_their_loss_is_felt() -> None:
    plant = settled(air_hall(), 600.0)
    before = float(plant.heat.hottest_c[2])
    assert 50.0 < before < 85.0
    assert plant.fans.watts[2] == pytest.approx(1400.0 * plant.fans.duty[2] ** 3, rel=1e-4)
    faults.strike(plant, "fan-loss", [2], 0.5)
    plant.run(300.0, 1.0)
    assert plant.heat.hottest_c[2] > before + 3.0
    assert plant.fans.duty[2] > plant.fans.duty[3]


@settings(deadline=None, max_examples=30)
@given(
    power=st.floats(0.0, 1500.0),
    flow=st.floats(0.0, 1.5),
    sink=st.floats(10.0, 60.0),
    dt=st.floats(0.001, 30.0),
)
def test_never_colder_than_the_sink_and_never_unstable(
    power: float, flow: float, sink: float, dt: float
) -> None:
    plant = hall(18)
    heat, gpus = plant.heat, plant.gpus
    heat.die_c[:], heat.plate_c[:] = sink, sink
    gpus.power_w[:], gpus.node_w[:] = power, 8 * power
    flows, sinks = np.full(18, flow, "f4"), np.full(18, sink, "f4")
    ceiling = sink + power * (R1 + float(heat.resistance(flows)[0])) + 0.1
    last = sink
    for _ in range(20):
        heat.step(gpus, np.zeros(18), (sinks, sinks), flows, dt)
        die = float(heat.die_c[0, 0])
        assert last - 0.01 <= die <= ceiling
        last = die
