"""From equipment to units: which unit numbers answer where.

A shelf's address answers for its controller (also as unit 0 and 255) and its modules; a rack's
serial line carries every shelf of the rack, so modules of the second shelf follow those of the
first by a fixed step. A coolant unit has a single unit and no serial line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from iolaus.kernel.clock import Clock
from iolaus.sim.building.bus import Bus
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.plant import Floor, Gear, Plant
from iolaus.sim.building.registers import load_map
from iolaus.sim.building.unit import Unit

MODULES = {"shelf": "psu", "bbu": "bbu"}
BATTERY_CONTROLLERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """`by_gear` has a bus per piece of equipment, `lines` one per rack with shelves."""

    by_gear: Mapping[str, Bus]
    lines: Mapping[str, Bus]


def wire_units(
    floor: Floor, plant: Plant, *, clock: Clock, faults: Faults, baud: int | None = None
) -> Wired:
    """Buses of all equipment. `baud` overrules the maps' line speed (0: no wait)."""
    by_gear: dict[str, Bus] = {}
    racks: dict[str, dict[int, Unit]] = defaultdict(dict)
    shelves: dict[tuple[str, str], int] = defaultdict(int)
    for gear in floor.of("shelf", "bbu", "cdu"):
        place = (gear.rack or gear.name, gear.family)
        units = _units(gear, shelves[place], plant=plant, clock=clock, faults=faults)
        shelves[place] += 1
        main = next(iter(units))
        speed = units[main].map.baud if baud is None else baud
        by_gear[gear.name] = Bus(
            gear.name, units, clock=clock, faults=faults, baud=speed, main=main
        )
        if gear.rack and gear.family != "cdu":
            racks[gear.rack].update(units)
    line = load_map("psu").baud if baud is None else baud
    lines = {
        rack: Bus(rack, units, clock=clock, faults=faults, baud=line)
        for rack, units in racks.items()
    }
    return Wired(by_gear=by_gear, lines=lines)


def _units(
    gear: Gear, shelf: int, *, plant: Plant, clock: Clock, faults: Faults
) -> dict[int, Unit]:
    """The units of one piece of equipment, its own first."""
    own = load_map("cdu" if gear.family == "cdu" else "shelf")
    number = own.unit + shelf + (BATTERY_CONTROLLERS if gear.family == "bbu" else 0)
    units = {
        number: Unit(own, gear, plant=plant, clock=clock, faults=faults, shelf=shelf, number=number)
    }
    if gear.family not in MODULES:
        return units
    part = load_map(MODULES[gear.family])
    for module in range(gear.modules):
        number = part.unit + shelf * part.step + module
        units[number] = Unit(
            part, gear, plant=plant, clock=clock, faults=faults,
            module=module, shelf=shelf, number=number,
        )  # fmt: skip
    return units
