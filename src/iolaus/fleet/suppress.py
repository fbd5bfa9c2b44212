"""Which alarm a rule hides now (`model.alarm_design`). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from iolaus.fleet.route_files import place_of, selects
from iolaus.model.alarm import Alarm
from iolaus.model.alarm_design import BY_DESIGN, SuppressWant, WhenWant
from iolaus.model.select import Lookup, Selector, parse_selector


class Around(NamedTuple):
    """What is so where an alarm stands, asked only of codes that rules name. `hosts` are the
    machines at its endpoint, by name; `stands(code)` whether such an alarm stands there or in its
    rack."""

    drained: Callable[[], bool]
    changing: Callable[[], bool]
    hosts: Callable[[], Iterable[tuple[str, Lookup]]]
    stands: Callable[[str], bool]


def hider(alarm: Alarm, rules: Sequence[SuppressWant], around: Around, *, now: float) -> str:
    """The rule that hides it now, as `hidden_by` says it; "" for none. The first that holds."""
    for rule in rules:
        if alarm.code not in rule.codes or not _lasts(rule, now):
            continue
        if selects(rule.selector)(alarm.subject, place_of(alarm)) and _holds(rule.when, around):
            return BY_DESIGN + rule.name
    return ""


def _lasts(rule: SuppressWant, now: float) -> bool:
    return rule.until is None or now < rule.until.timestamp()


def _holds(when: WhenWant, around: Around) -> bool:
    return (
        (not when.drained or around.drained())
        and (not when.changing or around.changing())
        and (when.alarm is None or around.stands(when.alarm))
        and (not when.node or any(_reads(when.node).matches(*each) for each in around.hosts()))
    )


@lru_cache(maxsize=256)
def _reads(expression: str) -> Selector:
    return parse_selector(expression)
