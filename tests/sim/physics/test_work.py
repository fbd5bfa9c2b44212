"""Work: published shapes, common beats, stragglers, caps and their price, arrivals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.physics import actuators as do
from iolaus.sim.physics import faults
from iolaus.sim.physics.arrivals import Arrivals, load_azure
from iolaus.sim.physics.build import Shape, uniform_hall
from iolaus.sim.physics.kinds import Job, NodeKind
from iolaus.sim.physics.plant import Plant
from iolaus.sim.physics.serving import DECODE, PREFILL
from iolaus.sim.physics.work import RANGES, REFORM_S
from tests.sim.physics.halls import SQUARE, hall, replace, with_jobs


def test_drawn_jobs_are_within_published_ranges() -> None:
    plant = Plant(uniform_hall(Shape(nodes=720, nodes_per_job=18)), seed=3)
    for name, (low, high) in RANGES.items():
        values = getattr(plant.work, name)
        assert (values >= low).all()
        assert (values <= high).all()
        assert values.std() > 0.0


def test_a_training_job_swings_as_one() -> None:
    plant = hall(36, job=SQUARE)
    plant.run(4.0)
    powers = []
    for _ in range(200):
        plant.step(0.1)
        powers.append(plant.gpus.node_w.copy())
    trace = np.array(powers)
    together = np.corrcoef(trace[:, 0], trace[:, 35])[0, 1]
    assert together > 0.98
    share = trace.sum(axis=1) / (36 * 8000.0)
    assert share.max() == pytest.approx(1.0, abs=0.03)
    assert share.min() == pytest.approx(0.3, abs=0.06)
    high = float((share > 0.65).mean())
    assert high == pytest.approx(0.75, abs=0.06)


def test_checkpoints_dip_for_8_to_20_seconds() -> None:
    plant = hall(18, job=replace(SQUARE, save_every_s=60.0, save_s=12.0))
    lows, length_s = [], 0.0
    for _ in range(1200):
        plant.step(0.25)
        if plant.gpus.node_w.sum() < 0.2 * 18 * 8000.0:
            length_s += 0.25
        elif length_s:
            lows.append(length_s)
            length_s = 0.0
    assert 2 <= len(lows) <= 6
    assert all(8.0 <= seconds <= 15.0 for seconds in lows)
    assert plant.work.steps[0] > 0


def pace(plant: Plant, seconds: float = 60.0) -> float:
    before = float(plant.work.done_s[0])
    plant.run(seconds, 0.25)
    return (float(plant.work.done_s[0]) - before) / seconds


def test_a_straggler_slows_its_whole_job() -> None:
    plant = hall(36, job=SQUARE)
    plant.work.speed[:] = 1.0
    usual = pace(plant)
    faults.strike(plant, "straggler", [7], 0.5)
    assert pace(plant) == pytest.approx(usual / (0.75 / 0.5 + 0.25), rel=0.05)
    plant.run(0.3)
    faults.mend(plant, "straggler", [7])
    assert pace(plant) == pytest.approx(usual, rel=0.03)


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_throughput_falls_as_a_power_of_the_cap(share: float) -> None:
    job = replace(SQUARE, duty=0.999, high=1.0, low=1.0)
    plant = hall(18, job=job, node=NodeKind(alpha=0.4))
    plant.work.speed[:] = 1.0
    plant.run(5.0)
    usual = pace(plant, 20.0)
    do.limit_gpus(plant, share * 1000.0, nodes=slice(None))
    plant.run(5.0)
    assert pace(plant, 20.0) / usual == pytest.approx(share**0.4, rel=0.02)


def test_one_capped_node_slows_all_and_the_others_wait() -> None:
    plant = hall(36, job=replace(SQUARE, step_s=4.0))
    plant.work.speed[:] = 1.0
    plant.run(8.0)
    energy = plant.gpus.node_w[5]
    del energy
    do.limit_gpus(plant, 400.0, nodes=[0])
    plant.run(8.0)
    low = []
    for _ in range(400):
        plant.step(0.1)
        low.append(plant.gpus.node_w[5] < 4000.0)
    assert np.mean(low) > 0.35


def test_a_dark_node_stalls_its_job_until_it_is_formed_anew() -> None:
    plant = hall(36, job=SQUARE)
    plant.run(10.0)
    do.switch_nodes(plant, False, nodes=[3])
    plant.run(5.0, 0.25)
    assert pace(plant, 20.0) == 0.0
    assert plant.gpus.node_w[5] == pytest.approx(0.3 * 8000.0, rel=0.05)
    plant.run(REFORM_S, 0.25)
    assert pace(plant, 20.0) > 0.8
    do.switch_nodes(plant, True, nodes=[3])
    plant.run(60.0, 0.25)
    assert plant.work.member[3]
    assert pace(plant, 20.0) > 0.8


def test_the_a100_shape_of_inference() -> None:
    """Idle 87 W, prefill 480-512 W, decode 290-303 W of 500 W."""
    kind = NodeKind(gpu_tdp_w=500.0, gpu_idle_w=87.0)
    top = uniform_hall(Shape(nodes=18, nodes_per_job=18, node=kind))
    quiet = Arrivals.of(np.array([0.0]), np.zeros(1), np.zeros(1), period_s=100.0)
    job = Job(work="serving")
    plant = Plant(with_jobs(top, job), arrivals=quiet)
    plant.run(5.0)
    assert plant.gpus.power_w.mean() == pytest.approx(87.0, rel=0.02)
    plant.work.serving.answer[:] = 1e5
    plant.run(2.0)
    assert 290.0 <= plant.gpus.power_w.mean() <= 303.0
    plant.work.serving.prompt[:] = 1e6
    plant.run(2.0)
    assert 480.0 <= plant.gpus.power_w.mean() <= 512.0
    assert PREFILL > DECODE


def test_serving_nodes_do_not_beat_together() -> None:
    top = uniform_hall(Shape(nodes=36, nodes_per_job=36))
    plant = Plant(with_jobs(top, Job(work="serving")), seed=5)
    plant.run(30.0)
    trace = []
    for _ in range(600):
        plant.step(0.1)
        trace.append(plant.gpus.node_w.copy())
    table = np.array(trace)
    assert abs(np.corrcoef(table[:, 0], table[:, 20])[0, 1]) < 0.5
    assert table.sum(axis=1).std() / table.sum(axis=1).mean() < 0.15
    assert plant.work.serving.served.sum() > 0.0


def test_synthetic_arrivals_have_the_asked_means_and_bursts() -> None:
    arrivals = Arrivals.synthetic(7, period_s=3600.0, per_s=5.0)
    assert arrivals.requests == pytest.approx(18_000, rel=0.05)
    assert arrivals.sums[1, -1] / arrivals.requests == pytest.approx(1000.0, rel=0.1)
    assert arrivals.sums[2, -1] / arrivals.requests == pytest.approx(210.0, rel=0.1)
    counts = np.diff(arrivals.sums[0, ::20])
    assert counts.var() > 1.5 * counts.mean()
    again = Arrivals.synthetic(7, period_s=3600.0, per_s=5.0)
    assert (arrivals.sums == again.sums).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.0, 500.0), min_size=1, max_size=30), st.floats(0.0, 5000.0))
def test_no_arrival_is_lost_or_counted_twice(times: list[float], start: float) -> None:
    at = np.array(times)
    arrivals = Arrivals.of(at, np.ones(at.size), np.ones(at.size))
    period = arrivals.period_s
    begins = start + period / 7 * np.arange(7)
    found = sum(arrivals.between(np.array([b]), period / 7)[0, 0] for b in begins)
    assert found == pytest.approx(at.size, abs=2)


CSV = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:04.0781490,110,27
"""


def test_a_trace_is_read_from_the_file_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(CSV, encoding="utf-8")
    arrivals = load_azure(path)
    assert arrivals.requests == 3
    assert arrivals.sums[1, -1] == 4808 + 3180 + 110
    assert arrivals.between(np.array([0.0]), 0.05)[0, 0] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n",
        "a,b\n1,2\n",
        CSV.replace("4808", "many"),
        CSV.replace("4808", "-1"),
        CSV.replace("4808", "nan"),
        CSV.replace("2023-11-16 18:17:03", "yesterday"),
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03\n",
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OperatorMust, match=r"trace\.csv"):
        load_azure(path)
    with pytest.raises(OperatorMust):
        load_azure(tmp_path / "absent.csv")
