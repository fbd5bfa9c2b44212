"""Events on their way to the edges: believed as far as their detector can be read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from iolaus.app.edge_told import LATELY_S, EdgeTold
from iolaus.drivers.ports import DeviceEvent
from iolaus.energy.ports import Event, Grade, Sense
from iolaus.energy.seats import Seat
from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import AssetKind, Reading, Report

WET = "/redfish/v1/Chassis/C/ThermalSubsystem/LeakDetection/LeakDetectors/Cold"
POWER = "/redfish/v1/Chassis/C/Sensors/Power"
SEAT = Seat(
    name="n1", address="https://n1", rack="r1", row="a", kind=AssetKind.NODE, managed=True,
    detectors=("n1/Cold",),
)  # fmt: skip


def reading(role: str, uri: str) -> Reading:
    return Reading(name="x", asset="a", uri=uri, quantity="", unit="", value=1.0, at=0.0, role=role)


REPORT = Report(
    endpoint="https://n1", driver="x", redfish_version=None, observed_at=0.0, assets=(),
    readings=(reading("leak", WET), reading("node_power", POWER)),
)  # fmt: skip


class Rack:
    """Edges that write down, and hands that read `grade` at the detector."""

    def __init__(self, grade: Grade) -> None:
        self.grade, self.asked = grade, 0
        self.heard_of: list[Event] = []
        self.readings: list[Reading] = []
        self.clock = JumpClock()
        self.told = EdgeTold(self, self, self.clock)

    def known(self, address: str) -> tuple[Seat, Report] | None:
        return (SEAT, REPORT) if address == SEAT.address else None

    def heard(self, address: str, event: Event) -> None:
        self.heard_of.append(event)

    def sensed(self, address: str, readings: Sequence[Reading]) -> None:
        self.readings += readings

    async def look(self, seat: Seat, uri: str) -> Event:
        self.asked += 1
        await asyncio.sleep(0)
        return Event(sense=Sense.LEAK, subject="n1/Cold", grade=self.grade)

    async def tell(self, *events: DeviceEvent) -> list[Grade]:
        for event in events:
            self.told.told(SEAT.address, event)
        for _ in range(10):
            await asyncio.sleep(0)
        await self.told.close()
        return [event.grade for event in self.heard_of]


def event(created: str | None = None, kind: str = "LeakDetectedCritical") -> DeviceEvent:
    return DeviceEvent(
        dedup="1", message="Leak", severity="Critical", created=created, origin=WET,
        message_id=f"Environmental.1.4.{kind}",
    )  # fmt: skip


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


async def test_what_is_read_goes_to_the_rack_whatever_was_said() -> None:
    assert await Rack(Grade.CRITICAL).tell(event()) == [Grade.CRITICAL]
    assert await Rack(Grade.GOOD).tell(event()) == [Grade.GOOD]
    assert await Rack(Grade.WARNING).tell(event(kind="LeakDetectedNormal")) == [Grade.WARNING]


@pytest.mark.parametrize(
    ("age_s", "kind", "believed"),
    [
        (0.0, "LeakDetectedCritical", True),
        (LATELY_S + 1.0, "LeakDetectedCritical", False),
        (-LATELY_S - 1.0, "LeakDetectedCritical", False),
        (0.0, "LeakDetectedWarning", False),
        (None, "LeakDetectedCritical", True),
    ],
)
async def test_a_word_alone_is_believed_of_now_and_where_nothing_can_be_read(
    age_s: float | None, kind: str, *, believed: bool
) -> None:
    rack = Rack(Grade.UNKNOWN)
    created = None if age_s is None else stamp(rack.clock.now() - age_s)
    told = await rack.tell(event(created, kind))
    assert told == [Grade.UNKNOWN, *([Grade.CRITICAL] if believed else [])]


async def test_a_flood_of_events_is_two_looks_at_most() -> None:
    rack = Rack(Grade.CRITICAL)
    assert len(await rack.tell(*[event()] * 50)) == rack.asked == 2


async def test_a_metric_report_is_a_reading_and_a_late_one_is_none() -> None:
    rack = Rack(Grade.GOOD)

    def report(at: float, watts: str) -> DeviceEvent:
        return DeviceEvent(
            dedup="", message="", severity="OK", created=stamp(at),
            metrics=((f"{POWER}/Reading", watts),),
        )  # fmt: skip

    await rack.tell(report(10.0, "5"), report(9.0, "6"), report(11.0, "7"))
    assert [each.value for each in rack.readings] == [5.0, 7.0]
    assert rack.asked == 0


async def test_strangers_and_other_events_are_not_looked_into() -> None:
    rack = Rack(Grade.CRITICAL)
    rack.told.told("https://other", event())
    other = DeviceEvent(dedup="1", message="power", severity="OK", message_id="Power.1.Tripped")
    assert await rack.tell(other) == []
