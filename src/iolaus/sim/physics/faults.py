"""What may befall the plant: the physical faults, by name, each struck and mended.

A fault is two small functions of a plant, the numbers it befalls and an amount whose meaning its
row says. They change what is really so; what devices say about it follows by itself, or is a lie
told elsewhere. `schedule` strikes one at a virtual time and mends it after a while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.physics.actuators import chosen
from iolaus.sim.physics.arrays import Ints, Which
from iolaus.sim.physics.leaks import Sees
from iolaus.sim.physics.plant import Plant

Strike = Callable[[Plant, Ints, float], None]
Mend = Callable[[Plant, Ints], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`befalls` says what its numbers count (nodes, racks, supplies, loops, zones, sites);
    `amount` what the number means and `usual` which one is taken if none is given."""

    name: str
    what: str
    befalls: str
    amount: str = ""
    usual: float = 0.0
    strike: Strike
    mend: Mend


def strike(plant: Plant, name: str, which: Which, amount: float | None = None) -> None:
    fault = fault_of(name)
    fault.strike(plant, _members(plant, fault, which), fault.usual if amount is None else amount)


def mend(plant: Plant, name: str, which: Which) -> None:
    fault = fault_of(name)
    fault.mend(plant, _members(plant, fault, which))


def schedule(
    plant: Plant,
    name: str,
    which: Which,
    *,
    at_s: float,
    for_s: float | None = None,
    amount: float | None = None,
) -> None:
    """Strike at `at_s` of virtual time; mend `for_s` later (None: never)."""
    fault_of(name)
    plant.at(at_s, lambda p: strike(p, name, which, amount))
    if for_s is not None:
        plant.at(at_s + for_s, lambda p: mend(p, name, which))


def fault_of(name: str) -> Fault:
    if name not in FAULTS:
        raise OperatorMust(
            "there is no such physical fault",
            operation="strike",
            subject=name,
            code="NoSuchFault",
            next_step=f"Take one of: {', '.join(sorted(FAULTS))}.",
        )
    return FAULTS[name]


def _members(plant: Plant, fault: Fault, which: Which) -> Ints:
    top = plant.topology
    counts = {
        "nodes": top.nodes,
        "racks": top.racks,
        "supplies": top.supplies,
        "loops": top.loops,
        "zones": len(top.zones),
        "sites": plant.leaks.water_l.size,
    }
    return chosen(which, counts[fault.befalls])


def _psu_loss(plant: Plant, supplies: Ints, lost: float) -> None:
    stores, numbers = plant.supply.stores, plant.stores(supplies)
    stores.working[numbers] = np.maximum(0.0, stores.units[numbers] - lost)


def _pump_loss(plant: Plant, loops: Ints, lost: float) -> None:
    coolant = plant.coolant
    coolant.pumps_ok[loops] = np.maximum(0.0, coolant.pumps[loops] - lost)


def _battery(plant: Plant, supplies: Ints, works: bool) -> None:
    plant.supply.stores.battery_ok[plant.stores(supplies)] = works


def _drain(plant: Plant, supplies: Ints, soc: float) -> None:
    plant.supply.stores.soc[plant.stores(supplies)] = float(np.clip(soc, 0.0, 1.0))


def _set(read: Callable[[Plant], np.ndarray], value: Callable[[float], float]) -> Strike:
    """A strike that writes one value to the members of an array."""

    def write(plant: Plant, members: Ints, amount: float) -> None:
        read(plant)[members] = value(amount)

    return write


def _back(read: Callable[[Plant], np.ndarray], value: float) -> Mend:
    def write(plant: Plant, members: Ints) -> None:
        read(plant)[members] = value

    return write


def _branch(plant: Plant, racks: Ints, left: float) -> None:
    plant.coolant.fault_share[plant.branches(racks)] = left


def _leak(plant: Plant, sites: Ints, lpm: float) -> None:
    for site in sites:
        plant.leaks.open(int(site), lpm)


def _racks_leak(site: Callable[[Plant, int], int]) -> Strike:
    def write(plant: Plant, racks: Ints, lpm: float) -> None:
        for rack in racks:
            plant.leaks.open(site(plant, int(rack)), lpm)

    return write


def _racks_mend(site: Callable[[Plant, int], int]) -> Mend:
    return lambda plant, racks: _racks_leak(site)(plant, racks, 0.0)


def _break(plant: Plant, nodes: Ints, slot: float) -> None:
    dead = np.zeros((plant.topology.slots, nodes.size), dtype=np.bool_)
    dead[int(slot)] = True
    plant.break_gpus(nodes, dead)


def _unbreak(plant: Plant, nodes: Ints) -> None:
    plant.gpus.broken[:, nodes] = False
    plant.break_gpus(nodes, np.zeros((plant.topology.slots, nodes.size), dtype=np.bool_))


def _facility(plant: Plant, loops: Ints, kelvin: float) -> None:
    plant.coolant.facility_c[loops] += kelvin


def _facility_back(plant: Plant, loops: Ints) -> None:
    kinds = plant.topology
    plant.coolant.facility_c[loops] = [
        kinds.loop_kinds[kinds.loop_kind[n]].facility_c for n in loops
    ]


_ROWS: Final = (
    Fault(
        name="feed-loss",
        what="the utility behind these roots of the tree is gone",
        befalls="supplies",
        strike=lambda plant, which, _: plant.supply.grid(which, there=False),
        mend=lambda plant, which: plant.supply.grid(which, there=True),
    ),
    Fault(
        name="breaker-open",
        what="a breaker opens without a reason; mending closes it",
        befalls="supplies",
        strike=lambda plant, which, _: plant.supply.switch(which, closed=False),
        mend=lambda plant, which: plant.supply.switch(which, closed=True),
    ),
    Fault(
        name="psu-loss",
        what="supplies of a shelf give up; the others carry its load",
        befalls="supplies",
        amount="how many",
        usual=1.0,
        strike=_psu_loss,
        mend=lambda plant, which: _psu_loss(plant, which, 0.0),
    ),
    Fault(
        name="battery-dead",
        what="a battery neither gives nor takes",
        befalls="supplies",
        strike=lambda plant, which, _: _battery(plant, which, works=False),
        mend=lambda plant, which: _battery(plant, which, works=True),
    ),
    Fault(
        name="battery-empty",
        what="a battery is at this charge",
        befalls="supplies",
        amount="state of charge, 0 to 1",
        strike=_drain,
        mend=lambda plant, which: _drain(plant, which, 1.0),
    ),
    Fault(
        name="pump-loss",
        what="pumps of a coolant unit stop; the others speed up",
        befalls="loops",
        amount="how many",
        usual=1.0,
        strike=_pump_loss,
        mend=lambda plant, which: _pump_loss(plant, which, 0.0),
    ),
    Fault(
        name="flow-blocked",
        what="a rack's branch is clogged",
        befalls="racks",
        amount="what is left of its conductance",
        usual=0.2,
        strike=_branch,
        mend=lambda plant, which: _branch(plant, which, 1.0),
    ),
    Fault(
        name="node-blocked",
        what="a node's cold plates (or filter) are clogged",
        befalls="nodes",
        amount="what is left of its flow",
        usual=0.2,
        strike=_set(lambda plant: plant.clear, float),
        mend=_back(lambda plant: plant.clear, 1.0),
    ),
    Fault(
        name="fan-loss",
        what="fans of a node stand",
        befalls="nodes",
        amount="share that is lost",
        usual=0.5,
        strike=_set(lambda plant: plant.fans.lost, float),
        mend=_back(lambda plant: plant.fans.lost, 0.0),
    ),
    Fault(
        name="room-cooling-loss",
        what="air handlers of a zone fail",
        befalls="zones",
        amount="share that is lost",
        usual=0.5,
        strike=_set(lambda plant: plant.rooms.capacity, lambda lost: 1.0 - lost),
        mend=_back(lambda plant: plant.rooms.capacity, 1.0),
    ),
    Fault(
        name="facility-warm",
        what="the facility's water is warmer",
        befalls="loops",
        amount="kelvin",
        usual=8.0,
        strike=_facility,
        mend=_facility_back,
    ),
    Fault(
        name="leak-tray",
        what="a node's tray leaks",
        befalls="nodes",
        amount="L/min at full pressure",
        usual=0.3,
        strike=_leak,
        mend=lambda plant, which: _leak(plant, which, 0.0),
    ),
    Fault(
        name="leak-rack",
        what="a rack's manifold leaks into its pan",
        befalls="racks",
        amount="L/min at full pressure",
        usual=2.0,
        strike=_racks_leak(lambda plant, rack: plant.leaks.pan(rack)),
        mend=_racks_mend(lambda plant, rack: plant.leaks.pan(rack)),
    ),
    Fault(
        name="leak-floor",
        what="the loop's pipe leaks under a rack",
        befalls="racks",
        amount="L/min at full pressure",
        usual=6.0,
        strike=_racks_leak(lambda plant, rack: plant.leaks.floor(rack)),
        mend=_racks_mend(lambda plant, rack: plant.leaks.floor(rack)),
    ),
    Fault(
        name="detector-fault",
        what="a leak detector says that it is broken",
        befalls="sites",
        strike=_set(lambda plant: plant.leaks.fault, lambda _: Sees.FAULT),
        mend=_back(lambda plant: plant.leaks.fault, Sees.DRY),
    ),
    Fault(
        name="detector-silent",
        what="a leak detector says nothing",
        befalls="sites",
        strike=_set(lambda plant: plant.leaks.fault, lambda _: Sees.SILENT),
        mend=_back(lambda plant: plant.leaks.fault, Sees.DRY),
    ),
    Fault(
        name="straggler",
        what="a node computes slower, and its whole job waits",
        befalls="nodes",
        amount="its speed",
        usual=0.8,
        strike=_set(lambda plant: plant.work.speed, float),
        mend=_back(lambda plant: plant.work.speed, 1.0),
    ),
    Fault(
        name="gpu-lost",
        what="a GPU falls off the bus",
        befalls="nodes",
        amount="its slot",
        strike=_break,
        mend=_unbreak,
    ),
)

FAULTS: Final[Mapping[str, Fault]] = {fault.name: fault for fault in _ROWS}
