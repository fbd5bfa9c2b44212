"""The file of alarms (routes, and suppression by design): read as baselines are, every complaint
with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Final, NamedTuple

from iolaus.fleet.document import BadFile, Complaint, Document, parse_as, parse_documents
from iolaus.fleet.judge import compile_selector
from iolaus.kernel.errors import OperatorMust
from iolaus.model.alarm import Alarm
from iolaus.model.alarm_design import (
    DOCUMENTS,
    AlarmSuppressionDocument,
    SuppressWant,
    may_be_designed,
)
from iolaus.model.alarm_kinds import ALARM_KINDS
from iolaus.model.alarm_routes import AlarmRoutesDocument, RoutesSpec, RouteWant
from iolaus.model.desired import NodeSelector
from iolaus.model.select import MISSING, Lookup, parse_selector

PAGE: Final = "docs/alarms.md"
Here = tuple[str | int, ...]


class AlarmFile(NamedTuple):
    """All that a file says: one AlarmRoutes at most, and any number of AlarmSuppression."""

    routes: RoutesSpec = RoutesSpec()
    rules: tuple[SuppressWant, ...] = ()


def is_alarms(document: Document) -> bool:
    value = document.value
    return isinstance(value, dict) and value.get("kind") in DOCUMENTS


def read_alarms(text: str, *, source: str) -> AlarmFile:
    """All of a text, wholly checked. Raises `BadFile` with line and column."""
    routes, rules, wrong = list[RoutesSpec](), list[SuppressWant](), list[Complaint]()
    for document in parse_documents(text, source=source):
        value = document.value
        if isinstance(value, dict) and value.get("kind") == "AlarmSuppression":
            kept: AlarmSuppressionDocument = parse_as(document, AlarmSuppressionDocument, page=PAGE)
            wrong += _wrong_rules(document, kept.spec.rules, [each.name for each in rules])
            rules += kept.spec.rules
            continue
        found: AlarmRoutesDocument = parse_as(document, AlarmRoutesDocument, page=PAGE)
        wrong += _wrong(document, found.spec)
        if routes:
            wrong.append(document.wrong((), "there are two AlarmRoutes", "Keep one of them."))
        routes.append(found.spec)
    if wrong:
        raise BadFile(source, sorted(wrong))
    return AlarmFile(routes[0] if routes else RoutesSpec(), tuple(rules))


def _wrong_rules(
    document: Document, rules: Sequence[SuppressWant], before: Sequence[str]
) -> Iterator[Complaint]:
    named = Counter([*before, *(each.name for each in rules)])
    for number, rule in enumerate(rules):
        here: Here = ("spec", "rules", number)
        if named[rule.name] > 1:
            yield document.wrong((*here, "name"), "it stands here twice", "Keep one of them.")
        if rule.when.says_nothing and rule.until is None:
            step = "Write when: or until:."
            yield document.wrong(here, "it would hide these alarms for ever", step)
        for at, code in enumerate(rule.codes):
            yield from _wrong_code(document, (*here, "codes", at), code)
        if rule.when.alarm is not None and rule.when.alarm not in ALARM_KINDS:
            known = list(ALARM_KINDS)
            yield _unknown(document, (*here, "when", "alarm"), "code", rule.when.alarm, known)
        yield from _wrong_selector(document, (*here, "selector"), partial(selects, rule.selector))
        reading = partial(parse_selector, rule.when.node)
        yield from _wrong_selector(document, (*here, "when", "node"), reading)


def _wrong_code(document: Document, here: Here, code: str) -> Iterator[Complaint]:
    kind = ALARM_KINDS.get(code)
    if kind is None:
        yield _unknown(document, here, "code", code, list(ALARM_KINDS))
    elif not may_be_designed(kind):
        step = "A person may shelve it for a time: iolaus alarm shelve."
        yield document.wrong(here, f"{code} is never hidden by a rule", step)


def _wrong_selector(
    document: Document, here: Here, parse: Callable[[], object]
) -> Iterator[Complaint]:
    try:
        parse()
    except OperatorMust as error:
        yield document.wrong(here, error.message, error.next_step)


def _wrong(document: Document, spec: RoutesSpec) -> Iterator[Complaint]:
    named = Counter(each.name for each in spec.receivers)
    for number, receiver in enumerate(spec.receivers):
        here = ("spec", "receivers", number)
        if named[receiver.name] > 1:
            yield document.wrong((*here, "name"), "it stands here twice", "Keep one of them.")
        if (receiver.alertmanager is None) == (receiver.webhook is None):
            step = "Write alertmanager: or webhook:."
            yield document.wrong(here, "a receiver is one of two", step)
    for number, route in enumerate(spec.routes):
        yield from _wrong_route(document, ("spec", "routes", number), route, list(named))


def _wrong_route(
    document: Document, here: Here, route: RouteWant, known: list[str]
) -> Iterator[Complaint]:
    for at, name in enumerate(route.to):
        if name not in known:
            yield _unknown(document, (*here, "to", at), "receiver", name, known)
    for at, code in enumerate(route.codes):
        if code not in ALARM_KINDS:
            yield _unknown(document, (*here, "codes", at), "code", code, list(ALARM_KINDS))
    yield from _wrong_selector(document, (*here, "selector"), partial(selects, route.selector))


def _unknown(document: Document, path: Here, what: str, name: str, known: list[str]) -> Complaint:
    near = get_close_matches(name, known, n=1)
    step = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known[:8]) or 'none'}."
    return document.wrong(path, f"there is no {what} {name!r}", step)


def receivers_of(alarm: Alarm, spec: RoutesSpec) -> list[str]:
    """The names of those who are told of it, each once. Pure."""
    found = (name for route in spec.routes if _matches(route, alarm) for name in route.to)
    return list(dict.fromkeys(found))


def _matches(route: RouteWant, alarm: Alarm) -> bool:
    if route.priorities and alarm.priority not in route.priorities:
        return False
    if route.codes and alarm.code not in route.codes:
        return False
    return selects(route.selector)(alarm.subject, place_of(alarm))


def selects(selector: NodeSelector) -> Callable[[str, Lookup], bool]:
    """As `compile_selector`; one that says nothing selects everything."""
    if not selector.match_labels and not selector.expression:
        return lambda *_: True
    return compile_selector(selector)


def place_of(alarm: Alarm) -> Lookup:
    """What routes and rules select alarms by."""
    fields: Mapping[str, str] = {"rack": alarm.rack, "name": alarm.subject, **alarm.labels}
    return lambda key: fields.get(key, MISSING)
