"""Shelves, batteries and coolant units through a stock Modbus client, over TCP and serial."""

from __future__ import annotations

import asyncio
import socket

import pytest

from iolaus.sim.building.bus import Bus
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.gear import Wired, wire_units
from iolaus.sim.building.lives import LivePlant
from iolaus.sim.building.modbus_serve import TcpDoor
from iolaus.sim.building.registers import load_map
from tests.sim.building.hand_clock import HandClock
from tests.sim.building.modbus_client import (
    bit,
    on_line,
    read,
    read_text,
    served,
    set_bits,
    write,
)

PSU, PSU2, SHELF, BBU, CDU = 192, 200, 32, 64, 12
PS, BATTERY, UNIT = "h1-r01-ps1", "h1-r01-bbu1", "h1-a-cdu1"


@pytest.fixture
def wired(plant: LivePlant, clock: HandClock, faults: Faults) -> Wired:
    return wire_units(plant.floor, plant, clock=clock, faults=faults, baud=0)


@pytest.fixture
def shelf(wired: Wired) -> Bus:
    return wired.by_gear[PS]


@pytest.fixture
def battery(wired: Wired) -> Bus:
    return wired.by_gear[BATTERY]


@pytest.fixture
def cdu(wired: Wired) -> Bus:
    return wired.by_gear[UNIT]


async def test_every_register_of_every_unit_is_read(wired: Wired) -> None:
    for bus in (wired.by_gear[name] for name in (PS, BATTERY, UNIT)):
        async with served(bus) as client:
            for number, unit in bus.units.items():
                for reg in unit.map.registers:
                    got = await client.read_holding_registers(
                        reg.at, count=reg.count, device_id=number
                    )
                    assert not got.isError(), (unit.name, reg.name)
                    assert got.registers == unit.words(reg)


async def test_every_register_over_the_serial_line(wired: Wired) -> None:
    line = wired.lines["h1-r01"]
    assert sorted(line.units) == [32, 33, 48, *range(64, 70), *range(192, 198), *range(200, 206)]
    async with on_line(line) as client:
        for number, unit in line.units.items():
            reg = unit.map.registers[-1]
            got = await client.read_holding_registers(reg.at, count=reg.count, device_id=number)
            assert got.registers == unit.words(reg)
        assert await read_text(client, PSU2, "psu", "model") == "ORv3 33kW Power "


async def test_numbers_are_those_of_the_plant(shelf: Bus, plant: LivePlant) -> None:
    async with served(shelf) as client:
        watts = [await read(client, PSU + n, "psu", "output_power") for n in range(6)]
        total = await read(client, SHELF, "shelf", "output_power")
        assert total == pytest.approx(plant.read(PS, "out_w"), abs=0.06)
        assert sum(watts) == pytest.approx(total, rel=0.02)
        assert 45 < await read(client, PSU, "psu", "output_voltage") < 55
        assert (await read_text(client, PSU, "psu", "serial")).startswith("DPS25")
        assert await read_text(client, 255, "shelf", "maker") == "Delta"


async def test_bad_addresses_and_values_are_refused(shelf: Bus) -> None:
    async with served(shelf) as client:
        hole = await client.read_holding_registers(58, count=1, device_id=PSU)
        assert hole.exception_code == 2
        across = await client.read_holding_registers(56, count=3, device_id=PSU)
        assert across.exception_code == 2
        nobody = await client.read_holding_registers(0, count=1, device_id=7)
        assert nobody.exception_code == 11
        read_only = await client.write_register(82, 1, device_id=PSU)
        assert read_only.exception_code == 2
        outside = await write(client, PSU, "psu", "output_voltage_wanted", 53.0)
        assert outside.exception_code == 3
        half = await client.write_register(90, 1, device_id=PSU)
        assert half.exception_code == 3
        coils = await client.read_coils(0, count=1, device_id=PSU)
        assert coils.exception_code == 1


async def test_lost_ac_shows_and_the_others_carry(shelf: Bus) -> None:
    async with served(shelf) as client:
        before = await read(client, PSU + 1, "psu", "output_power")
        assert await bit(client, PSU, "psu", "signals", "ac_loss_l")
        await set_bits(client, PSU, "psu", "settings", ["write_enable", "force_ac_loss"])
        assert not await bit(client, PSU, "psu", "signals", "ac_loss_l")
        assert await bit(client, PSU, "psu", "pfc_alarms", "ac_not_ok")
        assert await read(client, PSU, "psu", "output_power") == 0.0
        assert await read(client, PSU + 1, "psu", "output_power") == pytest.approx(
            before * 6 / 5, rel=0.02
        )
        assert await read(client, SHELF, "shelf", "working_modules") == 5
        assert await bit(client, SHELF, "shelf", "alerts", "module_1")
        await set_bits(client, PSU, "psu", "settings", ["write_enable"])
        assert await read(client, PSU, "psu", "ac_outages") == 1
        assert await read(client, SHELF, "shelf", "working_modules") == 6


async def test_pulse_management(shelf: Bus) -> None:
    async with served(shelf) as client:
        assert await bit(client, PSU, "psu", "signals", "pulse_management_l")
        await set_bits(client, PSU, "psu", "settings",
                       ["pulse_management", "force_pulse_management"])  # fmt: skip
        assert not await bit(client, PSU, "psu", "signals", "pulse_management_l")
        await set_bits(client, PSU, "psu", "settings", [])
        assert not await bit(client, PSU, "psu", "settings", "pulse_management")
        assert await bit(client, PSU, "psu", "signals", "pulse_management_l")


async def test_clock_is_set(shelf: Bus, clock: HandClock) -> None:
    async with served(shelf) as client:
        await write(client, PSU, "psu", "time", 1_800_000_000)
        await clock.advance(60)
        assert await read(client, PSU, "psu", "time") == 1_800_000_060
        assert await read(client, SHELF, "shelf", "time") == int(clock.now())


async def test_charge_override_is_a_lease(battery: Bus, clock: HandClock) -> None:
    """The unit ends an override by itself; nobody has to."""
    async with served(battery) as client:
        usual = await read(client, BBU, "bbu", "current")
        assert usual > 0
        await write(client, BBU, "bbu", "override_time", 60)
        assert not await bit(client, BBU, "bbu", "mode", "charge_override")
        await write(client, BBU, "bbu", "override_current", 0)
        assert await bit(client, BBU, "bbu", "mode", "charge_override")
        assert await read(client, BBU, "bbu", "current") == 0.0
        await clock.advance(50)
        await write(client, BBU, "bbu", "override_time", 60)
        await clock.advance(50)
        assert await read(client, BBU, "bbu", "current") == 0.0
        await clock.advance(11)
        assert not await bit(client, BBU, "bbu", "mode", "charge_override")
        assert await read(client, BBU, "bbu", "current") > 0.0
        refused = await write(client, BBU, "bbu", "override_current", 6500)
        assert refused.exception_code == 3


async def test_override_is_ended_by_hand(battery: Bus) -> None:
    async with served(battery) as client:
        await write(client, BBU, "bbu", "override_current", 3000)
        assert await read(client, BBU, "bbu", "override_current") == 3000
        await set_bits(client, BBU, "bbu", "mode", [])
        assert await read(client, BBU, "bbu", "override_current") == 0


async def test_batteries_carry_a_rack_that_lost_its_feed(
    battery: Bus, plant: LivePlant, clock: HandClock
) -> None:
    async with served(battery) as client:
        full = await read(client, BBU, "bbu", "state_of_charge")
        assert await read(client, BBU, "bbu", "shelf_ac_ok") == 1
        for name in ("h1-r01-ps1", "h1-r01-ps2"):
            for n in range(6):
                plant.set_point(name, f"ac_loss_forced.{n}", 1.0)
        assert await bit(client, BBU, "bbu", "mode", "discharging")
        assert not await bit(client, BBU, "bbu", "signals", "ac_loss_1_l")
        assert await read(client, BBU, "bbu", "time_to_empty") < 600
        await clock.advance(120)
        assert await read(client, BBU, "bbu", "state_of_charge") < full
        await write(client, BBU, "bbu", "charge_delay", 300)
        plant.set_point("h1-r01-ps1", "ac_loss_forced.0", 0.0)
        assert await read(client, BBU, "bbu", "current") == 0.0
        await clock.advance(301)
        assert await read(client, BBU, "bbu", "current") > 0.0
        assert await read(client, BBU, "bbu", "discharges") == 1


async def test_coolant_unit_obeys_within_guardrails(cdu: Bus, clock: HandClock) -> None:
    async with served(cdu) as client:
        warm = await read(client, CDU, "cdu", "supply_temperature")
        assert (
            await write(client, CDU, "cdu", "supply_temperature_wanted", 60)
        ).exception_code == 3
        await write(client, CDU, "cdu", "supply_temperature_wanted", 30)
        await clock.advance(1)
        between = await read(client, CDU, "cdu", "supply_temperature")
        await clock.advance(60)
        cool = await read(client, CDU, "cdu", "supply_temperature")
        assert warm > between > cool
        assert cool == pytest.approx(warm - 6.0, abs=1.5)


async def test_pumps_by_hand_and_stop(cdu: Bus, clock: HandClock) -> None:
    async with served(cdu) as client:
        await write(client, CDU, "cdu", "pump_duty_wanted", 90)
        await set_bits(client, CDU, "cdu", "control", ["pumps_by_hand"])
        await clock.advance(30)
        assert await read(client, CDU, "cdu", "flow") == pytest.approx(1620, rel=0.01)
        assert await read(client, CDU, "cdu", "pump_1") == pytest.approx(42 * 90, rel=0.01)
        await set_bits(client, CDU, "cdu", "control", ["flow_control"])
        await write(client, CDU, "cdu", "flow_wanted", 900)
        await clock.advance(30)
        assert await read(client, CDU, "cdu", "flow") == pytest.approx(900, rel=0.01)
        await set_bits(client, CDU, "cdu", "control", ["system_stop"])
        await clock.advance(30)
        assert await read(client, CDU, "cdu", "flow") == 0.0
        assert await read(client, CDU, "cdu", "running") == 0.0
        assert await bit(client, CDU, "cdu", "alarms", "not_ready")


async def test_slow_line_takes_its_time(plant: LivePlant, clock: HandClock, faults: Faults) -> None:
    bus = wire_units(plant.floor, plant, clock=clock, faults=faults, baud=19200).by_gear[PS]
    async with served(bus) as client:
        asked = asyncio.create_task(read(client, PSU, "psu", "output_power"))
        while not clock.sleepers:
            await asyncio.sleep(0)
        await clock.advance(0.015)
        assert not asked.done()
        await clock.advance(0.02)
        assert await asked > 0


async def test_stuck_and_stale(shelf: Bus, clock: HandClock, faults: Faults) -> None:
    async with served(shelf) as client:
        faults.arm("stuck-register", thing=PS, what="output_power")
        first = await read(client, PSU, "psu", "output_power")
        now = await read(client, PSU, "psu", "input_power_now")
        await clock.advance(37)
        assert await read(client, PSU, "psu", "output_power") == first
        assert await read(client, PSU, "psu", "input_power_now") != now
        faults.disarm("stuck-register")
        assert await read(client, PSU, "psu", "output_power") != first
        faults.arm("stale-values", thing="h1-r01-*")
        old = await read(client, PSU, "psu", "input_power")
        await clock.advance(37)
        assert await read(client, PSU, "psu", "input_power") == old


async def test_garbled_answers(wired: Wired, shelf: Bus, faults: Faults) -> None:
    fault = faults.arm("crc-errors", thing=PS)
    async with served(shelf) as client:
        got = await client.read_holding_registers(82, count=1, device_id=PSU)
        assert got.exception_code == 11
    async with on_line(wired.lines["h1-r01"]) as client:
        with pytest.raises(Exception, match="No response"):
            await client.read_holding_registers(82, count=1, device_id=PSU)
        faults.disarm(fault.id)
        assert await read(client, PSU, "psu", "crc_errors") == 2
        assert faults.struck[fault.id] == 2


async def test_lost_link_and_busy(shelf: Bus, faults: Faults) -> None:
    async with served(shelf) as client:
        faults.arm("busy", thing=PS)
        got = await client.read_holding_registers(82, count=1, device_id=PSU)
        assert got.exception_code == 6
        faults.disarm()
        faults.arm("link-loss", thing=PS, what="modbus")
        with pytest.raises(Exception, match="No response"):
            await client.read_holding_registers(82, count=1, device_id=PSU)


async def test_each_unit_has_its_address(wired: Wired, plant: LivePlant) -> None:
    door = TcpDoor()
    hosts = {gear.name: gear.host for gear in plant.floor.gear}
    try:
        await door.open([(hosts[name], bus) for name, bus in wired.by_gear.items()])
        assert len(set(door.hosts)) == len(wired.by_gear) == 7
        for host in door.hosts:
            reader, writer = await asyncio.open_connection(host, door.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.close()
    finally:
        await door.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((door.hosts[0], door.port), timeout=1).close()


def test_guardrails_of_a_map_are_where_it_says() -> None:
    wanted = load_map("cdu")["supply_temperature_wanted"]
    assert (wanted.low, wanted.high) == (20, 48)
