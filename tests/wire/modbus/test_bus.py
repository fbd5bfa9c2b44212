"""A bus in virtual time, on a hand-written line: who is read, who is gone, who may write."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    OperatorMust,
    PolicyRefused,
)
from iolaus.wire.modbus.address import parse_bus
from iolaus.wire.modbus.bus import AlarmChange, Bus, Rates
from iolaus.wire.modbus.find import find_units
from iolaus.wire.modbus.health import UnitState
from iolaus.wire.modbus.line import BUSY, ILLEGAL_ADDRESS
from iolaus.wire.modbus.registers import load_map
from tests.wire.modbus.stock import Words, words_of

BAUD = 115_200


@dataclass
class Wire:
    """A line whose transactions take the time of their bytes; registers by unit."""

    clock: JumpClock
    words: dict[int, Words]
    baud: int = BAUD
    turnaround_s: dict[int, float] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    garbled: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    broken: bool = False
    keeps: bool = True
    asked: Counter[int] = field(default_factory=Counter)

    async def read(self, unit: int, at: int, count: int, *, patience_s: float) -> Sequence[int]:
        await self._take(unit, at, 8 + 5 + 2 * count, patience_s)
        if any(n not in self.words[unit] for n in range(at, at + count)):
            raise self._refused(ILLEGAL_ADDRESS)
        return [self.words[unit][n] for n in range(at, at + count)]

    async def write(self, unit: int, at: int, words: Sequence[int], *, patience_s: float) -> None:
        await self._take(unit, at, 16, patience_s)
        if self.keeps:
            self.words[unit] |= dict(zip(range(at, at + len(words)), words, strict=True))

    async def close(self) -> None: ...

    async def _take(self, unit: int, at: int, size: int, patience_s: float) -> None:
        self.asked[unit] += 1
        if self.broken:
            raise self._silent("ModbusNoLink")
        took_s = (size + 7) * 11 / self.baud + self.turnaround_s.get(unit, 0.01)
        gone = unit in self.silent or unit not in self.words or took_s > patience_s
        await self.clock.sleep(patience_s if gone else took_s)
        if gone:
            raise self._silent("ModbusLate" if took_s > patience_s else "ModbusSilent")
        if unit in self.garbled:
            raise DeviceLied("garbled", operation="read", subject="x", code="ModbusGarbled")
        if unit in self.busy:
            raise self._refused(BUSY)

    def _silent(self, code: str) -> DeviceSilent:
        return DeviceSilent("silent", operation="read", subject="x", code=code)

    def _refused(self, status: int) -> DeviceRefused:
        return DeviceRefused("no", operation="read", subject="x", status=status)


def shelf(clock: JumpClock, *, baud: int = BAUD) -> Wire:
    return Wire(
        clock,
        {
            n: words_of(load_map("hpr-psu"), {"serial": f"S{n}", "signals": 0xC0})
            for n in range(192, 198)
        },
        baud,
    )


@contextlib.asynccontextmanager
async def running(
    wire: Wire, *, kind: str = "hpr-psu", fast_s: float = 0.1, may_write: bool = False
) -> AsyncIterator[Bus]:
    bus = Bus("bus", wire, wire.clock, rates=Rates(fast_s=fast_s), may_write=may_write)
    for number in wire.words:
        bus.add(number, load_map(kind))
    task = asyncio.create_task(bus.run())
    try:
        yield bus
    finally:
        await bus.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def scans(wire: Wire, bus: Bus, seconds: float) -> float:
    """How often in a second the output power of every rectifier was read."""
    count: Counter[int] = Counter()

    def note(unit: object, names: object) -> None:
        if "output_power" in names:  # type: ignore[operator]
            count[unit.number] += 1  # type: ignore[attr-defined]

    bus.on_sample.append(note)
    await wire.clock.sleep(seconds)
    bus.on_sample.remove(note)
    return min(count[n] for n in wire.words if n not in wire.silent) / seconds


@pytest.mark.parametrize(("baud", "least"), [(19_200, 2.0), (115_200, 8.0)])
async def test_six_rectifiers_are_scanned_as_often_as_wanted(baud: int, least: float) -> None:
    wire = shelf(JumpClock(), baud=baud)
    async with running(wire) as bus:
        await wire.clock.sleep(10.0)
        assert await scans(wire, bus, 30.0) >= least
        assert bus.units[192].samples["serial"].value.text == "S192"


async def test_a_unit_that_is_gone_is_told_and_slows_nobody() -> None:
    wire = shelf(JumpClock())
    async with running(wire) as bus:
        await wire.clock.sleep(5.0)
        wire.silent.add(194)
        await wire.clock.sleep(5.0)
        unit, now = bus.units[194], wire.clock.monotonic()
        assert unit.health.state is UnitState.GONE
        value = unit.value("output_power", now=now, most_s=1.0)
        assert value.number is None
        assert "does not answer for" in value.reason
        assert await scans(wire, bus, 20.0) >= 8.0
        assert not bus.lost
        wire.silent.clear()
        await wire.clock.sleep(8.0)
        assert unit.value("output_power", now=wire.clock.monotonic(), most_s=1.0).number == 0.0


async def test_a_slow_unit_is_slow_and_not_gone() -> None:
    wire = shelf(JumpClock())
    async with running(wire) as bus:
        await wire.clock.sleep(5.0)
        wire.turnaround_s[195] = 0.3
        await wire.clock.sleep(10.0)
        assert bus.units[195].health.state is UnitState.SLOW
        assert bus.units[192].health.state is UnitState.THERE
        assert (
            bus.units[195].value("output_power", now=wire.clock.monotonic(), most_s=3.0).number
            == 0.0
        )


async def test_check_sum_errors_are_counted_and_are_no_absence() -> None:
    wire = shelf(JumpClock())
    async with running(wire) as bus:
        await wire.clock.sleep(2.0)
        wire.garbled.add(193)
        await wire.clock.sleep(5.0)
        assert bus.crc_errors > 10
        assert bus.units[193].health.state is UnitState.NOISY
        value = bus.units[193].value("output_power", now=wire.clock.monotonic(), most_s=1.0)
        assert value.reason == "the unit's answers are garbled"


async def test_a_dark_line_is_lost_as_a_whole_and_found_again() -> None:
    wire = shelf(JumpClock())
    async with running(wire) as bus:
        await wire.clock.sleep(2.0)
        wire.broken = True
        await wire.clock.sleep(5.0)
        assert bus.lost
        asked = sum(wire.asked.values())
        await wire.clock.sleep(10.0)
        assert sum(wire.asked.values()) - asked <= 6
        wire.broken = False
        await wire.clock.sleep(5.0)
        assert not bus.lost
        wire.silent.update(wire.words)
        await wire.clock.sleep(8.0)
        assert bus.lost


async def test_busy_units_are_there() -> None:
    wire = shelf(JumpClock())
    async with running(wire) as bus:
        wire.busy.add(192)
        await wire.clock.sleep(3.0)
        assert bus.units[192].health.state is UnitState.THERE
        assert not bus.units[192].absent


async def test_registers_that_a_unit_lacks_are_found_out_and_left() -> None:
    wire = shelf(JumpClock())
    for at in (71, 117):
        del wire.words[192][at]
    async with running(wire) as bus:
        await wire.clock.sleep(20.0)
        unit = bus.units[192]
        assert unit.absent == {"temperature_most", "input_power_planned"}
        assert (
            unit.value("temperature_most", now=0.0, most_s=1.0).reason
            == "the unit has no such register"
        )
        assert set(unit.samples) == {r.name for r in unit.map.registers} - unit.absent


async def test_alarms_are_told_once_when_they_begin_and_once_when_they_end() -> None:
    wire, told = shelf(JumpClock()), list[AlarmChange]()
    async with running(wire) as bus:
        bus.on_alarm.append(told.append)
        await wire.clock.sleep(2.0)
        told.clear()
        wire.words[193][61] = 1 << 8
        await wire.clock.sleep(5.0)
        wire.words[193][61] = 0
        await wire.clock.sleep(5.0)
    assert [(c.unit, c.bit, c.severity, c.raised) for c in told] == [
        (193, "ac_not_ok", "Critical", True),
        (193, "ac_not_ok", "Critical", False),
    ]


async def test_sticky_alarms_stay_until_a_person_clears_them() -> None:
    wire, told = shelf(JumpClock()), list[AlarmChange]()
    async with running(wire, may_write=True) as bus:
        await wire.clock.sleep(2.0)
        bus.on_alarm.append(told.append)
        wire.words[192][60] = 1 << 9
        await wire.clock.sleep(10.0)
        assert [c.bit for c in told] == ["dcdc_failed"]
        assert wire.words[192][94] == 0
        await bus.clear(192, "alarms")
        assert wire.words[192][94] == 1 << 14


async def test_nothing_is_written_to_a_bus_that_is_not_managed() -> None:
    wire = shelf(JumpClock())
    async with running(wire) as bus:
        with pytest.raises(PolicyRefused) as caught:
            await bus.write(192, {"output_voltage_wanted": 50.5})
        assert caught.value.code == "NotManaged"
        assert wire.words[192][103] == 0


async def test_what_is_written_is_read_back() -> None:
    wire = shelf(JumpClock())
    async with running(wire, may_write=True) as bus:
        assert await bus.write(192, {"output_voltage_wanted": 50.5}) == {
            "output_voltage_wanted": 50.5
        }
        with pytest.raises(OperatorMust):
            await bus.write(192, {"output_voltage_wanted": 99.0})
        with pytest.raises(DeviceSilent):
            await bus.write(7, {"output_voltage_wanted": 50.5})
        wire.keeps = False
        with pytest.raises(DeviceLied) as caught:
            await bus.write(192, {"output_voltage_wanted": 49.0})
        assert caught.value.code == "WriteNotKept"


async def test_units_are_recognised_by_their_registers() -> None:
    clock = JumpClock()
    kinds = {
        12: "cdu-row",
        13: "rpu",
        32: "hpr-pmm",
        64: "hpr-bbu",
        72: "orv3-bbu",
        192: "hpr-psu",
        200: "orv3-psu",
    }
    wire = Wire(clock, {unit: words_of(load_map(kind)) for unit, kind in kinds.items()})
    wire.words[14] = {1: 1}
    bus = Bus("bus", wire, clock, rates=Rates())
    found = await find_units(bus, parse_bus("modbus+tcp://a"))
    assert {unit: m.name for unit, m in found.units.items()} == kinds
    assert found.strange == (14,)
    named = await find_units(bus, parse_bus("modbus+tcp://a?unit=12,99"))
    assert list(named.units) == [12]
    pinned = await find_units(bus, parse_bus("modbus+tcp://a?unit=192&map=orv3-psu"))
    assert pinned.units[192].name == "orv3-psu"
