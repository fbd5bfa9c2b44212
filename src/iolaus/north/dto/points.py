"""A building's points as objects: what each is about and says, how good and how old that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from iolaus.model.point import Point
from iolaus.north.dto.views import View


class PointView(View, frozen=True, kw_only=True):
    """A point that the building's system publishes, or takes from us."""

    building: str
    about: Annotated[
        str, Meta(description="The rack or object, by our name; of an associate its parent.")
    ]
    object_type: Annotated[str, Meta(description="The contract's word: Rack, CDU, PowerMeter ...")]
    type: Annotated[str, Meta(description="The contract's point type: RackLeakDetect ...")]
    value: Annotated[float | None, Meta(description="Null while it is unknown.")] = None
    state: Annotated[str, Meta(description="The building's word for the value.")] = ""
    unit: Annotated[str, Meta(description="As the building has it.")] = ""
    quality: Annotated[int | None, Meta(description="As it was last said; 1 is good.")] = None
    age_s: Annotated[float | None, Meta(description="Seconds since it was last said.")] = None
    reason: Annotated[str, Meta(description="Why the value is unknown.")] = ""
    serves: Annotated[tuple[str, ...], Meta(description="What it feeds or cools (servesId).")] = ()
    associate: Annotated[bool, Meta(description="Told as an associate (associateId).")] = False
    area: tuple[str, ...] = ()
    ours: Annotated[bool, Meta(description="Its value is published by us.")] = False


def point_view(point: Point, labels: Mapping[str, str]) -> PointView:
    return PointView(
        name=point.name.replace("/", "."),
        kind="point",
        labels=dict(labels),
        building=point.building,
        about=point.about,
        object_type=point.object_type,
        type=point.point_type,
        value=point.value,
        state=point.state,
        unit=point.unit,
        quality=point.quality,
        age_s=None if point.age_s is None else round(point.age_s, 1),
        reason=point.reason,
        serves=point.serves,
        associate=point.is_associate,
        area=point.area,
        ours=point.ours,
    )
