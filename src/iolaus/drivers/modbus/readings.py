"""Samples of a bus as readings of assets: with their age, and a reason where there is no value.

A register that was not read lately is not known, whatever it said before; the reason is the
unit's (gone, garbled) or its age. What is said of a whole shelf is made of its modules: powers add
up only if every module is known, of voltages the worst counts, and a mean hides an empty battery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from iolaus.drivers.modbus.things import PARTS, Thing
from iolaus.model.asset import Reading
from iolaus.wire.modbus.bus import Bus, Unit
from iolaus.wire.modbus.registers import Bit, Register
from iolaus.wire.modbus.values import Value, raised

PERIODS: Final = 3.0
LEAST_S: Final = 3.0
FLAGS: Final = frozenset({"leak", "ac_loss", "pulse_management", "battery_discharging"})
WORST: Final = {"OK": 0, "Warning": 1, "Critical": 2}


class Sum(NamedTuple):
    """A reading of the whole: its role, that of the modules' readings it is made of, and how."""

    role: str
    of: str
    how: Callable[[Iterable[float]], float]


SUMS: Final[Mapping[str, Sequence[Sum]]] = {
    "psu": (
        Sum("shelf_output_power", "psu_output_power", sum),
        Sum("shelf_input_power", "psu_input_power", sum),
        Sum("busbar_voltage", "psu_output_voltage", min),
        Sum("busbar_voltage_min", "busbar_voltage_min", min),
        Sum("busbar_voltage_max", "busbar_voltage_max", max),
    ),
    "bbu": (
        Sum("battery_charge", "battery_charge", min),
        Sum("busbar_voltage", "busbar_voltage", min),
        Sum("busbar_voltage_min", "busbar_voltage_min", min),
        Sum("busbar_voltage_max", "busbar_voltage_max", max),
    ),
    "cdu": (),
}


class Now(NamedTuple):
    """From when readings are made: monotonic, and seconds since 1970."""

    mono_s: float
    at: float


def readings_of(bus: Bus, things: Iterable[Thing], now: Now, *, base: str = "") -> list[Reading]:
    """Every reading of the equipment. `base` is put before each URI."""
    found: list[Reading] = []
    for thing in things:
        parts = [each for unit in thing.units for each in _unit_readings(bus, thing, unit, now)]
        found += parts
        found += (_whole(thing, each, parts, now) for each in SUMS[thing.family])
    if base:
        found = [_based(each, base) for each in found]
    return found


def severity_of(units: Iterable[Unit]) -> str:
    """The worst that any unit's alarms say: "OK", "Warning" or "Critical"."""
    said = [
        bit.alarm
        for unit in units
        for name, active in unit.alarms.items()
        for bit in unit.map[name].bits
        if bit.alarm and bit.name in active
    ]
    return max(said, key=lambda word: WORST[word], default="OK")


def part_name(thing: Thing, unit: Unit) -> str | None:
    """What an operator calls it; None for what speaks for the whole."""
    if unit is thing.own:
        return PARTS["pmm"][0] if unit.map.thing == "pmm" else None
    slot = next(slot for slot, each in thing.modules if each is unit)
    return f"{PARTS[unit.map.thing][0]} {slot}"


def value_now(bus: Bus, unit: Unit, reg: Register, now: Now) -> Value:
    """What the register says, if that was read lately enough."""
    most_s = max(LEAST_S, PERIODS * bus.period_s(reg.rate))
    return unit.value(reg.name, now=now.mono_s, most_s=most_s)


def _unit_readings(bus: Bus, thing: Thing, unit: Unit, now: Now) -> Iterator[Reading]:
    part = part_name(thing, unit)
    for reg in unit.map.registers:
        if reg.name in unit.absent:
            continue
        value, at = value_now(bus, unit, reg, now), _read_at(unit, reg, now)
        every_s = bus.period_s(reg.rate)
        for bit in reg.bits:
            if bit.role in FLAGS:
                yield _flag(thing, unit, part, reg, bit, value, (at, every_s))
        if reg.quantity:
            yield Reading(
                name=_called(part, reg.name),
                asset=thing.key,
                uri=f"/units/{unit.number}/{reg.name}",
                quantity=reg.quantity,
                unit=reg.unit,
                value=value.number,
                at=at,
                component=part,
                reason=value.reason,
                role=reg.role,
                every_s=every_s,
            )


def _flag(
    thing: Thing,
    unit: Unit,
    part: str | None,
    reg: Register,
    bit: Bit,
    value: Value,
    when: tuple[float, float],
) -> Reading:
    """A flag as a reading: 1 while it says so. Of a leak the verdict is the status."""
    known = value.number is not None
    active = known and bit.name in raised(reg, value.number or 0.0)
    status = (bit.alarm or "Warning") if active else "OK"
    return Reading(
        name=_called(part, bit.name),
        asset=thing.key,
        uri=f"/units/{unit.number}/{reg.name}/{bit.name}",
        quantity="",
        unit="",
        value=float(active) if known else None,
        at=when[0],
        component=part,
        status=status if known and bit.alarm else None,
        reason=value.reason,
        role=bit.role,
        every_s=when[1],
    )


def _whole(thing: Thing, want: Sum, parts: Sequence[Reading], now: Now) -> Reading:
    mine = [each for each in parts if each.role == want.of and each.component is not None]
    blind = next((each for each in mine if each.value is None), None)
    values = [each.value for each in mine if each.value is not None]
    reason = "" if values else "no module says so"
    if blind is not None:
        reason = f"{blind.component}: {blind.reason}"
    about = mine[0] if mine else None
    return Reading(
        name=want.role,
        asset=thing.key,
        uri=f"/{thing.key}/{want.role}",
        quantity=about.quantity if about else "",
        unit=about.unit if about else "",
        value=None if reason else round(want.how(values), 3),
        at=min((each.at for each in mine), default=now.at),
        reason=reason,
        role=want.role,
        every_s=max((each.every_s for each in mine), default=0.0),
    )


def _read_at(unit: Unit, reg: Register, now: Now) -> float:
    """When it was read; for what never was, now."""
    sample = unit.samples.get(reg.name)
    return sample.at if sample is not None else now.at


def _called(part: str | None, name: str) -> str:
    words = name.replace("_", " ")
    return f"{part} {words}" if part else words


def _based(reading: Reading, base: str) -> Reading:
    return replace(reading, uri=base + reading.uri)
