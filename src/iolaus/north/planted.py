"""The plant and the building's points as shelves. The plant concerns the whole hall, so a scope
sees none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from iolaus.energy.hindsight import Past
from iolaus.model.plant import Plant
from iolaus.model.point import Point
from iolaus.model.select import Selector
from iolaus.north.dto.plant import plant_views
from iolaus.north.dto.points import point_view
from iolaus.north.fleet import Item, visible

Items = Callable[[Selector], AsyncIterator[Item]]


def plant_items(plant: Callable[[], Plant], past: Callable[[], Mapping[str, Past]] = dict) -> Items:
    """The domains, from the top down, each with what did happen at it."""

    async def items(scope: Selector) -> AsyncIterator[Item]:
        for place, view in enumerate([] if scope else plant_views(plant(), past())):
            yield Item(
                name=view.name,
                origin=f"plant/{view.name}",
                key=(f"{place:06}", view.name),
                revision=1,
                view=view,
            )

    return items


def point_items(points: Callable[[], Sequence[Point]]) -> Items:
    """The points of the building that is joined, by what they are about."""

    async def items(scope: Selector) -> AsyncIterator[Item]:
        views = [point_view(each, _labels(each)) for each in points()]
        for view in sorted(views, key=lambda each: (each.about, each.name)):
            if visible(view, scope):
                yield Item(
                    name=view.name,
                    origin=f"point/{view.name}",
                    key=(view.about, view.name),
                    revision=1,
                    view=view,
                )

    return items


def _labels(point: Point) -> dict[str, str]:
    rack = {"rack": point.rack} if point.rack else {}
    return {"building": point.building, "about": point.about, **rack}
