"""Watching: the state as it is, then each difference."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from iolaus.model.endpoint import Event
from iolaus.model.select import EVERYTHING
from iolaus.north.api import watch as watching
from iolaus.north.api.events import _watch as watch_events
from iolaus.north.api.lists import Query
from iolaus.north.api.watch import watch
from iolaus.north.auth import Principal, Role
from iolaus.north.context import Context
from iolaus.north.kinds import BY_NAME, NODE
from tests.north import hall
from tests.north.rolling import Rolling

QUERY = Query(principal=Principal(name="t", role=Role.VIEWER))


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GATHER_S", 0.0)
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 0.01)


def read(chunk: bytes) -> tuple[str, Any] | None:
    lines = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
    if "data" not in lines:
        return None
    body = msgspec.json.decode(lines["data"])
    assert body["type"] == lines["event"]
    return body["type"], body["object"]


async def told(stream: AsyncIterator[bytes]) -> tuple[str, Any]:
    while True:
        if (found := read(await asyncio.wait_for(anext(stream), 60))) is not None:
            return found


async def names(stream: AsyncIterator[bytes], count: int) -> list[tuple[str, str]]:
    found = [await told(stream) for _ in range(count)]
    return [(word, each["metadata"]["name"]) for word, each in found]


async def test_added_modified_deleted(context: Context) -> None:
    stream = watch(context, NODE, QUERY, have="")
    assert await names(stream, 4) == [("ADDED", f"h1-r01-u0{n}") for n in (1, 2, 3, 4)]
    context.facts.record_report(hall.report(0, at=context.clock.now()))
    assert await names(stream, 1) == [("MODIFIED", "h1-r01-u01")]
    context.facts.remove_target(hall.address(3))
    assert await names(stream, 1) == [("DELETED", "h1-r01-u04")]
    await stream.aclose()  # type: ignore[attr-defined]


async def test_growing_stale_is_a_change_although_nothing_happened(context: Context) -> None:
    stream = watch(context, NODE, QUERY, have="")
    await names(stream, 4)
    context.clock.advance(30.0)  # type: ignore[attr-defined]
    word, node = await told(stream)
    assert (word, node["status"]["health"], node["status"]["stale"]) == ("MODIFIED", None, True)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_who_holds_the_newest_gets_only_what_follows(context: Context) -> None:
    stream = watch(context, NODE, QUERY, have=str(context.facts.revision))
    assert await anext(stream) == watching.HEARTBEAT
    context.facts.remove_target(hall.address(3))
    assert await names(stream, 1) == [("DELETED", "h1-r01-u04")]
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_rollout_is_told_although_no_fact_changed(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 60.0)
    rolls = context.rolls = Rolling(context)
    name = (await rolls.make_plan("base", selector=EVERYTHING, by="ana", keep=True)).id
    held = str(context.facts.revision)
    plans = watch(context, BY_NAME["plan"], QUERY, have=held)
    rollouts = watch(context, BY_NAME["rollout"], QUERY, have=held)
    assert await names(plans, 1) == [("ADDED", name)]
    assert await anext(rollouts) == watching.HEARTBEAT
    await rolls.apply(name, by="ana")
    assert await names(plans, 1) == [("MODIFIED", name)]
    word, rollout = await told(rollouts)
    assert (word, rollout["status"]["state"]) == ("ADDED", "running")
    rolls.move(name)
    assert (await told(rollouts))[1]["status"]["wave"] == "canary"
    for stream in (plans, rollouts):
        await stream.aclose()  # type: ignore[attr-defined]


async def test_events_as_they_happen(context: Context) -> None:
    stream = watch_events(context, QUERY, since=None)
    assert await anext(stream) == watching.HEARTBEAT
    context.facts.record_event(
        Event(
            at=context.clock.now(),
            kind="EndpointBack",
            severity="OK",
            endpoint=hall.address(2),
            message="answers again",
        )
    )
    word, event = await told(stream)
    assert (word, event["status"]["type"], event["status"]["node"]) == (
        "ADDED",
        "EndpointBack",
        "h1-r01-u03",
    )
    await stream.aclose()  # type: ignore[attr-defined]
