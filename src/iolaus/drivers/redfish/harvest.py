"""What one crawl fetched: the ground that every pure extraction stands on.

Reading a device and making sense of it are kept apart. The crawl is the only part of the driver
that waits for a device; what it brings home is a `Harvest`, and everything else (assets, sensors,
limits, capabilities) is a pure function of it. So a test needs no device, and one crawl serves all.

A harvest is deliberately forgiving: links may be missing, may dangle, may be an object where a
list belongs. Its helpers answer with what is there and never raise. URIs are normalised: no
trailing slash, no query, no fragment, no host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final

from iolaus.drivers.ports import Payload
from iolaus.drivers.redfish._text import REMEMBERED
from iolaus.model.asset import Deviation

ROOT: Final = "/redfish/v1"
MAX_URI: Final = 2_048
Found = tuple[str, Payload]


def normal(uri: object) -> str:
    """The one spelling of a resource's URI; "" for what cannot be one."""
    return _normal(uri) if isinstance(uri, str) and len(uri) <= MAX_URI else ""


@lru_cache(maxsize=REMEMBERED)
def _normal(uri: str) -> str:
    if not uri.isprintable():
        return ""
    path = uri.split("#", 1)[0].split("?", 1)[0]
    if "://" in path[:9]:
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    return path.rstrip("/")


@lru_cache(maxsize=REMEMBERED)
def order(uri: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key by which "CPU2" comes before "CPU10"."""
    parts = re.split(r"(\d{1,18})", uri)
    return tuple((1, int(each), "") if each.isdecimal() else (0, 0, each) for each in parts)


def type_of(payload: Mapping[str, Any]) -> str:
    """ "Processor" of "#Processor.v1_20_0.Processor"; "" where the type is missing."""
    raw = payload.get("@odata.type")
    return type_named(raw) if isinstance(raw, str) else ""


@lru_cache(maxsize=REMEMBERED)
def type_named(raw: str) -> str:
    return raw.lstrip("#").split(".", 1)[0]


def word(payload: Mapping[str, Any], name: str) -> str:
    """The value of a property that the schema makes a word; "" where it is none."""
    value = payload.get(name)
    return value if isinstance(value, str) else ""


def links_in(value: object) -> Iterator[str]:
    """The URIs that a link property names, be it an object, a list, a bare string, or null."""
    if isinstance(value, dict | Mapping):
        value = value.get("@odata.id")
    if isinstance(value, str):
        uri = normal(value)
        if uri:
            yield uri
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for each in value:
            if isinstance(each, str | Mapping):
                yield from links_in(each)


def named(payload: Mapping[str, Any], name: str) -> Iterator[object]:
    """The values of property `name`, on the resource itself and among its `Links`."""
    links = payload.get("Links")
    for holder in (payload, links if isinstance(links, Mapping) else {}):
        if holder.get(name) is not None:
            yield holder[name]


class Harvest:
    """`resources` maps URI to repaired payload; `collections` maps a collection's URI to its
    members' URIs. `gaps` maps a URI to why it could not be read. `fetched_at` holds our receive
    time (seconds since 1970) per URI; `at` is the time for the whole."""

    def __init__(
        self,
        *,
        address: str,
        at: float,
        resources: Mapping[str, Payload],
        collections: Mapping[str, tuple[str, ...]] | None = None,
        gaps: Mapping[str, str] | None = None,
        deviations: Sequence[Deviation] = (),
        fetched_at: Mapping[str, float] | None = None,
        requests: int = 0,
        duration_s: float = 0.0,
        clock_skew_s: float | None = None,
    ) -> None:
        self.address, self.at, self.resources = address, at, resources
        self.collections = collections or {}
        self.gaps, self.deviations = gaps or {}, tuple(deviations)
        self.fetched_at = fetched_at or {}
        self.requests, self.duration_s, self.clock_skew_s = requests, duration_s, clock_skew_s

    @property
    def root(self) -> Payload:
        return self.resources.get(ROOT, {})

    @cached_property
    def _by_type(self) -> Mapping[str, tuple[Found, ...]]:
        kinds: dict[str, list[Found]] = {}
        for uri, payload in self.resources.items():
            kinds.setdefault(type_of(payload), []).append((uri, payload))
        return {kind: tuple(found) for kind, found in kinds.items()}

    @cached_property
    def _children(self) -> Mapping[str, tuple[str, ...]]:
        """Parent path -> URIs one or more segments below it, for every prefix of every URI."""
        below: dict[str, list[str]] = {}
        for uri in self.resources:
            parent = uri.rpartition("/")[0]
            while len(parent) >= len(ROOT):
                below.setdefault(parent, []).append(uri)
                parent = parent.rpartition("/")[0]
        return {parent: tuple(uris) for parent, uris in below.items()}

    def of_type(self, *types: str) -> Iterable[Found]:
        """All resources of these Redfish types ("Processor"), in the order they were met."""
        return [found for kind in types for found in self._by_type.get(kind, ())]

    def get(self, uri: object) -> Payload | None:
        return self.resources.get(normal(uri))

    def under(self, uri: str, *types: str) -> list[Found]:
        """Everything whose URI lies below `uri` (optionally only these types)."""
        found = ((each, self.resources[each]) for each in self._children.get(uri, ()))
        return [(u, p) for u, p in found if not types or type_of(p) in types]

    def members(self, uri: object) -> list[Found]:
        """The members of a collection that were read."""
        uris = self.collections.get(normal(uri), ())
        return [(each, self.resources[each]) for each in uris if each in self.resources]

    def follow(self, payload: Mapping[str, Any], name: str) -> list[Found]:
        """What the link `name` (also inside `Links`) leads to, as far as it was read. A link to
        a collection gives its members."""
        found: dict[str, Payload] = {}
        for value in named(payload, name):
            for uri in links_in(value):
                if uri in self.collections:
                    found.update(self.members(uri))
                elif uri in self.resources:
                    found[uri] = self.resources[uri]
        return list(found.items())

    def read_at(self, uri: str) -> float:
        """When this resource was received, in seconds since 1970."""
        return self.fetched_at.get(uri, self.at)


class Ownership:
    """Which asset a resource belongs to. `claims` maps a URI to an asset key and holds for all
    that lies below it; the longest claim wins. `fallback` is the asset of what nobody claims
    (the endpoint's only or first asset; "" where there is none)."""

    def __init__(self, claims: Mapping[str, str], *, fallback: str = "") -> None:
        self.claims, self.fallback = claims, fallback

    def owner(self, uri: str) -> str:
        path = normal(uri)
        while len(path) > len(ROOT):
            if path in self.claims:
                return self.claims[path]
            path = path.rpartition("/")[0]
        return self.fallback
