"""Load targets in a server: walked to ahead of time, held, and climbed out of again."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools

import pytest
from tests.energy.test_centre import POLICY, hall

from iolaus.app.siting import Siting
from iolaus.energy.centre import Centre
from iolaus.energy.policy import PowerPolicy
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plant import Plant
from iolaus.wire.dsx.flex import LoadTarget

RAMPED = dataclasses.replace(POLICY, ramp_up_w_s=50.0, ramp_down_w_s=100.0)


class House:
    """A centre that takes limits, and a grid that tells; `limits` are (seconds, watts)."""

    def __init__(self, policy: PowerPolicy = RAMPED, plant: Plant | None = None) -> None:
        self.clock, self.policy = JumpClock(), policy
        self.plant = hall() if plant is None else plant
        self.centre: Centre | None = Centre(self.plant, policy, 1)
        self.told: list[LoadTarget] = []
        self.limits: list[tuple[float, float | None]] = []
        self.siting = Siting(
            clock=self.clock,
            centre=self,
            running=lambda: self.centre,
            plant=lambda: self.plant,
            policy=lambda: self.policy,
            told=lambda: self.told,
        )
        self.begun_s = self.clock.monotonic()

    def target(self, limit_w: float | None) -> None:
        assert self.centre
        self.limits.append((self.clock.monotonic() - self.begun_s, limit_w))
        self.centre.target(limit_w, self.clock.monotonic())

    def derate(self, domain: str, limit_w: float | None) -> None:
        assert self.centre
        self.centre.derate(domain, limit_w, self.clock.monotonic())

    def ask(self, limit_w: float | None, start_s: float, end_s: float | None, *feeds: str) -> None:
        at = self.clock.now()
        self.told.append(
            LoadTarget(
                limit_w=limit_w, feeds=feeds, start_s=at + start_s,
                end_s=None if end_s is None else at + end_s, best_effort=False,
                source="//grid/v1/isv/acme", event_id=f"e{len(self.told)}", correlation="",
            )
        )  # fmt: skip

    async def run(self, seconds: float) -> None:
        task = asyncio.create_task(self.siting.run())
        await self.clock.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def limit_at(self, second: float) -> float | None:
        return [watts for at, watts in self.limits if at <= second][-1]


async def test_a_target_is_reached_when_it_begins_and_left_by_the_ramp() -> None:
    house = House()
    house.ask(3_000, 60, 120)
    await house.run(200)
    down = [(at, watts) for at, watts in house.limits if at < 60]
    assert house.limits[0][0] > 20
    assert house.limit_at(60) == 3_000
    assert house.limit_at(119) == 3_000
    for (before_s, before), (after_s, after) in itertools.pairwise(down):
        assert (before or 0) - (after or 0) <= 100 * (after_s - before_s) + 1
    climbing = house.limit_at(140)
    assert climbing is not None
    assert 3_000 < climbing <= 3_000 + 50 * 21
    assert house.limits[-1][1] is None
    assert {each.action for each in house.siting.decisions} == {"begin", "end"}


async def test_without_a_ramp_it_is_there_when_it_begins_and_ends_to_the_second() -> None:
    house = House(POLICY)
    house.ask(2_000, 33, 77)
    house.ask(4_000, 50, 300)
    await house.run(310)
    assert [(round(at), watts) for at, watts in house.limits] == [
        (29, 2_000), (77, 4_000), (300, None),
    ]  # fmt: skip


async def test_what_comes_too_late_is_told_as_late_and_what_is_lifted_is_let_go() -> None:
    house = House()
    house.ask(1_000, 0, None)
    await house.run(1)
    state = house.siting.state()
    assert [name.split("/")[0] for name in state.late] == ["acme"]
    assert state.targets[0][3] is None
    assert "too late" in house.siting.decisions[0].because
    await house.run(60)
    assert house.siting.state().late == ()
    house.told.clear()
    await house.run(100)
    assert house.limits[-1][1] is None


async def test_targets_of_feeds_are_not_the_site_s_and_a_hall_without_one_says_so() -> None:
    house = House()
    house.ask(1_000, 0, 60, "a")
    house.ask(None, 0, 60)
    await house.run(30)
    assert house.limits == []
    house.siting.derate("a", 900.0)
    assert house.centre
    assert house.centre.rooms.derated == {"a": 900.0}
    none = House(plant=Plant())
    await none.run(1)
    assert none.siting.state().why == "the plant has no site"
    with pytest.raises(OperatorMust):
        none.siting.target(1_000.0)
    none.siting.target(None)
    house.centre = None
    await house.run(11)
    assert house.siting.state().why == "no centre runs here"


async def test_who_is_told_looks_at_once() -> None:
    house = House(POLICY)
    task = asyncio.create_task(house.siting.run())
    await house.clock.sleep(1)
    house.ask(2_500, 0, 60)
    house.siting.target(2_500)
    await house.clock.sleep(0.5)
    assert house.limit_at(2) == 2_500
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
