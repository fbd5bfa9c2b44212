"""GPU power: what limits allow, how fast they act, how smoothing shapes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.physics import actuators as do
from iolaus.sim.physics.gpus import LIMITS, VBIOS
from iolaus.sim.physics.kinds import Job, NodeKind, Smoothing
from tests.sim.physics.halls import SQUARE, hall, replace


def test_a_steady_job_draws_its_level() -> None:
    plant = hall()
    plant.run(5.0)
    mean = plant.gpus.power_w.mean()
    assert mean == pytest.approx(0.9 * 1000.0, rel=0.005)
    assert plant.gpus.power_w.std() > 1.0


def test_the_least_of_the_limits_counts() -> None:
    plant = hall()
    for watts, kind in zip((700.0, 640.0, 610.0, 580.0), LIMITS, strict=True):
        do.limit_gpus(plant, watts, nodes=[3], kind=kind)
        plant.run(3.0)
        assert plant.gpus.power_w[:, 3] == pytest.approx(np.full(8, watts), rel=1e-4)
    do.limit_gpus(plant, 2000.0, nodes=[3], kind="out-of-band")
    plant.run(3.0)
    assert plant.gpus.power_w[:, 3] == pytest.approx(np.full(8, 610.0), rel=1e-4)
    for kind in LIMITS:
        do.limit_gpus(plant, None, nodes=[3], kind=kind)
    plant.run(3.0)
    assert plant.gpus.power_w[:, 3].mean() == pytest.approx(900.0, rel=0.02)


def test_a_host_cannot_raise_what_is_capped_out_of_band() -> None:
    plant = hall()
    do.limit_gpus(plant, 500.0, nodes=[0], slots=[2], kind="out-of-band")
    do.limit_gpus(plant, 1000.0, nodes=[0], slots=[2], kind="host")
    plant.run(3.0)
    assert plant.gpus.power_w[2, 0] == pytest.approx(500.0, rel=1e-4)
    assert plant.gpus.power_w[1, 0] > 850.0


def test_a_gpu_cannot_be_held_under_idle() -> None:
    plant = hall()
    do.limit_gpus(plant, 1.0, nodes=[0])
    plant.run(3.0)
    assert plant.gpus.power_w[:, 0] == pytest.approx(plant.gpus.idle_w[:, 0])


@pytest.mark.parametrize("dt", [0.01, 0.05, 0.1])
def test_the_cap_slews_in_150_ms(dt: float) -> None:
    plant = hall()
    plant.run(5.0)
    start = plant.gpus.cap_w[0, 0]
    do.limit_gpus(plant, 400.0, nodes=[0])
    plant.run(0.15 if dt < 0.1 else 0.2, dt)
    passed = 0.15 if dt < 0.1 else 0.2
    expected = 400.0 + (start - 400.0) * np.exp(-passed / 0.15)
    assert plant.gpus.cap_w[0, 0] == pytest.approx(expected, rel=1e-3)


def test_power_follows_a_drop_in_25_ms() -> None:
    plant = hall()
    plant.run(5.0)
    before = float(plant.gpus.power_w[0, 0])
    do.switch_nodes(plant, False, nodes=[0])
    plant.run(0.025, 0.005)
    assert plant.gpus.power_w[0, 0] == pytest.approx(before * np.exp(-1.0), rel=1e-3)
    plant.run(4.0)
    assert plant.gpus.power_w[0, 0] == 0.0


def test_a_node_cap_holds_what_the_feed_sees() -> None:
    plant = hall(job=SQUARE)
    do.limit_nodes(plant, 6000.0, nodes=[1, 2])
    plant.run(4.0)
    most = 0.0
    for _ in range(200):
        plant.step(0.1)
        most = max(most, plant.node_w[1])
    assert 5700.0 < most <= 6000.0 * 1.02
    do.limit_nodes(plant, None, nodes=[1, 2])
    plant.run(6.0)
    assert plant.gpus.cap_w[0, 1] == pytest.approx(1030.0, rel=1e-3)


def test_smoothing_holds_a_floor_then_ramps() -> None:
    smoothing = Smoothing(floor=0.7, up_w_s=500.0, down_w_s=100.0, hold_s=3.0)
    job = replace(SQUARE, step_s=40.0, duty=0.5)
    plant = hall(job=job, node=NodeKind(smoothing=smoothing))
    plant.run(2.0)
    trace = []
    for _ in range(600):
        plant.step(0.1)
        trace.append(float(plant.gpus.power_w[0, 0]))
    change = np.diff(trace) / 0.1
    assert change.max() <= 500.0 * 1.05
    assert change.min() >= -100.0 * 1.05
    low = [n for n in range(1, 600) if trace[n] < 705.0 <= trace[n - 1]]
    assert low, "it comes down to the floor and below"
    at_floor = sum(680.0 < watts < 705.0 for watts in trace[low[0] : low[0] + 60])
    assert at_floor * 0.1 <= 3.5
    assert min(trace[low[0] :]) < 500.0


def test_smoothing_without_hold_never_stays_above_the_work() -> None:
    plant = hall(job=SQUARE, node=NodeKind(smoothing=Smoothing()))
    do.smooth(plant, nodes=slice(None), floor=0.0, up_w_s=1e6, down_w_s=1e6, hold_s=0.0)
    other = hall(job=SQUARE)
    for _ in range(100):
        plant.step(0.1)
        other.step(0.1)
        assert plant.gpus.power_w == pytest.approx(other.gpus.power_w, rel=1e-3, abs=1.0)


def test_what_is_not_there_is_said() -> None:
    plant = hall()
    with pytest.raises(OperatorMust, match="no number 99"):
        do.limit_gpus(plant, 1.0, nodes=[99])
    with pytest.raises(OperatorMust, match="none of"):
        do.limit_gpus(plant, 1.0, nodes=[0], kind="wishful")


@settings(deadline=None, max_examples=25)
@given(
    limits=st.lists(st.tuples(st.integers(0, 17), st.floats(0.0, 1500.0)), max_size=8),
    high=st.floats(0.3, 1.02),
    dt=st.sampled_from([0.02, 0.1, 1.0]),
)
def test_power_stays_between_idle_and_limit(
    limits: list[tuple[int, float]], high: float, dt: float
) -> None:
    plant = hall(18, job=Job(high=high, low=0.25, step_s=1.0, duty=0.8))
    for node, watts in limits:
        do.limit_gpus(plant, watts, nodes=[node])
    plant.run(4.0, dt)
    for _ in range(20):
        plant.step(dt)
        gpus = plant.gpus
        assert (gpus.power_w <= np.maximum(gpus.limit_w, gpus.idle_w) * 1.001 + 0.1).all()
        assert (gpus.power_w >= gpus.idle_w * 0.999 - 0.1).all()
        assert (gpus.power_w <= VBIOS * 1000.0 * 1.001).all()
