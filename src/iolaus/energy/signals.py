"""What no controller can see, said by somebody who can: what a site draws, its water, its work.

A signal is a name, a number and a time. `facility.power` is watts now; `facility.water` (litres)
and `job/NAME` (units of work done) are counters that only grow, of which the rate counts. One that
is not said again within five minutes is unknown, and so is a rate of one number. Pure.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

import msgspec

from iolaus.kernel.errors import OperatorMust

FACILITY, WATER, JOB = "facility.power", "facility.water", "job/"
NAME: Final = re.compile(r"facility\.(power|water)|job/[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
FRESH_S: Final = 300.0
WINDOW_S: Final = 120.0
LEAST_S: Final = 1.0
MOST: Final = 1_000
AHEAD_S: Final = 60.0


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is seconds since 1970, `unit` what a counter counts."""

    name: str
    value: float
    at: float
    unit: str = ""


class Signals:
    """The last of every name."""

    def __init__(self) -> None:
        self._said: dict[str, deque[Signal]] = {}

    def say(self, signal: Signal, *, now: float) -> None:
        """Raises `OperatorMust` for a name that is none, a time of tomorrow, or too many."""
        if not NAME.fullmatch(signal.name):
            raise _refused(signal, "there is no such signal", "UnknownSignal")
        if signal.at > now + AHEAD_S:
            raise _refused(signal, "its time is not yet", "SignalAhead")
        if signal.name not in self._said and len(self._said) >= MOST:
            self._forget(now)
        if signal.name not in self._said and len(self._said) >= MOST:
            raise _refused(signal, f"{MOST} signals are kept already", "TooManySignals")
        said = self._said.setdefault(signal.name, deque())
        if said and (signal.at <= said[-1].at or _begins_anew(said[-1], signal)):
            if signal.at <= said[-1].at:
                return
            said.clear()
        said.append(signal)
        while len(said) > 2 and said[-1].at - said[1].at >= WINDOW_S:
            said.popleft()

    def _forget(self, now: float) -> None:
        old = [name for name, said in self._said.items() if now - said[-1].at > FRESH_S]
        for name in old:
            del self._said[name]

    def jobs(self) -> list[str]:
        return [name.removeprefix(JOB) for name in self._said if name.startswith(JOB)]

    def unit(self, name: str) -> str:
        said = self._said.get(name)
        return said[-1].unit if said else ""

    def value(self, name: str, now: float) -> float | None:
        """As it was said last; None where that is too long ago."""
        said = self._said.get(name)
        return said[-1].value if said and now - said[-1].at <= FRESH_S else None

    def rate(self, name: str, now: float) -> float | None:
        """Of a counter, a second; None where it is old, or was said only once."""
        said = self._said.get(name)
        if not said or now - said[-1].at > FRESH_S or said[-1].at - said[0].at < LEAST_S:
            return None
        return (said[-1].value - said[0].value) / (said[-1].at - said[0].at)


def _begins_anew(before: Signal, after: Signal) -> bool:
    """A counter that went back began again; a power may."""
    return after.name != FACILITY and (after.value < before.value or after.unit != before.unit)


def _refused(signal: Signal, why: str, code: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="take signal",
        subject=signal.name[:200],
        code=code,
        next_step="say facility.power, facility.water or job/NAME (docs/power.md).",
    )
