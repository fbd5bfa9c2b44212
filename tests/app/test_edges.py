"""The edges of a rack against simulated controllers, over the wire: leaks, flow, faults, feeds."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.drivers.lane.conftest import RIGHT
from tests.sim.firmware.stage import machines

from iolaus.app.edge import EdgeOptions, modes, open_edges
from iolaus.app.edges import Edges, Heed
from iolaus.energy.frames import Budget
from iolaus.energy.ports import Event, Grade, Sense
from iolaus.energy.run import EdgeRun
from iolaus.model.endpoint import Mode, Target
from iolaus.sim.device import Device
from iolaus.sim.rules import parse_rules
from iolaus.sim.server import Hall, running

V1 = "/redfish/v1"
SYSTEM = f"{V1}/Systems/System_0"
CAP = f"{V1}/Chassis/Chassis_0/EnvironmentMetrics"
WETS = f"{V1}/Chassis/Chassis_0/ThermalSubsystem/LeakDetection/LeakDetectors"
WET = f"{WETS}/Chassis_0_LeakDetector_0_ColdPlate"
FLOW = f"{V1}/ThermalEquipment/CDUs/1/SecondaryCoolantConnectors/1"


class Stage:
    def __init__(self, hall: Hall, edges: Edges) -> None:
        self.hall, self.edges = hall, edges

    @property
    def run(self) -> EdgeRun:
        return self.edges.running["r1"].run

    def shows(self, path: str, body: dict[str, Any], *, device: str) -> None:
        """From now on one resource of one device says this, by every way that it is read."""
        self.hall.inject(
            *parse_rules(
                [
                    {
                        "effect": "replace",
                        "merge": body,
                        "select": {"path": path, "device": device},
                    }
                ],
                source="test",
            )
        )

    def wet(self, state: str, *, device: str = "gb300-tray") -> None:
        self.shows(WET, {"DetectorState": state}, device=device)
        self.hall[device].emit(
            {
                "EventType": "Alert",
                "Severity": "Critical",
                "Message": "Leak",
                "OriginOfCondition": {"@odata.id": WET},
            }
        )

    def cap(self) -> float:
        """At the device, whoever asks."""
        held = self.hall["gb300-tray"].kept(CAP) or {}
        return float(held["PowerLimitWatts"]["SetPoint"])

    def power(self, device: str = "gb300-tray", system: str = SYSTEM) -> str:
        return str((self.hall[device].get(system) or {})["PowerState"])

    def lease(self, watts: float, seq: int = 1) -> None:
        floor_w = self.run.edge.floor_w
        assert self.edges.budget(
            Budget(
                epoch=1,
                seq=seq,
                rack="r1",
                budget_w=watts,
                floor_w=floor_w,
                expires_in_ms=3000,
            )
        )


async def until(is_so: Callable[[], bool], *, within_s: float = 20.0) -> float:
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within_s, "it did not come"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def target_of(device: Device) -> Target:
    wide = device.name in ("cdu-row", "leak-ropes")
    return Target(
        address=device.address,
        name=device.name,
        fingerprint=device.fingerprint,
        labels={"row": "a"} if wide else {"row": "a", "rack": "r1"},
        mode=Mode.MANAGED,
    )


@asynccontextmanager
async def staged(
    folder: Path, *personas: str, word: str = "control", **options: Any
) -> AsyncIterator[Stage]:
    power, leak = modes(word)
    async with running(machines(*personas)) as hall:
        chosen = EdgeOptions(
            targets=tuple(target_of(device) for device in hall.devices),
            credential=RIGHT,
            state_dir=folder,
            power=power,
            leak=dataclasses.replace(leak, flow_min_lpm=50.0),
            period_s=0.3,
            watchdog=False,
            **options,
        )
        async with open_edges(chosen) as edges:
            stage = Stage(hall, edges)
            await until(lambda: "r1" in edges.running)
            count = sum(persona not in ("cdu-row", "leak-ropes") for persona in personas)
            await until(lambda: len(stage.run.edge.names) == count)
            await until(lambda: len(stage.run.edge.reflexes.signals) > 1)
            yield stage


async def test_a_rack_stands_at_its_floors_without_a_lease_and_grows_with_one(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, "gb300-tray", "dl365-cpu") as on:
        await until(lambda: on.cap() == 2600)
        on.lease(9000)
        await until(lambda: on.cap() > 5000)
        await until(lambda: on.cap() == 2600)
        floor_w = on.run.edge.floor_w
        await until(lambda: on.run.edge.report(time.monotonic()).granted_w == floor_w)


async def test_a_critical_tray_leak_cuts_the_tray_within_a_second(tmp_path: Path) -> None:
    async with staged(tmp_path, "gb300-tray", "dl365-cpu") as on:
        on.wet("Critical")
        await until(lambda: on.power() == "Off")
        assert on.power("dl365-cpu", f"{V1}/Systems/1") == "On"
        await until(lambda: on.run.edge.reflexes.commands(time.monotonic() + 60) == [])
        on.wet("OK")
        await asyncio.sleep(1.0)
        assert on.power() == "Off"
        assert (tmp_path / "edges" / "r1.json").exists()
    async with staged(tmp_path, "gb300-tray", "dl365-cpu") as again:
        await until(lambda: again.power() == "Off")


async def test_a_broken_detector_is_an_alarm_and_no_more(tmp_path: Path) -> None:
    async with staged(tmp_path, "gb300-tray") as on:
        await until(lambda: on.cap() == 2600)
        on.wet("Unavailable")
        await until(lambda: len(on.run.edge.verdict.alarms) == 1)
        await asyncio.sleep(1.0)
        assert on.power() == "On"
        assert not on.run.edge.reflexes.latches


async def test_lost_flow_caps_the_row_within_two_seconds(tmp_path: Path) -> None:
    async with staged(tmp_path, "gb300-tray", "cdu-row") as on:
        on.lease(7000)
        await until(lambda: on.cap() > 5000)
        on.shows(FLOW, {"FlowLitersPerMinute": {"Reading": 3.0}}, device="cdu-row")
        await until(lambda: on.cap() == 2600)
        assert [latch.sense for latch in on.run.edge.reflexes.latches.values()] == [Sense.FLOW]


async def test_a_lost_feed_leaves_what_was_armed(tmp_path: Path) -> None:
    async with staged(tmp_path, "gb300-tray") as on:
        on.lease(7000)
        await until(lambda: on.cap() > 5000)
        lost = Event(sense=Sense.FEED, subject="feed-a", grade=Grade.CRITICAL)
        on.edges.event("r1", lost)
        await until(lambda: on.cap() == 2600)


async def test_an_edge_that_observes_writes_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path, "gb300-tray", word="observe") as on:
        before = on.cap()
        on.wet("Critical")
        await until(lambda: bool(on.run.edge.reflexes.latches))
        await asyncio.sleep(0.5)
        assert (on.power(), on.cap()) == ("On", before)
        assert on.run.edge.withheld


async def test_a_controller_that_falls_silent_makes_its_detectors_unknown(tmp_path: Path) -> None:
    async with staged(tmp_path, "gb300-tray") as on:
        seat = target_of(on.hall["gb300-tray"])
        on.edges.lost(seat.address)
        await until(lambda: len(on.run.edge.verdict.alarms) >= 2)
        assert not on.run.edge.reflexes.latches
        assert on.power() == "On"


async def test_a_loop_that_fell_over_is_started_again_with_its_latches(tmp_path: Path) -> None:
    async with staged(tmp_path, "gb300-tray") as on:
        on.wet("Critical")
        await until(lambda: on.power() == "Off")
        running_now = on.edges.running["r1"]
        running_now.task.cancel()
        await until(lambda: running_now.restarts == 1)
        assert on.run.edge.reflexes.off() == {"gb300-tray"}
        await until(lambda: not running_now.task.done())


def test_one_loop_that_is_silent_among_punctual_looks_hangs() -> None:
    heed = Heed()
    for now_s in range(7):
        heed.looked(now_s)
    assert heed.is_hung(0.5, 6.0)
    assert not heed.is_hung(1.5, 6.0)


def test_after_a_moment_in_which_everything_stood_still_no_loop_hangs() -> None:
    heed = Heed()
    heed.looked(0.0)
    heed.looked(6.5)
    assert not heed.is_hung(0.5, 6.5)
    for now_s in range(7, 12):
        heed.looked(now_s)
    assert heed.is_hung(0.5, 11.6), "it had five seconds of its own since"
