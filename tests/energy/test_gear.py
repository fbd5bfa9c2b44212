"""Registers of a shelf, a battery and a coolant unit as events; silence is neither dry nor fed."""

from __future__ import annotations

import pytest

from iolaus.drivers.modbus.readings import Now
from iolaus.drivers.modbus.things import things_of
from iolaus.energy.gear import events_of, feed_of
from iolaus.energy.ports import WIDE, Event, Grade, Sense
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceSilent
from iolaus.wire.modbus.bus import Bus, Rates
from iolaus.wire.modbus.registers import load_map
from tests.wire.modbus.stock import Gear

SIGNALS = {"signals": 0xC0, "busbar_voltage_least": 50 * 1024}


class Wire:
    """A line that answers from words at once."""

    def __init__(self, gear: Gear) -> None:
        self.gear = gear

    async def read(self, unit: int, at: int, count: int, *, patience_s: float) -> list[int]:
        del patience_s
        if unit in self.gear.silent:
            raise DeviceSilent("silent", operation="read", subject="x", code="ModbusSilent")
        return [self.gear.words[unit][word] for word in range(at, at + count)]

    async def write(self, unit: int, at: int, words: object, *, patience_s: float) -> None:
        del unit, at, words, patience_s

    async def close(self) -> None:
        return


class Stand:
    def __init__(self, units: dict[int, str]) -> None:
        self.gear, self.clock = Gear(), JumpClock()
        self.bus = Bus("b", Wire(self.gear), self.clock, rates=Rates())
        for unit, kind in units.items():
            self.gear.put(unit, kind, SIGNALS if kind == "hpr-psu" else None)
            self.bus.add(unit, load_map(kind))

    async def says(self, *, feed: str = "", wide: bool = False) -> dict[tuple[Sense, str], Event]:
        self.clock.advance(10.0)
        for unit in self.bus.units.values():
            await self.bus.read_now(unit, unit.map.named)
        (thing,) = things_of(self.bus.units.values())
        now = Now(self.clock.monotonic(), self.clock.now())
        told = events_of(self.bus, thing, name="x1", feed=feed, wide=wide, now=now)
        return {(each.sense, each.subject): each for each in told}


FEED, PART = (Sense.FEED, "h1-a"), (Sense.REDUNDANCY, "x1 mains")
BUSBAR = (Sense.REDUNDANCY, "x1 busbar")


async def test_one_rectifier_without_mains_is_redundancy_and_all_are_the_feed() -> None:
    stand = Stand({192: "hpr-psu", 193: "hpr-psu"})
    said = await stand.says(feed="h1-a")
    assert {said[key].grade for key in (FEED, PART, BUSBAR)} == {Grade.GOOD}
    stand.gear.set(192, "hpr-psu", input_alarms=1 << 8)
    said = await stand.says(feed="h1-a")
    assert (said[FEED].grade, said[PART].grade) == (Grade.GOOD, Grade.CRITICAL)
    stand.gear.set(193, "hpr-psu", signals=0x80)
    said = await stand.says(feed="h1-a")
    assert (said[FEED].grade, said[PART].grade) == (Grade.CRITICAL, Grade.CRITICAL)
    assert (await stand.says())[Sense.FEED, "x1"].grade is Grade.CRITICAL


async def test_a_rectifier_that_does_not_answer_has_no_mains_that_anybody_knows_of() -> None:
    stand = Stand({192: "hpr-psu", 193: "hpr-psu"})
    await stand.says()
    stand.gear.silent.add(193)
    said = await stand.says(feed="h1-a")
    assert (said[FEED].grade, said[PART].grade) == (Grade.UNKNOWN, Grade.UNKNOWN)
    assert said[BUSBAR].grade is Grade.UNKNOWN


async def test_one_that_lost_its_mains_beside_others_that_are_silent_is_no_lost_feed() -> None:
    stand = Stand({192: "hpr-psu", 193: "hpr-psu", 194: "hpr-psu"})
    stand.gear.set(192, "hpr-psu", input_alarms=1 << 8)
    stand.gear.silent.update((193, 194))
    said = await stand.says(feed="h1-a")
    assert (said[FEED].grade, said[PART].grade) == (Grade.UNKNOWN, Grade.CRITICAL)
    stand.gear.silent.discard(193)
    stand.gear.set(193, "hpr-psu", input_alarms=1 << 8)
    assert (await stand.says(feed="h1-a"))[FEED].grade is Grade.CRITICAL


def test_a_feed_is_lost_by_the_word_of_most_and_there_by_the_word_of_one() -> None:
    good, bad, blind = (
        Event(sense=Sense.FEED, subject="h1-a", grade=grade, because=grade)
        for grade in (Grade.GOOD, Grade.CRITICAL, Grade.UNKNOWN)
    )
    assert feed_of([bad, bad, good]) is good
    assert feed_of([bad, bad, blind]) is bad
    assert feed_of([bad, blind]) is blind
    assert feed_of([bad]) is bad


@pytest.mark.parametrize("told", [{"signals": 0x40}, {"busbar_voltage_least": 45 * 1024}])
async def test_a_shelf_that_asks_for_less_or_a_voltage_that_sags(told: dict[str, int]) -> None:
    stand = Stand({192: "hpr-psu"})
    stand.gear.set(192, "hpr-psu", **told)
    assert (await stand.says())[BUSBAR].grade is Grade.CRITICAL


async def test_a_battery_that_gives_with_what_is_left_in_it() -> None:
    stand = Stand({64: "hpr-bbu", 65: "hpr-bbu"})
    for unit in (64, 65):
        stand.gear.set(unit, "hpr-bbu", signals=3 << 9)
    key = (Sense.BATTERY, "x1")
    assert (await stand.says())[key].grade is Grade.GOOD
    stand.gear.set(64, "hpr-bbu", mode=2, state_of_charge=60)
    stand.gear.set(65, "hpr-bbu", mode=2, state_of_charge=40)
    said = (await stand.says())[key]
    assert (said.grade, said.value) == (Grade.CRITICAL, 0.4)


async def test_coolant_leaks_flow_and_a_sensor_that_failed() -> None:
    stand = Stand({12: "cdu-row"})
    stand.gear.set(12, "cdu-row", flow=9000, supply_temperature=363)
    said = await stand.says(wide=True)
    leak, flow = (Sense.LEAK, f"{WIDE}x1 leak inside"), (Sense.FLOW, "x1 flow")
    assert (said[leak].grade, said[flow].value) == (Grade.GOOD, 900.0)
    assert said[Sense.COOLANT, "x1 supply"].value == pytest.approx(36.3)
    stand.gear.set(12, "cdu-row", leaks=1 << 4, alarms=1 << 6, sensor_alarms=1 << 4)
    said = await stand.says(wide=True)
    assert said[leak].grade is Grade.CRITICAL
    assert (said[flow].grade, said[flow].value) == (Grade.UNKNOWN, None)
    assert said[Sense.FLOW, "x1 pumps"].grade is Grade.CRITICAL
    stand.gear.silent.add(12)
    assert (await stand.says(wide=True))[leak].grade is Grade.UNKNOWN
