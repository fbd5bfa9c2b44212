"""The edges inside a server, over the wire: fed by its readings, leased by its own centre."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.survival.events import streams
from tests.survival.stage import Stage, machine, staged

from iolaus.energy.keeping import keepings
from iolaus.energy.run import EdgeRun
from iolaus.kernel.errors import DeviceRefused, OperatorMust, PolicyRefused
from iolaus.model.endpoint import Target
from iolaus.sim.rules import parse_rules

V1 = "/redfish/v1"
CAP = f"{V1}/Chassis/Chassis_0/EnvironmentMetrics"
WET = (
    f"{V1}/Chassis/Chassis_0/ThermalSubsystem/LeakDetection/LeakDetectors/"
    "Chassis_0_LeakDetector_0_ColdPlate"
)
POWER = """\
apiVersion: iolaus.dev/v1
kind: Plant
metadata: {name: h1}
spec:
  domains:
    - {name: feed-a, kind: feed, limit: 20 kW}
    - {name: r1, kind: rack, parent: feed-a, limit: 20 kW}
---
apiVersion: iolaus.dev/v1
kind: PowerPolicy
metadata: {name: hall}
spec: {mode: MODE}
---
apiVersion: iolaus.dev/v1
kind: LeakPolicy
metadata: {name: hall}
spec: {mode: MODE}
"""


@asynccontextmanager
async def hall(folder: Path, mode: str = "control", **options: Any) -> AsyncIterator[Stage]:
    """One tray in rack r1."""
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    (folder / "state" / "power.yaml").write_text(POWER.replace("MODE", mode))
    async with staged(folder, machine("gb300-tray", "tray"), managed=True, **options) as on:
        facts = on.house.state.facts
        target = facts.target_of(on.device.address)
        assert target
        facts.put_target(msgspec.structs.replace(target, labels={"rack": "r1", "row": "a"}))

        async def held() -> bool:
            edges = on.house.edges.edges.running
            return "r1" in edges and bool(edges["r1"].run.edge.reflexes.signals)

        await on.until(held, "the rack has an edge that hears")
        await streams(on)
        yield on


def run_of(on: Stage) -> EdgeRun:
    return on.house.edges.edges.running["r1"].run


def cap_w(on: Stage) -> float:
    return float((on.device.kept(CAP) or {})["PowerLimitWatts"]["SetPoint"])


def power(on: Stage) -> str:
    return str((on.device.get(f"{V1}/Systems/System_0") or {})["PowerState"])


def wet(on: Stage, state: str) -> None:
    rule = {"effect": "replace", "merge": {"DetectorState": state}, "select": {"path": WET}}
    on.hall.inject(*parse_rules([rule], source="test"))
    said = {"EventType": "Alert", "OriginOfCondition": {"@odata.id": WET}, "Message": "Leak"}
    on.device.emit(said)


async def test_a_server_leases_its_racks_by_its_own_centre_and_an_end_leaves_floors(
    tmp_path: Path,
) -> None:
    async with hall(tmp_path) as on:

        async def leased() -> bool:
            centring, now_s = on.house.centre.centring, on.house.clock.monotonic()
            met = centring and [each.state for each in centring.centre.racks(now_s)] == ["met"]
            return bool(met) and run_of(on).edge.leased(now_s) and cap_w(on) > 5000

        await on.until(leased, "the tray has what the plant lets it have")
        on.house.centre.lost("feed-a")

        async def floored() -> bool:
            return cap_w(on) == 2600

        await on.until(floored, "a feed is lost: its floor")


async def test_a_leak_latches_is_audited_and_stays_after_a_restart(tmp_path: Path) -> None:
    async with hall(tmp_path) as on:
        wet(on, "Critical")

        async def off() -> bool:
            return power(on) == "Off"

        await on.until(off, "its power is cut")

        async def written() -> bool:
            entries = await on.house.state.audit.entries()
            return any((e.who, e.what) == ("edge/r1", "power off") for e in entries)

        await on.until(written, "the audit log has it")
    kept = json.loads((tmp_path / "state" / "edges" / "r1.json").read_text())
    assert [each["off"] for each in kept["latches"]] == [True]


async def test_one_that_observes_writes_nothing_and_reads_no_cap_of_its_own(
    tmp_path: Path,
) -> None:
    async with hall(tmp_path, "observe") as on:
        before = cap_w(on)
        wet(on, "Critical")

        async def latched() -> bool:
            return bool(run_of(on).edge.reflexes.latches)

        await on.until(latched, "it is seen")
        await asyncio.sleep(0.5)
        assert (power(on), cap_w(on)) == ("On", before)
        report = run_of(on).edge.report(on.house.clock.monotonic())
        assert report.applied_w > 0


async def test_a_cap_that_a_person_sets_is_read_back_and_taken_back(tmp_path: Path) -> None:
    async with hall(tmp_path, "observe") as on:
        power_room, before = on.house.power.powering, cap_w(on)
        await power_room.hold("tray", 3000, for_s=600, by="ana", reason="test")
        assert cap_w(on) == 3000
        for _ in range(2):
            (held,) = keepings(power_room.caps(), power_room.edges(), now=on.house.clock.now())
            assert held.sight
            assert held.sight.in_force_w == 3000
            on.house.edges._fact(on.device.address)  # an inventory older than the cap
        on.device.patch(CAP, {"PowerLimitWatts": {"SetPoint": 4000}})
        on.house.read_again(on.device.address)

        async def raised() -> bool:
            (held,) = keepings(power_room.caps(), power_room.edges(), now=on.house.clock.now())
            return held.reason == "NotHeld"

        await on.until(raised, "somebody raised it behind our back, and nobody writes here")
        with pytest.raises(PolicyRefused):
            await power_room.hold("tray", 10, for_s=60, by="ana", reason="test")
        await power_room.clear("tray")
        assert cap_w(on) == before
        with pytest.raises(OperatorMust):
            await power_room.isolate("r1", by="ana", reason="no building")
        unread = Target(address="https://127.0.0.9", name="unread", labels={"rack": "r1"})
        on.house.state.facts.put_target(unread)

        async def waits() -> bool:
            return run_of(on).edge.unread == ("unread",)

        await on.until(waits, "one more is wanted of the rack")
        with pytest.raises(DeviceRefused, match="not read yet: unread"):
            await power_room.hold("r1", 3000, for_s=60, by="ana", reason="a part of it")
        await power_room.hold("tray", 3000, for_s=600, by="ana", reason="its last")
        on.house.state.facts.remove_target(on.device.address)
        with pytest.raises(DeviceRefused, match="its cap cannot be read"):
            await power_room.clear("tray")
        assert power_room.caps(), "what could not be put back is not forgotten"
        await power_room.clear("tray", restore=False)
        assert (cap_w(on), power_room.caps()) == (3000, ())


async def test_a_latch_rings_and_is_released_by_a_person_alone(tmp_path: Path) -> None:
    async with hall(tmp_path) as on:
        wet(on, "Critical")

        async def rings() -> bool:
            return "tray:LeakCritical" in {each["name"] for each in await on.listed("alarms")}

        await on.until(rings, "it is an alarm")

        wet(on, "OK")

        async def released() -> bool:
            try:
                await on.house.power.powering.release("tray", by="ana", reason="dry")
            except PolicyRefused:
                return False
            return True

        await on.until(released, "its cause is over")

        async def written() -> bool:
            entries = await on.house.state.audit.entries()
            return any(e.what == "release" and "by ana" in e.detail for e in entries)

        await on.until(written, "the audit log has who and why")
        await asyncio.sleep(1.0)
        assert power(on) == "Off"
