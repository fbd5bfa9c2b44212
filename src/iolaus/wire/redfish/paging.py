"""A collection whole, page by page, with bounds (DSP0266 sections 7.4 and 13.4).

`Pages` is the part without I/O: it takes each page's body and says which page comes next. Loops
in `Members@odata.nextLink` end the reading, pages and members are bounded, and everything that a
page should not have said is a deviation, never an exception.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from iolaus.kernel.errors import IolausError
from iolaus.wire.redfish.address import path_of
from iolaus.wire.redfish.decode import Deviation
from iolaus.wire.redfish.port import Answer

Get = Callable[[str], Awaitable[Answer]]
MAX_PAGES = 500
MAX_MEMBERS = 20_000


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """Members' URIs in the device's order, each once. `inline` holds the payloads of members
    that came expanded, by URI; `loose` those without a URI of their own. Where it is not
    `complete`, there may be more members than these."""

    uri: str
    links: tuple[str, ...]
    inline: dict[str, dict[str, Any]]
    loose: tuple[dict[str, Any], ...]
    deviations: tuple[Deviation, ...]
    complete: bool


class Pages:
    """Feed it each page's body; it answers with the URI of the next one, or None at the end."""

    def __init__(
        self, uri: str, *, max_pages: int = MAX_PAGES, max_members: int = MAX_MEMBERS
    ) -> None:
        self._uri, self._max_pages, self._max_members = uri, max_pages, max_members
        self._asked = {path_of(uri) or uri}
        self._links: dict[str, None] = {}
        self._inline: dict[str, dict[str, Any]] = {}
        self._loose: list[dict[str, Any]] = []
        self._deviations: list[Deviation] = []
        self._announced: int | None = None
        self._complete = True

    def feed(self, body: dict[str, Any]) -> str | None:
        self._count(body.get("Members@odata.count"))
        members = body.get("Members", [])
        if isinstance(members, dict):
            self._deviate("/Members", "type", "an object where a list belongs")
            members = [members]
        if not isinstance(members, list):
            word = "null" if members is None else type(members).__name__
            self._deviate("/Members", "type", f"{word} where a list belongs")
            self._complete = self._complete and self._announced == 0
            members = []
        for index, member in enumerate(members):
            if len(self._links) + len(self._loose) >= self._max_members:
                return self._stop("/Members", "bound", f"over {self._max_members} members")
            self._add(index, member)
        return self._next(body)

    def broken(self, uri: str, reason: str) -> None:
        """A page could not be read: what was read before it stands."""
        self._stop("/Members@odata.nextLink", "unreadable", f"{uri[:100]}: {reason[:200]}")

    def collection(self) -> Collection:
        found = len(self._links) + len(self._loose)
        if self._complete and self._announced is not None and self._announced != found:
            detail = f"{self._announced} announced, {found} listed"
            self._deviate("/Members@odata.count", "count", detail)
        return Collection(
            uri=self._uri,
            links=tuple(self._links),
            inline=self._inline,
            loose=tuple(self._loose),
            deviations=tuple(self._deviations),
            complete=self._complete,
        )

    def _count(self, count: Any) -> None:
        if isinstance(count, int) and not isinstance(count, bool):
            self._announced = count

    def _add(self, index: int, member: Any) -> None:
        if not isinstance(member, dict):
            kind = "null" if member is None else type(member).__name__
            self._deviate(f"/Members/{index}", "type", f"{kind} where a link belongs")
            return
        target = member.get("@odata.id")
        link = path_of(target) if isinstance(target, str) else ""
        payload = len(member) > 1 and any(not key.startswith("@odata.") for key in member)
        if not link:
            self._deviate(f"/Members/{index}/@odata.id", "missing", "a member without its link")
            if payload:
                self._loose.append(member)
            return
        if link in self._links:
            self._deviate(f"/Members/{index}", "duplicate", link[:200])
        self._links[link] = None
        if payload and "#" not in str(target):
            self._inline[link] = member

    def _next(self, body: dict[str, Any]) -> str | None:
        target = body.get("Members@odata.nextLink", body.get("@odata.nextLink"))
        if target is None or target == "":
            return None
        link = path_of(target) if isinstance(target, str) else ""
        if not link:
            return self._stop("/Members@odata.nextLink", "link", "a next link that is no link")
        if link in self._asked:
            return self._stop("/Members@odata.nextLink", "loop", link[:200])
        if len(self._asked) >= self._max_pages:
            return self._stop("/Members@odata.nextLink", "bound", f"over {self._max_pages} pages")
        self._asked.add(link)
        return link

    def _stop(self, pointer: str, rule: str, detail: str) -> str | None:
        self._complete = False
        self._deviate(pointer, rule, detail)
        return None

    def _deviate(self, pointer: str, rule: str, detail: str) -> None:
        if len(self._deviations) < 100:
            self._deviations.append((pointer, rule, detail))


async def read_collection(
    get: Get, uri: str, *, max_pages: int = MAX_PAGES, max_members: int = MAX_MEMBERS
) -> Collection:
    """All pages of a collection. Raises what `get` raises for its first page only; a later page
    that cannot be read leaves the collection incomplete, with the reason as a deviation."""
    pages = Pages(uri, max_pages=max_pages, max_members=max_members)
    following = pages.feed((await get(uri)).body)
    while following:
        try:
            answer = await get(following)
        except IolausError as error:
            pages.broken(following, error.message)
            break
        following = pages.feed(answer.body)
    return pages.collection()
