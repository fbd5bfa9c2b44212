"""What a roll-out sees: who has a node drained, and whom that keeps out."""

from __future__ import annotations

import msgspec
import pytest

from iolaus.fleet.seen import Observer, changed_unread
from iolaus.fleet.topology import Topology
from iolaus.fleet.world import Standing
from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import HotUpdate
from iolaus.model.plan import Plan
from iolaus.store.facts import Facts
from tests.fleet.planned import base_of, image, planned, tray, want
from tests.store.made import T0, ask_for, asset, report

A = "https://a"
IMAGES = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")


def plan_of(uid: str, *, drains: bool) -> Plan:
    """One node of the picture, to be updated."""
    base = base_of(firmware={"components": [want("bmc", "1.8")]})
    made = planned([tray("r1-u01")], base, *IMAGES)
    (node,) = made.nodes
    return msgspec.structs.replace(
        made, nodes=(msgspec.structs.replace(node, uid=uid, drains=drains),)
    )


def standing(
    drained: tuple[str, ...] | None, *, drains: bool = True, mine: bool = False
) -> Standing:
    clock = JumpClock(T0)
    facts = Facts(clock=clock, new_uid=lambda: "u1")
    ask_for(facts, A)
    facts.record_report(report(A, [asset(serial="S1")]))
    plan = plan_of("u1", drains=drains)
    found = (f"rollout/{plan.id}",) if mine else drained
    observer = Observer(
        facts=facts, clock=clock, interval_s=5.0, slow_interval_s=60.0, drained=lambda _: found
    )
    return observer.world(plan, topology=Topology()).of("u1")


def test_nobody_looked_is_not_known_and_nobody_has_it_is_no() -> None:
    assert standing(None).drained is None
    assert standing(()).drained is False
    assert standing(()).out == ""


def test_our_own_drain_takes_it_out_of_service_and_stands_in_nobodys_way() -> None:
    found = standing(None, mine=True)
    assert (found.drained, found.out) == (True, "")
    assert not found.in_service


@pytest.mark.parametrize("by", ["kim", "rollout/another"])
def test_what_another_had_drained_is_left_alone_by_a_plan_that_drains(by: str) -> None:
    found = standing((by,))
    assert (found.drained, found.out) == (True, f"{by} has it drained")


def test_a_person_may_drain_for_a_plan_that_does_not() -> None:
    assert standing(("kim",), drains=False).out == ""
    assert standing(("kim",), drains=False).drained is True
    assert standing(("rollout/another",), drains=False).out


class Slow(JumpClock):
    """Everything takes a tenth of a second here."""

    def monotonic(self) -> float:
        self.advance(0.1)
        return super().monotonic()


def looks(clock: JumpClock, interval_s: float) -> int:
    """How often each node is looked at in three decisions in a row."""
    facts, found = Facts(clock=clock, new_uid=lambda: "u1"), list[str]()
    ask_for(facts, A)
    facts.record_report(report(A, [asset(serial="S1")]))
    observer = Observer(
        facts=facts,
        clock=clock,
        interval_s=interval_s,
        slow_interval_s=60.0,
        drained=lambda uid: found.append(uid) or (),  # type: ignore[func-returns-value]
    )
    for _ in range(3):
        observer.world(plan_of("u1", drains=False), topology=Topology())
    return len(found)


def test_a_hall_that_is_seen_at_once_is_seen_afresh_and_a_large_one_now_and_then() -> None:
    assert looks(JumpClock(T0), 5.0) == 3
    assert looks(Slow(T0), 5.0) == 1
    assert looks(Slow(T0), 0.1) == 3


@pytest.mark.parametrize(("age_s", "asked"), [(0.0, []), (5.0, []), (7.0, [A]), (900.0, [A])])
def test_who_was_not_heard_of_for_over_a_poll_is_looked_at_before_the_others(
    age_s: float, asked: list[str]
) -> None:
    clock, found = JumpClock(T0), list[str]()
    facts = Facts(clock=clock, new_uid=lambda: "u1")
    ask_for(facts, A)
    facts.record_report(report(A, [asset(serial="S1")]))
    facts.record_hot(HotUpdate(endpoint=A, at=T0))
    observer = Observer(
        facts=facts, clock=clock, interval_s=5.0, slow_interval_s=60.0, look_again=found.append
    )
    clock.advance(age_s)
    observer.world(plan_of("u1", drains=False), topology=Topology())
    assert found == asked


@pytest.mark.parametrize(
    ("moved", "found"),
    [
        ({"u1": T0 - 31.0}, set()),
        ({"u1": T0 - 29.0}, {A}),
        ({"u1": T0 + 1.0, "gone": T0 + 1.0}, {A}),
        ({}, set()),
    ],
)
def test_who_moved_while_it_was_read_or_after_is_to_be_read_again(
    moved: dict[str, float], found: set[str]
) -> None:
    facts = Facts(clock=JumpClock(T0), new_uid=lambda: "u1")
    ask_for(facts, A)
    read = report(A, [asset(serial="S1")])
    facts.record_report(msgspec.structs.replace(read, observed_at=T0, duration_s=30.0))
    assert changed_unread(facts, moved) == found
