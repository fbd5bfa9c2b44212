"""The centre over a bus that loses, repeats, delays and reorders: no watt is promised twice."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.centre import Centre
from iolaus.energy.frames import Budget, Report
from iolaus.energy.policy import DomainRule, Mode, PowerPolicy, Redundancy
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plant import Domain, DomainKind, Load, Plant
from tests.examples import examples

POLICY = PowerPolicy(mode=Mode.CONTROL, guard=0.0, cap_error=0.0, read_s=1.0)
FLOOR, PLATE = 100.0, 1000.0
CLOSE = 0.01


def hall(*, site: float = 5_000.0, feed: float = 3_000.0, rack: float = 2_000.0) -> Plant:
    """Two feeds under a site, two racks under each, two nodes of different priority in each."""
    domains = [Domain("site", DomainKind.SITE, None, site)]
    loads = []
    for name in ("a", "b"):
        domains.append(Domain(name, DomainKind.FEED, "site", feed))
        for number in (1, 2):
            domains.append(Domain(f"{name}{number}", DomainKind.RACK, name, rack))
            loads += [
                Load(
                    f"{name}{number}n{priority}", f"{name}{number}", FLOOR, PLATE, priority=priority
                )
                for priority in (0, 3)
            ]
    return Plant(domains=tuple(domains), loads=tuple(loads))


@dataclass
class Rack:
    """An edge as the frames describe it, with one cap for the whole rack that obeys slowly."""

    name: str
    nodes: tuple[str, ...]
    boot: str = "1"
    caps_w: float = 2 * FLOOR
    budget_w: float = 2 * FLOOR
    taken: tuple[int, int] = (0, 0)
    lease_s: float = -1.0
    shrinks: list[tuple[float, float]] = field(default_factory=list)
    alive: bool = True
    demand: dict[str, float] = field(default_factory=dict)
    stuck: bool = False

    def take(self, frame: Budget, now_s: float) -> None:
        if not self.alive or (frame.epoch, frame.seq) <= self.taken:
            return
        if frame.boot and frame.boot != self.boot:
            return
        allowed = self.allowed(now_s)
        self.taken = frame.epoch, frame.seq
        self.budget_w = min(frame.budget_w, allowed) if frame.hold else frame.budget_w
        self.lease_s = now_s + frame.expires_in_ms / 1000

    def allowed(self, now_s: float) -> float:
        return self.budget_w if now_s < self.lease_s else 2 * FLOOR

    def step(self, now_s: float, rng: random.Random) -> None:
        for due, watts in [each for each in self.shrinks if each[0] <= now_s]:
            self.shrinks.remove((due, watts))
            self.caps_w = min(self.caps_w, watts)
        allowed = self.allowed(now_s)
        if not self.alive or self.stuck:
            return
        if self.caps_w > allowed:
            self.shrinks.append((now_s + rng.uniform(0.0, 1.5), allowed))
        elif rng.random() < 0.8:
            self.shrinks.clear()
            self.caps_w = max(self.caps_w, rng.choice([allowed, rng.uniform(0, allowed)]))

    def report(self, now_s: float) -> Report:
        return Report(
            epoch=self.taken[0], seq=self.taken[1], rack=self.name, applied_w=self.caps_w,
            granted_w=self.caps_w, demand_w=dict(self.demand), mono_s=now_s, boot=self.boot,
            measured_w=0.9 * self.caps_w,
        )  # fmt: skip

    def restart(self, boot: str) -> None:
        self.boot, self.taken, self.lease_s = boot, (0, 0), -1.0
        self.budget_w, self.alive = 2 * FLOOR, True
        self.shrinks.clear()


class Net:
    """Frames and reports under way, each to arrive late, twice, or never."""

    def __init__(self, rng: random.Random, *, bad: float = 0.3, longest_s: float = 6.0) -> None:
        self.rng, self.bad, self.longest_s = rng, bad, longest_s
        self.order = itertools.count()
        self.cut: set[str] = set()
        self._queue: list[tuple[float, int, Budget | Report]] = []

    def send(self, message: Budget | Report, now_s: float) -> None:
        if message.rack in self.cut or self.rng.random() < self.bad / 2:
            return
        for _ in range(2 if self.rng.random() < self.bad / 2 else 1):
            late = self.rng.random() < self.bad
            delay = self.rng.uniform(0, self.longest_s) if late else self.rng.uniform(0, 0.2)
            heapq.heappush(self._queue, (now_s + delay, next(self.order), message))

    def arriving(self, now_s: float) -> Iterator[Budget | Report]:
        while self._queue and self._queue[0][0] <= now_s:
            yield heapq.heappop(self._queue)[2]


class Hall:
    """Racks, a net and a centre that can be replaced, in steps of a tenth of a second."""

    def __init__(self, plant: Plant, rng: random.Random, *, bad: float = 0.3) -> None:
        self.plant, self.rng, self.net = plant, rng, Net(rng, bad=bad)
        self.racks = {
            name: Rack(name, tuple(load.name for load in loads))
            for name, loads in plant.by_rack.items()
        }
        self.now_s, self.boots = 0.0, itertools.count(2)
        self.centre = Centre(plant, POLICY, 1)
        self.worst: dict[str, float] = {}
        self.temper = {
            "dies": rng.choice([0.0, 0.003]), "starts": rng.choice([0.0, 0.05]),
            "centre": rng.choice([0.0, 0.02, 0.05]), "cut": rng.choice([0.0, 0.0, 0.02]),
            "stuck": rng.choice([0.0, 0.0, 0.02]),
        }  # fmt: skip

    def run(self, seconds: float, *, chaos: bool = False) -> None:
        for _ in range(round(seconds * 10)):
            self.now_s = round(self.now_s + 0.1, 3)
            step = round(self.now_s * 10)
            if chaos:
                self.befall()
            for message in self.net.arriving(self.now_s):
                if isinstance(message, Report):
                    self.centre.take(message, self.now_s)
                else:
                    self.racks[message.rack].take(message, self.now_s)
            for rack in self.racks.values():
                rack.step(self.now_s, self.rng)
                if rack.alive and step % 5 == 0:
                    self.net.send(rack.report(self.now_s), self.now_s)
            if step % 10 == 0:
                for frame in self.centre.tick(self.now_s):
                    self.net.send(frame, self.now_s)
            self.look()

    def look(self) -> None:
        for domain in self.plant.domains:
            used = sum(
                rack.caps_w
                for rack in self.racks.values()
                if domain.name == rack.name or domain in self.plant.above(rack.name)
            )
            over = used - (domain.limit_w or 0.0)
            self.worst[domain.name] = max(self.worst.get(domain.name, -math.inf), over)

    def befall(self) -> None:
        """Demand swings all the time; what else goes wrong depends on the run's temper."""
        rng, racks, often = self.rng, list(self.racks.values()), self.temper
        for rack in racks:
            if rng.random() < 0.1:
                most = rng.choice([0.2, 1.0])
                rack.demand = {node: rng.uniform(0, most * PLATE) for node in rack.nodes}
        if rng.random() < often["dies"]:
            rng.choice(racks).alive = False
        if rng.random() < often["starts"]:
            rng.choice(racks).restart(str(next(self.boots)))
        if rng.random() < often["centre"]:
            self.centre = Centre(self.plant, POLICY, self.centre.epoch + 1)
        if rng.random() < often["cut"]:
            self.net.cut = {rack.name for rack in racks if rng.random() < 0.3}
        if rng.random() < often["stuck"]:
            rng.choice(racks).stuck ^= True

    def budgets(self) -> dict[str, float]:
        return {name: round(rack.allowed(self.now_s), 1) for name, rack in self.racks.items()}


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_what_may_be_in_force_never_exceeds_a_limit(seed: int) -> None:
    run = Hall(hall(), random.Random(seed))
    run.run(40, chaos=True)
    assert max(run.worst.values()) <= CLOSE, run.worst


@pytest.mark.soak
@given(st.integers(0, 2**32), st.sampled_from([2_500.0, 4_000.0, 7_000.0]))
@settings(max_examples=examples(200, 600), deadline=None)
def test_what_may_be_in_force_never_exceeds_a_limit_for_long(seed: int, site: float) -> None:
    run = Hall(hall(site=site), random.Random(seed))
    run.run(120, chaos=True)
    assert max(run.worst.values()) <= CLOSE, run.worst


def quiet(**limits: float) -> Hall:
    return Hall(hall(**limits), random.Random(1), bad=0.0)


def test_a_hall_that_is_heard_is_given_what_there_is() -> None:
    run = quiet()
    run.run(10)
    assert sum(run.budgets().values()) == pytest.approx(5_000, abs=1)
    assert max(run.worst.values()) <= CLOSE


def test_without_reports_a_rack_gets_its_floor_and_counts_with_what_it_may_use() -> None:
    run = quiet()
    run.run(10)
    before = run.budgets()["a1"]
    run.net.cut = {"a1"}
    run.run(10)
    assert run.centre.racks(run.now_s)[0].state == "silent"
    assert run.budgets()["a1"] == 2 * FLOOR
    charged = {each.rack: each.charged_w for each in run.centre.racks(run.now_s)}
    assert charged["a1"] == pytest.approx(before, abs=1)
    others = sum(watts for name, watts in run.budgets().items() if name != "a1")
    assert others <= 5_000 - before + 1


def test_a_new_centre_raises_nothing_before_it_has_read_everything_and_nobody_drops() -> None:
    run = quiet()
    run.run(10)
    before = run.budgets()
    run.centre = Centre(run.plant, POLICY, 2)
    lowest = dict(before)
    for _ in range(60):
        run.run(0.1)
        now = run.budgets()
        lowest = {name: min(watts, now[name]) for name, watts in lowest.items()}
    assert all(lowest[name] >= 0.95 * before[name] for name in before)
    assert max(run.worst.values()) <= CLOSE


def test_a_rack_that_never_spoke_is_counted_with_its_nameplates() -> None:
    run = quiet(feed=1e9, site=5_000.0)
    run.racks["b2"].alive = False
    run.run(10)
    assert sum(w for name, w in run.budgets().items() if name != "b2") <= 3_000 + 1
    assert {each.rack: each.state for each in run.centre.racks(run.now_s)}["b2"] == "unheard"


def test_the_higher_priority_has_its_demand_before_the_lower_has_more_than_its_floor() -> None:
    run = quiet(site=4_000.0)
    run.run(10)
    for rack in run.racks:
        shares = next(each for each in run.centre.advice if each.rack == rack).shares
        assert shares[f"{rack}n3"] == pytest.approx(900, abs=1)
        assert shares[f"{rack}n0"] == pytest.approx(FLOOR, abs=1)


def test_a_lost_feed_is_planned_anew_at_the_next_tick() -> None:
    plant = hall(site=8_000.0, feed=3_000.0)
    domains = tuple(
        dataclasses.replace(each, parent="a", standby=("b",))
        if each.kind is DomainKind.RACK
        else each
        for each in plant.domains
    )
    shared = dataclasses.replace(POLICY, redundancy=Redundancy.SHARED)
    run = Hall(dataclasses.replace(plant, domains=domains), random.Random(1), bad=0.0)
    run.centre = Centre(run.plant, shared, 1)
    run.run(10)
    assert sum(run.budgets().values()) == pytest.approx(6_000, abs=1)
    run.centre.lost("b", run.now_s)
    assert sum(frame.budget_w for frame in run.centre.tick(run.now_s)) <= 3_000
    assert run.centre.decisions[-1].action == "lower"
    assert run.centre.decisions[-1].because == "a is full"
    run.centre.restored("b", run.now_s)
    run.run(10)
    assert sum(run.budgets().values()) == pytest.approx(6_000, abs=1)


def test_a_limit_that_nobody_knows_keeps_racks_at_their_floors_and_is_named() -> None:
    plant = hall()
    domains = tuple(
        dataclasses.replace(each, limit_w=None) if each.name == "a" else each
        for each in plant.domains
    )
    run = Hall(dataclasses.replace(plant, domains=domains), random.Random(1), bad=0.0)
    run.run(10)
    seen = {each.rack: each for each in run.centre.racks(run.now_s)}
    assert seen["a1"].budget_w == pytest.approx(2 * FLOOR)
    assert (seen["a1"].state, seen["a1"].because) == (
        "limited",
        "nobody says how much a can carry",
    )
    assert (seen["b1"].state, seen["b1"].because) == ("limited", "b is full")


def test_a_target_limits_the_site_and_its_end_is_climbed_by_the_ramp() -> None:
    run = quiet(feed=1e9)
    run.centre = Centre(run.plant, dataclasses.replace(POLICY, ramp_up_w_s=100.0), 1)
    run.run(60)
    assert sum(run.budgets().values()) == pytest.approx(5_000, abs=1)
    run.centre.target(2_000.0, run.now_s)
    run.run(5)
    assert sum(run.budgets().values()) <= 2_000
    run.centre.target(None, run.now_s)
    low = sum(run.budgets().values())
    run.run(10)
    assert low < sum(run.budgets().values()) <= low + 11 * 100


def test_a_target_is_walked_down_to() -> None:
    run = quiet(feed=1e9)
    run.centre = Centre(run.plant, dataclasses.replace(POLICY, ramp_down_w_s=200.0), 1)
    run.run(10)
    run.centre.target(2_000.0, run.now_s)
    run.run(5)
    assert 3_700 <= sum(run.budgets().values()) <= 4_300
    run.run(12)
    assert sum(run.budgets().values()) == pytest.approx(2_000, abs=1)


def test_the_report_of_a_newer_epoch_ends_this_centre() -> None:
    run = quiet()
    run.run(5)
    newer = Report(epoch=9, seq=1, rack="a1", applied_w=0, granted_w=0, mono_s=1e6, boot="1")
    assert not run.centre.take(newer, run.now_s)
    assert run.centre.tick(run.now_s) == []
    assert run.centre.deposed
    assert run.centre.decisions[-1].action == "deposed"


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.ADVISE])
def test_only_control_sends_anything(mode: Mode) -> None:
    run = quiet()
    run.centre = Centre(run.plant, dataclasses.replace(POLICY, mode=mode), 1)
    run.run(5)
    assert set(run.budgets().values()) == {2 * FLOOR}
    assert bool(run.centre.advice) == (mode is Mode.ADVISE)
    if run.centre.advice:
        assert sum(frame.budget_w for frame in run.centre.advice) == pytest.approx(5_000, abs=1)


def test_what_cannot_be_lowered_is_told_as_short_and_nobody_else_rises() -> None:
    run = quiet(site=3_000.0)
    run.run(10)
    run.racks["a1"].stuck = run.racks["a2"].stuck = True
    run.centre.target(1_500.0, run.now_s)
    run.run(10)
    assert sum(run.budgets()[name] for name in ("b1", "b2")) <= 500 + 1
    assert [each.subject for each in run.centre.decisions if each.action == "target"] == ["site"]


def test_a_nodes_reach_and_latch_are_gone_by() -> None:
    run = quiet(site=2_000.0, feed=1e9)
    run.run(5)
    rack = run.racks["a1"]
    rack.demand = {"a1n0": 700.0}
    report = msgspec.structs.replace(
        rack.report(run.now_s + 0.01), unreachable=("a1n0",), latched=("a1n3",)
    )
    assert run.centre.take(report, run.now_s)
    shares = next(each for each in run.centre.tick(run.now_s) if each.rack == "a1").shares
    assert shares == pytest.approx({"a1n0": 700.0, "a1n3": FLOOR}, abs=1)
    assert next(each.state for each in run.centre.racks(run.now_s) if each.rack == "a1") == "held"


def test_the_error_that_was_measured_is_charged() -> None:
    run = quiet(feed=1e9)
    run.run(5)
    for rack in run.racks.values():
        report = rack.report(run.now_s + 0.01)
        measured = msgspec.structs.replace(report, measured_w=report.granted_w * 1.04)
        run.centre.take(measured, run.now_s)
    assert sum(frame.budget_w for frame in run.centre.tick(run.now_s)) == pytest.approx(
        5_000 / 1.04, rel=1e-3
    )


def test_how_the_plant_stands_is_told() -> None:
    run = quiet()
    run.run(10)
    states = {each.name: each for each in run.centre.domains()}
    assert states["site"].charged_w == pytest.approx(5_000, abs=1)
    assert states["site"].limit_w == states["site"].usable_w == 5_000
    assert states["a1"].parent == "a"
    assert {each.rack for each in run.centre.racks(run.now_s)} == set(run.racks)


def test_guard_reserve_and_an_own_limit_count() -> None:
    rules = {"a": DomainRule(limit_w=2_000.0, guard=0.1, reserve_w=100.0)}
    run = quiet()
    run.centre = Centre(run.plant, dataclasses.replace(POLICY, domains=rules), 1)
    run.run(8)
    assert run.budgets()["a1"] + run.budgets()["a2"] == pytest.approx(1_700, abs=1)


def test_an_unknown_domain_is_told() -> None:
    with pytest.raises(OperatorMust) as caught:
        quiet().centre.lost("nowhere", 0.0)
    assert caught.value.code == "UnknownDomain"


def test_another_policy_is_followed_from_the_next_tick() -> None:
    run = quiet()
    run.run(5)
    run.centre.follow(dataclasses.replace(POLICY, domains={"site": DomainRule(limit_w=1_000.0)}), 5)
    assert sum(frame.budget_w for frame in run.centre.tick(run.now_s)) <= 1_000


def test_nobody_is_given_more_than_a_person_allows_and_others_have_the_rest() -> None:
    run = quiet(feed=1e9)
    run.run(10)
    run.centre.hold({"a1": 600.0}, {"b1n3": 300.0}, run.now_s)
    run.run(15)
    now = run.budgets()
    assert now["a1"] == 600
    assert now["b1"] <= 1_300 + 1
    assert sum(now.values()) == pytest.approx(5_000, abs=1)
    capped = [each for each in run.centre.decisions if each.action == "cap"]
    assert [(each.subject, each.after_w) for each in capped] == [("a1", 600.0)]
    run.centre.follow(dataclasses.replace(POLICY, name="other"), run.now_s)
    run.run(5)
    assert run.budgets()["a1"] == 600
    run.centre.hold({}, {"b1n3": 1.0}, run.now_s)
    run.run(15)
    assert run.budgets()["a1"] > 1_000
    assert run.budgets()["b1"] <= PLATE + FLOOR + 1
