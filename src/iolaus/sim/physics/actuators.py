"""What a controller may do to the plant: every knob that the real hall has, and no other.

Plain functions of a plant and numbers. The protocols outside (three Redfish dialects, Modbus
registers, the building system's set-points) end here, whatever they call it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.physics.arrays import F64, Ints, Which
from iolaus.sim.physics.gpus import LIMITS
from iolaus.sim.physics.plant import Plant

SUPPLY_C: Final = (18.0, 50.0)


def chosen(which: Which, count: int) -> Ints:
    """The numbers meant, as an array. Raises OperatorMust when one is not there."""
    if isinstance(which, slice):
        return np.arange(count)[which]
    numbers: Ints = np.atleast_1d(np.asarray(which, dtype=np.intp))
    if numbers.size and (numbers.min() < 0 or numbers.max() >= count):
        raise OperatorMust(
            f"there is no number {numbers.min() if numbers.min() < 0 else numbers.max()}",
            operation="reach into plant",
            subject=f"one of {count}",
            code="NoSuchPart",
            next_step="Count from 0.",
        )
    return numbers


def limit_gpus(
    plant: Plant,
    watts: float | None,
    *,
    nodes: Which,
    slots: Which | None = None,
    kind: str = "out-of-band",
) -> None:
    """One of the four limits of these GPUs (None lifts it); the least of them counts."""
    if kind not in LIMITS:
        raise OperatorMust(
            f"{kind!r} is none of {', '.join(LIMITS)}", operation="limit GPUs", subject="kind"
        )
    places = slice(None) if slots is None else slots
    top = plant.topology
    plant.gpus.limit(kind, chosen(nodes, top.nodes), chosen(places, top.slots), watts)


def limit_nodes(plant: Plant, watts: float | None, *, nodes: Which) -> None:
    """Cap what these nodes take from their feed, conversion included (None: no cap)."""
    plant.hosts.limit(chosen(nodes, plant.topology.nodes), watts)


def limit_each(plant: Plant, watts: F64, *, nodes: Ints) -> None:
    """A cap of its own for each of these nodes, of what it takes from its feed."""
    plant.hosts.limit(chosen(nodes, plant.topology.nodes), watts)


def smooth(
    plant: Plant,
    *,
    nodes: Which,
    slots: Which | None = None,
    floor: float,
    up_w_s: float,
    down_w_s: float,
    hold_s: float,
) -> None:
    """Power smoothing of GPUs that have it; `floor` is a share of TDP."""
    which = chosen(nodes, plant.topology.nodes)
    places = chosen(slice(None) if slots is None else slots, plant.topology.slots)
    plant.gpus.smooth(which, places, floor=floor, up_w_s=up_w_s, down_w_s=down_w_s, hold_s=hold_s)


def switch_nodes(plant: Plant, on: bool, *, nodes: Which) -> None:
    """A host's power button. Off clears what its GPUs latched."""
    which = chosen(nodes, plant.topology.nodes)
    plant.hosts.switch(which, on)
    if not on:
        plant.gpus.broken[:, which] = False
        plant.hosts.broken[which] = False


def reset_nodes(plant: Plant, *, nodes: Which) -> None:
    """Off and on again: latched trips are cleared, booting begins anew."""
    which = chosen(nodes, plant.topology.nodes)
    plant.gpus.broken[:, which] = False
    plant.hosts.broken[which] = False
    plant.hosts.up_s[which] = 0.0
    plant.gpus.light(which, plant.hosts.on[which], plant.t_s)


def switch_supplies(plant: Plant, closed: bool, *, supplies: Which) -> None:
    """Open or close breakers, outlets' strips, feeds; closing resets what tripped."""
    plant.supply.switch(chosen(supplies, plant.topology.supplies), closed)


def plug_nodes(plant: Plant, on: bool, *, nodes: Which, supply: int) -> None:
    """The outlets of one supply that these nodes hang on."""
    plant.supply.plug(chosen(nodes, plant.topology.nodes), supply, on)


def set_valves(plant: Plant, opening: float, *, racks: Which) -> None:
    """The liquid isolation valve of these racks, 0 to 1; racks without a loop have none."""
    which = chosen(racks, plant.topology.racks)
    plant.coolant.branch[plant.branches(which)] = float(np.clip(opening, 0.0, 1.0))


def set_supply_temperature(plant: Plant, celsius: float, *, loops: Which) -> None:
    """The coolant units' set point, held within what such units accept."""
    which = chosen(loops, plant.topology.loops)
    plant.coolant.target_c[which] = float(np.clip(celsius, *SUPPLY_C))


def set_pumps(plant: Plant, speed: float | None, *, loops: Which) -> None:
    """Run the pumps at this share of full speed (None: the unit's own control)."""
    which = chosen(loops, plant.topology.loops)
    plant.coolant.manual_pump[which] = np.nan if speed is None else np.clip(speed, 0.0, 1.15)


def set_facility_valves(plant: Plant, opening: float | None, *, loops: Which) -> None:
    """Hold the facility's valve of these units (None: the unit's own control)."""
    which = chosen(loops, plant.topology.loops)
    plant.coolant.manual[which] = np.nan if opening is None else np.clip(opening, 0.0, 1.0)


def limit_charge(plant: Plant, share: float, *, supplies: Which) -> None:
    """The charge current limit of these shelves' batteries, of what their chargers can."""
    plant.supply.stores.limit_charge(plant.stores(chosen(supplies, plant.topology.supplies)), share)


def override_charge(plant: Plant, watts: float, *, supplies: Which, for_s: float) -> None:
    """Charge so fast for so long, then by the usual limit again, whoever is still there."""
    stores = plant.stores(chosen(supplies, plant.topology.supplies))
    plant.supply.stores.override_charge(stores, watts, plant.t_s + for_s)
