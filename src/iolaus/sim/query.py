"""Query parameters of a GET: $expand, $select, $top, $skip, only, and paging (DSP0266, 7.3).

A device takes what its own service root advertises in ProtocolFeaturesSupported and answers 501
to the rest of the $-words, as the standard says; other words are ignored. Paging is the
device's own decision (`page_size`): a client that ignores Members@odata.nextLink sees a part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from iolaus.sim.device import Device
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import Resource, canonical

MAX_EXPANDED = 5000
_EXPAND = re.compile(r"^(?P<what>[.*~])(\(\$levels=(?P<levels>\d+|max)\))?$")


@dataclass(slots=True)
class Query:
    expand: str = ""
    levels: int = 1
    select: tuple[str, ...] = ()
    top: int | None = None
    skip: int = 0
    only: bool = False


def parse_query(text: str, features: Mapping[str, Any]) -> Query | Outcome:
    """What is asked, or the refusal of what the service does not advertise."""
    query = Query()
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name == "$expand":
            refusal = _expand(query, value, features.get("ExpandQuery"))
        elif name == "$select":
            refusal = None if features.get("SelectQuery") else _unsupported(name)
            query.select = tuple(part.strip() for part in value.split(",") if part.strip())
        elif name in ("$top", "$skip"):
            refusal = _number(query, name, value)
        elif name == "only":
            query.only = bool(features.get("OnlyMemberQuery"))
            refusal = refused(400, "QueryParameterValueTypeError", value, name) if value else None
        else:
            refusal = _unsupported(name) if name.startswith("$") else None
        if refusal is not None:
            return refusal
    return query


def features(device: Device) -> Mapping[str, Any]:
    found = (device.kept("/redfish/v1") or {}).get("ProtocolFeaturesSupported")
    return found if isinstance(found, dict) else {}


def answer(device: Device, path: str, resource: Resource, query: Query) -> Resource | Outcome:
    """The resource as the query wants it."""
    members = resource.get("Members")
    if query.only and not isinstance(members, list):
        return refused(400, "QueryNotSupportedOnResource")
    if query.only and isinstance(members, list) and len(members) == 1:
        link = members[0].get("@odata.id") if isinstance(members[0], dict) else None
        resource = (device.get(link) if isinstance(link, str) else None) or resource
    if isinstance(resource.get("Members"), list):
        resource = page(path, resource, query, device.options.page_size)
    if query.expand:
        resource = _Expansion(device, query.expand).of(resource, query.levels)
    return selected(resource, query.select) if query.select else resource


def page(path: str, collection: Resource, query: Query, page_size: int) -> Resource:
    """The part of the collection that is asked for and fits on a page."""
    members = collection["Members"]
    wanted = members[query.skip :]
    if query.top is not None:
        wanted = wanted[: query.top]
    part = wanted[:page_size] if page_size else wanted
    if len(part) == len(members):
        return collection
    found = {**collection, "Members": part}
    found.pop("Members@odata.nextLink", None)
    if len(part) < len(wanted):
        words = [f"$skip={query.skip + len(part)}"]
        if query.top is not None:
            words.append(f"$top={query.top - len(part)}")
        if query.select:
            words.append(f"$select={quote(','.join(query.select))}")
        if query.expand:
            words.append(f"$expand={query.expand}($levels={query.levels})")
        found["Members@odata.nextLink"] = f"{path}?{'&'.join(words)}"
    return found


def selected(resource: Resource, names: tuple[str, ...]) -> Resource:
    heads: dict[str, list[str]] = {}
    for name in names:
        head, _, rest = name.partition("/")
        heads.setdefault(head, []).append(rest)
    found: Resource = {}
    for key, value in resource.items():
        if key.startswith("@odata") or key.partition("@")[0] in heads:
            rests = tuple(rest for rest in heads.get(key, ()) if rest)
            found[key] = selected(value, rests) if rests and isinstance(value, dict) else value
    return found


class _Expansion:
    def __init__(self, device: Device, what: str) -> None:
        self._device, self._what, self._left = device, what, MAX_EXPANDED

    def of(self, resource: Resource, levels: int, *, inside_links: bool = False) -> Resource:
        return {
            key: self._value(value, levels, inside_links=inside_links or key == "Links")
            for key, value in resource.items()
        }

    def _value(self, value: Any, levels: int, *, inside_links: bool) -> Any:
        if isinstance(value, list):
            return [self._value(item, levels, inside_links=inside_links) for item in value]
        if not isinstance(value, dict):
            return value
        target = value.get("@odata.id")
        if len(value) == 1 and isinstance(target, str):
            return self._link(value, target, levels, inside_links=inside_links)
        return self.of(value, levels, inside_links=inside_links)

    def _link(self, link: Resource, target: str, levels: int, *, inside_links: bool) -> Resource:
        wanted = self._what == "*" or (self._what == "~") == inside_links
        if not wanted or "#" in target or self._left <= 0:
            return link
        found = self._device.get(canonical(target))
        if found is None:
            return link
        self._left -= 1
        return self.of(found, levels - 1) if levels > 1 else found


def _expand(query: Query, value: str, offered: Any) -> Outcome | None:
    if not isinstance(offered, dict):
        return _unsupported("$expand")
    match = _EXPAND.match(value)
    if match is None:
        return refused(400, "QueryParameterValueTypeError", value, "$expand")
    feature = {"*": "ExpandAll", ".": "NoLinks", "~": "Links"}[match["what"]]
    if not offered.get(feature):
        return _unsupported(f"$expand={match['what']}")
    most = offered.get("MaxLevels") if offered.get("Levels") else 1
    most = most if isinstance(most, int) else 6
    levels = most if match["levels"] == "max" else int(match["levels"] or 1)
    query.expand, query.levels = match["what"], max(1, min(levels, most))
    return None


def _number(query: Query, name: str, value: str) -> Outcome | None:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        return refused(400, "QueryParameterValueTypeError", value, name)
    if name == "$top":
        query.top = int(value)
    else:
        query.skip = int(value)
    return None


def _unsupported(name: str) -> Outcome:
    return refused(501, "QueryNotSupported", name)
