"""How many keys each loop may run at once, by how late the event loop is.

Slow devices need many runs at once, since most of them wait; fast devices need few, since each one
costs us time at once. The same number cannot serve both, and the API waits behind either. So the
number follows what is felt: a timer that rings late means that there is more to do than can be
done, and the loops that are least patient give way first. That the hot sets yield before the
inventories is what lets a hall be discovered while it is already being polled; a period that can
not be kept is then stretched evenly instead of everything being late at once. Lateness that our
own thread did not work through is another process' doing, and yielding would not shorten it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from iolaus.loop import Loop

TICK_S: Final = 0.1
CUT: Final = 0.8
K = TypeVar("K")


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """At least and at most so many runs at once; `patience_s` is the lateness that cuts them."""

    least: int
    most: int
    patience_s: float = 0.1


def next_workers(workers: int, *, late_s: float, bounds: Bounds) -> int:
    """Fewer by a fifth where the timer was too late, more by a tenth where it was not."""
    if late_s > bounds.patience_s:
        return max(bounds.least, int(workers * CUT))
    if late_s < bounds.patience_s / 2:
        return min(bounds.most, workers + max(1, workers // 10))
    return workers


async def keep_pace(loops: Mapping[K, Loop], bounds: Mapping[K, Bounds]) -> None:
    """Adapt the loops until cancelled; they begin with what they have."""
    while True:
        began, spent_s = time.monotonic(), time.thread_time()
        await asyncio.sleep(TICK_S)
        late_s = time.monotonic() - began - TICK_S
        late_s = min(late_s, time.thread_time() - spent_s)
        for key, each in bounds.items():
            loop = loops[key]
            loop.allow(next_workers(loop.workers, late_s=late_s, bounds=each))
