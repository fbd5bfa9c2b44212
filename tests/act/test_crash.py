"""Killed anywhere, it goes on: nothing is lost, and nothing is done twice.

A process is cut before and after every journal entry and before and after every effect of a
roll-out of twenty nodes; another begins on the same database when the lease runs out. Resets are
counted inside the devices.
"""

from __future__ import annotations

import msgspec
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.model.plan import Plan
from iolaus.model.rollout import NodeState, RolloutState
from tests.act.hall import BMC, BOOTS, Hall, Mood, node_of, plan_of, steps
from tests.act.house import Cut, Process


def short_plan(nodes: int, generation: int) -> Plan:
    """Flash and reset only, so that every place where it can be cut is visited."""
    made = [node_of(f"n{n}", steps(f"n{n}")[1:3]) for n in range(nodes)]
    return msgspec.structs.replace(plan_of(made, at_once=7), generation=generation)


def fresh_hall(clock: JumpClock, plan: Plan, seed: int) -> Hall:
    hall = Hall(clock, seed=seed)
    for number, node in enumerate(plan.nodes):
        latency_s = 0.2 + hall.random.random()
        device = hall.add(node.uid, Mood(latency_s=latency_s, lag_s=float(number % 5) * 4))
        device.facts["drained"] = True
    return hall


async def cut_at(where: str, plan: Plan, at: int) -> tuple[Hall, str]:
    """One roll-out that was cut once; the hall at its end, and where it was cut."""
    clock = JumpClock(start=1_700_000_000.0 + at * 1e6)
    hall, cut = fresh_hall(clock, plan, seed=at), Cut(at)
    first = Process(where, hall, cut=cut)
    await first.run(plan)
    if not cut.hit.is_set():
        return hall, ""
    second = Process(where, hall)
    second.start()
    progress = await second.until(plan)
    await second.stop()
    assert progress.state is RolloutState.DONE, (cut.where, progress)
    assert {node.state for node in progress.nodes.values()} == {NodeState.DONE}, cut.where
    return hall, cut.where


def assert_right(hall: Hall, where: str) -> None:
    assert hall.doubled() == [], where
    for device in hall.devices.values():
        device.settle(hall.clock.now() + 1e6)
        assert (device.facts[BMC], device.facts[BOOTS]) == ("2", 8), (where, device.uid)
        assert device.effects == {"update-firmware": 1, "reset": 1}, (where, device.uid)


PLACES = {
    "before the effect",
    "after the effect",
    *(f"{side} {kind}" for side in ("before", "after") for kind in ("started", "sent", "done")),
}


@pytest.mark.slow
async def test_cut_once(anywhere: str) -> None:
    """At every seventeenth place: before and after commits with entries of each kind, and
    effects."""
    seen: set[str] = set()
    at, cut = 1, "begin"
    while cut:
        hall, cut = await cut_at(anywhere, short_plan(20, at), at)
        assert_right(hall, cut)
        side, _, kinds = cut.partition(" ")
        seen.update(f"{side} {kind}" for kind in kinds.split(", "))
        at += 17
    assert len(seen & PLACES) >= 7


@pytest.mark.slow
@pytest.mark.parametrize(
    "first", [4, *(pytest.param(n, marks=pytest.mark.soak) for n in (1, 2, 3, 5))]
)
async def test_cut_again_and_again(anywhere: str, first: int) -> None:
    """One life after the other, each ended at its fifth place, until all is done: a hundred
    deaths in a roll-out, and five such roll-outs that begin to die one place apart."""
    plan = short_plan(20, 100_000 + first)
    many = tuple(
        msgspec.structs.replace(
            node, steps=tuple(msgspec.structs.replace(s, attempts=100) for s in node.steps)
        )
        for node in plan.nodes
    )
    plan = msgspec.structs.replace(plan, nodes=many)
    hall = fresh_hall(JumpClock(), plan, seed=first)
    lives, cut = 0, Cut(first)
    process = Process(anywhere, hall, cut=cut)
    await process.run(plan)
    while cut.hit.is_set():
        lives, cut = lives + 1, Cut(5)
        process = Process(anywhere, hall, cut=cut)
        process.start()
        progress = await process.until(plan)
        await process.stop()
    assert lives > 50
    assert {node.state for node in progress.nodes.values()} == {NodeState.DONE}
    assert_right(hall, f"{lives} lives")
