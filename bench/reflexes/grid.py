"""The grid asks for less, and hears what came of it.

The simulated grid signs its load targets and believes only what is signed; what the machines draw
is read at the plant, from the moment on from which the target holds until it ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from bench.energy.table import goal
from bench.reflexes.scripts import Script, floor, nodes, none_but, since
from bench.reflexes.stand import Stand

SEEN_S: Final = 15.0
NOTICE_S: Final = 15.0
HELD_S: Final = 30.0
HEARD_S: Final = 75.0
BACK_S: Final = 120.0
PART: Final = 0.8
LIES: Final = ("wrong-key", "tampered", "unsigned", "expired")


async def drawn_w(on: Stand) -> float:
    return float((await on.tell("POST", "/beside/twin/truth", {}))["nodes_w"])


async def peak_w(on: Stand, for_s: float) -> float:
    """The most that is drawn in so many seconds."""
    most_w, until = 0.0, time.monotonic() + for_s
    while time.monotonic() < until:
        most_w = max(most_w, await drawn_w(on))
        await asyncio.sleep(0.1)
    return most_w


async def targets(on: Stand) -> AsyncIterator[str]:
    """A signed target holds from start to end, the grid is told so, and lies hold nobody."""
    began, names = time.monotonic(), nodes(on, *on.house.edges.edges.running)
    free_w, least = await peak_w(on, SEEN_S), floor(on)
    limit_w = max(PART * free_w, 1.05 * sum(map(least, names)))
    yield goal("5", "the target, of what is drawn at most", limit_w / free_w, 0.95, "x")
    start = time.time() + NOTICE_S
    wish = {"limit_w": limit_w, "start_s": start, "end_s": start + HELD_S}
    correlation = (await on.ask("set-load", targets=[wish]))["correlation"]
    await asyncio.sleep(max(0.0, start - time.time()))
    most_w = await peak_w(on, start + HELD_S - 0.5 - time.time())
    yield goal("4", "drawn while the target held", most_w / limit_w, 1.0, "x")
    on.played_s = time.monotonic()

    async def as_before() -> bool:
        return await drawn_w(on) > limit_w

    took_s = await on.when(as_before, patience_s=BACK_S)
    yield goal(
        "5", "end of the target to above it", BACK_S if took_s is None else took_s, 30.0, "s"
    )
    async for line in what_was_heard(on, correlation):
        yield line
    async for line in what_is_refused(on, limit_w):
        yield line
    yield await none_but(on, [], began, "load targets")


async def what_was_heard(on: Stand, correlation: str) -> AsyncIterator[str]:
    heard: list[dict[str, Any]] = []

    async def is_told() -> bool:
        nonlocal heard
        heard = [each for each in await on.ask("heard") if each["correlation"] == correlation]
        return bool(heard)

    await since(on, is_told, within_s=HEARD_S)
    wrong = sum(each["why"] is not None for each in heard)
    yield goal("5", "reports to the grid that it did not believe", float(wrong), 0.0, "")
    yield goal("5", "reports to the grid about the target, missing", float(not heard), 0.0, "")


async def what_is_refused(on: Stand, limit_w: float) -> AsyncIterator[str]:
    flexing = on.house.joining.flexing
    assert flexing is not None
    for lie in LIES:
        before = len(flexing.refused)
        await on.ask("arm", name=lie, thing="grid")
        await on.ask("set-load", targets=[{"limit_w": limit_w}])

        async def is_refused(before: int = before) -> bool:
            return len(flexing.refused) > before

        await since(on, is_refused)
        await on.ask("disarm")
        missed = float(len(flexing.refused) == before)
        said = flexing.refused[-1] if not missed else "nothing"
        yield goal("5", f"a target that is {lie}, obeyed (said: {said})", missed, 0.0, "")
    obeyed = float(await peak_w(on, SEEN_S) < limit_w)
    yield goal("5", "drawn after the lies, never above them", obeyed, 0.0, "")


GRID: Final = (Script("grid targets", targets),)
