"""The site's power as one object: what it may draw, what is asked of it, and where its watts go."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from iolaus.north.dto.make import when
from iolaus.north.dto.views import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iolaus.energy.decisions import ActuatorState
    from iolaus.energy.efficiency import Efficiency, Job
    from iolaus.energy.hindsight import Overrun, Past
    from iolaus.energy.site import SiteState

Number = float | None


class TargetView(msgspec.Struct, frozen=True, kw_only=True):
    """A load target of the grid or of a person for the whole site."""

    name: str
    limit_w: float
    begins: datetime | None
    ends: Annotated[datetime | None, Meta(description="Null: until it is lifted.")]
    late: Annotated[bool, Meta(description="It has begun and is not reached.")]
    by: Annotated[str, Meta(description="The person who set it, and why; empty: the grid.")] = ""


class StageView(msgspec.Struct, frozen=True, kw_only=True):
    """A stage between feed and chip, where both of its sides are measured."""

    name: str
    input_w: float
    output_w: float
    loss_w: float
    efficiency: Number
    counted: Annotated[int, Meta(description="Pieces of equipment with both sides measured.")]
    of: int
    oldest_s: Annotated[float, Meta(description="How long ago the oldest of them was read.")] = 0.0


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """Work that somebody reports, and the watts of its nodes."""

    name: str
    nodes: int
    unit: str
    rate: Annotated[Number, Meta(description="Units a second; null: unknown.")]
    watts: Number
    per_joule: Annotated[Number, Meta(description="Units of work for a joule.")]
    why: Annotated[str, Meta(description="Why it is unknown.")] = ""


class ActuatorView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the slow loop acts with beside caps."""

    what: Annotated[str, Meta(description="battery, coolant or smoothing.")]
    name: str
    where: Annotated[str, Meta(description="The rack or the loop.")]
    mode: Annotated[str, Meta(description="observe: left alone; advise: told, not done; control.")]
    state: str
    told: Annotated[Number, Meta(description="What it was told last; null: nothing.")]
    unit: str
    reads: Annotated[Number, Meta(description="What it reads to be; null: unknown.")]
    reads_unit: str
    why: str = ""


class SitePowerView(View, frozen=True, kw_only=True):
    """The site's slow loop, and the ratios of its power."""

    site: Annotated[str, Meta(description="The domain of kind site; empty: there is none.")]
    loop: Annotated[str, Meta(description="free, walking, held, late or idle.")]
    why: Annotated[str, Meta(description="Why the loop is idle.")] = ""
    mode: Annotated[str, Meta(description="Of the policy: only in control is a target held.")]
    limit_w: Annotated[Number, Meta(description="What it asks of the centre now; null: nothing.")]
    ceiling_w: Annotated[Number, Meta(description="What the site may draw otherwise.")]
    charged_w: Annotated[Number, Meta(description="What it may be drawing.")]
    ramp_up_w_s: Number
    ramp_down_w_s: Number
    targets: tuple[TargetView, ...] = ()
    it_w: Annotated[float, Meta(description="What the IT draws, as far as it is measured.")]
    unmeasured: Annotated[int, Meta(description="Machines that are not measured now.")]
    cooling_w: Number
    facility_w: Annotated[Number, Meta(description="What a meter of the site is said to show.")]
    pue: Number
    pue_why: str = ""
    wue_l_kwh: Number
    wue_why: str = ""
    stages: tuple[StageView, ...] = ()
    jobs: tuple[JobView, ...] = ()
    actuators: tuple[ActuatorView, ...] = ()


class OverrunView(msgspec.Struct, frozen=True, kw_only=True):
    seconds: float
    worst_w: float
    joules: float


class PastView(msgspec.Struct, frozen=True, kw_only=True):
    """What did happen at a limit, and what would have with the budgets held."""

    since: datetime | None
    seen_s: float
    unseen_s: Annotated[float, Meta(description="Seconds in which something was not measured.")]
    did: OverrunView
    would: OverrunView
    withheld_j: Annotated[float, Meta(description="What would not have been drawn.")]


def past_view(past: Past) -> PastView:
    return PastView(
        since=when(past.since),
        seen_s=round(past.seen_s, 1),
        unseen_s=round(past.unseen_s, 1),
        did=_overrun(past.did),
        would=_overrun(past.would),
        withheld_j=round(past.withheld_j),
    )


def _overrun(over: Overrun) -> OverrunView:
    return OverrunView(
        seconds=round(over.seconds, 1), worst_w=round(over.worst_w), joules=round(over.joules)
    )


def site_view(
    state: SiteState, found: Efficiency, actuators: Iterable[ActuatorState] = ()
) -> SitePowerView:
    return SitePowerView(
        name="site",
        kind="sitepower",
        site=state.site,
        loop=_loop(state),
        why=state.why,
        mode=state.mode,
        limit_w=state.limit_w,
        ceiling_w=state.ceiling_w,
        charged_w=state.charged_w,
        ramp_up_w_s=state.ramp_up_w_s,
        ramp_down_w_s=state.ramp_down_w_s,
        targets=tuple(
            TargetView(
                name=name,
                limit_w=limit_w,
                begins=when(start),
                ends=None if end is None else when(end),
                late=name in state.late,
                by=state.people.get(name, ""),
            )
            for name, limit_w, start, end in state.targets
        ),
        it_w=round(found.it_w, 1),
        unmeasured=found.unmeasured,
        cooling_w=found.cooling_w,
        facility_w=found.facility_w,
        pue=_rounded(found.pue),
        pue_why=found.pue_why,
        wue_l_kwh=_rounded(found.wue_l_kwh),
        wue_why=found.wue_why,
        stages=tuple(
            StageView(
                name=each.name,
                input_w=round(each.input_w, 1),
                output_w=round(each.output_w, 1),
                loss_w=round(each.input_w - each.output_w, 1),
                efficiency=_rounded(each.efficiency),
                counted=each.counted,
                of=each.of,
                oldest_s=round(each.oldest_s, 1),
            )
            for each in found.stages
        ),
        jobs=tuple(map(_job, found.jobs)),
        actuators=tuple(map(_actuator, actuators)),
    )


def _job(each: Job) -> JobView:
    return JobView(
        name=each.name,
        nodes=each.nodes,
        unit=each.unit,
        rate=each.rate,
        watts=each.watts,
        per_joule=each.per_joule,
        why=each.why,
    )


def _actuator(each: ActuatorState) -> ActuatorView:
    return ActuatorView(
        what=each.what,
        name=each.name,
        where=each.where,
        mode=each.mode,
        state=each.state,
        told=each.told,
        unit=each.unit,
        reads=each.reads,
        reads_unit=each.reads_unit,
        why=each.why,
    )


def _loop(state: SiteState) -> str:
    if state.why:
        return "idle"
    if state.late:
        return "late"
    if state.limit_w is None:
        return "free"
    return "held" if state.limit_w in {each[1] for each in state.targets} else "walking"


def _rounded(value: Number) -> Number:
    return None if value is None else round(value, 4)
