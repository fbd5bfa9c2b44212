"""Shelves, batteries and coolant units of the simulated hall, read over its own Modbus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from iolaus.drivers.modbus import ModbusDriver, NoReads
from iolaus.drivers.modbus.things import things_of
from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from iolaus.model.asset import AssetKind, Reading, Report
from iolaus.model.fact import Health, Known, PowerState, Unknown
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.gear import Wired, wire_units
from iolaus.sim.building.lives import LivePlant
from iolaus.sim.building.modbus_serve import SerialLine, TcpDoor
from iolaus.wire.modbus.address import parse_bus
from iolaus.wire.modbus.bus import Bus, Rates, Unit
from iolaus.wire.modbus.line import PymodbusLine
from iolaus.wire.modbus.registers import load_map
from tests.sim.building.conftest import clock, devices, faults, plant  # noqa: F401
from tests.sim.building.hand_clock import HandClock

PS, BBU, CDU = "h1-r01-ps1", "h1-r01-bbu1", "h1-a-cdu1"
RATES = Rates(fast_s=0.05, medium_s=0.05, slow_s=0.3)


@pytest.fixture
def wired(plant: LivePlant, clock: HandClock, faults: Faults) -> Wired:  # noqa: F811
    return wire_units(plant.floor, plant, clock=clock, faults=faults, baud=0)


@contextlib.asynccontextmanager
async def driving(address: str) -> AsyncIterator[ModbusDriver]:
    where, wall = parse_bus(address), WallClock()
    bus = Bus(address, PymodbusLine(where), wall, rates=RATES)
    task = asyncio.create_task(bus.run())
    try:
        yield ModbusDriver(bus, where, wall)
    finally:
        await bus.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def gear(wired: Wired, name: str) -> AsyncIterator[ModbusDriver]:
    door = TcpDoor()
    await door.open([("127.61.9.2", wired.by_gear[name])])
    try:
        async with driving(f"modbus+tcp://127.61.9.2:{door.port}") as driver:
            yield driver
    finally:
        await door.close()


def by_role(readings: tuple[Reading, ...]) -> Mapping[str, Reading]:
    """Readings of the whole."""
    return {each.role: each for each in readings if each.role and each.component is None}


async def test_a_power_shelf(wired: Wired, plant: LivePlant) -> None:  # noqa: F811
    async with gear(wired, PS) as driver:
        report = await driver.inventory()
        (asset,) = report.assets
        truth = {point: plant.read(PS, point) or 0.0 for point in ("out_w", "in_w")}
        assert (asset.kind, asset.key) == (AssetKind.POWER_SHELF, "shelves/0")
        assert asset.identity.serial == next(g.serial for g in plant.floor.gear if g.name == PS)
        assert asset.counts == {"psu": 6}
        assert isinstance(asset.power_state, Known)
        assert asset.power_state.value is PowerState.ON
        assert isinstance(asset.health, Known)
        assert asset.health.value is Health.OK
        found = by_role(report.readings)
        assert found["shelf_output_power"].value == pytest.approx(truth["out_w"], rel=0.01)
        assert found["shelf_input_power"].value == pytest.approx(truth["in_w"], rel=0.02)
        assert found["busbar_voltage_min"].value == pytest.approx(50.5, abs=2)
        assert {c.name for c in report.components} == {"PMM", *(f"PSU {n}" for n in range(6))}
        assert {f.version for f in report.firmware} == {"2.1.14", "1.7.2"}
        assert not report.partial


async def test_batteries_and_a_coolant_unit(wired: Wired, plant: LivePlant) -> None:  # noqa: F811
    async with gear(wired, BBU) as driver:
        report = await driver.inventory()
        assert [a.key for a in report.assets] == ["batteries/0"]
        assert by_role(report.readings)["battery_charge"].value == pytest.approx(
            plant.read(BBU, "soc_pct"), abs=2
        )
    async with gear(wired, CDU) as driver:
        report = await driver.inventory()
        found = by_role(report.readings)
        assert report.assets[0].kind is AssetKind.CDU
        assert found["coolant_flow"].value == pytest.approx(plant.read(CDU, "flow_lpm"), abs=0.1)
        assert found["facility_supply_temperature"].unit == "Cel"
        leaks = [each for each in report.readings if each.role == "leak"]
        assert {each.status for each in leaks} == {"OK"}
        assert len(leaks) == 4


async def test_a_rack_on_one_serial_line(wired: Wired) -> None:
    line = SerialLine(wired.lines["h1-r01"])
    units = "unit=32,33,48,64-69,192-197,200-205"
    try:
        async with driving(f"modbus+rtu://{line.path}?baud=115200&{units}") as driver:
            report = await driver.inventory()
    finally:
        await line.close()
    assert [a.key for a in report.assets] == ["batteries/0", "shelves/0", "shelves/1"]


async def test_hot_values_come_from_what_the_bus_read(
    wired: Wired,
    faults: Faults,  # noqa: F811
    plant: LivePlant,  # noqa: F811
) -> None:
    async with gear(wired, PS) as driver:
        last = await driver.inventory()
        plant.set_point(PS, "ac_loss_forced.2", 1.0)
        async with asyncio.timeout(90):
            while "PSU 2" not in (lost := await _without_ac(driver, last)):
                await asyncio.sleep(0.05)
        assert lost == {"PSU 2"}
        hot = await driver.hot(None, last)
        health = hot.healths["shelves/0"]
        assert isinstance(health, Known)
        assert health.value is Health.CRITICAL
        faults.arm("link-loss", thing=PS, what="modbus")
        async with asyncio.timeout(90):
            while not driver.bus.lost:
                await asyncio.sleep(0.1)
        with pytest.raises(DeviceSilent):
            await driver.hot(None, last)


async def _without_ac(driver: ModbusDriver, last: Report) -> set[str | None]:
    readings = (await driver.hot(None, last)).readings
    return {each.component for each in readings if each.role == "ac_loss" and each.value}


async def test_a_module_that_is_gone_makes_the_sum_unknown(wired: Wired) -> None:
    async with gear(wired, PS) as driver:
        last = await driver.inventory()
        del wired.by_gear[PS].units[195]  # type: ignore[attr-defined]
        async with asyncio.timeout(90):
            while True:
                hot = await driver.hot(None, last)
                total = by_role(hot.readings)["shelf_output_power"]
                if total.value is None:
                    break
                await asyncio.sleep(0.1)
        assert "PSU 3: the unit does not answer" in total.reason
        health = hot.healths["shelves/0"]
        assert isinstance(health, Known)
        assert health.value is Health.WARNING


async def test_nobody_there() -> None:
    async with driving("modbus+tcp://127.0.0.1:1?unit=1") as driver:
        with pytest.raises(DeviceSilent) as caught:
            await driver.inventory()
        assert caught.value.code == "ModbusNoLink"


def test_units_are_grouped_by_their_numbers() -> None:
    kinds = {
        12: "cdu-row",
        32: "hpr-pmm",
        33: "hpr-pmm",
        48: "hpr-pmm",
        70: "hpr-bbu",
        192: "hpr-psu",
        205: "hpr-psu",
    }
    things = things_of(Unit(n, load_map(kind)) for n, kind in kinds.items())
    assert [(t.key, t.own is not None, [s for s, _ in t.modules]) for t in things] == [
        ("batteries/0", True, [6]),
        ("shelves/0", True, [0]),
        ("shelves/1", True, [5]),
        ("cdus/12", True, []),
    ]


async def test_a_unit_that_was_never_read_is_unknown() -> None:
    bus = Bus("x", PymodbusLine(parse_bus("modbus+tcp://127.0.0.1:1")), WallClock(), rates=RATES)
    bus.add(192, load_map("hpr-psu"))
    report = ModbusDriver(bus, parse_bus("modbus+tcp://a"), WallClock())._report()
    assert isinstance(report.assets[0].health, Unknown)
    assert isinstance(report.assets[0].power_state, Unknown)
    assert all(each.value is None and each.reason for each in report.readings)


async def test_there_is_nothing_to_get_by_uri() -> None:
    with pytest.raises(DeviceRefused):
        await NoReads("modbus+tcp://a:502").members("/redfish/v1", on_gap=None)
