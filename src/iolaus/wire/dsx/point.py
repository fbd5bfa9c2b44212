"""Topics, values and metadata of the building management contract, parsed with mistrust.

A value is a number that means nothing; what it is stands in its metadata, which comes on a topic
that differs in one word. Both are JSON of a stranger's system: any bytes give a value, metadata,
or None, and never an exception. (DSX Exchange, BMS event bus 1.0.0: topic structure, Value and
Metadata payloads; the building management integration guide, "Value vs. Metadata".)
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, NamedTuple

import msgspec

PREFIX: Final = "BMS/v1"
MOST_TOPIC, MOST_BYTES, MOST_TEXT = 1024, 65_536, 200
MOST_LIST: Final = 10_000
GOOD: Final = 1


class Topic(NamedTuple):
    """`publisher` is "PUB" (the building) or an integration; `path` is objectType/pointType/tag,
    which is the point's identity."""

    publisher: str
    is_metadata: bool
    path: str

    @property
    def object_type(self) -> str:
        return self.path.split("/", 2)[0]

    @property
    def point_type(self) -> str:
        return self.path.split("/", 2)[1]


class PointValue(msgspec.Struct, frozen=True, kw_only=True):
    """`timestamp_ms` is the building's own clock; `quality` 1 is good."""

    value: float | None
    timestamp_ms: float
    quality: int

    @property
    def is_good(self) -> bool:
        return self.quality == GOOD and self.value is not None


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a point is. `about` is the identifier of the rack or object (of the parent, for an
    `associate`); `states` maps numbers to words; `integration` says who publishes its value, if
    not the building."""

    object_type: str
    point_type: str
    about: str
    name: str
    associate: bool = False
    unit: str = ""
    states: Mapping[int, str] = {}
    area: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    is_setpoint: bool = False
    phase: str = ""
    integration: str = ""


def parse_topic(text: str) -> Topic | None:
    """None for a topic that is no point's."""
    if len(text) > MOST_TOPIC or any(ord(each) < 32 for each in text):
        return None
    parts = text.split("/")
    if len(parts) < 7 or "/".join(parts[:2]) != PREFIX or not all(parts[2:6]):
        return None
    publisher, kind, path = parts[2], parts[3], "/".join(parts[4:])
    if kind not in ("Value", "Metadata") or (kind == "Metadata" and publisher != "PUB"):
        return None
    return Topic(publisher, kind == "Metadata", path)


def value_topic(path: str, *, publisher: str = "PUB") -> str:
    return f"{PREFIX}/{publisher}/Value/{path}"


def parse_value(payload: bytes) -> PointValue | None:
    """None for what is no value of the contract. A number that is none (NaN) is unknown."""
    body = _object(payload)
    if body is None or "value" not in body:
        return None
    value, stamp, quality = body["value"], body.get("timestamp"), body.get("quality")
    if not (value is None or _is_number(value)) or not _is_number(stamp):
        return None
    assert isinstance(stamp, int | float)
    if isinstance(quality, bool) or not isinstance(quality, int):
        return None
    number = None if value is None else float(value)
    known = number is not None and isfinite(number)
    return PointValue(
        value=number if known else None,
        timestamp_ms=float(stamp),
        quality=quality if known else 0,
    )


def parse_metadata(payload: bytes, topic: Topic) -> Metadata | None:
    """None for what does not say whose point it is, or contradicts its topic."""
    body = _object(payload)
    if body is None:
        return None
    object_type, point_type = _text(body, "objectType"), _text(body, "pointType")
    if (object_type, point_type) != (topic.object_type, topic.point_type):
        return None
    associate = _text(body, "associateId")
    about = _text(body, "rackLocationId") or _text(body, "objectId") or associate
    if not about:
        return None
    return Metadata(
        object_type=object_type,
        point_type=point_type,
        about=about,
        name=_text(body, "rackLocationName") or _text(body, "objectName") or about,
        associate=bool(associate),
        unit=_text(body, "engUnit"),
        states=_states(body.get("stateText")),
        area=_texts(body.get("processArea")),
        serves=_texts(body.get("servesId")),
        is_setpoint=body.get("isSetpoint") is True,
        phase=_text(body, "phase"),
        integration=_text(body, "integration"),
    )


def encode_value(value: float | None, *, at_ms: int, quality: int = GOOD) -> bytes:
    """A value as the contract wants it; whole numbers without a point."""
    whole = int(value) if value is not None and float(value).is_integer() else value
    return msgspec.json.encode({"value": whole, "timestamp": at_ms, "quality": quality})


def _object(payload: bytes) -> dict[str, Any] | None:
    if len(payload) > MOST_BYTES:
        return None
    try:
        body = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not isinstance(value, int) or abs(value) < 1 << 63


def _text(body: Mapping[str, Any], key: str) -> str:
    """A short printable text; "" for anything else."""
    value = body.get(key)
    return _clean(value) if isinstance(value, str) else ""


def _clean(value: str) -> str:
    return "".join(each for each in value[:MOST_TEXT] if each.isprintable()).strip()


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(_clean(each) for each in value[:MOST_LIST] if isinstance(each, str))


def _states(value: object) -> Mapping[int, str]:
    if not isinstance(value, list):
        return {}
    return {
        each["value"]: _clean(each["text"])
        for each in value[:MOST_LIST]
        if isinstance(each, dict)
        and isinstance(each.get("value"), int)
        and isinstance(each.get("text"), str)
    }
