"""What keeps alarms out of sight, as objects: rules by design, alarms that explain others, and what
people shelved or took out of service. Each says by whom, for how long, and how many it hides now.

A rule concerns the whole hall; whoever sees a part of it is shown the rules that hide something
there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final

from iolaus.kernel.clock import Clock
from iolaus.model.alarm import Alarm, AlarmState
from iolaus.model.alarm_design import BY_DESIGN, SuppressWant, WhenWant
from iolaus.model.desired import NodeSelector
from iolaus.model.select import Selector
from iolaus.north.alarms import Alarms, is_within
from iolaus.north.dto.alarms import SuppressionView, alarm_view
from iolaus.north.dto.make import when
from iolaus.north.fleet import Item

BY_PEOPLE: Final = {
    AlarmState.SHELVED: "shelved",
    AlarmState.OUT_OF_SERVICE: "out-of-service",
}
ORDER: Final = ("design", "shelved", "out-of-service", "cause")


class SuppressionShelf:
    """`port()` is None where nobody watches."""

    def __init__(self, port: Callable[[], Alarms | None], *, clock: Clock) -> None:
        self._port, self._clock = port, clock

    async def items(self, scope: Selector) -> AsyncIterator[Item]:
        """Rules first, then what people hid, then causes; by name."""
        port = self._port()
        if port is None:
            return
        now = self._clock.now()
        seen = [a for a in port.all() if is_within(alarm_view(a, now=now), scope)]
        found = suppressions(port.rules(), port.all(), seen, is_whole=not scope, now=now)
        for view in sorted(found, key=_key):
            yield Item(
                name=view.name,
                origin=f"suppression/{view.name}",
                key=_key(view),
                revision=port.revision,
                view=view,
            )


def suppressions(
    rules: Sequence[SuppressWant],
    every: Sequence[Alarm],
    seen: Sequence[Alarm],
    *,
    is_whole: bool,
    now: float,
) -> Iterator[SuppressionView]:
    """What hides alarms of `seen`; with `is_whole` also the rules that hide none. A cause is named
    where one who sees what it explains does not see itself."""
    hides = Counter(a.hidden_by for a in seen if a.state is AlarmState.SUPPRESSED)
    for rule in rules:
        if is_whole or hides[BY_DESIGN + rule.name]:
            yield _rule(rule, hides[BY_DESIGN + rule.name], now=now)
    named = {alarm.name: alarm for alarm in every}
    for name, count in hides.items():
        if not name.startswith(BY_DESIGN):
            yield _cause(name, named.get(name), count, now=now)
    for alarm in seen:
        if alarm.state in BY_PEOPLE:
            yield _person(alarm, now=now)


def _rule(rule: SuppressWant, hides: int, *, now: float) -> SuppressionView:
    return SuppressionView(
        name=f"design:{rule.name}",
        kind="suppression",
        how="design",
        subject=rule.name,
        codes=list(rule.codes),
        where=_where(rule.selector),
        when=_when(rule.when),
        why=rule.why,
        in_force=rule.until is None or now < rule.until.timestamp(),
        hides=hides,
        until=rule.until,
    )


def _cause(name: str, cause: Alarm | None, hides: int, *, now: float) -> SuppressionView:
    return SuppressionView(
        name=f"cause:{name}",
        kind="suppression",
        labels=cause.labels if cause else {},
        how="cause",
        subject=name,
        when=f"{name} stands",
        why=cause.message if cause else "",
        hides=hides,
        since=when(cause.since) if cause else None,
        age_s=round(max(0.0, now - cause.since), 3) if cause else None,
    )


def _person(alarm: Alarm, *, now: float) -> SuppressionView:
    how = BY_PEOPLE[alarm.state]
    return SuppressionView(
        name=f"{how}:{alarm.name}",
        kind="suppression",
        labels=alarm.labels,
        how=how,
        subject=alarm.name,
        by=alarm.hidden_by,
        codes=[alarm.code],
        why=alarm.note,
        hides=1,
        since=when(alarm.changed_at),
        until=when(alarm.shelved_until),
        age_s=round(max(0.0, now - alarm.changed_at), 3),
    )


def _where(selector: NodeSelector) -> str:
    labels = [f"{name}={value}" for name, value in selector.match_labels.items()]
    return ",".join([*labels, *filter(None, [selector.expression])])


def _when(want: WhenWant) -> str:
    said = (
        "the node is drained" if want.drained else "",
        "a change of ours works on the node" if want.changing else "",
        f"{want.alarm} stands there" if want.alarm else "",
        want.node,
    )
    return " and ".join(filter(None, said))


def _key(view: SuppressionView) -> tuple[str, ...]:
    return str(ORDER.index(view.how)), view.name
