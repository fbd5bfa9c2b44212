"""How many keys each loop may run at once, by how late the event loop is.

Slow devices need many runs at once, since most of them wait; fast devices need few, since each one
costs us time at once. The same number cannot serve both, and the API waits behind either. So the
number follows what is felt: a timer that rings late means that there is more to do than can be
done, and the loops that are least patient give way first. That the hot sets yield before the
inventories is what lets a hall be discovered while it is already being polled; a period that can
not be kept is then stretched evenly instead of everything being late at once. Lateness that our
own thread did not work through is another process' doing, and yielding would not shorten it; but
where our thread never rests, be it at work or waiting for a CPU that it shares, it has too much in
hand whoever made it late, and every answer waits behind what it has begun.

A loop that is behind by more than it promised yields last, and those that keep their promise make
room for it: an inventory that is a minute late harms nobody, a hot set that is a minute late
leaves the hall unknown. Where no promise can be kept, the one of the shortest time is, so an
overload sheds inventories before hot sets. What a person or a plan asks of a device is not paced.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

TICK_S: Final = 0.1
SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")
"""Linux: how long the thread ran and how long it waited for a CPU, in nanoseconds."""
CUT: Final = 0.8
RESTS: Final = 0.1
"""A thread that sleeps for less than this part of the time has no rest."""
BEHIND: Final = 2.0
"""So many times as patient is a loop that does not keep its promise."""
K = TypeVar("K")


class Paced(Protocol):
    """Something that can be told to do less or more at once: a loop, or the buses. `lag_s` is by
    how much the most overdue of it is late."""

    @property
    def workers(self) -> int: ...

    def allow(self, workers: int) -> None: ...

    def lag_s(self) -> float: ...


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """At least and at most so many runs at once, and at least `spare` and at most `aside` while
    another loop is owed its first round; `patience_s` is the lateness that cuts them, `promise_s`
    by how much a key may be overdue."""

    spare: int = 1
    least: int
    most: int
    aside: int | None = None
    patience_s: float = 0.1
    promise_s: float = math.inf


def next_workers(workers: int, *, late_s: float, bounds: Bounds) -> int:
    """Fewer by a fifth where the timer was too late, more by a tenth where it was not."""
    if late_s > bounds.patience_s:
        return min(bounds.most, max(bounds.least, int(workers * CUT)))
    if late_s < bounds.patience_s / 2:
        return min(bounds.most, workers + max(1, workers // 10))
    return min(bounds.most, workers)


def yields(
    bounds: Mapping[K, Bounds], lags_s: Mapping[K, float], late_s: float
) -> Mapping[K, float]:
    """The lateness that each loop is to act upon: less for one that is behind its promise, too
    much for the others while there is one and we are late at all. Pure."""
    behind = {key for key, each in bounds.items() if lags_s[key] > each.promise_s}
    if not behind:
        return dict.fromkeys(bounds, late_s)
    if all(lags_s[key] < math.inf for key in behind):
        behind = {min(behind, key=lambda key: bounds[key].promise_s)}
    soon_s = min(bounds[key].patience_s for key in behind) / 2
    found = {}
    for key, each in bounds.items():
        if key in behind:
            found[key] = late_s / BEHIND
        else:
            found[key] = max(late_s, 2 * each.patience_s) if late_s > soon_s else late_s
    return found


def within(bounds: Bounds, *, steps_back: bool) -> Bounds:
    """The bounds of a loop that is owed nothing while another one is. Pure."""
    if not steps_back:
        return bounds
    most = bounds.most if bounds.aside is None else bounds.aside
    return msgspec.structs.replace(bounds, least=bounds.spare, most=most)


class Spent(NamedTuple):
    """Seconds since any fixed time: by the clock, at work, and waiting for a CPU (None: this system
    does not tell)."""

    at_s: float
    ran_s: float
    waited_s: float | None


def spent() -> Spent:
    """Of the calling thread."""
    waited_s = None
    with contextlib.suppress(OSError, ValueError, IndexError):
        waited_s = int(SCHEDSTAT.read_bytes().split()[1]) / 1e9
    return Spent(time.monotonic(), time.thread_time(), waited_s)


def felt(before: Spent, after: Spent) -> float:
    """By how much a timer of `TICK_S` rang too late for what our own thread has to do. Pure."""
    took_s, ran_s = after.at_s - before.at_s, after.ran_s - before.ran_s
    late_s = took_s - TICK_S
    if before.waited_s is not None and after.waited_s is not None:
        rested_s = took_s - ran_s - (after.waited_s - before.waited_s)
        if rested_s < RESTS * took_s:
            return late_s
    return min(late_s, ran_s)


async def keep_pace(
    loops: Mapping[K, Paced],
    bounds: Mapping[K, Bounds],
    *,
    owed: Callable[[K], bool] = lambda _: False,
) -> None:
    """Adapt the loops until cancelled; they begin with what they have. `owed` says of a loop that
    it is behind whatever its keys say."""
    while True:
        before = spent()
        await asyncio.sleep(TICK_S)
        late_s = felt(before, spent())
        lags_s = {key: math.inf if owed(key) else loops[key].lag_s() for key in bounds}
        for key, felt_s in yields(bounds, lags_s, late_s).items():
            each = within(bounds[key], steps_back=math.inf in lags_s.values() and not owed(key))
            loops[key].allow(next_workers(loops[key].workers, late_s=felt_s, bounds=each))
