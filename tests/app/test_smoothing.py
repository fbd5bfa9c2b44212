"""Swings of a site smoothed by the GPUs of a simulated tray, over the real wire."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.drivers.redfish.write.stage import V1, On, on

from iolaus.app.smoothing import SmoothingRoom, smoothed_file
from iolaus.drivers.lane import Lane
from iolaus.drivers.ports import Priority, Reads, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.energy.centre import Centre
from iolaus.energy.frames import Report
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.energy.swing import LEVELS, SwingRules
from iolaus.kernel.clock import JumpClock
from iolaus.model.endpoint import Mode as Right
from iolaus.model.endpoint import Target
from iolaus.model.plant import Domain, DomainKind, Load, Plant
from iolaus.store.facts import Facts

GPUS = 4
PLACE = V1 + "/Systems/HGX_Baseboard_0/Processors/GPU_{n}/Oem/Nvidia/PowerSmoothing"
RULES = SwingRules(ramp_w_s=100.0, look_s=2.0, calm_s=5.0)
POLICY = PowerPolicy(mode=Mode.CONTROL, swing=RULES, read_s=0.0)
PLANT = Plant(
    domains=(Domain("r1", DomainKind.RACK, None, 20_000.0),),
    loads=(Load("n1", "r1", 1_000.0, 6_000.0),),
)


class Opened:
    """A device as the room meets it: the lane of the test."""

    def __init__(self, lane: Lane, driver: RedfishDriver) -> None:
        self._lane, self._driver = lane, driver

    async def driver(self, *, afresh: bool = False) -> RedfishDriver:
        del afresh
        return self._driver

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads:
        return self._lane.at(priority, timeout_s=timeout_s)

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes:
        return self._lane.writer(priority, deadline_s=deadline_s)


@dataclass
class Stand:
    at: On
    clock: JumpClock
    room: SmoothingRoom
    centre: Centre
    policy: PowerPolicy
    told: list[tuple[str, bool]]

    async def swings(self, seconds: float, *, watts: float) -> None:
        """The rack steps by so much every second; the room looks as it would by itself."""
        for step in range(round(2 * seconds)):
            now_s = self.clock.monotonic()
            drawn = 5_000.0 + (watts if step // 2 % 2 else 0.0)
            report = Report(
                epoch=0, seq=0, rack="r1", applied_w=6_000.0, granted_w=6_000.0,
                measured_w=drawn, mono_s=now_s + 0.01, boot="1",
            )  # fmt: skip
            self.centre.take(report, now_s)
            self.room.sample()
            self.clock.advance(0.5)
        await self.room.look()

    async def floors(self) -> list[Any]:
        """What each GPU has in force: its floor, None where it does not smooth."""
        held = [await self.at.get(PLACE.format(n=n)) for n in range(GPUS)]
        return [each["TMPFloorPercent"] if each["Enabled"] else None for each in held]


@contextlib.asynccontextmanager
async def stand(
    folder: Path, *, policy: PowerPolicy = POLICY, mode: Right = Right.MANAGED
) -> AsyncIterator[Stand]:
    async with on("gb300-tray") as at:
        clock, centre = JumpClock(), Centre(PLANT, policy, 1)
        facts, told = Facts(clock=clock), list[tuple[str, bool]]()
        report = await at.inventory()
        target = Target(address=report.endpoint, name="n1", labels={"rack": "r1"}, mode=mode)
        facts.put_target(target)
        facts.record_report(report)

        def decide(subject: str, action: str, *, advised: bool = False, **_: object) -> None:
            assert subject == "site"
            told.append((action, advised))

        found: Stand
        room = SmoothingRoom(
            facts=facts,
            clock=clock,
            directory=folder,
            open_device=lambda _: Opened(at.lane, at.driver),
            policy=lambda: found.policy,
            running=lambda: centre,
            decide=decide,
        )
        found = Stand(at, clock, room, centre, policy, told)
        yield found


def floor(level: int) -> float:
    return 100.0 * LEVELS[level - 1].floor


async def test_gpus_are_told_as_much_as_suffices_and_let_go_after_a_calm(tmp_path: Path) -> None:
    async with stand(tmp_path) as s:
        await s.swings(2.0, watts=0.0)
        assert await s.floors() == [None] * GPUS
        await s.swings(3.0, watts=500.0)
        assert await s.floors() == [floor(1)] * GPUS
        assert len(smoothed_file(tmp_path / "power-smoothing.json").load()) == GPUS
        await s.swings(3.0, watts=500.0)
        assert await s.floors() == [floor(2)] * GPUS
        seen = {each.where: each for each in s.room.seen()}
        assert (seen["r1"].state, seen["r1"].reads, seen["site"].told) == ("level 2", 60.0, 2)
        again = SmoothingRoom(
            facts=s.room._facts, clock=s.clock, directory=tmp_path,
            open_device=s.room._open, policy=lambda: s.policy, running=lambda: s.centre,
            decide=lambda *_, **__: None,
        )  # fmt: skip
        s.room = again
        await s.swings(1.0, watts=0.0)
        assert await s.floors() == [floor(2)] * GPUS
        await s.swings(30.0, watts=0.0)
        assert await s.floors() == [None] * GPUS
        assert smoothed_file(tmp_path / "power-smoothing.json").load() == ()


async def test_it_goes_by_the_mode_of_the_rack_and_by_leave(tmp_path: Path) -> None:
    async with stand(tmp_path, policy=replace(POLICY, mode=Mode.ADVISE)) as s:
        await s.swings(3.0, watts=500.0)
        assert await s.floors() == [None] * GPUS
        assert s.told == [("smooth level 1", True)]
        s.policy = POLICY
        await s.room.look()
        assert await s.floors() == [floor(1)] * GPUS
        s.policy = replace(POLICY, modes={"r1": Mode.OBSERVE})
        await s.room.look()
        assert await s.floors() == [None] * GPUS
    async with stand(tmp_path, mode=Right.READ_ONLY) as s:
        await s.swings(3.0, watts=500.0)
        assert await s.floors() == [None] * GPUS
        (rack,) = [each for each in s.room.seen() if each.where == "r1"]
        assert (rack.state, rack.why) == ("unmet", "4 of them: it may be read only")


async def test_what_is_not_measured_every_second_changes_nothing(tmp_path: Path) -> None:
    async with stand(tmp_path) as s:
        await s.swings(1.0, watts=500.0)
        for _ in range(20):
            s.room.sample()
            s.clock.advance(0.5)
        (site,) = [each for each in s.room.seen() if each.where == "site"]
        assert (site.state, site.why) == ("unknown", "r1 is not measured every second")
        assert s.told == []
