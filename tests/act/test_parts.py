"""The small parts: what an error means, budgets, standing, waiting, looking, unwinding."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.act.budget import Budgets
from iolaus.act.faults import BY_STATUS, Fault, fault_of
from iolaus.act.fold import Account
from iolaus.act.looking import Looking, Pace
from iolaus.act.ports import Fenced, Lease
from iolaus.act.standing import Standing
from iolaus.act.unwind import unwind
from iolaus.act.waiting import doze, within
from iolaus.drivers.lane import HeldBack
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    OperatorMust,
    PolicyRefused,
    WeErred,
)
from iolaus.model.plan import Action, Domain, Limits, Plan, Step, Verb
from iolaus.model.rollout import NodeState, RolloutState, Sight
from tests.act.hall import BMC, Hall, Mood, is_, node_of, plan_of, steps

LEASE = Lease(name="act", holder="me", epoch=3, expires_at=30.0)


def refused(status: int, retry_after_s: float | None = None) -> DeviceRefused:
    return DeviceRefused(
        "no", operation="reset", subject="n1", status=status, retry_after_s=retry_after_s
    )


def test_what_an_error_means() -> None:
    for status, fault in BY_STATUS.items():
        assert fault_of(refused(status)) is fault
    for status in (0, 401, 403, 405, 410, 413, 422, 501):
        assert fault_of(refused(status)) is Fault.FINAL
    assert fault_of(refused(405, 10.0)) is Fault.PASSING
    assert fault_of(refused(500, 10.0)) is Fault.UNKNOWN
    for unknown in (DeviceSilent, DeviceLied):
        assert fault_of(unknown("x", operation="reset", subject="n1")) is Fault.UNKNOWN
    assert fault_of(TimeoutError()) is Fault.UNKNOWN
    for ours in (OperatorMust, PolicyRefused, WeErred):
        assert fault_of(ours("x", operation="reset", subject="n1")) is Fault.FINAL


def test_what_may_lock_an_account_is_never_tried_twice() -> None:
    assert {401, 403}.isdisjoint(BY_STATUS)


def test_budgets_are_shared_and_what_has_none_is_not_allowed() -> None:
    budgets = Budgets({"ac-cycle": 2})
    budgets.count({"ac-cycle": 1, "bricks": 5})
    assert budgets.draw("")
    assert budgets.draw("ac-cycle")
    assert not budgets.draw("ac-cycle")
    assert not budgets.draw("reset-manager")
    assert "ac-cycle" in budgets.told("ac-cycle")
    budgets.forget({"ac-cycle": 2})
    assert budgets.draw("ac-cycle")


def test_a_lease_is_acted_on_up_to_its_margin() -> None:
    clock = JumpClock()
    standing = Standing(LEASE, clock=clock, asked_at=0.0, ttl_s=30.0, margin_s=5.0)
    clock.advance(24.9)
    standing.check()
    clock.advance(0.2)
    with pytest.raises(Fenced):
        standing.check()
    standing.renewed(LEASE, asked_at=clock.monotonic())
    standing.check()
    assert standing.left_s == pytest.approx(25.0)


async def test_dozing_ends_at_a_change_or_in_time() -> None:
    clock, changed = JumpClock(), asyncio.Event()
    await doze(clock, 100.0, changed)
    assert clock.monotonic() == 100.0
    changed.set()
    await doze(clock, 100.0, changed)
    assert clock.monotonic() == 100.0


async def test_what_takes_too_long_is_cut_and_what_does_not_is_left() -> None:
    clock = JumpClock()
    async with within(clock, 10.0):
        await clock.sleep(9.0)
    with pytest.raises(TimeoutError):
        async with within(clock, 10.0):
            await clock.sleep(11.0)
    await clock.sleep(100.0)
    assert clock.monotonic() == pytest.approx(119.0)


async def test_being_cancelled_is_no_lateness() -> None:
    clock = JumpClock()

    async def wait() -> None:
        async with within(clock, 1000.0):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_in_what_took_too_long_stays_that_error() -> None:
    clock = JumpClock()

    async def clumsy() -> None:
        async with within(clock, 1.0):
            try:
                await clock.sleep(5.0)
            except asyncio.CancelledError:
                raise KeyError("while it was cut") from None

    with pytest.raises(KeyError):
        await clumsy()
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0


def looking(hall: Hall, mood: Mood) -> Looking:
    hall.add("n1", mood)
    node = node_of("n1", steps("n1"))
    return Looking(node, hands=hall.hands(), clock=hall.clock, pace=Pace())


async def test_a_look_that_fails_is_unknown(hall: Hall, clock: JumpClock) -> None:
    step = steps("n1")[1]
    silent = looking(hall, Mood(silent_look=1.0))
    sight = await silent.look(step, step.after, {})
    assert (sight.verdict, sight.answered) == ("unknown", False)
    slow = looking(hall, Mood(latency_s=1000.0))
    sight = await slow.look(step, step.after, {})
    assert (sight.verdict, sight.answered) == ("unknown", False)
    assert clock.monotonic() < 400.0


async def test_settling_takes_its_time_and_no_more(hall: Hall, clock: JumpClock) -> None:
    step = steps("n1")[1]
    good = looking(hall, Mood(latency_s=1.0))
    watched = await good.settle(step, step.after, baseline={}, for_s=300.0)
    assert (watched.settled, watched.sight.verdict) == (False, "unmet")
    assert 300.0 <= clock.monotonic() <= 303.0
    so = await good.settle(step, (is_(BMC, "1"),), baseline={}, for_s=0.0)
    assert so.settled


async def test_one_unanswered_look_at_the_end_is_not_silence(hall: Hall) -> None:
    step = steps("n1")[1]
    flaky = looking(hall, Mood(silent_look=1.0, sulks=1))
    watched = await flaky.settle(step, step.after, baseline={}, for_s=0.0)
    assert (watched.settled, watched.silent) == (False, False)
    dead = looking(hall, Mood(silent_look=1.0))
    watched = await dead.settle(step, step.after, baseline={}, for_s=0.0)
    assert (watched.settled, watched.silent) == (False, True)


class Held:
    """A login that is held back until a time, as the driver's lane says it; then all is so."""

    def __init__(self, hall: Hall, until: float, *, status: int = 401) -> None:
        self._hall, self._until, self._status = hall, until, status
        self.looks = 0

    async def look(self, *_: object, **__: object) -> Sight:
        self.looks += 1
        left_s = self._until - self._hall.clock.monotonic()
        if left_s <= 0:
            return Sight(verdict="met")
        raise HeldBack(
            "held",
            operation="log in to",
            subject="n1",
            status=self._status,
            retry_after_s=left_s,
        )

    async def do(self, *_: object, **__: object) -> Mapping[str, Any]:
        raise NotImplementedError


def rotation() -> Step:
    action = Action(verb=Verb.ROTATE_CREDENTIAL, subject="credential/root")
    return Step(id="r", action=action, text="new", after=(is_("credential/number", 1),))


@pytest.mark.parametrize(
    ("step", "status", "until", "settled"),
    [
        (rotation(), 401, 3000.0, True),
        (rotation(), 401, 9000.0, False),
        (rotation(), 403, 300.0, False),
        (steps("n1")[1], 401, 300.0, False),
    ],
)
async def test_only_a_new_password_waits_for_a_login_that_is_held_back(
    hall: Hall, clock: JumpClock, step: Step, status: int, until: float, settled: bool
) -> None:
    hands = Held(hall, until, status=status)
    pace = Pace(longest_held_s=7200.0)
    held = Looking(node_of("n1", (step,)), hands=hands, clock=clock, pace=pace)
    watched = await held.settle(step, step.after, baseline={}, for_s=120.0)
    assert watched.settled is settled
    if settled:
        assert until <= clock.monotonic() <= until + 120.0
    elif status == 401 and step.action.verb is Verb.ROTATE_CREDENTIAL:
        assert 7200.0 <= clock.monotonic() <= 7400.0, "not for ever"
    else:
        assert clock.monotonic() <= 125.0, "the step's own time"


async def test_who_would_not_wait_does_not_wait_for_a_login_either(
    hall: Hall, clock: JumpClock
) -> None:
    step = rotation()
    held = Looking(node_of("n1", (step,)), hands=Held(hall, 300.0), clock=clock, pace=Pace())
    watched = await held.settle(step, step.after, baseline={}, for_s=0.0)
    assert not watched.settled
    assert clock.monotonic() < 1.0


def test_unwinding_nothing_is_over_at_once() -> None:
    account = Account(plan_of(3))
    for state, end in (
        (RolloutState.ABORTING, RolloutState.ABORTED),
        (RolloutState.UNDOING, RolloutState.UNDONE),
    ):
        account.state = state
        decision = unwind(plan_of(3), account.progress(), 0.0)
        assert (decision.state, decision.roll_back) == (end, ())


NODES = 12


@given(
    at_once=st.none() | st.integers(1, 6),
    racks=st.none() | st.integers(1, 3),
    in_rack=st.none() | st.integers(1, 4),
    atomic=st.booleans(),
    batch=st.none() | st.integers(2, 5),
    bad=st.sets(st.integers(0, NODES - 1), max_size=3),
)
def test_an_undo_holds_the_limits_and_comes_to_its_end(
    at_once: int | None,
    racks: int | None,
    in_rack: int | None,
    atomic: bool,
    batch: int | None,
    bad: set[int],
) -> None:
    """Each round some go and all of them come back; who was lost before stays away."""
    per_domain = {"rack": in_rack} if in_rack else {}
    limits = Limits(
        max_unavailable=at_once,
        max_dark_racks=racks,
        per_domain=per_domain,
        atomic=("nvlink",) if atomic else (),
        bricks=3,
    )
    plan, account = in_racks(limits, batch), Account(in_racks(limits, batch))
    account.state = RolloutState.UNDOING
    for number, uid in enumerate(account.nodes):
        set_state(account, uid, NodeState.LOST if number in bad else NodeState.DONE)
    while (going := unwind(plan, account.progress(), 0.0)).roll_back:
        for uid in going.roll_back:
            set_state(account, uid, NodeState.ROLLING_BACK)
        assert_within(plan, account, atomic=atomic)
        for uid in going.roll_back:
            set_state(account, uid, NodeState.ROLLED_BACK)
    left = [node for node in account.nodes.values() if node.state is NodeState.DONE]
    if not bad and (not atomic or min(at_once or 9, in_rack or 9) >= 2):
        assert not left
        assert going.state is RolloutState.UNDONE


def in_racks(limits: Limits, batch: int | None) -> Plan:
    """Three racks of four, pairs in one NVLink domain, two waves."""
    plan = plan_of(NODES)
    domains = [
        (Domain(kind="rack", name=f"r{n // 4}"), Domain(kind="nvlink", name=f"v{n // 2}"))
        for n in range(NODES)
    ]
    nodes = tuple(
        msgspec.structs.replace(node, domains=found)
        for node, found in zip(plan.nodes, domains, strict=True)
    )
    waves = tuple(msgspec.structs.replace(wave, batch=batch) for wave in plan.waves)
    return msgspec.structs.replace(plan, nodes=nodes, waves=waves, limits=limits)


def set_state(account: Account, uid: str, state: NodeState) -> None:
    account.nodes[uid] = msgspec.structs.replace(account.nodes[uid], state=state)


def assert_within(plan: Plan, account: Account, *, atomic: bool) -> None:
    limits, nodes = plan.limits, {node.uid: node for node in plan.nodes}
    away = [
        n.uid for n in account.nodes.values() if n.state in (NodeState.ROLLING_BACK, NodeState.LOST)
    ]
    moving = {n.uid for n in account.nodes.values() if n.state is NodeState.ROLLING_BACK}
    count = Counter(domain for uid in away for domain in nodes[uid].domains)
    assert limits.max_unavailable is None or len(away) <= limits.max_unavailable
    assert all(n <= limits.per_domain.get(d.kind, n) for d, n in count.items())
    dark = sum(d.kind == "rack" and n == 4 for d, n in count.items())
    assert limits.max_dark_racks is None or dark <= limits.max_dark_racks
    if atomic:
        for uid in moving:
            pair = [u for u, n in nodes.items() if n.domains[1] == nodes[uid].domains[1]]
            assert all(account.nodes[u].state is not NodeState.DONE for u in pair)
