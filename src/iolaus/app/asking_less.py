"""What people ask of the site: to draw no more than so much for a while.

It is on disk before it counts, so a server that starts again goes on with it, and it is forgotten
when its time is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from iolaus.energy.asked import LONGEST_S, MOST, AskedTarget, asked_file
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust

TARGETS_FILE: Final = "power-targets.json"


class AskedTargets:
    """`rung` is called when anything is another. Raises `OperatorMust` where the file is spoilt."""

    def __init__(self, *, directory: Path, clock: Clock, rung: Callable[[], None]) -> None:
        self._kept, self._clock, self._rung = asked_file(directory / TARGETS_FILE), clock, rung
        self._targets = {each.name: each for each in self._kept.load()}

    def all(self) -> Sequence[AskedTarget]:
        """Those that are not over, the earliest first."""
        now = self._clock.now()
        left = [each for each in self._targets.values() if each.until > now]
        return sorted(left, key=lambda each: (each.start, each.name))

    def set(self, target: AskedTarget) -> AskedTarget:
        """One of the same name takes its place. Raises `OperatorMust`."""
        now = self._clock.now()
        if target.until <= max(now, target.start) or target.until - now > LONGEST_S:
            raise _refused(target.name, "it ends before it begins, or in more than 30 days")
        known = {each.name: each for each in self.all()}
        if target.name not in known and len(known) >= MOST:
            raise _refused(target.name, f"{MOST} targets stand already")
        self._keep({**known, target.name: target})
        return target

    def clear(self, name: str) -> AskedTarget:
        """Raises `OperatorMust` where there is none of that name."""
        known = {each.name: each for each in self.all()}
        if (found := known.pop(name, None)) is None:
            raise OperatorMust(
                "no person set such a target",
                operation="clear target",
                subject=name,
                code="NoSuchTarget",
                next_step="see which there are: iolaus power target list",
            )
        self._keep(known)
        return found

    def _keep(self, targets: Mapping[str, AskedTarget]) -> None:
        self._kept.save(targets.values())
        self._targets = dict(targets)
        self._rung()


def _refused(name: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="set target",
        subject=name,
        code="BadTarget",
        next_step="say from when and for how long: iolaus power target set 800kW --in 10m --for 2h",
    )
