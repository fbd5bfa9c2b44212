"""Machines that run in step rise together, and none has more than the weakest can have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.frames import Report
from iolaus.energy.needs import Needs
from iolaus.energy.planning import Stand, plan
from iolaus.energy.policy import Fairness, Mode, PowerPolicy
from iolaus.energy.rooms import Rooms
from iolaus.model.plant import Domain, DomainKind, Load, Plant

POLICY = PowerPolicy(mode=Mode.CONTROL, guard=0.0, cap_error=0.0, fairness=Fairness.JOB)
FLOOR, PLATE, WEAK = 300.0, 1000.0, 700.0


def hall(site_w: float, *, rack_w: float = 9000.0) -> Plant:
    """A job over two racks, one of its nodes on a weak cord; a node without a job in each rack."""
    domains = [Domain("site", DomainKind.SITE, None, site_w)]
    loads = []
    for rack in ("r1", "r2"):
        domains.append(Domain(rack, DomainKind.RACK, "site", rack_w))
        loads += [Load(f"{rack}j{n}", rack, FLOOR, PLATE, job="train") for n in (0, 1)]
        loads.append(Load(f"{rack}x", rack, FLOOR, PLATE))
    loads[0] = replace(loads[0], nameplate_w=WEAK)
    return Plant(domains=tuple(domains), loads=tuple(loads))


def shares(plant: Plant, policy: PowerPolicy, *, held: tuple[str, ...] = ()) -> dict[str, float]:
    """What should be, everybody wanting all there is."""
    needs = Needs(plant)
    for rack, loads in plant.by_rack.items():
        wants = {load.name: load.nameplate_w for load in loads}
        mine = tuple(name for name in held if name in wants)
        needs.take(
            Report(epoch=1, seq=1, rack=rack, applied_w=0.0, granted_w=0.0, demand_w=wants,
                   latched=mine)
        )  # fmt: skip
    none = dict.fromkeys(plant.by_rack, 0.0)
    stand = Stand(reading=False, charge_w=dict(none), stuck_w=dict(none), error=dict(none))
    aim = plan(Rooms(plant, policy), needs, policy, stand)
    return aim.shares("r1") | aim.shares("r2")


def test_a_weak_cord_does_not_make_its_node_the_slowest() -> None:
    plain = replace(POLICY, fairness=Fairness.NODE, headroom=False)
    found = shares(hall(3000.0), plain)
    assert len({round(watts) for watts in found.values()}) == 1


def test_nobody_gets_what_is_of_no_use_to_the_job_while_others_want_it() -> None:
    found = shares(hall(4700.0), replace(POLICY, headroom=False))
    assert {found[name] for name in ("r1j0", "r1j1", "r2j0", "r2j1")} == {WEAK}
    assert found["r1x"] == found["r2x"] == 950.0


def test_what_is_left_over_goes_to_all_the_same() -> None:
    found = shares(hall(6000.0), POLICY)
    assert found == {**dict.fromkeys(found, PLATE), "r1j0": WEAK}


def test_a_node_that_a_reflex_holds_does_not_hold_the_others() -> None:
    found = shares(hall(9000.0), replace(POLICY, headroom=False), held=("r1j0",))
    assert found["r1j0"] == FLOOR
    assert found["r1j1"] == PLATE


@settings(max_examples=40, deadline=None)
@given(st.floats(1800.0, 6500.0), st.floats(900.0, 3000.0))
def test_no_limit_is_overrun_and_peers_stand_alike(site_w: float, rack_w: float) -> None:
    found = shares(hall(site_w, rack_w=rack_w), replace(POLICY, headroom=False))
    assert sum(found.values()) <= site_w + 0.01
    for rack in ("r1", "r2"):
        watts = sum(value for name, value in found.items() if name.startswith(rack))
        assert watts <= max(rack_w, 3 * FLOOR) + 0.01
    alike = [found[name] for name in ("r1j0", "r1j1", "r2j0", "r2j1")]
    assert max(alike) - min(alike) <= 0.01


def test_what_one_of_a_job_was_seen_to_want_counts_for_all_that_are_asked() -> None:
    plant = hall(9000.0)
    needs = Needs(plant)
    for rack, awake in (("r1", "r1j1"), ("r2", "")):
        wants = {load.name: FLOOR for load in plant.by_rack[rack]} | (
            {awake: 900.0} if awake else {}
        )
        needs.take(Report(epoch=1, seq=1, rack=rack, applied_w=0.0, granted_w=0.0, demand_w=wants))
    everybody = needs.useful(np.zeros(len(needs.names), dtype=np.bool_))
    found = dict(zip(needs.names, everybody.tolist(), strict=True))
    assert found == {**dict.fromkeys(found, WEAK), "r1x": FLOOR, "r2x": FLOOR}
    deaf = needs.useful(np.array([name == "r1j1" for name in needs.names]))
    found = dict(zip(needs.names, deaf.tolist(), strict=True))
    assert found == {**dict.fromkeys(found, FLOOR), "r1j1": WEAK}
