from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.bus.local import LocalBus, Subscription, matches
from iolaus.bus.port import Bus


async def test_a_subscriber_gets_what_it_asked_for_in_order() -> None:
    bus: Bus = LocalBus()
    async with bus.subscribe("facts.report", "events") as messages:
        for topic in ("facts.hot", "facts.report", "events", "facts.reports", "facts.report.x"):
            bus.publish(topic, topic)
        got = [await anext(messages) for _ in range(3)]
    assert got == ["facts.report", "events", "facts.report.x"]


@pytest.mark.parametrize(
    ("pattern", "topic", "covered"),
    [
        ("facts", "facts.hot", True),
        ("facts.*", "facts.hot", True),
        ("facts.*", "factsheet", False),
        ("facts", "factsheet", False),
        ("facts.hot", "facts", False),
        ("*", "anything", True),
    ],
)
def test_prefixes_end_at_dots(pattern: str, topic: str, covered: bool) -> None:
    assert matches(topic, (pattern,)) is covered


async def test_it_waits_for_the_next_message_and_ends_with_the_subscription() -> None:
    bus, got = LocalBus(), []

    async def listen(subscription: Any) -> None:
        got.extend([message async for message in subscription])

    async with bus.subscribe() as subscription:
        listener = asyncio.create_task(listen(subscription))
        await asyncio.sleep(0)
        bus.publish("a", 1)
        await asyncio.sleep(0)
        bus.publish("b", 2)
        await asyncio.sleep(0.001)
    await listener
    bus.publish("c", 3)
    assert got == [1, 2]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_leaving_by_an_error_or_a_cancellation_leaves_nothing_behind() -> None:
    bus = LocalBus()

    async def listen() -> None:
        async with bus.subscribe("a") as messages:
            async for _ in messages:
                raise ValueError

    first, second = asyncio.create_task(listen()), asyncio.create_task(listen())
    await asyncio.sleep(0)
    second.cancel()
    bus.publish("a", 1)
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, asyncio.CancelledError]
    assert not bus._subscriptions


@given(st.integers(1, 5), st.lists(st.one_of(st.integers(), st.none()), max_size=40))
def test_a_slow_subscriber_loses_the_oldest_and_knows_how_many(
    most: int, steps: list[int | None]
) -> None:
    """Numbers are published, None is read."""

    async def run() -> None:
        subscription, model, lost = Subscription(("*",), most=most), deque[int](), 0
        for step in steps:
            if step is not None:
                lost += len(model) == most
                model = deque([*model, step], maxlen=most)
                subscription.put(step)
            elif model:
                assert await anext(subscription) == model.popleft()
        assert subscription.dropped == lost

    asyncio.run(run())


async def test_one_slow_subscriber_costs_no_other() -> None:
    bus = LocalBus(most=2)
    async with bus.subscribe("a") as slow, bus.subscribe("a") as quick:
        got = []
        for number in range(5):
            bus.publish("a", number)
            got.append(await anext(quick))
        assert got == list(range(5))
        assert [await anext(slow), await anext(slow)] == [3, 4]
        assert (slow.dropped, quick.dropped) == (3, 0)
