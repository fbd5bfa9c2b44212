"""Which units are one piece of equipment.

A bus knows unit numbers; an operator knows shelves and coolant units. The open rack's
specifications give each shelf of a rack a run of numbers, its management module one of its own,
so grouping is arithmetic on the maps' first numbers and steps. A module that is missing leaves a
gap in its shelf and makes no shelf of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from iolaus.model.asset import AssetKind, ComponentKind
from iolaus.wire.modbus.bus import Unit

PSU_PMM, BBU_PMM = range(32, 48), range(48, 64)
FAMILIES: Final[Mapping[str, tuple[str, AssetKind]]] = {
    "psu": ("shelves", AssetKind.POWER_SHELF),
    "bbu": ("batteries", AssetKind.POWER_SHELF),
    "cdu": ("cdus", AssetKind.CDU),
}
PARTS: Final[Mapping[str, tuple[str, ComponentKind]]] = {
    "psu": ("PSU", ComponentKind.PSU),
    "bbu": ("BBU", ComponentKind.BATTERY),
    "pmm": ("PMM", ComponentKind.BMC),
}


@dataclass(frozen=True, slots=True)
class Thing:
    """`key` is the asset's. `own` speaks for the whole (a management module, a coolant unit);
    `modules` are its parts with their slot."""

    key: str
    kind: AssetKind
    family: str
    own: Unit | None
    modules: Sequence[tuple[int, Unit]] = ()

    @property
    def units(self) -> Sequence[Unit]:
        own = [self.own] if self.own is not None else []
        return [*own, *(unit for _, unit in self.modules)]


def things_of(units: Iterable[Unit]) -> list[Thing]:
    """Equipment in the order of its unit numbers."""
    modules: dict[tuple[str, int], list[tuple[int, Unit]]] = {}
    own: dict[tuple[str, int], Unit] = {}
    for unit in sorted(units, key=lambda each: each.number):
        family, number, slot = _place(unit)
        if slot is None:
            own[family, number] = unit
        else:
            modules.setdefault((family, number), []).append((slot, unit))
    keys = sorted({*own, *modules}, key=lambda key: (key[0] == "cdu", *key))
    return [
        Thing(
            key=f"{FAMILIES[family][0]}/{number}",
            kind=FAMILIES[family][1],
            family=family,
            own=own.get((family, number)),
            modules=modules.get((family, number), []),
        )
        for family, number in keys
    ]


def _place(unit: Unit) -> tuple[str, int, int | None]:
    """Family, number of the equipment, and slot in it (None: it speaks for the whole)."""
    first, step = unit.map.units[0], unit.map.step
    if unit.map.thing == "cdu":
        return "cdu", unit.number, None
    if unit.map.thing == "pmm":
        is_battery = unit.number in BBU_PMM
        return ("bbu", unit.number - 48, None) if is_battery else ("psu", unit.number - 32, None)
    if not unit.map.holds(unit.number):
        return unit.map.thing, 0, unit.number
    return unit.map.thing, (unit.number - first) // step, (unit.number - first) % step
