"""A rack holds its budget by itself: leases, order of writes, fences, starts and few writes."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.edge import Edge
from iolaus.energy.ports import CapRead, CapWrite
from iolaus.energy.rules import EdgeRules
from tests.energy.racks import World, frame, rack, rough

FLOORS = 1600.0


def test_a_lease_is_grown_into_and_ends_at_the_floors() -> None:
    world = World(Edge(rack()))
    world.lease(3000, until_s=20)
    world.busy(1000, until_s=40)
    world.run(20)
    assert 2900 < world.total_w <= 3000
    world.run(23.5)  # the last frame came at 19 s
    assert world.total_w == FLOORS


def test_the_floors_are_reached_half_a_second_after_the_lease() -> None:
    world = World(Edge(rack()))
    world.lease(3000, until_s=10)
    world.busy(1000, until_s=40)
    world.run(9.0 + 3.0 + 0.5)
    assert world.total_w == FLOORS


def test_a_higher_priority_is_served_first() -> None:
    world = World(Edge(rack()))
    world.lease(2600, until_s=30)
    world.busy(1000, until_s=30)
    world.run(30)
    assert [world.caps[f"n{i}"] for i in range(4)] == [400, 400, 800, 1000]


def test_shares_of_the_centre_are_taken_as_they_are() -> None:
    world = World(Edge(rack()))
    shares = {"n0": 900.0, "n1": 700.0, "n2": 500.0, "n3": 400.0}
    for second in range(10):
        sent = frame(second + 1, 2500, shares=shares)
        world.gives(second, sent)
    world.run(10)
    assert world.caps == shares


def test_nothing_grows_before_all_was_read() -> None:
    silent = {"n2"}
    world = World(Edge(rack()), caps=dict.fromkeys(["n0", "n1", "n2", "n3"], 400.0))
    answered: list[str] = []
    carry = world._carry

    def carried(command: object) -> None:
        if isinstance(command, CapRead | CapWrite) and command.node in silent:
            return
        if isinstance(command, CapRead):
            answered.append(command.node)
        carry(command)  # type: ignore[arg-type]

    world._carry = carried  # type: ignore[method-assign]
    world.lease(4000, until_s=30)
    world.busy(1000, until_s=30)
    world.run(1.9)
    assert not any(isinstance(each, CapWrite) for _, each in world.log)
    world.run(25)
    assert world.total_w <= 4000 - 1000 + 400  # the silent one may have its nameplate
    assert world.edge.report(world.now_s).unreachable == ("n2",)
    assert world.caps["n3"] == 1000


def test_a_restart_waits_for_a_lease_and_then_for_nothing() -> None:
    caps = {"n0": 600.0, "n1": 700.0, "n2": 800.0, "n3": 900.0}
    kept = World(Edge(rack(), boot="b"), caps=dict(caps))
    kept.run(1.9)
    assert kept.caps == caps
    kept.run(2.6)
    assert kept.total_w == FLOORS
    back = World(Edge(rack(), boot="b"), caps=dict(caps))
    back.gives(0.5, frame(1, 3000, shares=caps, boot="b"))
    back.run(3)
    assert back.caps == caps
    assert back.writes("n0") == []


def test_old_frames_are_not_taken() -> None:
    edge = Edge(rack(), boot="mine")
    assert edge.budget(frame(5, 3000, epoch=2), 0.0)
    for old in (
        frame(9, 4000, epoch=1),
        frame(5, 4000, epoch=2),
        frame(4, 4000, epoch=2),
        frame(6, 4000, epoch=2, boot="another"),
        frame(6, 1000, epoch=2, shares={"n0": 4000.0}),
    ):
        assert not edge.budget(old, 0.1)
    assert edge.report(0.2).seq == 5
    assert edge.budget(frame(1, 2000, epoch=3, boot="mine"), 0.3)
    assert sum(edge.counts.values()) == 5


def test_a_new_centre_gives_nothing_with_its_first_word() -> None:
    world = World(Edge(rack()))
    world.lease(2400, until_s=3)
    world.busy(1000, until_s=20)
    world.run(3)
    held = world.total_w
    for second in range(3, 6):
        sent = frame(second, 4000, epoch=2, hold=True)
        world.gives(second, sent)
    world.run(6)
    assert world.total_w <= held <= 2400
    assert world.edge.report(6).epoch == 2


def test_a_start_under_a_holding_centre_keeps_every_cap_as_it_was() -> None:
    caps = {"n0": 600.0, "n1": 700.0, "n2": 800.0, "n3": 900.0}
    world = World(Edge(rack()), caps=dict(caps))
    world.gives(0.5, frame(1, 4000, hold=True))
    world.busy(1000, until_s=4)
    world.run(3)
    assert world.caps == caps
    assert not any(isinstance(each, CapWrite) for _, each in world.log)


def test_a_watcher_only_says_what_it_would_do() -> None:
    world = World(Edge(rack(), EdgeRules(acts=False, reflexes_act=False)))
    world.lease(2000, until_s=5)
    world.busy(1000, until_s=9)
    world.run(9)
    assert not any(isinstance(each, CapWrite) for _, each in world.log)
    assert any(isinstance(each, CapWrite) for each in world.edge.withheld)
    assert world.edge.report(9).applied_w == 4000


def test_a_cap_that_does_not_hold_is_charged_to_the_others() -> None:
    world = World(Edge(rack()))
    carry = world._arrives

    def arrives(command: CapRead | CapWrite) -> None:
        if command.node == "n0" and isinstance(command, CapWrite):
            command = CapRead(node="n0", ticket=command.ticket)
        carry(command)

    world._arrives = arrives  # type: ignore[method-assign]
    world.lease(2600, until_s=20)
    world.busy(1000, until_s=20)
    world.run(20)
    assert world.caps["n0"] == 1000
    assert world.total_w <= 2600
    assert len(world.writes("n0")) < 20


def test_a_steady_state_writes_little() -> None:
    dice = random.Random(3)
    world = World(Edge(rack(8)))
    for second in range(300):
        sent = frame(second + 1, 6000 + dice.uniform(-20, 20))
        world.gives(second, sent)
        for name in world.caps:
            watts = dice.choice((450.0, 980.0))
            world.at(
                second + 0.3,
                lambda name=name, watts=watts: world.edge.reading(  # type: ignore[misc]
                    name, min(watts, world.caps[name]), 1, world.now_s
                ),
            )
    world.run(300)
    for name in world.caps:
        assert len(world.writes(name, since_s=60)) <= 4 * 6
    assert world.total_w > 5500


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), lost=st.sampled_from([0.0, 0.05, 0.3]))
def test_what_may_be_in_force_is_never_more_than_is_said(seed: int, lost: float) -> None:
    """Late, lost and doubled writes, answers and frames: the sum of what devices hold stays at or
    under what the edge answers for, and nothing is raised above the budget."""
    dice = random.Random(seed)
    edge = Edge(rack(dice.randint(1, 6)))
    ceilings = dict.fromkeys(edge.names, 1000.0)

    def check(world: World) -> None:
        report = edge.report(world.now_s)
        assert world.total_w <= report.granted_w + 1e-6
        budget = edge.budget_w(world.now_s)
        now = {cap.node.name: cap.ceiling for cap in edge.caps}
        last = [each for at, each in world.log[-6:] if at == world.now_s]
        if any(isinstance(c, CapWrite) and c.watts > ceilings[c.node] + 1e-6 for c in last):
            assert sum(now.values()) <= budget + 1e-6
        ceilings.update(now)

    world = World(
        edge,
        delay=rough(seed, lost=lost),
        doubled=lambda: dice.random() < 0.2,
        check=check,
        caps={n.name: dice.uniform(300, 1000) for n in edge.rack.nodes},
    )
    epoch = 1
    for number in range(40):
        epoch += dice.random() < 0.05
        at = number * 0.5 + dice.expovariate(1.0)
        sent = frame(
            number + 1, dice.uniform(0, 6000), epoch=epoch, lease_ms=dice.choice((500, 3000))
        )
        for _ in range(dice.choice((0, 1, 1, 1, 2))):
            world.gives(at, sent)
    world.busy(dice.uniform(300, 1000), until_s=20)
    world.run(20)
    world.delay = lambda: 0.02
    world.run(60)
    assert world.caps == {n.name: n.floor_w for n in edge.rack.nodes} or all(
        world.caps[n.name] <= n.floor_w for n in edge.rack.nodes
    )


@settings(max_examples=15, deadline=None)
@given(offset=st.floats(-1e6, 1e9), seed=st.integers(0, 99))
def test_what_the_clock_shows_does_not_matter(offset: float, seed: int) -> None:
    """Only differences of time count, so two edges whose clocks disagree do the same. (Times here
    are exact in binary, so that a tie is one on every clock.)"""
    offset = float(round(offset))

    def play(start: float) -> list[tuple[float, object]]:
        dice = random.Random(seed)
        world = World(Edge(rack()), now_s=start, delay=lambda: 0.03125)
        world.lease(dice.uniform(1600, 4000), until_s=start + 5)
        world.busy(900, until_s=start + 5)
        world.run(start + 10, period_s=0.125)
        return [(round(at - start, 1), each) for at, each in world.log]

    here, there = play(0.0), play(offset)
    assert [each for _, each in here] == [each for _, each in there]


def test_a_bad_number_from_a_device_is_no_answer() -> None:
    edge = Edge(rack(1))
    [read] = edge.tick(0.0)
    assert isinstance(read, CapRead)
    edge.written("n0", float("nan"), 0.1, ticket=read.ticket)
    edge.written("nobody", 100.0, 0.1)
    assert edge.report(0.2).applied_w == 1000


@pytest.mark.parametrize("late_s", [0.5, 2.5, 4.0])
def test_a_write_without_an_answer_may_still_come(late_s: float) -> None:
    edge = Edge(rack(1))
    [read] = edge.tick(0.0)
    edge.written("n0", 400.0, 0.1, ticket=read.ticket)  # type: ignore[union-attr]
    edge.budget(frame(1, 900), 0.2)
    [grow] = edge.tick(0.2)
    assert isinstance(grow, CapWrite)
    edge.written("n0", None, 0.3, ticket=grow.ticket)
    assert edge.report(0.3).granted_w == 900
    asked_s = 0.3 + late_s
    [again] = edge.tick(asked_s)
    edge.written("n0", 400.0, asked_s + 0.1, ticket=again.ticket)  # type: ignore[union-attr]
    assert edge.report(asked_s + 0.2).granted_w == (900 if late_s < 3.0 else 400)


def leased(world: World, budgets: Sequence[tuple[float, float]], until_s: float) -> None:
    """One node is always at its cap. Its budgets count from a second on, said anew every second."""
    for second in range(int(until_s)):
        watts = max((start, watts) for start, watts in budgets if start <= second)[1]
        world.gives(second, frame(second + 1, watts))
    world.busy(1000, until_s=until_s)
    world.run(until_s)


def test_a_small_step_is_made_once_the_aim_stands_still() -> None:
    world = World(Edge(rack(1)), caps={"n0": 400.0})
    leased(world, [(0, 700.0), (21, 712.0)], 30.0)
    assert world.caps == {"n0": 712.0}
    assert 24.0 <= world.writes("n0")[-1] <= 25.0


def test_an_aim_that_comes_and_goes_is_not_followed_in_small_steps() -> None:
    world = World(Edge(rack(1)), caps={"n0": 400.0})
    swings = [(float(second), 712.0 if second % 4 < 2 else 700.0) for second in range(20, 60)]
    leased(world, [(0, 700.0), *swings], 60.0)
    assert not world.writes("n0", since_s=20.0)


def test_what_was_lowered_comes_back_at_once_when_its_watts_do() -> None:
    world = World(Edge(rack(1)), caps={"n0": 400.0})
    leased(world, [(0, 900.0), (20, 500.0), (22, 900.0)], 30.0)
    assert world.caps == {"n0": 900.0}
    assert 22.0 <= world.writes("n0")[-1] <= 22.5


def test_one_write_does_for_a_part_and_the_rest_of_it() -> None:
    world = World(Edge(rack(1)), caps={"n0": 400.0})
    for second in range(20):
        part = second == 12
        watts = 500.0 if second < 12 else 600.0 if part else 900.0
        world.gives(second, frame(second + 1, watts, partial=part))
    world.busy(1000, until_s=20.0)
    world.run(20.0)
    assert world.caps == {"n0": 900.0}
    assert len(world.writes("n0", since_s=12.0)) == 1


def test_a_part_that_stays_one_is_taken_after_a_while() -> None:
    world = World(Edge(rack(1)), caps={"n0": 400.0})
    for second in range(20):
        world.gives(second, frame(second + 1, 500.0 if second < 12 else 600.0, partial=second > 11))
    world.busy(1000, until_s=20.0)
    world.run(20.0)
    assert world.caps == {"n0": 600.0}
    assert 14.0 <= world.writes("n0")[-1] <= 15.0


@pytest.mark.parametrize(("hold", "back_w"), [(True, 900.0), (False, 480.0)])
def test_a_limit_that_falls_does_not_use_up_the_writes_of_the_way_back(
    hold: bool, back_w: float
) -> None:
    world = World(Edge(rack(1)), caps={"n0": 400.0})
    steps = [900.0] * 12 + [820.0, 740.0, 660.0, 580.0, 500.0] + [900.0] * 12
    for second, watts in enumerate(steps):
        fell = second > 0 and watts < steps[second - 1]
        world.gives(second, frame(second + 1, watts, hold=hold and fell))
    world.busy(1000, until_s=len(steps))
    world.run(len(steps))
    assert world.caps == {"n0": back_w}


def test_who_wants_no_more_is_not_raised_again_and_again_and_rises_when_it_wakes() -> None:
    world = World(Edge(rack(1)), caps={"n0": 400.0})
    for second in range(60):
        spare = second < 45 and second % 8 < 4
        world.gives(second, frame(second + 1, 900.0 if spare or second >= 50 else 400.0))
    world.busy(300.0, until_s=50.0)
    world.at(50.0, lambda: world.busy(1000.0, until_s=60.0))
    world.run(60.0)
    assert world.caps == {"n0": 900.0}
    assert len(world.writes("n0", since_s=8.0)) <= 5


def test_nothing_grows_while_something_of_the_rack_was_never_read() -> None:
    world = World(Edge(rack()), caps={"n0": 600.0, "n1": 700.0, "n2": 800.0, "n3": 900.0})
    world.edge.wait_for(["n4"], 0.0)
    world.lease(4000, until_s=30)
    world.busy(1000, until_s=30)
    world.run(9)
    assert not any(isinstance(each, CapWrite) for _, each in world.log)
    world.edge.wait_for([], 9.0)
    world.run(30)
    assert world.total_w == 4000


def test_what_people_hold_raises_nobody_who_was_not_read_yet() -> None:
    caps = {"n0": 450.0, "n1": 450.0, "n2": 450.0, "n3": 900.0}
    world = World(Edge(rack()), caps=dict(caps))
    world.edge.hold(2600, {}, 0.0)
    world.run(1.9)
    assert all(world.caps[name] <= caps[name] for name in caps)
    assert world.total_w <= 2600
