"""What the registers of power and coolant gear say to the racks' edges. Pure.

Registers say it within a second, long before any controller does: a rectifier without mains, a
shelf that asks for less load, a battery that gives instead of taking, pumps that failed, water
where none should be. Of several rectifiers one without mains is a lost redundancy, all of them a
lost feed. A unit that does not answer says nothing: not that it has mains, and not that it is dry;
so a feed is lost when nobody has mains of those who answer, and these are more than half.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from iolaus.drivers.modbus.readings import Now, value_now
from iolaus.drivers.modbus.things import Thing
from iolaus.energy.ports import WIDE, Event, Grade, Sense
from iolaus.wire.modbus.bus import Bus, Unit
from iolaus.wire.modbus.registers import Register
from iolaus.wire.modbus.values import Value, raised

LEAST_BUSBAR_V: Final = 46.0
"""A 48 V busbar that sagged below this carries more than its shelves give."""
NO_FLOW: Final = frozenset({"pump", "loop_blocked", "emergency_button"})
FLOW_SENSOR: Final = "flow_sensor"
SPOKEN: Final = frozenset(
    {
        "ac_loss",
        "pulse_management",
        "battery_discharging",
        "battery_charge",
        "busbar_voltage_min",
        "coolant_flow",
        "coolant_supply_temperature",
        "leak",
    }
)
"""Roles that say anything to an edge."""


class Said(NamedTuple):
    """A register of a unit as it counts now."""

    unit: Unit
    reg: Register
    value: Value

    def has(self, bit: str) -> bool | None:
        """Whether this flag says so; None while nobody knows."""
        word = self.value.number
        return None if word is None else bit in raised(self.reg, word)


def is_urgent(reg: Register) -> bool:
    """Whether a change of this register must not wait for the next look."""
    return any(bit.role in SPOKEN or bit.name in NO_FLOW for bit in reg.bits)


def events_of(
    bus: Bus, thing: Thing, *, name: str, feed: str, wide: bool, now: Now
) -> Iterator[Event]:
    """All that one piece of equipment says. `name` is what we call it, `feed` what feeds it (empty:
    nobody says), `wide` whether it serves more than the rack that it stands in."""
    said = [
        Said(unit, reg, value_now(bus, unit, reg, now))
        for unit in thing.units
        for reg in unit.map.registers
        if reg.name not in unit.absent and _speaks(unit, reg)
    ]
    if thing.family == "cdu":
        yield from _coolant(said, name, wide=wide)
        return
    yield from _mains(said, name, feed, lines=thing.family == "bbu")
    yield from _busbar(said, name)
    if thing.family == "bbu":
        yield from _battery(said, name)


def _speaks(unit: Unit, reg: Register) -> bool:
    """A value counts from its first reading on, for a unit may turn out not to have it; flags are
    there, and unknown until they were read."""
    return bool(reg.bits) or (reg.role in SPOKEN and reg.name in unit.samples)


def _flags(said: Iterable[Said], role: str) -> Iterator[tuple[Said, str, bool | None]]:
    for each in said:
        for bit in each.reg.bits:
            if bit.role == role:
                yield each, bit.name, each.has(bit.name)


def _mains(said: list[Said], name: str, feed: str, *, lines: bool) -> Iterator[Event]:
    """A rectifier has no mains when any of its flags says so. A battery has a line to each of its
    rectifier shelves (`lines`), and each of them counts."""
    sources: dict[tuple[int, str], list[bool | None]] = {}
    reason = ""
    for each, flag, lost in _flags(said, "ac_loss"):
        sources.setdefault((each.unit.number, flag if lines else ""), []).append(lost)
        reason = reason or each.value.reason
    if not sources:
        return
    told = [
        True if any(flags) else (None if None in flags else False) for flags in sources.values()
    ]
    known = [lost for lost in told if lost is not None]
    gone = sum(known)
    because = f"{gone} of {len(told)} inputs of {name} have no mains" if gone else reason
    blind = Grade.UNKNOWN if len(known) < len(told) else Grade.GOOD
    dark = gone == len(known) and 2 * gone > len(told)
    whole = Grade.CRITICAL if dark else blind
    yield Event(sense=Sense.FEED, subject=feed or name, grade=whole, because=because)
    part = Grade.CRITICAL if gone else blind
    yield Event(sense=Sense.REDUNDANCY, subject=f"{name} mains", grade=part, because=because)


def feed_of(words: Sequence[Event]) -> Event:
    """One feed by the words of all that hang on it, at least one: who has mains proves that it is
    there, and it is lost when more than half of them say so and nobody says otherwise."""
    lost = [each for each in words if each.grade is Grade.CRITICAL]
    if good := next((each for each in words if each.grade is Grade.GOOD), None):
        return good
    blind = next((each for each in words if each.grade is Grade.UNKNOWN), None)
    return lost[0] if blind is None or 2 * len(lost) > len(words) else blind


def _busbar(said: list[Said], name: str) -> Iterator[Event]:
    """A shelf that asks for less, or a voltage that sagged."""
    asks = [lost for _, _, lost in _flags(said, "pulse_management")]
    volts = [each.value.number for each in said if each.reg.role == "busbar_voltage_min"]
    if not asks and not volts:
        return
    low = [each for each in volts if each is not None and 0 < each < LEAST_BUSBAR_V]
    subject, grade, because = f"{name} busbar", Grade.GOOD, ""
    if any(asks) or low:
        grade = Grade.CRITICAL
        because = f"its voltage fell to {min(low):.1f} V" if low else f"{name} asks for less load"
    elif None in asks or None in volts:
        grade, because = Grade.UNKNOWN, "a module of the shelf says nothing"
    yield Event(sense=Sense.REDUNDANCY, subject=subject, grade=grade, because=because)


def _battery(said: list[Said], name: str) -> Iterator[Event]:
    gives = [each for _, _, each in _flags(said, "battery_discharging")]
    if not gives:
        return
    charges = [each.value.number for each in said if each.reg.role == "battery_charge"]
    known = [each / 100.0 for each in charges if each is not None]
    if any(gives):
        value = min(known) if known and len(known) == len(charges) else None
        yield Event(sense=Sense.BATTERY, subject=name, grade=Grade.CRITICAL, value=value)
        return
    blind = None in gives
    yield Event(
        sense=Sense.BATTERY,
        subject=name,
        grade=Grade.UNKNOWN if blind else Grade.GOOD,
        because="a battery of the shelf says nothing" if blind else "",
    )


def _coolant(said: list[Said], name: str, *, wide: bool) -> Iterator[Event]:
    for each, flag, wet in _flags(said, "leak"):
        yield Event(
            sense=Sense.LEAK,
            subject=f"{WIDE if wide else ''}{name} {flag.replace('_', ' ')}",
            grade=Grade.UNKNOWN if wet is None else (Grade.CRITICAL if wet else Grade.GOOD),
            because=each.value.reason,
        )
    blind = any(each.has(FLOW_SENSOR) for each in said if each.reg.bits)
    for each in said:
        role, value = each.reg.role, each.value
        if role == "coolant_flow":
            number = None if blind else value.number
            reason = "the unit says that its sensor failed" if blind else value.reason
            yield _valued(Sense.FLOW, f"{name} flow", number, reason)
        elif role == "coolant_supply_temperature":
            yield _valued(Sense.COOLANT, f"{name} supply", value.number, value.reason)
    yield from _pumps(said, name)


def _pumps(said: list[Said], name: str) -> Iterator[Event]:
    words = [each for each in said if any(bit.name in NO_FLOW for bit in each.reg.bits)]
    if not words:
        return
    bad = [bit for each in words for bit in sorted(NO_FLOW) if each.has(bit)]
    blind = next((each for each in words if each.value.number is None), None)
    grade = Grade.CRITICAL if bad else (Grade.UNKNOWN if blind else Grade.GOOD)
    because = f"the unit says: {', '.join(bad).replace('_', ' ')}" if bad else ""
    because = because or (blind.value.reason if blind else "")
    yield Event(sense=Sense.FLOW, subject=f"{name} pumps", grade=grade, because=because)


def _valued(sense: Sense, subject: str, value: float | None, reason: str) -> Event:
    return Event(sense=sense, subject=subject, grade=Grade.UNKNOWN, value=value, because=reason)
