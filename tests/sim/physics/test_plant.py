"""The whole: energy balances, runs repeat bit for bit, and nothing impossible happens."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.physics import actuators as do
from iolaus.sim.physics import faults
from iolaus.sim.physics.build import Shape, uniform_hall
from iolaus.sim.physics.kinds import NodeKind, Smoothing
from iolaus.sim.physics.plant import Plant
from iolaus.sim.physics.truth import truth
from tests.sim.physics.halls import SQUARE, air_hall, hall

pytestmark = pytest.mark.slow


def picture(plant: Plant) -> list[bytes]:
    arrays = (
        plant.gpus.power_w,
        plant.gpus.cap_w,
        plant.heat.die_c,
        plant.heat.plate_c,
        plant.heat.rest_c,
        plant.node_w,
        plant.supply.heat,
        plant.supply.in_w,
        plant.supply.stores.soc,
        plant.coolant.supply_c,
        plant.coolant.return_c,
        plant.coolant.rack_c,
        plant.rooms.air_c,
        plant.leaks.water_l,
        plant.work.phase_s,
    )
    return [array.tobytes() for array in arrays]


def busy(seed: int) -> Plant:
    """Mixed work, with things going wrong."""
    shape = Shape(
        nodes=72, nodes_per_job=18, serving_share=0.5, node=NodeKind(smoothing=Smoothing())
    )
    plant = Plant(uniform_hall(shape), seed=seed)
    faults.schedule(plant, "feed-loss", [0], at_s=3.0, for_s=4.0)
    faults.schedule(plant, "leak-tray", [9], at_s=2.0, for_s=5.0, amount=3.0)
    faults.schedule(plant, "node-blocked", [30], at_s=1.0, amount=0.1)
    plant.at(5.0, lambda p: do.limit_nodes(p, 5000.0, nodes=slice(0, 20)))
    plant.at(6.0, lambda p: do.switch_nodes(p, False, nodes=[40]))
    return plant


def test_the_same_seed_is_the_same_run_bit_for_bit() -> None:
    one, two, other = busy(7), busy(7), busy(8)
    for plant in (one, two, other):
        plant.run(20.0)
    assert picture(one) == picture(two)
    assert truth(one) == truth(two)
    assert picture(one)[0] != picture(other)[0]


def test_how_a_run_is_cut_into_calls_does_not_matter() -> None:
    one, two = busy(7), busy(7)
    one.run(20.0)
    for seconds in (0.1, 0.7, 3.2, 6.0, 10.0):
        two.run(seconds)
    assert one.t_s == two.t_s
    assert picture(one) == picture(two)


@pytest.mark.parametrize(("dt", "seconds"), [(0.1, 200.0), (1.0, 1800.0)])
def test_energy_balances_over_a_long_run_with_everything_in_it(dt: float, seconds: float) -> None:
    plant = busy(3)
    for root in np.flatnonzero(plant.supply.root):
        faults.schedule(plant, "feed-loss", [int(root)], at_s=60.0, for_s=45.0)
    faults.schedule(plant, "pump-loss", [0], at_s=150.0, for_s=30.0, amount=1)
    plant.run(seconds, dt)
    books = plant.books
    assert abs(books.gap) < 1e-3
    assert abs(books.gap) < 1e-6, "far better than asked"
    heat = plant.heat
    dies = (
        heat.die_c.astype(float) * heat._die_j + heat.plate_c.astype(float) * heat._plate_j
    ).sum()
    assert dies + (heat.rest_c * heat._rest_j).sum() == pytest.approx(heat.stored_j(), rel=1e-6)
    assert books.grid_j > 0.5 * seconds * plant.topology.nodes * 4000.0


def test_energy_balances_in_air_too() -> None:
    plant = air_hall(16, job=SQUARE)
    faults.schedule(plant, "fan-loss", [3], at_s=20.0, for_s=100.0)
    faults.schedule(plant, "room-cooling-loss", [0], at_s=60.0, for_s=200.0, amount=0.7)
    plant.run(600.0, 0.5)
    assert abs(plant.books.gap) < 1e-6


def test_steady_heat_is_what_the_grid_gives() -> None:
    plant = hall()
    plant.run(3600.0, 3.0)
    out = plant.coolant.heat_w.sum() + plant.rooms.heat_w.sum() + plant.ambient_w
    assert out == pytest.approx(plant.supply.grid_w, rel=1e-3)
    share = plant.coolant.heat_w.sum() / plant.node_w.sum()
    assert 0.80 < share < 0.92


def test_the_room_is_its_supply_and_rise() -> None:
    plant = air_hall()
    plant.run(3600.0, 3.0)
    into = plant.rooms.heat_w[0] / plant.rooms.gain_w_k[0]
    assert plant.rooms.air_c[0] == pytest.approx(22.0 + into, abs=0.05)
    assert 2.0 < into < 6.0


def test_steps_of_different_length_agree() -> None:
    fine, coarse = hall(18, job=SQUARE), hall(18, job=SQUARE)
    fine.run(30.0, 0.02)
    coarse.run(30.0, 0.1)
    assert fine.books.grid_j == pytest.approx(coarse.books.grid_j, rel=0.01)
    assert fine.heat.die_c.mean() == pytest.approx(coarse.heat.die_c.mean(), abs=1.5)


def test_events_come_in_order_and_at_the_first_step_after() -> None:
    plant, seen = hall(18), []
    for n, at_s in enumerate((0.35, 0.1, 0.35)):
        plant.at(at_s, lambda p, n=n: seen.append((n, round(p.t_s, 6))))  # type: ignore[misc]
    plant.run(1.0)
    assert seen == [(1, 0.1), (0, 0.4), (2, 0.4)]


def test_truth_is_json_and_says_what_is_so() -> None:
    plant = busy(1)
    plant.run(4.0)
    said = json.loads(json.dumps(truth(plant)))
    assert said["water"]["leaking"] == [["tray", 9]]
    assert 0 in said["power"]["dark_supplies"]
    plant.run(20.0)
    said = truth(plant)
    assert said["power"]["off_nodes"] == [40]
    assert said["power"]["grid_w"] > said["power"]["nodes_w"] > said["power"]["gpus_w"]
    assert said["water"]["leaking"] == []


@pytest.mark.parametrize("name", sorted(faults.FAULTS))
def test_every_fault_can_be_struck_and_mended(name: str) -> None:
    plant = hall(36, job=SQUARE)
    plant.run(2.0)
    faults.strike(plant, name, [0])
    plant.run(5.0)
    faults.mend(plant, name, [0])
    plant.run(5.0)
    assert np.isfinite(plant.heat.die_c).all()
    assert faults.fault_of(name).what
    assert abs(plant.books.gap) < 1e-6


def test_an_unknown_fault_is_named() -> None:
    with pytest.raises(OperatorMust, match="gremlins"):
        faults.strike(hall(18), "gremlins", [0])


def test_a_reset_boots_at_idle() -> None:
    plant = hall(18)
    plant.run(5.0)
    do.reset_nodes(plant, nodes=[2])
    plant.run(5.0)
    assert plant.gpus.power_w[:, 2] == pytest.approx(plant.gpus.idle_w[:, 2], rel=1e-3)
    plant.run(40.0)
    assert plant.hosts.ready[2]


VERBS = st.sampled_from(sorted(faults.FAULTS))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(VERBS, st.integers(0, 3), st.booleans()), max_size=10),
    st.sampled_from([0.05, 0.1, 1.0]),
)
def test_nothing_impossible_happens(deeds: list[tuple[str, int, bool]], dt: float) -> None:
    plant = hall(36, job=SQUARE)
    for name, number, mends in deeds:
        count = {"loops": plant.topology.loops, "racks": 2, "zones": 1}
        which = number % count.get(faults.fault_of(name).befalls, 36)
        if mends:
            faults.mend(plant, name, [which])
        else:
            faults.strike(plant, name, [which])
        plant.run(10 * dt, dt)
        supply, stores = plant.supply, plant.supply.stores
        assert (plant.heat.die_c > 0.0).all()
        assert (plant.heat.die_c < 400.0).all()
        assert (stores.soc >= 0.0).all()
        assert (stores.soc <= 1.0).all()
        assert (supply.out_w[supply.tripped] == 0.0).all()
        assert (supply.heat >= 0.0).all()
        assert (supply.heat <= 1.0).all()
        assert (plant.node_w >= 0.0).all()
        assert (plant.gpus.power_w >= 0.0).all()
        assert (plant.coolant.flow_lpm >= 0.0).all()
        assert abs(plant.books.gap) < 1e-6
