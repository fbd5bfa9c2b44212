"""The plant as objects: one per domain, with what is told of it, disputed, and not known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from iolaus.model.plant import Domain, Plant
from iolaus.north.dto.site import PastView, past_view
from iolaus.north.dto.views import View

if TYPE_CHECKING:
    from iolaus.energy.hindsight import Past

NONE: Final[Mapping[str, Past]] = MappingProxyType({})


class ClaimView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one source says."""

    source: str
    value: str


class DisputeView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A field that sources differ over. The safer value counts until somebody settles it."""

    subject: Annotated[str, Meta(description="The domain, or a load in it.")]
    field: str
    claims: tuple[ClaimView, ...]
    counts: Annotated[str, Meta(description="What is gone by meanwhile.")]


class PlantGapView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What nobody has told, or what was told and cannot be."""

    subject: str
    field: str
    reason: str


class PlantView(View, frozen=True, kw_only=True):
    """A piece of the plant that power flows through, and how much of it may."""

    type: Annotated[
        str, Meta(description="site, feed, transformer, breaker, busway, shelf or rack.")
    ]
    parent: Annotated[str | None, Meta(description="What feeds it.")] = None
    standby: Annotated[
        tuple[str, ...], Meta(description="What else can carry it, when that is lost.")
    ] = ()
    limit: Annotated[
        str,
        Meta(description="known; none (of its own); or unknown: floors only are granted below."),
    ] = "unknown"
    limit_w: Annotated[float | None, Meta(description="Watts; null unless it is known.")] = None
    efficiency: Annotated[float, Meta(description="What arrives of what it draws, 0 to 1.")] = 1.0
    overhead_w: Annotated[float, Meta(description="Watts that flow without any cap.")] = 0.0
    loads: Annotated[int, Meta(description="Nodes with a cap that it feeds itself.")] = 0
    floor_w: Annotated[float, Meta(description="The sum of their floors.")] = 0.0
    nameplate_w: Annotated[float, Meta(description="The sum of what they can draw.")] = 0.0
    source: Annotated[str, Meta(description="Who told of it.")] = ""
    conflicts: Annotated[tuple[DisputeView, ...], Meta(description="Where sources differ.")] = ()
    gaps: Annotated[tuple[PlantGapView, ...], Meta(description="What is not known.")] = ()
    past: Annotated[
        PastView | None, Meta(description="What did happen at its limit, and what would have.")
    ] = None


def plant_views(plant: Plant, past: Mapping[str, Past] = NONE) -> list[PlantView]:
    """Every domain, the site first. What is told of a load stands at its rack; what is told of
    one that stands in no rack, at the first domain."""
    rack_of = {f"load/{load.name}": f"domain/{load.rack}" for load in plant.loads}
    homes = {f"domain/{domain.name}" for domain in plant.domains}
    first = f"domain/{plant.domains[0].name}" if plant.domains else ""

    def home(subject: str) -> str:
        found = rack_of.get(subject, subject)
        return found if found in homes else first

    disputes: dict[str, list[DisputeView]] = {}
    for each in plant.conflicts:
        told = tuple(ClaimView(source=source, value=value) for source, value in each.claims)
        found = DisputeView(subject=each.subject, field=each.field, claims=told, counts=each.counts)
        disputes.setdefault(home(each.subject), []).append(found)
    gaps: dict[str, list[PlantGapView]] = {}
    for gap in plant.gaps:
        shown = PlantGapView(subject=gap.subject, field=gap.field, reason=gap.reason)
        gaps.setdefault(home(gap.subject), []).append(shown)
    return [
        _view(plant, domain, disputes.get(at, []), gaps.get(at, []), past.get(domain.name))
        for domain in plant.domains
        for at in (f"domain/{domain.name}",)
    ]


def _view(
    plant: Plant, domain: Domain, disputes: list[DisputeView], gaps: list[PlantGapView],
    past: Past | None,
) -> PlantView:  # fmt: skip
    loads = plant.by_rack.get(domain.name, ())
    known = domain.limit_w is not None and math.isfinite(domain.limit_w)
    return PlantView(
        name=domain.name,
        kind="plant",
        type=domain.kind.value,
        parent=domain.parent,
        standby=domain.standby,
        limit="known" if known else ("unknown" if domain.limit_w is None else "none"),
        limit_w=domain.limit_w if known else None,
        efficiency=domain.efficiency,
        overhead_w=domain.overhead_w,
        loads=len(loads),
        floor_w=sum(load.floor_w for load in loads),
        nameplate_w=sum(load.nameplate_w for load in loads),
        source=domain.source,
        conflicts=tuple(disputes),
        gaps=tuple(gaps),
        past=past_view(past) if past else None,
    )
