"""The processes of a hall as a shelf: they concern the whole hall, so a scope sees none of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import msgspec

from iolaus.model.select import Selector
from iolaus.north.dto.members import MemberView
from iolaus.north.fleet import Item

Items = Callable[[Selector], AsyncIterator[Item]]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the control plane does for a hall. `works`: yes, partly, no."""

    name: str
    works: str
    why: str = ""


class ShardView(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a site. `owner` is empty where nobody has it; `renewed_s` since its lease was last
    renewed, `told_s` since anything of it was last told (None: not since this core leads)."""

    name: str
    owner: str
    endpoints: int
    epoch: int | None = None
    renewed_s: float | None = None
    told_s: float | None = None


class Plane(msgspec.Struct, frozen=True, kw_only=True):
    """How the control plane itself fares: what it does, on what it stands (`parts`), who owns
    what, and, a sentence each, what is no longer known."""

    works: tuple[Work, ...]
    parts: tuple[Work, ...]
    shards: tuple[ShardView, ...] = ()
    unknown: tuple[str, ...] = ()


class KnowsMembers(Protocol):
    """Who holds the hall besides this process, and what nobody holds."""

    def views(self) -> Sequence[MemberView]: ...

    def plane(self) -> Plane: ...


def member_items(members: Callable[[], KnowsMembers | None]) -> Items:
    """Cores first, then edges by their site."""

    async def items(scope: Selector) -> AsyncIterator[Item]:
        port = members()
        for view in port.views() if port is not None and not scope else ():
            key = (view.role, view.site, view.name)
            origin = f"member/{view.name}"
            yield Item(name=view.name, origin=origin, key=key, revision=1, view=view)

    return items
