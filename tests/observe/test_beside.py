"""A second channel beside a controller: more readings of the same asset, and none counted twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace
from tests.wire.modbus.stock import Gear, on_tcp

from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.asset import Asset, AssetKind, Identity, Reading, Report
from iolaus.model.condition import Sight
from iolaus.model.endpoint import Event, Mode, Target
from iolaus.model.fact import Unknown
from iolaus.observe.beside import Beside
from iolaus.observe.buses import Buses
from iolaus.observe.collect import Job, Key
from iolaus.observe.targets import normalise, parse_hosts, parse_target, unique
from iolaus.store.facts import Facts
from iolaus.wire.modbus.bus import Rates

ADDRESS = "https://10.0.0.1"
NOW = Unknown(reason="not reported", at=1.0)
SHELF = Asset(
    key="PowerShelves/1", kind=AssetKind.POWER_SHELF, resources=("/redfish/v1/PowerEquipment",),
    identity=Identity(serial="S-1"), power_state=NOW, health=NOW, observed_at=1.0,
)  # fmt: skip
OUTPUT = Reading(
    name="Output", asset=SHELF.key, uri="/redfish/v1/x", quantity="Power", unit="W", value=9.0,
    at=1.0, role="shelf_output_power",
)  # fmt: skip
REPORT = Report(
    endpoint=ADDRESS, driver="redfish", redfish_version=None, observed_at=1.0, assets=(SHELF,),
    readings=(OUTPUT,),
)  # fmt: skip


LOADED = {"output_power": 8 * 4000, "output_voltage": 51_712, "signals": 0xC0}
RATES = Rates(fast_s=0.05, medium_s=0.05, slow_s=0.2)
UNITS = "unit=32,192,193"


def shelf(serial: str = "S-1") -> Gear:
    gear = Gear()
    gear.put(32, "hpr-pmm", {"serial": serial})
    for unit in (192, 193):
        gear.put(
            unit, "hpr-psu", {"output_power": 8 * 4000, "output_voltage": 51_712, "signals": 0xC0}
        )
    return gear


@dataclass
class Stage:
    facts: Facts
    buses: Buses
    beside: Beside
    told: list[Event] = field(default_factory=list)

    async def passes(self) -> float | None:
        return await self.beside.reconcile(Key(ADDRESS, Job.BESIDE))

    def readings(self) -> dict[str, Reading]:
        held = self.facts.held(ADDRESS)
        assert held is not None
        return {
            each.uri.partition("://")[2].partition("/")[2]: each for each in held.readings.values()
        }


@contextlib.asynccontextmanager
async def stage(also: str, *, mode: Mode = Mode.READ_ONLY) -> AsyncIterator[Stage]:
    clock, told = WallClock(), list[Event]()
    facts = Facts(clock=clock)
    buses = Buses(clock=clock, tell=told.append, rates=RATES)
    beside = Beside(picture=facts, open_bus=buses.open, clock=clock)
    facts.put_target(Target(address=ADDRESS, also=(also,), mode=mode))
    facts.record_report(REPORT)
    try:
        yield Stage(facts, buses, beside, told)
    finally:
        await buses.close()


async def test_registers_become_readings_of_the_shelf_of_that_serial() -> None:
    async with (
        on_tcp(shelf()) as port,
        stage(f"modbus+tcp://127.0.0.1:{port}?{UNITS}") as s,
    ):
        assert await s.passes() == s.beside.period_s
        found = s.readings()
        power = found["units/192/output_power"]
        assert (power.asset, power.value, power.component) == (SHELF.key, 4000.0, "PSU 0")
        assert power.uri == f"modbus+tcp://127.0.0.1:{port}/units/192/output_power"
        whole = found["shelves/0/shelf_output_power"]
        assert (whole.value, whole.role) == (8000.0, "")
        assert found["shelves/0/busbar_voltage"].role == "busbar_voltage"
        s.facts.record_report(replace(REPORT, observed_at=2.0))
        assert s.readings()["units/192/output_power"].value == 4000.0


async def test_a_shelf_of_another_serial_is_left_alone() -> None:
    async with (
        on_tcp(shelf("S-2")) as port,
        stage(f"modbus+tcp://127.0.0.1:{port}?{UNITS}") as s,
    ):
        await s.passes()
        assert list(s.readings()) == [""]


async def test_alarms_are_events_of_the_target_and_writing_wants_it_managed() -> None:
    gear = shelf()
    where = "modbus+tcp://127.0.0.1:{}?" + UNITS
    async with on_tcp(gear) as port, stage(where.format(port), mode=Mode.MANAGED) as s:
        await s.passes()
        ((_, bus),) = s.buses.all()
        assert bus.may_write
        gear.set(193, "hpr-psu", input_alarms=1 << 8)
        async with asyncio.timeout(90):
            while not s.told:
                await asyncio.sleep(0.02)
        event = s.told[0]
        assert (event.kind, event.severity, event.endpoint) == ("GearAlarmSet", "Critical", ADDRESS)
        assert event.message == "ac not ok (input stage) at unit 193"
    async with on_tcp(gear) as port, stage(where.format(port)) as s:
        await s.passes()
        ((_, bus),) = s.buses.all()
        assert not bus.may_write


async def test_a_channel_that_is_lost_leaves_unknown_values() -> None:
    gear = shelf()
    async with on_tcp(gear) as port, stage(f"modbus+tcp://127.0.0.1:{port}?{UNITS}") as s:
        await s.passes()
        gear.silent.update(gear.words)
        async with asyncio.timeout(90):
            while s.readings()["units/192/output_power"].value is not None:
                await asyncio.sleep(0.1)
                await s.passes()
        assert "does not answer" in s.readings()["units/192/output_power"].reason


async def test_without_a_second_channel_there_is_nothing_to_do() -> None:
    async with stage("modbus+tcp://127.0.0.1:1?unit=1") as s:
        assert await s.passes() == s.beside.period_s
        s.facts.put_target(Target(address=ADDRESS))
        assert await s.passes() is None


def test_buses_are_targets_too() -> None:
    assert normalise("modbus+tcp://Shelf:502") == "modbus+tcp://shelf:502"
    targets, named = parse_target("modbus+tcp://shelf?unit=192-197")
    assert ([t.address for t in targets], named) == (["modbus+tcp://shelf:502?unit=192-197"], True)
    text = "hosts: [{address: 10.0.0.1, also: ['modbus+rtu:///dev/ttyS1']}, {address: 10.0.0.1}]"
    (target,) = unique(parse_hosts(text, subject="x"))
    assert target.also == ("modbus+rtu:///dev/ttyS1",)
    for wrong in ("hosts: [{address: a, also: b}]", "hosts: [{address: a, also: [b]}]"):
        with pytest.raises(OperatorMust):
            parse_hosts(wrong, subject="x")


async def test_what_stands_still_is_told_again_only_so_that_it_counts_as_fresh() -> None:
    gear = shelf()
    async with on_tcp(gear) as port, stage(f"modbus+tcp://127.0.0.1:{port}?{UNITS}") as s:
        updates: list[tuple[Reading, ...]] = []
        s.facts.on_change(lambda topic, _: updates.append(()) if topic == "facts.hot" else None)
        await s.passes()
        assert len(updates) == 1
        await s.passes()
        assert len(updates) == 1
        gear.set(192, "hpr-psu", output_power=8 * 5000)
        async with asyncio.timeout(90):
            while s.readings()["units/192/output_power"].value != 5000.0:
                await asyncio.sleep(0.05)
                await s.passes()
        slow = s.readings()["units/192/fan_1"]
        assert slow.every_s == 20.0
        sight = Sight(now=slow.at + 30.0, interval_s=5.0)
        assert not sight.is_stale(slow.at, interval_s=sight.reading_interval_s(slow))


async def test_a_bus_that_no_target_names_is_let_go_and_a_busy_server_reads_less() -> None:
    where = "modbus+tcp://127.0.0.1:{}?" + UNITS
    async with on_tcp(shelf()) as port, stage(where.format(port)) as s:
        await s.passes()
        ((_, bus),) = s.buses.all()
        s.buses.allow(25)
        assert (bus.period_s("slow"), bus.period_s("fast")) == (4 * RATES.slow_s, 2 * RATES.fast_s)
        target = s.facts.target_of(ADDRESS)
        assert target is not None
        s.buses.keep(ADDRESS, target)
        assert list(s.buses.all())
        s.buses.keep(ADDRESS, replace(target, also=()))
        async with asyncio.timeout(90):
            while list(s.buses.all()):
                await asyncio.sleep(0)
