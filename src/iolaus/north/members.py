"""The processes of a hall as a shelf: they concern the whole hall, so a scope sees none of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from iolaus.model.select import Selector
from iolaus.north.dto.members import MemberView
from iolaus.north.fleet import Item

Items = Callable[[Selector], AsyncIterator[Item]]


class KnowsMembers(Protocol):
    """Who holds the hall besides this process, and what nobody holds."""

    def views(self) -> Sequence[MemberView]: ...


def member_items(members: Callable[[], KnowsMembers | None]) -> Items:
    """Cores first, then edges by their site."""

    async def items(scope: Selector) -> AsyncIterator[Item]:
        port = members()
        for view in port.views() if port is not None and not scope else ():
            key = (view.role, view.site, view.name)
            origin = f"member/{view.name}"
            yield Item(name=view.name, origin=origin, key=key, revision=1, view=view)

    return items
