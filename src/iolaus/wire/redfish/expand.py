"""`$expand` only where it loses nothing (DSP0266 section 7.3.1).

A service may advertise `$expand` and still drop properties, whole members, or answer with bare
links. So it is used for one kind of collection on one endpoint only after a probe: the first
such collection is read both ways, and the expanded members must carry everything that plain GETs
of a sample carry. The verdict is remembered; numbers, times and tags may differ between the two.

A fleet of one make would give the same verdict a thousand times, and a probe is most of what a
collection costs. So endpoints whose service roots say the same vouch for each other, a bounded
number of times: then the next one is probed itself. Nobody is vouched for whose expanded answer
lacks a member, or a member's content.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from iolaus.kernel.errors import IolausError
from iolaus.wire.redfish.paging import Collection, Get, read_collection
from iolaus.wire.redfish.port import Answer

SAMPLE = 3
AT_ONCE = 4
"""Readers per collection: a lane lets no more through anyway."""
VOUCHED: Final = 64
"""So many endpoints take a verdict from another one before it is proved anew."""
MOST_VERDICTS: Final = 4096
PROVED_IN_S: Final = 5.0
_WORDS: Final = ("@odata.type", "Vendor", "Product", "RedfishVersion", "ProtocolFeaturesSupported")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_VOLATILE = re.compile(r"etag|time|date|uptime|reading|latency|counter", re.IGNORECASE)
Shared = tuple[str, str]
"""(words of a service, kind of collection)"""
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


def service_of(root: Mapping[str, Any]) -> str | None:
    """The words by which services are taken for the same; None for one that names no maker."""
    if not isinstance(root.get("Vendor"), str):
        return None
    oem = root.get("Oem")
    named = sorted(map(str, oem)) if isinstance(oem, dict) else []
    return repr([*(root.get(word) for word in _WORDS), sorted(root), named])[:2048]


class Verdicts:
    """What some endpoints proved, for others whose service says the same of itself."""

    def __init__(self) -> None:
        self._known: OrderedDict[Shared, tuple[bool, int]] = OrderedDict()
        self._proving: dict[Shared, asyncio.Event] = {}

    async def ask(self, what: Shared) -> bool | None:
        """Another endpoint's verdict, each so many times. Where one is just being proved it is
        waited for, not long: a thousand endpoints begin together."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROVED_IN_S):
                while what not in self._known and (proving := self._proving.get(what)):
                    await proving.wait()
        if (found := self._known.get(what)) is None:
            return None
        lossless, left = found
        if left > 1:
            self._known[what] = lossless, left - 1
        else:
            del self._known[what]
        return lossless

    @contextlib.contextmanager
    def proving(self, what: Shared) -> Iterator[None]:
        """While the block runs others wait for what it tells."""
        if what in self._proving:
            yield
            return
        over = self._proving[what] = asyncio.Event()
        try:
            yield
        finally:
            self._end(what, over)

    def _end(self, what: Shared, over: asyncio.Event | None) -> None:
        if over is not None:
            if self._proving.get(what) is over:
                del self._proving[what]
            over.set()

    def tell(self, what: Shared, *, lossless: bool) -> None:
        self._known[what] = lossless, VOUCHED
        if len(self._known) > MOST_VERDICTS:
            self._known.popitem(last=False)
        self._end(what, self._proving.get(what))


class Expander:
    """One endpoint's verdicts. `learn` takes the service root once it is known; `shared` is what
    other endpoints vouch for."""

    def __init__(self, shared: Verdicts | None = None) -> None:
        self._query: str | None = None
        self._service: str | None = None
        self._shared = shared or Verdicts()
        self._verdicts: dict[str, bool] = {}
        self._borrowed: set[str] = set()

    def learn(self, root: Mapping[str, Any]) -> None:
        self._query, self._service = expand_query(root), service_of(root)

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
        if self._query is None or "?" in uri or await self._verdict(kind) is False:
            return await read_members(get, await read_collection(get, uri), on_gap=on_gap)
        if kind in self._verdicts or self._service is None:
            return await self._expanded(get, uri, kind, self._query, on_gap=on_gap)
        with self._shared.proving((self._service, kind)):
            return await self._expanded(get, uri, kind, self._query, on_gap=on_gap)

    async def _expanded(
        self, get: Get, uri: str, kind: str, query: str, *, on_gap: OnGap
    ) -> Sequence[Member]:
        try:
            expanded = await read_collection(get, uri + query)
        except IolausError:
            self._verdicts[kind] = False
            return await read_members(get, await read_collection(get, uri), on_gap=on_gap)
        if not await self._usable(get, uri, kind, expanded):
            plain = await read_collection(get, uri)
            return await read_members(get, plain, on_gap=on_gap)
        return await read_members(get, expanded, on_gap=on_gap)

    async def _verdict(self, kind: str) -> bool | None:
        if kind not in self._verdicts and self._service is not None:
            vouched = await self._shared.ask((self._service, kind))
            if vouched is not None:
                self._verdicts[kind] = vouched
                self._borrowed.add(kind)
        return self._verdicts.get(kind)

    async def _usable(self, get: Get, uri: str, kind: str, expanded: Collection) -> bool:
        if kind in self._borrowed and not _is_whole(expanded):
            self._borrowed.discard(kind)
            del self._verdicts[kind]
        return kind in self._verdicts or await self._probed(get, uri, kind, expanded)

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
        if self._service is not None:
            self._shared.tell((self._service, kind), lossless=lossless)
        return lossless


def _is_whole(expanded: Collection) -> bool:
    """Every member that is announced is there, with its content."""
    counted = not any(rule == "count" for _, rule, _ in expanded.deviations)
    return counted and expanded.complete and len(expanded.inline) == len(expanded.links)


async def _sample_equal(get: Get, expanded: Collection) -> bool:
    links = list(expanded.inline)
    sample = dict.fromkeys([*links[:1], *links[len(links) // 2 :][:1], *links[-1:]])
    for link in list(sample)[:SAMPLE]:
        if lost((await get(link)).body, expanded.inline[link]):
            return False
    return True


async def read_members(get: Get, collection: Collection, *, on_gap: OnGap) -> Sequence[Member]:
    """Each member's payload: the inline one where there is one, else by a plain GET. Members that
    the collection could not even name are a gap of its own."""
    if not collection.complete:
        why = "; ".join(detail for _, _, detail in collection.deviations[-3:])
        on_gap(collection.uri.partition("?")[0], f"not all of its members are known: {why}")
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
