"""Real register maps on a stock Modbus server: over TCP, and RTU over a pseudo-terminal, with wrong
check sums, slow lines, busy, slow and vanished units."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable

import pytest

from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.modbus.address import parse_bus
from iolaus.wire.modbus.bus import AlarmChange, Bus, Rates, Unit
from iolaus.wire.modbus.find import find_units
from iolaus.wire.modbus.health import UnitState
from iolaus.wire.modbus.line import PymodbusLine
from tests.wire.modbus.stock import Gear, on_line, on_tcp

SHELF = range(192, 198)
CALM = {"signals": 0xC0}
RATES = Rates(fast_s=0.05, medium_s=0.2, slow_s=1.0)


def rack() -> Gear:
    gear = Gear()
    for n, unit in enumerate(SHELF):
        gear.put(unit, "hpr-psu", {"output_power": 8 * (4000 + n), "model": "PSU-9", **CALM})
    return gear


@contextlib.asynccontextmanager
async def reading(
    address: str, *, rates: Rates = RATES, may_write: bool = False
) -> AsyncIterator[Bus]:
    where = parse_bus(address)
    bus = Bus(address, PymodbusLine(where), WallClock(), rates=rates, may_write=may_write)
    try:
        for unit, found in (await find_units(bus, where)).units.items():
            bus.add(unit, found)
        task = asyncio.create_task(bus.run())
        try:
            yield bus
        finally:
            await bus.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await bus.close()


async def until(true: Callable[[], object], *, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


def power(bus: Bus, unit: int) -> float | None:
    value = bus.units[unit].value("output_power", now=WallClock().monotonic(), most_s=1.0)
    return value.number


async def test_tcp_and_every_register_of_every_map() -> None:
    gear = rack()
    kinds = {
        12: "cdu-row",
        13: "rpu",
        32: "hpr-pmm",
        64: "hpr-bbu",
        72: "orv3-bbu",
        200: "orv3-psu",
    }
    for unit, kind in kinds.items():
        gear.put(unit, kind)
    gear.set(12, "cdu-row", flow=9000, supply_temperature=363)
    async with on_tcp(gear) as port, reading(f"modbus+tcp://127.0.0.1:{port}") as bus:
        assert {u: bus.units[u].map.name for u in kinds} == kinds
        await until(lambda: all(set(u.samples) == set(u.map.named) for u in bus.units.values()))
        assert power(bus, 195) == 4003.0
        assert bus.units[195].samples["model"].value.text == "PSU-9"
        assert bus.units[12].samples["flow"].value.number == 900.0
        assert bus.units[12].samples["supply_temperature"].value.number == pytest.approx(36.3)


@pytest.mark.parametrize(("baud", "least"), [(19_200, 2.0), (115_200, 8.0)])
async def test_a_shelf_is_scanned_over_a_serial_line(baud: int, least: float) -> None:
    count: Counter[int] = Counter()

    def note(unit: Unit, names: Iterable[str]) -> None:
        count[unit.number] += "output_power" in names

    async with on_line(rack(), baud=baud) as path:
        where = f"modbus+rtu://{path}?unit=192-197&map=hpr-psu&baud={baud}"
        async with reading(where) as bus:
            await until(lambda: power(bus, 197))
            bus.on_sample.append(note)
            began = WallClock().monotonic()
            await asyncio.sleep(2.0)
            took_s = WallClock().monotonic() - began
    print(f"{baud} baud: {min(count.values()) / took_s:.2f} scans a second")
    assert min(count[unit] for unit in SHELF) / took_s >= least


async def test_wrong_check_sums_are_counted_and_values_come_through() -> None:
    gear, turn = rack(), Counter[int]()

    def every_fourth(unit: int) -> bool:
        turn[unit] += 1
        return turn[unit] % 4 == 0

    async with on_line(gear) as path, reading(f"modbus+rtu://{path}?unit=192-193") as bus:
        await until(lambda: power(bus, 193))
        gear.garble = every_fourth
        await until(lambda: bus.crc_errors >= 5)
        await until(lambda: power(bus, 192) == 4000.0)
        gear.garble = lambda unit: unit == 192
        await until(lambda: bus.units[192].health.state is UnitState.NOISY)
        await until(lambda: power(bus, 192) is None)
        assert power(bus, 193) == 4001.0
        assert not bus.lost


async def test_a_vanished_unit_and_a_slow_one_on_a_serial_line() -> None:
    gear = rack()
    async with on_line(gear) as path, reading(f"modbus+rtu://{path}?unit=192-194") as bus:
        await until(lambda: power(bus, 194))
        gear.silent.add(193)
        await until(lambda: bus.units[193].health.state is UnitState.GONE)
        gear.delay_s[194] = 0.3
        await until(lambda: bus.units[194].health.state is UnitState.SLOW)
        await until(lambda: power(bus, 194) == 4002.0)
        assert power(bus, 192) == 4000.0


async def test_busy_and_sticky() -> None:
    gear, told = rack(), list[AlarmChange]()
    async with (
        on_tcp(gear) as port,
        reading(f"modbus+tcp://127.0.0.1:{port}?unit=192,193", may_write=True) as bus,
    ):
        await until(lambda: len(bus.units[193].samples) == len(bus.units[193].map.registers))
        bus.on_alarm.append(told.append)
        gear.busy.add(193)
        gear.set(192, "hpr-psu", input_alarms=1 << 8)
        await until(lambda: told)
        await asyncio.sleep(0.3)
        assert [(c.unit, c.bit) for c in told] == [(192, "ac_not_ok")]
        await bus.clear(192, "input_alarms")
        assert gear.written == [(192, 94, (1 << 14,))]
        assert bus.units[193].health.state is UnitState.THERE
        gear.busy.clear()
        assert await bus.write(193, {"output_voltage_wanted": 50.5}) == {
            "output_voltage_wanted": 50.5
        }
        assert gear.words[193][103] == 51_712


async def test_a_line_that_is_closed_is_opened_again() -> None:
    gear = rack()
    async with on_tcp(gear) as port:
        line = PymodbusLine(parse_bus(f"modbus+tcp://127.0.0.1:{port}"))
        assert list(await line.read(192, 82, 1, patience_s=1.0)) == [32_000]
        with pytest.raises(DeviceRefused) as refused:
            await line.read(192, 5000, 1, patience_s=1.0)
        assert refused.value.status == 2
        gear.silent.add(194)
        with pytest.raises(DeviceSilent) as silent:
            await line.read(194, 82, 1, patience_s=0.1)
        assert silent.value.code == "ModbusSilent"
        await line.close()
        assert list(await line.read(193, 82, 1, patience_s=1.0)) == [32_008]
    with pytest.raises(DeviceSilent) as lost:
        await line.read(192, 82, 1, patience_s=0.5)
    assert lost.value.code in ("ModbusNoLink", "ModbusSilent")
    await line.close()


async def test_garbled_is_not_silent() -> None:
    gear = rack()
    gear.garble = lambda unit: True
    async with on_line(gear) as path:
        line = PymodbusLine(parse_bus(f"modbus+rtu://{path}"))
        with pytest.raises(DeviceLied) as caught:
            await line.read(192, 82, 1, patience_s=0.2)
        assert caught.value.code == "ModbusGarbled"
        await line.close()


async def test_a_line_that_is_not_there() -> None:
    for where in ("modbus+tcp://127.0.0.1:1", "modbus+rtu:///dev/no-such-line"):
        line = PymodbusLine(parse_bus(where))
        with pytest.raises(DeviceSilent) as caught:
            await line.read(1, 1, 1, patience_s=0.2)
        assert caught.value.code == "ModbusNoLink"
        await line.close()
