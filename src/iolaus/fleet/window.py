"""Maintenance windows: when a roll-out may touch nodes.

A window opens at every time that its cron expression names and stays open for its duration. The
opening is wall-clock time in the window's zone, because that is what people agree on; the
duration is elapsed time, because that is what work takes. So four hours are four hours on the day
the clocks change, too. A time that the clocks skip is when they have jumped, and a time that they
show twice counts once, the first time (an expression with a star for minute or hour follows
elapsed time instead, as cron does). Windows that touch or overlap are one.

All is pure: the time is an argument, in seconds since 1970.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import heappop, heappush
from math import floor
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import WindowRule

MAX_TEXT: Final = 100
MAX_DURATION_S: Final = 31 * 86_400.0
MAX_JOINED: Final = 1_000
"""How many openings are looked at to find where windows that overlap come to an end."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhd]){1,8}")
_PART: Final = re.compile(r"([0-9]+)([smhd])")
_CRON: Final = re.compile(r"[0-9A-Za-z*,/#-]+(?: +[0-9A-Za-z*,/#-]+){4}")
_LOOK_BACK: Final = timedelta(hours=3)
_A_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)


def _wrong(message: str, subject: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message, operation="read", subject=subject, code="WindowInvalid", next_step=next_step
    )


def parse_duration(text: str) -> float:
    """Seconds of "90s", "30m", "4h", "1d" or "1h30m". Raises `OperatorMust`."""
    if not _DURATION.fullmatch(text[:MAX_TEXT]):
        raise _wrong(
            f"{text[:MAX_TEXT]!r} is no duration", "duration", 'write such as "90s", "4h", "1h30m"'
        )
    return float(sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text)))


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong(
            f"there is no time zone {name[:MAX_TEXT]!r} on this machine",
            "tz",
            'write a name of the IANA database such as "Europe/Berlin", or UTC (a machine '
            "without the database needs the package tzdata)",
        ) from None


def parse_window(*, cron: str, duration: str, tz: str = "UTC") -> WindowRule:
    """A window that can open. `cron` has the five fields of crontab(5): minute, hour, day of
    month, month, day of week. Raises `OperatorMust` for a bad expression, duration or zone."""
    _zone(tz)
    duration_s = parse_duration(duration)
    if not 0 < duration_s <= MAX_DURATION_S:
        raise _wrong(
            f"a window of {duration!r} makes no sense",
            "duration",
            "write more than 0s and at most 31d",
        )
    shown = cron[:MAX_TEXT]
    try:
        if cron != shown or not _CRON.fullmatch(cron.strip()):
            raise CronSimError("five fields are needed")
        next(CronSim(cron, _A_DAY))
    except (CronSimError, StopIteration, ValueError, AssertionError) as error:
        why = "never comes" if isinstance(error, StopIteration) else f"is no cron time: {error}"
        raise _wrong(
            f"{shown!r} {why}",
            "cron",
            'write minute, hour, day, month and day of week, such as "0 2 * * 2,4"',
        ) from None
    return WindowRule(cron=cron.strip(), duration_s=duration_s, tz=tz)


def _openings(window: WindowRule, after: float) -> Iterator[float]:
    """Every opening later than `after`, in order. The search runs on wall-clock time, which
    repeats itself once a year, so what it finds waits until nothing earlier can come."""
    zone = _zone(window.tz)
    minute, hour = window.cron.split()[:2]
    elapsed = minute.startswith("*") or hour.startswith("*")
    begin = datetime.fromtimestamp(floor(after), zone).replace(tzinfo=None) - _LOOK_BACK
    waiting: list[float] = []
    last = after
    for wall in CronSim(window.cron, begin):
        found = _instants(wall, zone, elapsed=elapsed)
        while waiting and found and waiting[0] <= found[0]:
            if (at := heappop(waiting)) > last:
                last = at
                yield at
        for at in found:
            heappush(waiting, at)


def _instants(wall: datetime, zone: ZoneInfo, *, elapsed: bool) -> list[float]:
    """When the clocks of the zone show `wall`: once as a rule; twice or never on two nights."""
    first, second = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return [first.timestamp()]
    if _is_shown(first):
        return [first.timestamp(), second.timestamp()] if elapsed else [first.timestamp()]
    if elapsed:
        return []
    while not _is_shown(first):
        first += timedelta(minutes=1)
    return [first.timestamp()]


def _is_shown(local: datetime) -> bool:
    back = local.astimezone(UTC).astimezone(local.tzinfo)
    return back.replace(tzinfo=None) == local.replace(tzinfo=None)


def is_open(window: WindowRule, at: float) -> bool:
    """True from an opening until just before its duration is over."""
    return next(_openings(window, at - window.duration_s), at + 1.0) <= at


def closes_at(window: WindowRule, at: float) -> float | None:
    """When the window that is open at `at` closes; None when it is shut.

    Where windows overlap for very long, the time until which it is open at least.
    """
    close: float | None = None
    found = _openings(window, at - window.duration_s)
    for opening in itertools.islice(found, MAX_JOINED):
        if opening > (at if close is None else close):
            break
        close = opening + window.duration_s
    return close


def next_open(window: WindowRule, at: float) -> float | None:
    """`at` itself while the window is open, else its next opening; None if there is none within
    fifty years."""
    return at if is_open(window, at) else next(_openings(window, at), None)
