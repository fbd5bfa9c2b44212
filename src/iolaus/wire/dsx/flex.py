"""Load targets of a grid: believed only if signed, known, fresh and new.

A load target moves megawatts, and it comes over a bus that many may write to. So it is believed
only if its data verify under a key that the operator gave for its sender, by one of the contract's
two algorithms whatever its header says; if its time is ours within five minutes; if its id was not
seen before; if it is about a window that is not over. What fails is refused with the word for it,
whole: half a message is not obeyed. (DSX Flex 1.7.0; CloudEvents 1.0.2; JWS, RFC 7515.)
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final
from uuid import uuid4

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from iolaus.kernel.errors import OperatorMust

ALGORITHMS: Final = ["ES256", "RS256"]
FRESH_S: Final = 300.0
MOST_BYTES: Final = 1 << 20
MOST_SEEN: Final = 10_000
MOST_TARGETS, MOST_FEEDS = 1000, 1000
SET: Final = "grid.loadtarget.set.v1"
TOPIC: Final = "grid/v1/isv/{}/loadtarget/set"
FILTER: Final = "grid/v1/isv/+/loadtarget/set"
OURS: Final[Mapping[str, tuple[str, str]]] = {
    "grid.powerstate.status.v1": ("dsx-flex-agent", "powerstate/status"),
    "grid.powerbreach.alert.v1": ("dsx-flex-agent", "powerbreach"),
    "grid.powerbreach.enforcement.v1": ("infra", "powerbreach/enforcement"),
}
WATTS: Final = {"watt": 1.0, "kilowatt": 1e3, "megawatt": 1e6}


class LoadTarget(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit_w` (None: no limit of the grid's any more) on these feeds (none: on all)
    from `start_s` to `end_s` (None: until replaced), seconds since 1970."""

    limit_w: float | None
    feeds: tuple[str, ...]
    start_s: float
    end_s: float | None
    best_effort: bool
    source: str
    event_id: str
    correlation: str


class Untrusted(Exception):
    """Why a message is not obeyed: `code` in a word ("Unsigned", "Forged", "Replayed", "Expired",
    "NotFresh", "UnknownKey", "WrongSender", "NotUnderstood"), and who it says it is from."""

    def __init__(self, code: str, why: str, *, source: str = "", event_id: str = "") -> None:
        super().__init__(why)
        self.code, self.why, self.source, self.event_id = code, why, source, event_id


class _Event(msgspec.Struct, frozen=True):
    """What is looked at of a CloudEvent."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    data: Any
    correlationid: str = ""


class Judge:
    """`keys` are JSON Web Key Sets by sender (the last part of its source). `since` is when we
    began to listen: what is older may have been heard by the process before us."""

    def __init__(self, keys: Mapping[str, KeySet], *, since: float) -> None:
        self._keys, self._since = keys, since
        self._seen: OrderedDict[str, None] = OrderedDict()

    def load_targets(self, topic: str, payload: bytes, *, at: float) -> Sequence[LoadTarget]:
        """The targets of a message that is believed at `at`. Raises `Untrusted`."""
        event = _event(payload)
        try:
            return self._believed(topic, event, at)
        except Untrusted as error:
            raise Untrusted(
                error.code, error.why, source=_short(event.source), event_id=_short(event.id)
            ) from None

    def _believed(self, topic: str, event: _Event, at: float) -> Sequence[LoadTarget]:
        sender = event.source.removeprefix("//grid/v1/isv/")
        if event.type != SET or TOPIC.format(sender) != topic:
            raise Untrusted("WrongSender", "its sender and its topic do not agree")
        if not isinstance(event.data, str):
            raise Untrusted("Unsigned", "its data are not signed")
        data = _verified(event.data, self._keys.get(sender))
        sent_s = _seconds(event.time)
        if event.id in self._seen or len(event.id) < 8:
            raise Untrusted("Replayed", "a message of this id was heard before")
        if abs(sent_s - at) > FRESH_S:
            raise Untrusted("NotFresh", f"it was sent {at - sent_s:.0f} s ago by its own time")
        if sent_s < self._since:
            raise Untrusted("Replayed", "it was sent before we began to listen")
        found = _targets(data, event, at)
        self._seen[event.id] = None
        while len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
        return found


def load_keys(text: str, *, source: str) -> KeySet:
    """A JSON Web Key Set of public keys. Raises `OperatorMust`."""
    try:
        body = json.loads(text)
        found = KeySet.import_key_set(body)
        kids = [key.kid for key in found.keys]
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _bad_keys(source, "it is no JSON Web Key Set") from None
    if not kids or any(not kid for kid in kids):
        raise _bad_keys(source, "a key has no `kid`")
    return found


def _verified(token: str, keys: KeySet | None) -> Mapping[str, Any]:
    if keys is None:
        raise Untrusted("UnknownKey", "no key is known of this sender")
    try:
        header = jws.extract_compact(token.encode()).headers()
        if header.get("alg") not in ALGORITHMS:
            raise Untrusted("Unsigned", "its algorithm is none of the contract's")
        if header.get("kid") not in [key.kid for key in keys.keys]:
            raise Untrusted("UnknownKey", "its key is none that was given for its sender")
        body = msgspec.json.decode(
            jws.deserialize_compact(token, keys, algorithms=ALGORITHMS).payload
        )
    except (JoseError, ValueError, TypeError, KeyError, UnicodeError, RecursionError):
        raise Untrusted("Forged", "its signature does not verify") from None
    if not isinstance(body, dict):
        raise Untrusted("NotUnderstood", "its data are no object")
    return body


def _targets(data: Mapping[str, Any], event: _Event, at: float) -> Sequence[LoadTarget]:
    items = data.get("targets")
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_TARGETS:
        raise Untrusted("NotUnderstood", "it has no targets")
    return [_target(item, event, at) for item in items]


def _target(item: object, event: _Event, at: float) -> LoadTarget:
    if not isinstance(item, dict) or not isinstance(item.get("interval"), dict):
        raise Untrusted("NotUnderstood", "a target has no interval")
    start, end = item["interval"].get("start_time"), item["interval"].get("end_time")
    end_s = None if end is None else _seconds(end)
    if end_s is not None and end_s <= at:
        raise Untrusted("Expired", f"its window ended {at - end_s:.0f} s ago")
    if "load_constraint" not in item:
        raise Untrusted("NotUnderstood", "a target has no load_constraint")
    feeds, strategy = item.get("feed_tags") or [], item.get("strategy") or {}
    if not isinstance(feeds, list) or not all(isinstance(each, str) for each in feeds):
        raise Untrusted("NotUnderstood", "its feed_tags are no list of names")
    return LoadTarget(
        limit_w=_watts(item["load_constraint"]),
        feeds=tuple(_short(each) for each in feeds[:MOST_FEEDS]),
        start_s=at if start is None else _seconds(start),
        end_s=end_s,
        best_effort=isinstance(strategy, dict) and strategy.get("best_effort") is True,
        source=_short(event.source),
        event_id=_short(event.id),
        correlation=_short(event.correlationid),
    )


def _watts(limit: object) -> float | None:
    if limit is None:
        return None
    value = limit.get("value") if isinstance(limit, dict) else None
    unit = limit.get("unit") if isinstance(limit, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Untrusted("NotUnderstood", "its limit is no number")
    if not isinstance(unit, str) or unit not in WATTS or not isfinite(value) or value < 0:
        raise Untrusted("NotUnderstood", "its limit is no power")
    return float(value) * WATTS[unit]


def _event(payload: bytes) -> _Event:
    if len(payload) > MOST_BYTES:
        raise Untrusted("NotUnderstood", "it is too large")
    try:
        return msgspec.json.decode(payload, type=_Event)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Untrusted("NotUnderstood", "it is no CloudEvent") from None


def _seconds(text: object) -> float:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.timestamp()
    except (ValueError, OverflowError):
        pass
    raise Untrusted("NotUnderstood", "a time is none, or has no zone")


def _short(text: str) -> str:
    return "".join(each for each in text[:200] if each.isprintable())


class Signer:
    """Signs what we publish. `key` is a private key set with one key that has a `kid`."""

    def __init__(self, keys: KeySet) -> None:
        self._key = keys.keys[0]
        self._algorithm = "RS256" if self._key.key_type == "RSA" else "ES256"

    def event(
        self, kind: str, data: Mapping[str, Any], *, who: str, at: float, correlation: str = ""
    ) -> tuple[str, bytes]:
        """Topic and payload of an event of ours. `kind` is one of `OURS`."""
        role, tail = OURS[kind]
        head = {"alg": self._algorithm, "kid": self._key.kid}
        signed = jws.serialize_compact(
            head, msgspec.json.encode(data), self._key, algorithms=ALGORITHMS
        )
        trace = uuid4().hex
        body = {
            "specversion": "1.0.2",
            "id": str(uuid4()),
            "source": f"//grid/v1/{role}/{who}",
            "type": kind,
            "time": stamp(at),
            "datacontenttype": "application/json",
            "subject": kind.split(".")[1],
            "traceparent": f"00-{trace}-{trace[:16]}-01",
            "data": signed,
        }
        if correlation:
            body["correlationid"] = correlation
        return f"grid/v1/{role}/{who}/{tail}", msgspec.json.encode(body)


def stamp(at: float) -> str:
    """Seconds since 1970 as the contract writes a time."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _bad_keys(source: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read keys",
        subject=source,
        code="BadKeySet",
        next_step="give a JSON Web Key Set in which every key has a `kid`; see docs/building.md.",
    )
