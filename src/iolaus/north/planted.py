"""The plant as a shelf: it concerns the whole hall, so a scope sees none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from iolaus.model.plant import Plant
from iolaus.model.select import Selector
from iolaus.north.dto.plant import plant_views
from iolaus.north.fleet import Item

Items = Callable[[Selector], AsyncIterator[Item]]


def plant_items(plant: Callable[[], Plant]) -> Items:
    """The domains, from the top down."""

    async def items(scope: Selector) -> AsyncIterator[Item]:
        for place, view in enumerate([] if scope else plant_views(plant())):
            yield Item(
                name=view.name,
                origin=f"plant/{view.name}",
                key=(f"{place:06}", view.name),
                revision=1,
                view=view,
            )

    return items
