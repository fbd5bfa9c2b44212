"""`$expand` only where it loses nothing (DSP0266 section 7.3.1).

A service may advertise `$expand` and still drop properties, whole members, or answer with bare
links. So it is used for one kind of collection on one endpoint only after a probe: the first
such collection is read both ways, and the expanded members must carry everything that plain GETs
of a sample carry. The verdict is remembered; numbers, times and tags may differ between the two.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from iolaus.kernel.errors import IolausError
from iolaus.wire.redfish.paging import Collection, Get, read_collection
from iolaus.wire.redfish.port import Answer

SAMPLE = 3
AT_ONCE = 4
"""Readers per collection: a lane lets no more through anyway."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_VOLATILE = re.compile(r"etag|time|date|uptime|reading|latency|counter", re.IGNORECASE)
OnGap = Callable[[str, str], None]
Member = tuple[str, dict[str, Any]]


def expand_query(root: Mapping[str, Any]) -> str | None:
    """The query that expands a collection's members one level, if the service advertises one."""
    features = root.get("ProtocolFeaturesSupported")
    expand = features.get("ExpandQuery") if isinstance(features, dict) else None
    if not isinstance(expand, dict):
        return None
    levels = "($levels=1)" if expand.get("Levels") is True else ""
    if expand.get("NoLinks") is True:
        return f"?$expand=.{levels}"
    return f"?$expand=*{levels}" if expand.get("ExpandAll") is True else None


def kind_of(uri: str) -> str:
    """What makes two collections of one kind: the path with the ids between taken out."""
    parts = uri.split("?", 1)[0].strip("/").split("/")
    below_root = parts[2:] if parts[:1] == ["redfish"] else parts
    return "/".join(part if not index % 2 else "*" for index, part in enumerate(below_root))


def lost(plain: Any, expanded: Any, *, where: str = "") -> list[str]:
    """What `plain` has and `expanded` lacks or tells differently; [] if nothing is lost."""
    if isinstance(plain, dict):
        if not isinstance(expanded, dict):
            return [where or "/"]
        return [
            path
            for name, value in plain.items()
            if not _VOLATILE.search(name)
            for path in (
                lost(value, expanded[name], where=f"{where}/{name}")
                if name in expanded
                else [f"{where}/{name}"]
            )
        ]
    if isinstance(plain, list):
        if not isinstance(expanded, list) or len(expanded) < len(plain):
            return [where]
        pairs = zip(plain, expanded, strict=False)
        return [p for i, (a, b) in enumerate(pairs) for p in lost(a, b, where=f"{where}/{i}")]
    return [] if _same(plain, expanded) else [where]


def _same(plain: Any, expanded: Any) -> bool:
    if plain is None:
        return True
    if isinstance(plain, (int, float)) and not isinstance(plain, bool):
        return isinstance(expanded, (int, float))
    if isinstance(plain, str) and _TIME.match(plain):
        return isinstance(expanded, str)
    return bool(plain == expanded)


class Expander:
    """One endpoint's verdicts. `learn` takes the service root once it is known."""

    def __init__(self) -> None:
        self._query: str | None = None
        self._verdicts: dict[str, bool] = {}

    def learn(self, root: Mapping[str, Any]) -> None:
        self._query = expand_query(root)

    @property
    def verdicts(self) -> Mapping[str, bool]:
        """Kind of collection -> whether `$expand` is lossless there, as far as probed."""
        return self._verdicts

    async def members(self, get: Get, uri: str, *, on_gap: OnGap) -> Sequence[Member]:
        """Every member's (URI, payload), by the cheapest way that loses nothing.

        Raises what `get` raises for the collection itself; a member that cannot be read goes
        to `on_gap(uri, reason)`.
        """
        kind = kind_of(uri)
        if self._query is None or "?" in uri or self._verdicts.get(kind) is False:
            return await read_members(get, await read_collection(get, uri), on_gap=on_gap)
        try:
            expanded = await read_collection(get, uri + self._query)
        except IolausError:
            self._verdicts[kind] = False
            return await read_members(get, await read_collection(get, uri), on_gap=on_gap)
        if kind not in self._verdicts and not await self._probed(get, uri, kind, expanded):
            plain = await read_collection(get, uri)
            return await read_members(get, plain, on_gap=on_gap)
        return await read_members(get, expanded, on_gap=on_gap)

    async def _probed(self, get: Get, uri: str, kind: str, expanded: Collection) -> bool:
        """Whether this expanded answer may be used; decides the kind if it tells anything."""
        if not expanded.links and not expanded.loose:
            return True
        try:
            plain = await read_collection(get, uri)
            lossless = set(plain.links) <= set(expanded.inline) and await _sample_equal(
                get, expanded
            )
        except IolausError:
            return False
        self._verdicts[kind] = lossless
        return lossless


async def _sample_equal(get: Get, expanded: Collection) -> bool:
    links = list(expanded.inline)
    sample = dict.fromkeys([*links[:1], *links[len(links) // 2 :][:1], *links[-1:]])
    for link in list(sample)[:SAMPLE]:
        if lost((await get(link)).body, expanded.inline[link]):
            return False
    return True


async def read_members(get: Get, collection: Collection, *, on_gap: OnGap) -> Sequence[Member]:
    """Each member's payload: the inline one where there is one, else by a plain GET."""
    found: dict[str, dict[str, Any]] = {}
    todo = iter(collection.links)
    await asyncio.gather(*(_reader(get, collection, todo, found, on_gap) for _ in range(AT_ONCE)))
    named = [(link, found[link]) for link in collection.links if link in found]
    return [*named, *(("", payload) for payload in collection.loose)]


async def _reader(
    get: Get,
    collection: Collection,
    todo: Iterator[str],
    found: dict[str, dict[str, Any]],
    on_gap: OnGap,
) -> None:
    for link in todo:
        payload = await _payload(get, collection, link)
        if isinstance(payload, str):
            on_gap(link, payload)
        else:
            found[link] = payload


async def _payload(get: Get, collection: Collection, link: str) -> dict[str, Any] | str:
    inline = collection.inline.get(link)
    if inline is not None:
        return inline
    try:
        answer: Answer = await get(link)
    except IolausError as error:
        return f"{error.code}: {error.message}"
    return answer.body
