"""A feed is lost: the edge stands by what it armed until the centre's budgets are known to fit."""

from __future__ import annotations

from itertools import pairwise

from iolaus.energy.centre import Centre
from iolaus.energy.edge import Edge
from iolaus.energy.frames import Budget, Report
from iolaus.energy.policy import Mode, PowerPolicy, Redundancy
from iolaus.energy.ports import CapWrite, Grade, Sense
from iolaus.model.plant import Domain, DomainKind, Load, Plant
from tests.energy.racks import World, event, frame, rack

ARMED, FLOORS = 2400.0, 1600.0


def world_with_a_loss() -> World:
    world = World(Edge(rack(armed={"feed-a": ARMED})))
    world.lease(3600, until_s=20)
    world.busy(1000, until_s=60)
    world.says(20.0, event(Sense.FEED, "feed-a", Grade.CRITICAL))
    return world


def test_what_was_armed_holds_while_no_budget_knows_of_the_loss() -> None:
    world = world_with_a_loss()
    for second in range(20, 30):
        world.gives(second, frame(100 + second, 3000))
    world.run(29)
    assert 1600 < world.total_w <= ARMED


def test_a_budget_that_knows_of_the_loss_is_grown_into() -> None:
    world = world_with_a_loss()
    for second in range(20, 40):
        world.gives(second, frame(100 + second, 3000, lost=("feed-a",)))
    world.run(39)
    assert 2900 < world.total_w <= 3000


def test_the_first_word_of_a_new_centre_lifts_nothing() -> None:
    world = world_with_a_loss()
    world.run(21)
    for second in range(21, 30):
        sent = frame(second, 3600, epoch=2, hold=True, lost=("feed-a",))
        world.gives(second, sent)
    world.run(29)
    assert world.total_w <= ARMED


def test_a_lease_that_ran_out_knows_nothing() -> None:
    world = world_with_a_loss()
    world.gives(20.5, frame(200, 3000, lost=("feed-a",)))
    world.run(30)
    assert world.total_w == 1600


def test_small_steps_are_written_seldom() -> None:
    world = World(Edge(rack()))
    world.busy(1000, until_s=60)
    for second in range(60):
        world.gives(second, frame(second + 1, 1620 + 25 * second))
    world.run(60)
    writes = [
        (at, each.watts)
        for at, each in world.log
        if isinstance(each, CapWrite) and each.node == "n3" and not each.safety
    ]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(writes)]
    assert len(steps) >= 3
    assert all(watts >= 80 or pause >= 14.9 for pause, watts in steps)


def test_the_way_back_from_a_loss_does_not_wait_for_the_minute_to_end() -> None:
    world = World(Edge(rack(armed={"feed-a": 1600.0})))
    world.lease(3600, until_s=90)
    world.busy(1000, until_s=90)
    for at in (20.0, 34.0, 48.0):
        world.says(at, event(Sense.FEED, "feed-a", Grade.CRITICAL))
        world.says(at + 0.5, event(Sense.FEED, "feed-a", Grade.GOOD))
    world.run(72)
    assert world.total_w > 3400


def lost_and_planned_for() -> tuple[World, int]:
    """A feed is lost at 20 s; from 21 s on budgets are planned without it. And the next number."""
    world = World(Edge(rack(armed={"feed-a": 1600.0})))
    world.busy(1000, until_s=90)
    world.says(20.0, event(Sense.FEED, "feed-a", Grade.CRITICAL))
    for second in range(20):
        world.gives(second, frame(second + 1, 3600))
    for second in range(20, 30):
        world.gives(second, frame(second + 1, 2800, lost=("feed-a",) if second > 20 else ()))
    return world, 31


def test_a_budget_that_only_lowers_calls_back_no_loss_that_was_planned_for() -> None:
    world, number = lost_and_planned_for()
    for second in range(30, 40):
        world.gives(second, frame(number + second - 30, 2800, hold=True))
    world.run(20.5)
    assert world.total_w == FLOORS
    world.run(39)
    assert 2700 < world.total_w <= 2800


def test_a_loss_that_was_planned_for_and_is_over_does_not_strike_again() -> None:
    world, number = lost_and_planned_for()
    world.says(30.0, event(Sense.FEED, "feed-a", Grade.GOOD))
    for second in range(30, 40):
        world.gives(second + 0.5, frame(number + second - 30, 3600))
    world.run(31.5)
    assert world.total_w > 2700
    world.run(39)
    assert world.total_w > 3400


def test_a_loss_that_comes_back_strikes_again() -> None:
    world, number = lost_and_planned_for()
    world.says(30.0, event(Sense.FEED, "feed-a", Grade.GOOD))
    for second in range(30, 40):
        world.gives(second + 0.5, frame(number + second - 30, 3600))
    world.says(35.0, event(Sense.FEED, "feed-a", Grade.CRITICAL))
    world.run(36)
    assert world.total_w == FLOORS


def test_a_lease_that_ran_out_forgets_what_was_planned_for() -> None:
    world, number = lost_and_planned_for()
    world.gives(40.0, frame(number, 3600))
    world.run(41)
    assert world.total_w == FLOORS


def pair() -> Plant:
    """Two racks on two feeds that share; one feed carries less than both racks may have."""
    site = Domain("site", DomainKind.SITE, None, 4000.0)
    feeds = [Domain(f"feed-{n}", DomainKind.FEED, "site", 3000.0) for n in "ab"]
    racks = [Domain(n, DomainKind.RACK, "feed-a", 2500.0, ("feed-b",)) for n in ("r1", "r2")]
    loads = [Load(f"{r}n{n}", r, 400.0, 1200.0, priority=n) for r in ("r1", "r2") for n in (0, 3)]
    return Plant(domains=(site, *feeds, *racks), loads=tuple(loads))


def told(centre: Centre, budgets: list[Budget], now_s: float, **granted: float) -> None:
    """Both racks report: the newest budget taken, and what may be in force."""
    for budget in budgets:
        watts = granted[budget.rack]
        report = Report(
            epoch=1, seq=budget.seq, rack=budget.rack, applied_w=watts, granted_w=watts,
            demand_w={f"{budget.rack}n0": 1200.0, f"{budget.rack}n3": 1200.0},
            mono_s=now_s, boot="1",
        )  # fmt: skip
        assert centre.take(report, now_s)


def test_a_loss_is_named_when_all_that_may_be_in_force_fits() -> None:
    policy = PowerPolicy(
        mode=Mode.CONTROL, guard=0.0, cap_error=0.0, read_s=0.0, redundancy=Redundancy.SHARED
    )
    centre = Centre(pair(), policy, 1)
    budgets = centre.tick(0.0)
    for second in range(1, 6):
        granted = {budget.rack: budget.budget_w for budget in budgets}
        told(centre, budgets, float(second), **granted)
        budgets = centre.tick(float(second))
    assert sum(budget.budget_w for budget in budgets) > 3000.0
    assert all(budget.lost == () for budget in budgets)

    centre.lost("feed-b", 6.0)
    before = {budget.rack: budget.budget_w for budget in budgets}
    budgets = centre.tick(6.0)
    assert sum(budget.budget_w for budget in budgets) <= 3000.0
    assert all(budget.lost == () for budget in budgets)
    told(centre, budgets[:1], 6.5, **before)
    assert all(budget.lost == () for budget in centre.tick(7.0))
    budgets = centre.tick(7.5)
    after = {budget.rack: budget.budget_w for budget in budgets}
    told(centre, budgets, 8.0, **after)
    assert all(budget.lost == ("feed-b",) for budget in centre.tick(8.0))

    centre.restored("feed-b", 9.0)
    assert all(budget.lost == () for budget in centre.tick(9.0))


def test_a_budget_that_shrinks_again_and_again_needs_few_writes() -> None:
    world = World(Edge(rack()))
    world.busy(420, until_s=60)
    for second in range(60):
        world.gives(second, frame(second + 1, 3900 - 30 * max(0, second - 20)))
    world.run(60)
    cuts = [each.node for at, each in world.log if isinstance(each, CapWrite) and at > 20]
    assert world.total_w <= 3900 - 30 * 39
    assert max(cuts.count(node) for node in set(cuts)) <= 6
