"""What rooms of different processes say to each other, passed between their own bus and the trunk.

Budgets go down and reports go up as the frames that they are (`energy.frames`); a wish to read a
device now goes to whoever owns it. All of it may be lost: it is said again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

import msgspec

from iolaus.bus.port import Bus, Trunk
from iolaus.energy.frames import (
    BUDGETS,
    REPORTS,
    Budget,
    Report,
    budget_topic,
    encode,
    report_topic,
)
from iolaus.kernel.tasks import end, keep_on, together
from iolaus.observe.collect import Job, Key

NUDGE: Final = "nudge"
LOOK_S: Final = 0.5


class Nudge(msgspec.Struct, frozen=True):
    """Somebody waits to know how an endpoint fares."""

    address: str
    job: Job
    afresh: bool


def parse_nudge(body: bytes) -> Nudge | None:
    """None for what is none."""
    try:
        return msgspec.json.decode(body, type=Nudge)
    except (msgspec.MsgspecError, RecursionError):
        return None


def nudging(trunk: Trunk) -> Callable[[Key, bool], None]:
    """`House.hurry` where devices are others'."""

    def hurry(key: Key, afresh: bool) -> None:
        nudge = Nudge(key.address, key.job, afresh)
        trunk.publish(NUDGE, msgspec.json.encode(nudge))

    return hurry


async def be_nudged(trunk: Trunk, hurry: Callable[[Key, bool], None]) -> None:
    """Until cancelled: wishes of the core; what is not ours is nobody's business here."""
    async with trunk.subscribe(NUDGE) as heard:
        async for body in heard:
            if (nudge := parse_nudge(body)) is not None:
                hurry(Key(nudge.address, nudge.job), nudge.afresh)


async def bridge_core(bus: Bus, trunk: Trunk) -> None:
    """Until cancelled: budgets down, reports up."""
    await together(_out(bus, trunk, BUDGETS), _in(bus, trunk, REPORTS))


async def bridge_edge(bus: Bus, trunk: Trunk, racks: Callable[[], Collection[str]]) -> None:
    """Until cancelled: reports up, and budgets down for these racks alone; what a hall's other
    edges are told costs this one nothing."""
    await together(_out(bus, trunk, REPORTS), _hear(bus, trunk, racks))


async def _hear(bus: Bus, trunk: Trunk, racks: Callable[[], Collection[str]]) -> None:
    hearing: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            now = set(racks())
            await end(*(hearing.pop(rack) for rack in hearing.keys() - now))
            for rack in now - hearing.keys():
                duty = partial(_in, bus, trunk, budget_topic(rack))
                hearing[rack] = asyncio.create_task(keep_on(duty))
            await asyncio.sleep(LOOK_S)
    finally:
        await end(*hearing.values())


async def _out(bus: Bus, trunk: Trunk, topic: str) -> None:
    async with bus.subscribe(topic) as heard:
        async for frame in heard:
            if isinstance(frame, Budget):
                trunk.publish(budget_topic(frame.rack), encode(frame))
            elif isinstance(frame, Report):
                trunk.publish(report_topic(frame.rack), encode(frame))


async def _in(bus: Bus, trunk: Trunk, topic: str) -> None:
    async with trunk.subscribe(topic) as heard:
        async for body in heard:
            bus.publish(f"{topic}.far", body)
