"""Alarms as objects: the most urgent first, and within a scope only.

An alarm of a rack or of the hall concerns whoever sees anything of it: it is judged by its labels,
and that of the hall is seen by whoever sees all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.alarm import HIDDEN, PRIORITIES, UNANSWERED, Alarm, Said
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

    async def say(self, name: str, said: Said) -> Alarm:
        """Raises `OperatorMust` where there is no such alarm, or its state knows no such step."""
        ...


class AlarmShelf:
    """`port()` is None where nobody watches."""

    def __init__(self, port: Callable[[], Alarms | None], *, clock: Clock) -> None:
        self._port, self._clock = port, clock

    async def items(self, scope: Selector) -> AsyncIterator[Item]:
        """The most urgent first; of one priority those that wait for an answer, then the newest;
        what is out of sight stands last."""
        port = self._port()
        if port is None:
            return
        now = self._clock.now()
        found = ((_key(each), each) for each in port.all())
        for key, alarm in sorted(found, key=lambda each: each[0]):
            item = self._item(alarm, key, now=now, revision=port.revision)
            if is_within(item.view, scope):
                yield item

    def item(self, alarm: Alarm) -> Item:
        port = self._port()
        revision = port.revision if port else 0
        return self._item(alarm, _key(alarm), now=self._clock.now(), revision=revision)

    def _item(self, alarm: Alarm, key: tuple[str, ...], *, now: float, revision: int) -> Item:
        return Item(
            name=alarm.name,
            origin=f"{alarm.uid}/alarm/{alarm.code}",
            key=key,
            revision=revision,
            view=alarm_view(alarm, now=now),
        )


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
