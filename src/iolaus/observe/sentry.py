"""Leaks and coolant of guarded racks, asked for every two seconds where nobody tells of them.

A controller that streams its events tells of a leak in the moment that it finds it. One that only
answers would be asked once a period of the hot set, which is too seldom for a rack whose reflexes
may act. So between two hot passes its detectors and its coolant are read, at the priority of
safety: behind one request at most, and never more than one of ours at once. What is read goes to
the edges at once and to nobody else; where it says something new, the hot set is read and the facts
follow.

A stream is believed from its first event on, until it ends. Many controllers are asked less often:
together no more than `most_per_s` a second.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

import msgspec

from iolaus.drivers.ports import Priority, Reads, ReadsAlert
from iolaus.kernel.errors import IolausError
from iolaus.model.asset import Reading, Report
from iolaus.model.endpoint import Target
from iolaus.observe.collect import Job, Key


class SentryRules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. `idle_s` is when it is looked again whether there is anything to guard, `within_s`
    how long a request may take."""

    period_s: float = 2.0
    idle_s: float = 10.0
    within_s: float = 1.5
    most_per_s: float = 200.0


class Device(Protocol):
    async def driver(self, *, afresh: bool = False) -> ReadsAlert: ...

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads: ...


class Picture(Protocol):
    def target_of(self, address: str) -> Target | None: ...

    def report_of(self, address: str) -> Report | None: ...


class Sentry:
    """Serves the key `Job.SENTRY`. `guarded` says whether a reflex acts upon an endpoint,
    `is_told` whether it tells by itself; `tell` takes what was read."""

    def __init__(
        self,
        *,
        picture: Picture,
        open_device: Callable[[Target], Device],
        guarded: Callable[[str], bool],
        is_told: Callable[[str], bool],
        tell: Callable[[str, Sequence[Reading]], None],
        wake: Callable[[Key, float], None],
        rules: SentryRules | None = None,
    ) -> None:
        self._picture, self._open, self._tell = picture, open_device, tell
        self._guarded, self._is_told, self._wake = guarded, is_told, wake
        self._rules = rules or SentryRules()
        self._asked: dict[str, dict[str, float | None]] = {}

    async def reconcile(self, key: Hashable) -> float | None:
        """One look; seconds to the next, None where there is nothing to look at."""
        assert isinstance(key, Key)
        address, rules = key.address, self._rules
        target, report = self._picture.target_of(address), self._picture.report_of(address)
        if target is None or report is None or not _has_any(report):
            self._asked.pop(address, None)
            return None
        if not self._guarded(address) or self._is_told(address):
            self._asked.pop(address, None)
            return rules.idle_s
        last = self._asked.setdefault(address, {})
        try:
            device = self._open(target)
            driver = await device.driver()
            at = device.at(Priority.SAFETY, timeout_s=rules.within_s)
            found = await driver.alert(at, report)
        except IolausError:
            return rules.period_s  # the hot set tells that it is lost
        self._tell(address, found)
        wet = {each.uri: each.value for each in found if each.role == "leak"}
        if last and any(last.get(uri) != value for uri, value in wet.items()):
            self._wake(Key(address, Job.HOT), 0.0)
        last.update(wet)
        return max(rules.period_s, len(self._asked) / rules.most_per_s)


def _has_any(report: Report) -> bool:
    return any(each.role in ("leak", "coolant_flow") for each in report.readings)
