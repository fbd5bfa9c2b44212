"""Which block is read next. Pure: time is an argument.

Fast registers are what a loop is closed with, so what is slow never makes them wait for more than
one transaction in `SHARE`, however late it is; and because it gets that one even on a line that is
full, it is read at last. Of one kind, whatever is due longest goes first. What was missed is not
made up for: the next period begins when the block was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

SHARE: Final = 8
Key = tuple[int, int, int]
"""A unit's number, the first address that is read of it, and how many."""


@dataclass(slots=True)
class Job:
    """`period_s` seconds lie between two readings of `key`, if the line can do it."""

    key: Key
    period_s: float
    fast: bool
    due_s: float


class Schedule:
    def __init__(self) -> None:
        self._jobs: dict[Key, Job] = {}
        self._since_slow = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._jobs)

    def period_of(self, key: Key) -> tuple[float, bool]:
        """Its period, and whether it is fast."""
        return self._jobs[key].period_s, self._jobs[key].fast

    def put(self, key: Key, *, period_s: float, fast: bool, now: float) -> None:
        """Read `key` from now on. A key that is known keeps its turn."""
        due = self._jobs[key].due_s if key in self._jobs else now
        self._jobs[key] = Job(key, period_s, fast, due)

    def drop(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._jobs.pop(key, None)

    def next(self, now: float) -> Job | None:
        """The job to do now; None while none is due."""
        fast = slow = None
        for job in self._jobs.values():
            if job.due_s > now:
                continue
            if job.fast:
                fast = job if fast is None else min(fast, job, key=_due)
            else:
                slow = job if slow is None else min(slow, job, key=_due)
        if slow is not None and (fast is None or self._since_slow >= SHARE - 1):
            return slow
        return fast

    def done(
        self, job: Job, *, now: float, rest_until: float = float("-inf"), stretch: float = 1.0
    ) -> None:
        """It was tried; not again before `rest_until`. `stretch` lengthens its period once."""
        self._since_slow = self._since_slow + 1 if job.fast else 0
        job.due_s = max(job.due_s + stretch * job.period_s, now, rest_until)

    def wait_s(self, now: float) -> float:
        """Until something is due; infinite if nothing ever is."""
        due = min([job.due_s for job in self._jobs.values()], default=now + 3600.0)
        return max(0.0, due - now)


def _due(job: Job) -> tuple[float, float]:
    """Of what is due alike, what is read oftener first."""
    return job.due_s, job.period_s
