"""Who is on a bus: unit numbers are tried, and what answers is recognised by its registers.

There is no standard way to ask a unit what it is, so each register map names registers that no
other kind of unit at its numbers has. The map with the most of them is tried first. A unit that
answers and fits no map is told, not guessed at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.modbus.address import BusAddress
from iolaus.wire.modbus.bus import Bus
from iolaus.wire.modbus.health import LONG_S, SHORT_S
from iolaus.wire.modbus.registers import RegisterMap, all_maps, load_map

EACH: Final = 6
"""Units of one shelf at most; behind the first of a shelf that is missing, so are the others."""

FAILED: Final = 4
"""What a server says of a unit that is not there, if it says anything (section 7)."""


class Found(NamedTuple):
    """`strange` are units that answer and fit no map."""

    units: dict[int, RegisterMap]
    strange: tuple[int, ...]


async def find_units(bus: Bus, address: BusAddress) -> Found:
    """Try the units that the address names, or those that the maps expect. Units that are known
    on the bus already are not asked. Raises `DeviceSilent` (code "ModbusNoLink") where the line
    itself cannot be used."""
    units: dict[int, RegisterMap] = {}
    strange: list[int] = []
    patience_s = LONG_S if address.units else SHORT_S
    for group in _groups(address):
        for number in group:
            known = bus.units.get(number)
            found = known.map if known else await recognise(bus, number, address, patience_s)
            if isinstance(found, RegisterMap):
                units[number] = found
            elif found:
                strange.append(number)
            elif not address.units:
                break
    return Found(units, tuple(strange))


async def recognise(
    bus: Bus, number: int, address: BusAddress, patience_s: float
) -> RegisterMap | bool:
    """The map of a unit; True for one that answers and fits none, False for silence."""
    answers = False
    for found in _candidates(number, address):
        verdict = await _fits(bus, number, found, patience_s)
        if verdict is None:
            return answers
        if verdict:
            return found
        answers = True
    return answers


async def _fits(bus: Bus, number: int, found: RegisterMap, patience_s: float) -> bool | None:
    """Whether all its probe registers are there; None for silence."""
    for at in found.probe:
        count = next((reg.count for reg in found.registers if reg.at == at), 1)
        for attempt in (1, 2):
            try:
                await bus.ask(number, at, count, patience_s=patience_s)
            except DeviceSilent as error:
                if error.code == "ModbusNoLink":
                    raise
                if attempt == 1 and error.code == "ModbusLate":
                    continue
                return None
            except DeviceRefused as error:
                return None if error.status == FAILED else False
            except DeviceLied:
                continue
            break
    return True


def _candidates(number: int, address: BusAddress) -> Sequence[RegisterMap]:
    """The maps that a unit of this number may have, the most particular first."""
    if address.map is not None:
        return [load_map(address.map)]
    fitting = [m for m in all_maps() if address.units or m.holds(number)]
    return sorted(fitting, key=lambda m: (not m.holds(number), -len(m.probe)))


def _groups(address: BusAddress) -> Iterator[Sequence[int]]:
    """Unit numbers, those of a shelf together."""
    if address.units:
        yield address.units
        return
    maps = [load_map(address.map)] if address.map else list(all_maps())
    for low, high, step in sorted({(*m.units, m.step) for m in maps}):
        for first in range(low, high + 1, step):
            yield range(first, min(first + min(step, EACH), high + 1))
