"""The queue's rules as properties: order, limit, reserve, and nothing left behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iolaus.drivers.lane.queue import LONG, Queue, Ticket
from iolaus.drivers.ports import Priority

SAFETY, CONTROL, LIFECYCLE, TELEMETRY, INVENTORY = Priority


class Bounds:
    def __init__(self, limit: int, ceiling: int) -> None:
        self.limit, self.ceiling = limit, ceiling

    def queue(self) -> Queue:
        return Queue(limit=lambda: self.limit, ceiling=lambda: self.ceiling)


def granted(*tickets: Ticket) -> list[bool]:
    return [ticket.grant.done() and not ticket.grant.cancelled() for ticket in tickets]


async def test_a_freed_slot_goes_to_the_most_urgent_and_then_to_the_first() -> None:
    queue = Bounds(1, 1).queue()
    running = queue.ask(TELEMETRY)
    slow, first, second, urgent = (queue.ask(p) for p in (INVENTORY, TELEMETRY, TELEMETRY, SAFETY))
    order = []
    for ticket in (running, urgent, first, second):
        order.append(granted(urgent, first, second, slow))
        queue.leave(ticket)
    assert order == [
        [False, False, False, False],
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
    ]
    assert granted(slow) == [True]


@pytest.mark.parametrize("long_class", sorted(LONG))
async def test_long_classes_leave_a_slot_free(long_class: Priority) -> None:
    queue = Bounds(2, 2).queue()
    long_ones = [queue.ask(long_class) for _ in range(3)]
    assert granted(*long_ones) == [True, False, False]
    assert granted(queue.ask(TELEMETRY)) == [True]


async def test_a_long_request_that_hangs_keeps_no_short_one_waiting() -> None:
    bounds = Bounds(2, 2)
    queue = bounds.queue()
    hung = queue.ask(INVENTORY)
    bounds.limit = 1
    first, second = queue.ask(TELEMETRY), queue.ask(TELEMETRY)
    assert granted(hung, first, second) == [True, True, False]
    queue.leave(first)
    assert granted(second, queue.ask(INVENTORY)) == [True, False]


async def test_inventory_goes_on_where_there_is_one_slot_and_nothing_else_waits() -> None:
    queue = Bounds(1, 1).queue()
    assert granted(queue.ask(INVENTORY)) == [True]


async def test_safety_waits_for_one_even_after_the_limit_was_cut() -> None:
    bounds = Bounds(2, 2)
    queue = bounds.queue()
    running = [queue.ask(TELEMETRY), queue.ask(TELEMETRY)]
    bounds.limit = 1
    urgent = queue.ask(SAFETY)
    assert granted(urgent) == [False]
    queue.leave(running[0])
    assert granted(urgent) == [True]


async def test_safety_waits_for_one_even_after_the_ceiling_fell() -> None:
    bounds = Bounds(3, 3)
    queue = bounds.queue()
    running = [queue.ask(TELEMETRY) for _ in range(3)]
    bounds.limit = bounds.ceiling = 1
    urgent = queue.ask(SAFETY)
    queue.leave(running[0])
    assert granted(urgent) == [True]
    assert queue.in_flight == 3, "it took the slot that fell free and added none"


async def test_a_lifted_ticket_goes_with_its_new_class() -> None:
    queue = Bounds(1, 1).queue()
    running = queue.ask(TELEMETRY)
    slow, other = queue.ask(INVENTORY), queue.ask(TELEMETRY)
    queue.lift(slow, SAFETY)
    queue.lift(slow, INVENTORY)
    queue.leave(running)
    assert granted(slow, other) == [True, False]


async def test_lifting_what_is_under_way_makes_it_no_shorter() -> None:
    bounds = Bounds(2, 2)
    queue = bounds.queue()
    hung = queue.ask(INVENTORY)
    queue.lift(hung, TELEMETRY)
    bounds.limit = 1
    assert granted(queue.ask(TELEMETRY)) == [True]


async def test_a_waiter_cancelled_at_the_moment_of_its_grant_gives_the_slot_back() -> None:
    queue = Bounds(1, 1).queue()
    running = queue.ask(TELEMETRY)

    async def wait() -> None:
        ticket = queue.ask(CONTROL)
        try:
            await ticket.grant
        finally:
            queue.leave(ticket)

    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0)
    queue.leave(running)
    waiter.cancel()
    await asyncio.wait({waiter})
    assert (queue.in_flight, queue.waiting) == (0, 0)


async def test_closing_turns_everybody_away() -> None:
    queue = Bounds(1, 1).queue()
    running, waiting = queue.ask(TELEMETRY), queue.ask(TELEMETRY)
    queue.refuse(RuntimeError("closing"))
    with pytest.raises(RuntimeError):
        await waiting.grant
    queue.leave(waiting)
    queue.leave(running)
    assert (queue.in_flight, queue.waiting) == (0, 0)


class Traffic(RuleBasedStateMachine):
    """Any order of asking, leaving, giving up, lifting, and of the limit moving."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.waiting: list[Ticket] = []
        self.held: list[Ticket] = []

    @initialize(ceiling=st.integers(1, 5))
    def begin(self, ceiling: int) -> None:
        self.bounds = Bounds(ceiling, ceiling)
        self.queue = self.bounds.queue()

    def _do(self, act: Any) -> Any:
        async def inside() -> Any:
            return act()

        result = self.loop.run_until_complete(inside())
        for ticket in [each for each in self.waiting if each.grant.done()]:
            self.waiting.remove(ticket)
            self.held.append(ticket)
        return result

    @rule(priority=st.sampled_from(Priority))
    def ask(self, priority: Priority) -> None:
        before = len(self.held)
        alone = before == 1 and self.held[0].priority in LONG
        ticket = self._do(lambda: self.queue.ask(priority))
        (self.held if ticket.grant.done() else self.waiting).append(ticket)
        bound = self.bounds.ceiling if priority is SAFETY else self.bounds.limit
        beside_long = alone and priority not in LONG and self.bounds.ceiling > 1
        assert ticket not in self.held or before < bound or beside_long

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.held))
        self.held.remove(ticket)
        urgent = [each for each in self.waiting if each.priority is SAFETY]
        self._do(lambda: self.queue.leave(ticket))
        assert not urgent or urgent[0] in self.held, "safety waits for at most one"

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(ticket)
        self._do(lambda: self.queue.leave(ticket))
        self._do(lambda: self.queue.leave(ticket))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), priority=st.sampled_from(Priority))
    def lift(self, data: st.DataObject, priority: Priority) -> None:
        ticket = data.draw(st.sampled_from(self.waiting))
        if priority < ticket.priority:
            self.waiting.remove(ticket)
            self.waiting.append(ticket)
        self._do(lambda: self.queue.lift(ticket, priority))

    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        self.bounds.limit = data.draw(st.integers(1, self.bounds.ceiling))
        self._do(self.queue.pump)

    @invariant()
    def never_over_the_ceiling(self) -> None:
        if hasattr(self, "queue"):
            assert self.queue.in_flight == len(self.held) <= self.bounds.ceiling
            assert self.queue.waiting == len(self.waiting)

    @invariant()
    def nobody_waits_who_may_go(self) -> None:
        """Work-conserving: with room under the limit only long ones are ever kept waiting."""
        if hasattr(self, "queue") and len(self.held) < self.bounds.limit:
            assert all(each.priority in LONG for each in self.waiting)

    @invariant()
    def first_come_first_served_within_a_class(self) -> None:
        if hasattr(self, "queue"):
            for priority in Priority:
                ours = [each for each in self.waiting if each.priority is priority]
                assert list(self.queue._waiting.get(priority, ())) == ours

    def teardown(self) -> None:
        for ticket in [*self.held, *self.waiting]:
            self._do(lambda ticket=ticket: self.queue.leave(ticket))
        assert (self.queue.in_flight, self.queue.waiting) == (0, 0)
        self.loop.close()


TestTraffic = Traffic.TestCase
