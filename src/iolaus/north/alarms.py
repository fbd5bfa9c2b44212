"""Alarms as objects: the most urgent first, each with what it explains below it, and within a
scope only.

An alarm of a rack or of the hall concerns whoever sees anything of it: it is judged by its labels,
and that of the hall is seen by whoever sees all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.alarm import HIDDEN, PRIORITIES, UNANSWERED, Alarm, AlarmState, Said
from iolaus.model.alarm_design import SuppressWant
from iolaus.model.select import Selector
from iolaus.north.dto.alarms import AlarmView, alarm_view
from iolaus.north.dto.views import View
from iolaus.north.fleet import Item, lookup_of

_ORDER: Final = {priority: number for number, priority in enumerate(PRIORITIES)}


class Alarms(Protocol):
    """Which alarms there are, and people's answers to them."""

    @property
    def revision(self) -> int: ...

    def all(self) -> Sequence[Alarm]:
        """Those that are not normal."""
        ...

    def rules(self) -> Sequence[SuppressWant]:
        """What hides alarms by design."""
        ...

    async def say(self, name: str, said: Said) -> Alarm:
        """Raises `OperatorMust` where there is no such alarm, or its state knows no such step."""
        ...


class AlarmShelf:
    """`port()` is None where nobody watches."""

    def __init__(self, port: Callable[[], Alarms | None], *, clock: Clock) -> None:
        self._port, self._clock = port, clock

    async def items(self, scope: Selector) -> AsyncIterator[Item]:
        """The most urgent first; of one priority those that wait for an answer, then the newest;
        below each what it explains, and what else is out of sight stands last."""
        port = self._port()
        if port is None:
            return
        now, family = self._clock.now(), Family(port.all())
        found = ((family.key(each), each) for each in port.all())
        for key, alarm in sorted(found, key=lambda each: each[0]):
            item = self._item(alarm, key, family, now=now, revision=port.revision)
            if is_within(item.view, scope):
                yield item

    def item(self, alarm: Alarm) -> Item:
        port = self._port()
        family = Family(port.all() if port else ())
        revision, now = port.revision if port else 0, self._clock.now()
        return self._item(alarm, family.key(alarm), family, now=now, revision=revision)

    def _item(
        self,
        alarm: Alarm,
        key: tuple[str, ...],
        family: Family,
        *,
        now: float,
        revision: int,
    ) -> Item:
        cause = family.cause_of(alarm)
        return Item(
            name=alarm.name,
            origin=f"{alarm.uid}/alarm/{alarm.code}",
            key=key,
            revision=revision,
            view=alarm_view(
                alarm,
                now=now,
                cause=cause.name if cause else "",
                explains=family.explains[alarm.name],
            ),
        )


class Family:
    """Which alarm explains which, as they stand now."""

    def __init__(self, every: Sequence[Alarm]) -> None:
        self._named = {alarm.name: alarm for alarm in every}
        self.explains = Counter(c.name for c in map(self.cause_of, every) if c is not None)

    def cause_of(self, alarm: Alarm) -> Alarm | None:
        return self._named.get(alarm.hidden_by) if alarm.state is AlarmState.SUPPRESSED else None

    def key(self, alarm: Alarm) -> tuple[str, ...]:
        """Its place in the order: that of its cause, and then its own."""
        above, seen = list[str](), {alarm.name}
        cause = self.cause_of(alarm)
        own = _key(alarm)
        while cause is not None and cause.name not in seen:
            seen.add(cause.name)
            above[:0] = _key(cause)
            cause = self.cause_of(cause)
        return (*above, *own)


def is_within(view: View, scope: Selector) -> bool:
    subject = view.subject if isinstance(view, AlarmView) else view.name
    return not scope or scope.matches(subject, lookup_of(view))


def _key(alarm: Alarm) -> tuple[str, ...]:
    """In the order of urgency, as text."""
    waits = "0" if alarm.state in UNANSWERED else "1"
    hidden = str(int(alarm.state in HIDDEN))
    newest = f"{10**12 - round(alarm.since):013d}"
    return (hidden, str(_ORDER[alarm.priority]), waits, newest, alarm.name)


def missing(name: str) -> OperatorMust:
    return OperatorMust(
        "there is no such alarm, or it is normal again",
        operation="answer alarm",
        subject=name,
        code="NotFound",
        next_step="see which there are with: iolaus get alarms",
    )
