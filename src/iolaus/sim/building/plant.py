"""What the building side asks of a plant, whoever computes it.

Registers, topics and OIDs are many; what they say is little: watts, litres a minute, degrees, a
valve. So every protocol here reads *points* of *things* by name ("h1-r01-ps1", "psu_out_w.3")
through `Values`, and acts through `Commands`. The present lives of a hall stand behind the two in
`lives`; a stepped plant can stand there instead, and no protocol will notice.

Point names are a word and, for one of several equal parts, a dot and its number from 0. States are
numbers (0 and 1), because that is what registers and messages carry. docs/building-side.md lists
the words. None is "cannot be known now", and unknown words are None too: a plant need not know all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Medium = Literal["liquid", "electrical"]
Family = Literal["shelf", "bbu", "cdu", "pdu", "rope"]


class Values(Protocol):
    def read(self, thing: str, point: str) -> float | None: ...


class Commands(Protocol):
    """What the building's equipment can be told. The plant does it, at the speed of its valves;
    whether it may be done was decided before (`guard`)."""

    def set_point(self, thing: str, point: str, value: float) -> None: ...

    def isolate(self, rack: str, medium: Medium, *, isolated: bool) -> None: ...

    def override_charge(self, thing: str, module: int, *, amps: float, seconds: float) -> None:
        """Charge with `amps` for so long, whatever the charger would do; 0 seconds ends it."""
        ...


class Plant(Values, Commands, Protocol):
    """Both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gear:
    """One piece of equipment that the building side speaks for. `modules` are its supplies,
    batteries, pumps, outlets or ropes; `racks` are those it feeds or cools."""

    name: str
    family: Family
    host: str
    hall: str
    row: str
    rack: str = ""
    modules: int = 0
    racks: Sequence[str] = ()
    make: str = ""
    model: str = ""
    serial: str = ""
    capacity_w: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rack:
    """`trays` are its nodes' names."""

    name: str
    hall: str
    row: str
    liquid: bool
    trays: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What stands where."""

    site: str
    gear: Sequence[Gear] = ()
    racks: Mapping[str, Rack] = field(default_factory=dict)

    def of(self, *families: Family) -> Iterable[Gear]:
        return (gear for gear in self.gear if gear.family in families)

    def loop(self, rack: str) -> Sequence[str]:
        """The racks that hang on the same coolant units, itself included."""
        found = {name for unit in self.of("cdu") if rack in unit.racks for name in unit.racks}
        return sorted(found)
