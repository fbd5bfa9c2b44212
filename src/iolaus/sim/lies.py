"""How an answer is bent: each lie of a fault rule as a pure function of the honest resource.

Readings that are not numbers JSON knows (NaN) are written as real firmware writes them, bare.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iolaus.sim.tree import Resource

_NUMERIC = frozenset(
    {
        "Reading", "ReadingCelsius", "ReadingVolts", "ReadingRPM", "PowerConsumedWatts",
        "LineInputVoltage", "PowerInputWatts", "PowerOutputWatts", "LastPowerOutputWatts",
        "ApparentVA", "ReactiveVAR", "SpeedRPM",
    }
)  # fmt: skip
Bend = Callable[[Resource, Sequence[str]], Resource]


def bend(lie: str, resource: Resource, names: Sequence[str]) -> Resource:
    """The resource as a controller with this flaw shows it; unchanged if the lie is no bend."""
    return _BENDS[lie](resource, names) if lie in _BENDS else resource


def encode(resource: Resource) -> bytes:
    """JSON that may hold NaN, as broken firmware sends it."""
    return json.dumps(resource, separators=(",", ":")).encode()


def patched(resource: Resource, operations: Sequence[Mapping[str, Any]]) -> Resource:
    """JSON Patch (RFC 6902), of which add, replace and remove; a path that is not there is left."""
    result: Resource = json.loads(json.dumps(resource))
    for operation in operations:
        *way, last = str(operation.get("path", "")).lstrip("/").split("/")
        holder: Any = result
        for part in way:
            holder = _step(holder, _pointer(part))
        _edit(holder, _pointer(last), operation)
    return result


def _pointer(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _step(holder: Any, part: str) -> Any:
    if isinstance(holder, list):
        return holder[int(part)] if part.isdigit() and int(part) < len(holder) else None
    return holder.get(part) if isinstance(holder, dict) else None


def _edit(holder: Any, part: str, operation: Mapping[str, Any]) -> None:
    removing, value = operation.get("op") == "remove", operation.get("value")
    if isinstance(holder, dict):
        if removing:
            holder.pop(part, None)
        else:
            holder[part] = value
    elif isinstance(holder, list) and part == "-" and not removing:
        holder.append(value)
    elif isinstance(holder, list) and part.isdigit() and int(part) < len(holder):
        if removing:
            del holder[int(part)]
        else:
            holder[int(part)] = value


def _walk(value: Any, change: Callable[[Resource], Resource]) -> Any:
    if isinstance(value, list):
        return [_walk(item, change) for item in value]
    if isinstance(value, dict):
        return change({key: _walk(item, change) for key, item in value.items()})
    return value


def _readings(make: Callable[[float], float]) -> Bend:
    def change(found: Resource) -> Resource:
        return {
            key: make(value)
            if key in _NUMERIC and isinstance(value, (int, float)) and not isinstance(value, bool)
            else value
            for key, value in found.items()
        }

    return lambda resource, _names: dict(_walk(resource, change))


def _swapped(resource: Resource, _names: Sequence[str]) -> Resource:
    def change(found: Resource) -> Resource:
        if "Health" not in found or "State" not in found:
            return found
        return {**found, "Health": found["State"], "State": found["Health"]}

    return dict(_walk(resource, change))


def _null_members(resource: Resource, _names: Sequence[str]) -> Resource:
    return {**resource, "Members": None} if "Members" in resource else resource


def _object_for_list(resource: Resource, _names: Sequence[str]) -> Resource:
    members = resource.get("Members")
    if not isinstance(members, list) or not members:
        return resource
    return {**resource, "Members": members[0]}


def _missing(resource: Resource, names: Sequence[str]) -> Resource:
    gone = frozenset(names or ("Name", "Links"))
    return {key: value for key, value in resource.items() if key not in gone}


def _expand_drops(resource: Resource, names: Sequence[str]) -> Resource:
    """Members that were expanded lose the named fields, or every one that is not plain."""
    members = resource.get("Members")
    if not isinstance(members, list):
        return resource
    return {**resource, "Members": [_thin(member, names) for member in members]}


def _thin(member: Any, names: Sequence[str]) -> Any:
    if not isinstance(member, dict) or len(member) <= 1:
        return member
    if names:
        return _missing(member, names)
    return {key: value for key, value in member.items() if not isinstance(value, (dict, list))}


def _trailing_blanks(resource: Resource, _names: Sequence[str]) -> Resource:
    version = resource.get("Version")
    return {**resource, "Version": f"{version}  "} if isinstance(version, str) else resource


_BENDS: Mapping[str, Bend] = {
    "nan": _readings(lambda _value: float("nan")),
    "negative": _readings(lambda value: -abs(value) - 1),
    "zero": _readings(lambda _value: 0),
    "swapped_status": _swapped,
    "null_members": _null_members,
    "object_for_list": _object_for_list,
    "missing": _missing,
    "expand_drops": _expand_drops,
    "trailing_blanks": _trailing_blanks,
}
