"""Which events a listener wants: subscriptions' filter properties and $filter of event streams.

A subscription names what it wants (RegistryPrefixes, MessageIds, ResourceTypes, OriginResources,
Severities, EventTypes) and what not (ExcludeRegistryPrefixes, ExcludeMessageIds); kinds of wish
are all to be met, but message ids and registries add to each other, as EventDestination's schema
says. A stream's `$filter` (DSP0266, 13.5.2) compares such properties by `eq`, with `and`, `or` and
parentheses. Versions within message ids are ignored. Of an event with several records each
listener gets those that it wants, and nothing if that is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import msgspec

from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import Resource, canonical, decode

if TYPE_CHECKING:
    from iolaus.sim.device import Device

Wants = Callable[["Device", Resource], bool]
SEVERITIES: Final = ("OK", "Warning", "Critical")
EVENT_TYPES: Final = ("StatusChange", "ResourceUpdated", "ResourceAdded", "ResourceRemoved",
                      "Alert", "MetricReport", "Other")  # fmt: skip
LISTS: Final = ("RegistryPrefixes", "ExcludeRegistryPrefixes", "MessageIds", "ExcludeMessageIds",
                "ResourceTypes", "Severities", "EventTypes")  # fmt: skip
REPORTS: Final = "MetricReportDefinitions"
MOST: Final = 64
STREAMED: Final = ("EventFormatType", "EventType", "MessageId", "MetricReportDefinition",
                   "OriginResource", "RegistryPrefix", "ResourceType",
                   "SubordinateResources")  # fmt: skip
_TOKEN: Final = re.compile(r"\s*(\(|\)|'(?:[^']|'')*'|[A-Za-z]+)")
_DEEPEST: Final = 16


def wanted(device: Device, subscription: Resource, record: Resource) -> bool:
    """Whether a subscription wants this record of an event, or this metric report."""
    if is_report(record):
        places = [canonical(str(link.get("@odata.id"))) for link in subscription.get(REPORTS) or ()]
        return not places or _definition(record) in places
    return all(wish(device, subscription, record) for wish in _WISHES)


def narrowed(body: bytes, keep: Callable[[Resource], bool]) -> bytes:
    """An event or a metric report with what is to be kept of it; b"" if nothing is."""
    said = decode(body)
    records = said.get("Events")
    if not isinstance(records, list):
        return body if keep(said) else b""
    kept = [record for record in records if keep(record)]
    if len(kept) == len(records):
        return body
    return msgspec.json.encode({**said, "Events": kept}) if kept else b""


def filters(subscription: Resource) -> bool:
    """Whether it does not want everything."""
    return any(subscription.get(name) for name in (*LISTS, "OriginResources", REPORTS))


def wrong(device: Device, body: Resource) -> Outcome | None:
    """What is wrong with the filters of a new subscription."""
    for name in LISTS:
        found = body.get(name)
        if found is None:
            continue
        if not isinstance(found, list) or any(not isinstance(each, str) for each in found):
            return refused(400, "PropertyValueTypeError", str(found)[:80], name)
        if len(found) > MOST:
            return refused(400, "PropertyValueOutOfRange", str(len(found)), name)
        known = _known(device, name)
        for each in found if known else ():
            if each not in known:
                return refused(400, "PropertyValueNotInList", each[:80], name)
    return _origins_wrong(device, body)


def _known(device: Device, name: str) -> Sequence[str]:
    """The words that may stand there; none: any."""
    fixed = {"Severities": SEVERITIES, "EventTypes": EVENT_TYPES}
    if name in fixed:
        return fixed[name]
    listed = device.events.service().get(name.removeprefix("Exclude"))
    return listed if isinstance(listed, list) else ()


def _origins_wrong(device: Device, body: Resource) -> Outcome | None:
    for name in ("OriginResources", REPORTS):
        found = body.get(name) or []
        if not isinstance(found, list) or len(found) > MOST:
            return refused(400, "PropertyValueTypeError", str(found)[:80], name)
        for link in found:
            place = link.get("@odata.id") if isinstance(link, dict) else None
            if not isinstance(place, str):
                return refused(400, "PropertyValueTypeError", str(link)[:80], name)
            if device.kept(canonical(place.partition("#")[0])) is None:
                return refused(400, "ResourceMissingAtURI", place[:200])
    return None


# One wish each: device, subscription, record


def _message(device: Device, said: Resource, record: Resource) -> bool:
    del device
    prefix, key = message_of(record)
    prefixes, ids = said.get("RegistryPrefixes") or (), said.get("MessageIds") or ()
    if prefix in (said.get("ExcludeRegistryPrefixes") or ()):
        return False
    if any((prefix, key) == parts_of(each) for each in said.get("ExcludeMessageIds") or ()):
        return False
    if not prefixes and not ids:
        return True
    return prefix in prefixes or any((prefix, key) == parts_of(each) for each in ids)


def _severity(device: Device, said: Resource, record: Resource) -> bool:
    del device
    wished = said.get("Severities")
    return not wished or (record.get("MessageSeverity") or record.get("Severity")) in wished


def _event_type(device: Device, said: Resource, record: Resource) -> bool:
    del device
    wished = said.get("EventTypes")
    return not wished or record.get("EventType", "Other") in wished


def _resource_type(device: Device, said: Resource, record: Resource) -> bool:
    wished = said.get("ResourceTypes")
    return not wished or type_of(device, origin_of(record)) in wished


def _origin(device: Device, said: Resource, record: Resource) -> bool:
    del device
    places = [canonical(str(link["@odata.id"])) for link in said.get("OriginResources") or ()]
    origin = origin_of(record)
    if not places or origin in places:
        return True
    below = said.get("SubordinateResources") is True and origin
    return bool(below) and any(origin.startswith(f"{place}/") for place in places)


_WISHES: Final = (_message, _severity, _event_type, _resource_type, _origin)


def message_of(record: Resource) -> tuple[str, str]:
    return parts_of(str(record.get("MessageId")))


def parts_of(message_id: str) -> tuple[str, str]:
    """The registry and the key of a message id, with or without a version."""
    prefix, _, rest = message_id.partition(".")
    return prefix, rest.rpartition(".")[2]


def origin_of(record: Resource) -> str:
    link = record.get("OriginOfCondition")
    place = link.get("@odata.id") if isinstance(link, dict) else link
    return canonical(place) if isinstance(place, str) else ""


def type_of(device: Device, path: str) -> str:
    """ "Chassis" of a resource of type #Chassis.v1_22_0.Chassis."""
    kind = (device.kept(path.partition("#")[0]) or {}).get("@odata.type") if path else None
    return str(kind).lstrip("#").partition(".")[0] if kind else ""


# $filter of a stream


class BadFilter(ValueError):
    """The text says why."""


def parse_filter(query: str) -> Wants | None:
    """What a stream's query wants; None: everything. Raises BadFilter."""
    found = None
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if unquote_plus(name) != "$filter":
            raise BadFilter(f"{unquote_plus(name)[:40]} is not known here")
        words = _Words(list(_tokens(unquote_plus(value))))
        found = words.either(0)
        if words.left:
            raise BadFilter(f"{words.left[0][:40]!r} is not expected")
    return found


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadFilter(f"{text[at : at + 20]!r} is not understood")
        yield match[1]
        at = match.end()


class _Words:
    """What is left of a filter's words, most recently read first."""

    def __init__(self, left: list[str]) -> None:
        self.left = left
        spots = [n for n, word in enumerate(left) if word == "SubordinateResources"]
        self._wide = any(left[n + 1 : n + 3] == ["eq", "true"] for n in spots)

    def either(self, depth: int) -> Wants:
        found = [self.both(depth)]
        while self._is("or"):
            found.append(self.both(depth))
        return lambda device, record: any(each(device, record) for each in found)

    def both(self, depth: int) -> Wants:
        found = [self.one(depth)]
        while self._is("and"):
            found.append(self.one(depth))
        return lambda device, record: all(each(device, record) for each in found)

    def one(self, depth: int) -> Wants:
        if depth > _DEEPEST:
            raise BadFilter("it is nested too deeply")
        if self._is("("):
            found = self.either(depth + 1)
            self._must(")")
            return found
        name = self._next()
        self._must("eq")
        value = self._next()
        if name not in _COMPARED:
            raise BadFilter(f"{name[:40]!r} is none of {', '.join(_COMPARED)}")
        bare = value[1:-1].replace("''", "'") if value[0] == "'" else value
        return _comparison(_BELOW if name == "OriginResource" and self._wide else name, bare)

    def _next(self) -> str:
        if not self.left:
            raise BadFilter("it ends too early")
        return self.left.pop(0)

    def _is(self, word: str) -> bool:
        found = bool(self.left) and self.left[0] == word
        if found:
            self.left.pop(0)
        return found

    def _must(self, word: str) -> None:
        if not self._is(word):
            raise BadFilter(f"{word!r} is missing")


def _comparison(name: str, value: str) -> Wants:
    compare = _COMPARED[name]
    return lambda device, record: compare(device, record, value)


def _is_below(device: Device, record: Resource, value: str) -> bool:
    del device
    return f"{origin_of(record)}/".startswith(f"{canonical(value)}/")


_BELOW: Final = "OriginResource and below"
_COMPARED: Final[Mapping[str, Callable[[Any, Resource, str], bool]]] = {
    "EventFormatType": lambda _, record, value: (value == "MetricReport") == is_report(record),
    "EventType": lambda _, record, value: record.get("EventType", "Other") == value,
    "MessageId": lambda _, record, value: message_of(record) == parts_of(value),
    "MetricReportDefinition": lambda _, record, value: _definition(record) == canonical(value),
    "OriginResource": lambda _, record, value: origin_of(record) == canonical(value),
    _BELOW: _is_below,
    "RegistryPrefix": lambda _, record, value: message_of(record)[0] == value,
    "ResourceType": lambda device, record, value: type_of(device, origin_of(record)) == value,
    "SubordinateResources": lambda _, record, value: True,  # noqa: ARG005  it only widens
}


def is_report(record: Resource) -> bool:
    return str(record.get("@odata.type")).startswith("#MetricReport.")


def _definition(record: Resource) -> str:
    link = record.get("MetricReportDefinition")
    return canonical(str(link.get("@odata.id"))) if isinstance(link, dict) else ""
