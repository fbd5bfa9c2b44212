"""The file of alarm routes: read as baselines are, every complaint with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from iolaus.fleet.document import BadFile, Complaint, Document, parse_as, parse_documents
from iolaus.fleet.judge import compile_selector
from iolaus.kernel.errors import OperatorMust
from iolaus.model.alarm import Alarm
from iolaus.model.alarm_kinds import ALARM_KINDS
from iolaus.model.alarm_routes import AlarmRoutesDocument, RoutesSpec, RouteWant
from iolaus.model.select import MISSING

PAGE: Final = "docs/alarms.md"


def read_routes(text: str, *, source: str) -> RoutesSpec:
    """The one document of a text, wholly checked. Raises `BadFile` with line and column."""
    documents = list(parse_documents(text, source=source))
    if len(documents) != 1:
        step = "Keep one AlarmRoutes."
        raise BadFile(source, [Complaint(1, 1, "it is not one document", step)])
    (document,) = documents
    found: AlarmRoutesDocument = parse_as(document, AlarmRoutesDocument, page=PAGE)
    if wrong := sorted(_wrong(document, found.spec)):
        raise BadFile(source, wrong)
    return found.spec


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
    document: Document, here: tuple[str | int, ...], route: RouteWant, known: list[str]
) -> Iterator[Complaint]:
    for at, name in enumerate(route.to):
        if name not in known:
            yield _unknown(document, (*here, "to", at), "receiver", name, known)
    for at, code in enumerate(route.codes):
        if code not in ALARM_KINDS:
            yield _unknown(document, (*here, "codes", at), "code", code, list(ALARM_KINDS))
    try:
        compile_selector(route.selector)
    except OperatorMust as error:
        yield document.wrong((*here, "selector"), error.message, error.next_step)


def _unknown(
    document: Document, path: tuple[str | int, ...], what: str, name: str, known: list[str]
) -> Complaint:
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
    if not route.selector.match_labels and not route.selector.expression:
        return True
    fields = {"rack": alarm.rack, "name": alarm.subject, **alarm.labels}
    chosen = compile_selector(route.selector)
    return chosen(alarm.subject, lambda key: fields.get(key, MISSING))
