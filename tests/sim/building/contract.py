"""The published contracts as JSON Schema: every topic and payload judged by its own channel.

An AsyncAPI document's component schemas are JSON Schema 2020-12 already; a channel's address
becomes a pattern, and each message is checked against those that its channel allows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

FORMATS = FormatChecker(formats=("uuid",))


@FORMATS.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]
def _date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@dataclass(frozen=True)
class Channel:
    name: str
    pattern: re.Pattern[str]
    messages: Mapping[str, Draft202012Validator]


class Contract:
    def __init__(self, file: Path) -> None:
        self.document: dict[str, Any] = yaml.safe_load(file.read_text())
        self.channels = [self._channel(*item) for item in self.document["channels"].items()]

    def channel(self, topic: str) -> Channel:
        found = [channel for channel in self.channels if channel.pattern.fullmatch(topic)]
        assert len(found) == 1, f"{topic} belongs to {[c.name for c in found] or 'no channel'}"
        return found[0]

    def check(self, topic: str, payload: Any, point_type: str | None = None) -> None:
        """The payload is one of its channel's messages; of the one for this point type."""
        messages = self.channel(topic).messages
        key = point_type[0].lower() + point_type[1:] if point_type else next(iter(messages))
        errors = [error.message for error in messages[key].iter_errors(payload)]
        assert not errors, f"{topic}: {errors[:3]}"

    def schema(self, name: str) -> Draft202012Validator:
        return self._validator({"$ref": f"#/components/schemas/{name}"})

    def _channel(self, name: str, channel: Mapping[str, Any]) -> Channel:
        parameters = channel.get("parameters", {})
        parts = [self._part(part, parameters) for part in channel["address"].split("/")]
        messages = {
            key: self._validator(self._resolve(message["$ref"])["payload"])
            for key, message in channel["messages"].items()
        }
        return Channel(name, re.compile("/".join(parts)), messages)

    def _part(self, part: str, parameters: Mapping[str, Any]) -> str:
        if not part.startswith("{"):
            return re.escape(part)
        name = part.strip("{}")
        if name == "integration":
            return "(?!PUB/)[^/]+"
        allowed = parameters.get(name, {}).get("enum")
        if allowed:
            return "(?:" + "|".join(map(re.escape, allowed)) + ")"
        return ".+" if name == "tagPath" else "[^/]+"

    def _resolve(self, ref: str) -> Any:
        found: Any = self.document
        for word in ref.removeprefix("#/").split("/"):
            found = found[word]
        return found

    def _validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        whole = {**schema, "components": self.document["components"]}
        return Draft202012Validator(whole, format_checker=FORMATS)
