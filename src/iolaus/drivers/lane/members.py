"""A collection read whole: every page, then every member, a few at a time.

Bounded, because a device decides how many pages and members it names: a page is followed once,
members are fetched by a handful of readers and not by one task each - a lane lets no more through
anyway, and a thousand lanes times a hundred waiting tasks is a gigabyte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from iolaus.drivers.ports import Payload
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.redfish.port import Answer

AT_ONCE: Final = 4
MAX_PAGES: Final = 1_000
MAX_MEMBERS: Final = 20_000

Get = Callable[[str], Awaitable[Answer]]
Gap = Callable[[str, str], None]


async def read_members(get: Get, uri: str, *, on_gap: Gap) -> Sequence[tuple[str, Payload]]:
    """(URI, payload) of each member, in the collection's order. Raises only where the first page
    cannot be read; whatever is missing later is told to `on_gap`."""
    members = await _listed(get, uri, on_gap)
    found: dict[str, Payload] = {}
    todo = iter([each for each in members if each not in found])
    await asyncio.gather(*(_reader(get, todo, found, on_gap) for _ in range(AT_ONCE)))
    return [(each, found[each]) for each in members if each in found]


async def _listed(get: Get, uri: str, on_gap: Gap) -> list[str]:
    members: dict[str, None] = {}
    seen: set[str] = set()
    page: str | None = uri
    while page and page not in seen and len(seen) < MAX_PAGES and len(members) < MAX_MEMBERS:
        seen.add(page)
        try:
            body = (await get(page)).body
        except (DeviceSilent, DeviceRefused, DeviceLied) as failure:
            if page == uri:
                raise
            on_gap(page, failure.message)
            break
        members.update(dict.fromkeys(_links(body)))
        following = body.get("Members@odata.nextLink")
        page = following if isinstance(following, str) else None
    return list(members)[:MAX_MEMBERS]


def _links(body: Payload) -> Iterator[str]:
    members = body.get("Members")
    for member in members if isinstance(members, list) else []:
        link: Any = member.get("@odata.id") if isinstance(member, dict) else None
        if isinstance(link, str) and link:
            yield link


async def _reader(get: Get, todo: Iterator[str], found: dict[str, Payload], on_gap: Gap) -> None:
    for uri in todo:
        try:
            found[uri] = (await get(uri)).body
        except (DeviceSilent, DeviceRefused, DeviceLied) as failure:
            on_gap(uri, failure.message)
