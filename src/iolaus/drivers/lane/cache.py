"""Which answers may be kept, and which a write made untrue.

An answer is kept only when somebody asked for `fresh_s` > 0; what is kept is bounded by entries
and bytes and expires, because there are thousands of lanes. Controllers serve stale state after a
write, so a write does more than drop what it names: it touches the URI, its ancestors and
everything under the resource it belongs to, and for a hold-off afterwards nothing of that is kept,
shared or revalidated - an unreliable ETag would call the old state current. `now` is monotonic.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from iolaus.wire.redfish.port import Answer

MOST_HOLDS: Final = 64


class CacheRules(msgspec.Struct, frozen=True, kw_only=True):
    """`max_bytes` is of the packed size. An entry with an ETag stays `revalidate_s`
    longer than it is fresh, to be asked for with a condition."""

    max_entries: int = 64
    max_bytes: int = 32 * 1024
    revalidate_s: float = 120.0
    hold_off_s: float = 5.0


class Kept:
    """An answer, packed: parsed it would take six times as much, on thousands of lanes."""

    __slots__ = ("_packed", "at", "tagged", "until")

    def __init__(self, packed: bytes, *, at: float, until: float, tagged: bool) -> None:
        self._packed, self.at, self.until, self.tagged = packed, at, until, tagged

    @property
    def size(self) -> int:
        return len(self._packed)

    @property
    def answer(self) -> Answer:
        return _unpack(self._packed)


class Cache:
    """Answers by URI, least recently used first; and the hold-offs that writes left."""

    __slots__ = ("_bytes", "_holds", "_kept", "_rules")

    def __init__(self, rules: CacheRules) -> None:
        self._rules = rules
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0
        self._holds: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def fresh(self, uri: str, *, fresh_s: float, now: float) -> Answer | None:
        """The kept answer, if it is not older than `fresh_s`."""
        kept = self._kept.get(uri)
        if kept is None or fresh_s <= 0 or now - kept.at > fresh_s:
            return None
        self._kept.move_to_end(uri)
        return kept.answer

    def revalidates(self, uri: str, *, now: float) -> Answer | None:
        """The kept answer to ask about with its ETag; None where that cannot be trusted."""
        kept = self._kept.get(uri)
        if kept is None or not kept.tagged or now >= kept.until:
            return None
        return None if self.held_off(uri, now=now) else kept.answer

    def keep(self, uri: str, answer: Answer, *, fresh_s: float, now: float) -> None:
        """Keep an answer to a request that no write has touched since it was sent."""
        if fresh_s <= 0 or self.held_off(uri, now=now):
            return
        packed = _packed(answer)
        if packed is None or len(packed) > self._rules.max_bytes:
            return
        self._drop(uri)
        longer = self._rules.revalidate_s if answer.etag else 0.0
        until = now + fresh_s + longer
        self._kept[uri] = Kept(packed, at=now, until=until, tagged=bool(answer.etag))
        self._bytes += len(packed)
        while len(self._kept) > self._rules.max_entries or self._bytes > self._rules.max_bytes:
            self._drop(next(iter(self._kept)))

    def touch(self, uri: str, *, now: float) -> None:
        """A write to `uri` was sent, or was answered."""
        for other in [key for key in self._kept if touches(uri, key)]:
            self._drop(other)
        self._holds.pop(uri, None)
        self._holds[uri] = now + self._rules.hold_off_s
        if len(self._holds) > MOST_HOLDS:
            del self._holds[next(iter(self._holds))]

    def held_off(self, uri: str, *, now: float) -> bool:
        """Whether a write was near enough, in time and place, to make a kept answer doubtful."""
        return any(now < until and touches(written, uri) for written, until in self._holds.items())

    def expire(self, *, now: float) -> None:
        for uri in [uri for uri, kept in self._kept.items() if now >= kept.until]:
            self._drop(uri)
        for uri in [uri for uri, until in self._holds.items() if now >= until]:
            del self._holds[uri]

    def clear(self) -> None:
        self._kept.clear()
        self._bytes = 0

    def _drop(self, uri: str) -> None:
        if kept := self._kept.pop(uri, None):
            self._bytes -= kept.size


def key_of(uri: str) -> str:
    """One spelling per resource: no fragment, no trailing slash; the query stays."""
    path, mark, query = uri.partition("#")[0].partition("?")
    return (path.rstrip("/") or "/") + mark + query


def touches(written: str, read: str) -> bool:
    """Whether a write to one URI may change what a read of the other gives."""
    path, owner = read.partition("?")[0].rstrip("/"), owner_of(written)
    return _within(written.partition("?")[0].rstrip("/"), path) or _within(path, owner)


def owner_of(written: str) -> str:
    """The resource that a written URI belongs to: an action's or a settings object's own."""
    path = written.partition("?")[0].rstrip("/")
    head, mark, _ = path.partition("/Actions/")
    if mark:
        return head
    stem, _, last = path.rpartition("/")
    return stem if last in ("Settings", "SD") else path


def _within(path: str, ancestor: str) -> bool:
    return path == ancestor or path.startswith(ancestor + "/")


def _packed(answer: Answer) -> bytes | None:
    """None for one that cannot be packed: a number longer than any field is meant to be."""
    try:
        return msgspec.msgpack.encode(answer)
    except (OverflowError, TypeError, ValueError, RecursionError):
        return None


_unpack: Final = msgspec.msgpack.Decoder(Answer).decode
