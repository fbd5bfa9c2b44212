"""Watching: a list that stays open, as server-sent events.

A watch is level, not edge: whatever wakes it, it compares what is with what it sent last and tells
the difference. So a lost wake-up costs a moment and never an event, and an object that merely grew
stale is reported too, although nothing happened. It begins with everything as ADDED, unless the
caller already holds the newest resourceVersion.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec

from iolaus.bus.port import Bus
from iolaus.north.api.lists import Query, one_object
from iolaus.north.context import Context
from iolaus.north.dto.views import View
from iolaus.north.fleet import Item
from iolaus.north.kinds import Kind, Source

LOOK_EVERY_S: Final = 2.0
GATHER_S: Final = 0.25
HEARTBEAT: Final = b": heartbeat\n\n"
_MOVING: Final = frozenset({"age_s", "conditions"})
ELSEWHERE: Final = frozenset(
    {Source.PLAN, Source.ROLLOUT, Source.RECOVERY, Source.DRAIN, Source.ATTESTATION}
    | {Source.CANDIDATE, Source.EXPECTED, Source.RETIREMENT}
)
"""What changes while the revision of the facts does not."""
Print = tuple[object, ...]


async def watch(context: Context, kind: Kind, query: Query, *, have: str) -> AsyncIterator[bytes]:
    """SSE bytes: ADDED, MODIFIED, DELETED with `{type, object}`; comments as heartbeats."""
    sent: dict[str, tuple[Print, Item]] = {}
    silent = have == str(context.facts.revision) and kind.source not in ELSEWHERE
    async for _ in wakes(context.bus, "facts", "rollouts", "attestation", "candidates"):
        said = False
        now: dict[str, tuple[Print, Item]] = {}
        async for item in context.fleet.items(
            kind, scope=query.principal.scope, may_own=query.may_own
        ):
            if query.wants(item):
                now[item.uid] = (fingerprint(item.view), item)
        for word, item in differences(sent, now):
            if not silent:
                said = True
                yield frame(word, item, render=lambda it: one_object(context, kind, it))
        sent, silent = now, False
        if not said:
            yield HEARTBEAT


def differences(
    before: dict[str, tuple[Print, Item]], now: dict[str, tuple[Print, Item]]
) -> list[tuple[str, Item]]:
    found = []
    for uid, (printed, item) in now.items():
        if uid not in before:
            found.append(("ADDED", item))
        elif before[uid][0] != printed:
            found.append(("MODIFIED", item))
    found += [("DELETED", item) for uid, (_, item) in before.items() if uid not in now]
    return found


def fingerprint(view: View) -> Print:
    """What makes a view another one: all fields but its age; of conditions, their status."""
    values = [getattr(view, name) for name in view.__struct_fields__ if name not in _MOVING]
    found = getattr(view, "conditions", ())
    return (*values, *((each.type, each.status, each.reason) for each in found))


def frame(word: str, item: Item, *, render: Callable[[Item], Any]) -> bytes:
    body = msgspec.json.encode({"type": word, "object": render(item)})
    return b"event: %s\nid: %d\ndata: %s\n\n" % (word.encode(), item.revision, body)


async def wakes(bus: Bus, *topics: str) -> AsyncIterator[None]:
    """At once, then after each burst of messages, and every `LOOK_EVERY_S` without any."""
    async with bus.subscribe(*topics) as messages:
        pending: asyncio.Task[Any] | None = None
        try:
            while True:
                yield None
                pending = pending or asyncio.ensure_future(_next(messages))
                done, _ = await asyncio.wait({pending}, timeout=LOOK_EVERY_S)
                if done:
                    pending = None
                    await asyncio.sleep(GATHER_S)
        finally:
            if pending is not None:
                pending.cancel()


async def _next(messages: AsyncIterator[Any]) -> Any:
    return await anext(messages)
