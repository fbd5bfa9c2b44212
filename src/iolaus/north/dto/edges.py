"""What is shown of the edges of racks, and of caps that people set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from iolaus.north.dto.make import when
from iolaus.north.dto.views import Age, View

if TYPE_CHECKING:
    from iolaus.energy.decisions import RackState
    from iolaus.energy.keeping import Keeping
    from iolaus.energy.ports import Latch
    from iolaus.energy.run import Done
    from iolaus.energy.standing import EdgeStanding

Watts = float | None


class LatchView(msgspec.Struct, frozen=True, kw_only=True):
    """A reflex that has struck; it stands until a person releases it."""

    name: str
    sense: Annotated[str, Meta(description="leak, flow, coolant, die or rack-power.")]
    grade: Annotated[str, Meta(description="warning or critical.")]
    nodes: tuple[str, ...]
    effect: Annotated[str, Meta(description="What it does, or would in control.")]
    because: str


class NoticeView(msgspec.Struct, frozen=True, kw_only=True):
    """A loss that holds the rack down while it lasts, or something that nobody knows."""

    name: str
    because: str


class DeedView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an edge did."""

    at: datetime | None
    what: str
    subject: str
    because: str
    fate: str


class HeldView(msgspec.Struct, frozen=True, kw_only=True):
    """A cap that a person set on the rack or a node of it, and whether it is kept."""

    subject: Annotated[str, Meta(description="A node or the rack.")]
    watts: float
    until: datetime | None
    by: str
    kept: Annotated[bool | None, Meta(description="Null: not known.")]
    why: Annotated[str, Meta(description="Why it is not kept, or nobody knows.")] = ""


class EdgeView(View, frozen=True, kw_only=True):
    """The loop that holds a rack's power, and its reflexes."""

    mode: Annotated[str, Meta(description="Of budgets: observe, advise or control.")]
    reflexes: Annotated[str, Meta(description="Of reflexes: observe, advise or control.")]
    state: Annotated[
        str,
        Meta(
            description="observing; starting; leased; falling or floor (no lease: on its way to "
            "its floors, or there); held (by a latch or a loss); hung."
        ),
    ]
    epoch: Annotated[int, Meta(description="Of the centre whose budget it took last; 0: none.")]
    seq: Annotated[int, Meta(description="Number of that budget.")]
    nodes: Annotated[tuple[str, ...], Meta(description="Nodes with a cap.")]
    floor_w: float
    nameplate_w: float
    limit_w: Annotated[Watts, Meta(description="The rack's own limit; null: not known.")]
    budget_w: Annotated[Watts, Meta(description="What it is leased; null: nothing.")]
    demand_met: Annotated[
        bool | None, Meta(description="Whether that is all it wants; null: nobody shares out.")
    ] = None
    because: Annotated[str, Meta(description="Why it is leased less than it wants.")] = ""
    applied_w: Annotated[float, Meta(description="The sum of the caps as read back.")]
    granted_w: Annotated[float, Meta(description="The highest that may be in force.")]
    demand_w: Annotated[float, Meta(description="What it may want: peaks, or the most there is.")]
    measured_w: Annotated[Watts, Meta(description="What it draws; null while any is unknown.")]
    swing_w: Annotated[
        Watts, Meta(description="The most less the least that it drew in three minutes.")
    ] = None
    headroom_w: Annotated[Watts, Meta(description="Its limit less what it draws.")] = None
    unreachable: tuple[str, ...] = ()
    unread: Annotated[
        tuple[str, ...],
        Meta(description="Stand in the rack and were never read: until then nothing is raised."),
    ] = ()
    latched: tuple[LatchView, ...] = ()
    holds: tuple[NoticeView, ...] = ()
    unknown: Annotated[
        tuple[NoticeView, ...], Meta(description="Sensors at fault: neither good nor bad.")
    ] = ()
    would: Annotated[
        tuple[str, ...], Meta(description="What its mode forbade lately, newest first.")
    ] = ()
    done: tuple[DeedView, ...] = ()
    caps: Annotated[tuple[HeldView, ...], Meta(description="What people hold there.")] = ()
    restarts: int = 0
    tick_p50_ms: Annotated[Watts, Meta(description="From due or heard to commands started.")] = None
    tick_p99_ms: Watts = None
    lapses: Annotated[int, Meta(description="Leases that ran out since the start.")] = 0
    fallback_s: Annotated[
        Watts, Meta(description="From the last lapse to its floors; null: none, or not yet.")
    ] = None
    age_s: Age = None


class PowerCapView(View, frozen=True, kw_only=True):
    """A cap that a person set for a while."""

    subject: Annotated[str, Meta(description="A node or a rack.")]
    rack: str
    watts: float
    until: datetime | None
    left_s: Annotated[float, Meta(description="Seconds until it ends by itself.")]
    by: str
    reason: str
    kept: Annotated[
        bool | None, Meta(description="Whether no more is in force and drawn; null: not known.")
    ] = None
    why: Annotated[str, Meta(description="Why it is not kept, or nobody knows.")] = ""
    next_step: Annotated[str, Meta(description="What to do about it; may be empty.")] = ""
    in_force_w: Annotated[
        Watts, Meta(description="The highest that its caps may come to now; null: not known.")
    ] = None
    draws_w: Annotated[Watts, Meta(description="What it draws; null while any is unknown.")] = None
    floor_w: Annotated[
        Watts, Meta(description="What it cannot be held below; null: not known.")
    ] = None
    set_at: datetime | None = None
    age_s: Age = None


_MET: Final[Mapping[str, bool]] = {"met": True, "limited": False, "waiting": False}


def edge_view(
    edge: EdgeStanding, shared: RackState | None = None, *, held: Iterable[Keeping] = ()
) -> EdgeView:
    """`shared` is how the centre sees its rack; None: nobody knows. `held` is of this rack."""
    p50, p99 = edge.latency_ms
    return EdgeView(
        name=edge.rack,
        kind="edge",
        labels={"rack": edge.rack},
        mode=edge.mode.value,
        reflexes=edge.reflexes.value,
        state=edge.state,
        epoch=edge.epoch,
        seq=edge.seq,
        nodes=edge.nodes,
        floor_w=edge.floor_w,
        nameplate_w=edge.nameplate_w,
        limit_w=edge.limit_w,
        budget_w=edge.budget_w,
        demand_met=_MET.get(shared.state) if shared else None,
        because=shared.because if shared else "",
        applied_w=edge.applied_w,
        granted_w=edge.granted_w,
        demand_w=round(edge.demand_w, 1),
        measured_w=edge.measured_w,
        swing_w=edge.swing_w,
        headroom_w=_headroom(edge),
        unreachable=edge.unreachable,
        unread=edge.unread,
        latched=tuple(_latch(each) for each in edge.latches),
        holds=tuple(NoticeView(name=each.name, because=each.because) for each in edge.holds),
        unknown=tuple(
            NoticeView(name=f"{each.sense}/{each.subject}", because=each.because)
            for each in edge.alarms
        ),
        would=edge.would,
        done=tuple(_deed(each) for each in edge.done),
        caps=tuple(_held(each) for each in held),
        restarts=edge.restarts,
        tick_p50_ms=None if p50 is None else round(p50, 2),
        tick_p99_ms=None if p99 is None else round(p99, 2),
        lapses=edge.lapses,
        fallback_s=None if edge.fallback_s is None else round(edge.fallback_s, 2),
        age_s=round(edge.beat_age_s, 2),
    )


def _headroom(edge: EdgeStanding) -> float | None:
    if edge.limit_w is None or edge.measured_w is None:
        return None
    return edge.limit_w - edge.measured_w


def _latch(latch: Latch) -> LatchView:
    words = []
    if latch.off:
        words.append("power off")
    elif latch.cap_fraction is not None:
        words.append(f"cap at {latch.cap_fraction:.0%} of nameplate")
    else:
        words.append("cap at the floor")
    words += ["drain"] * latch.drain + ["ask to isolate the rack"] * latch.isolate
    return LatchView(
        name=latch.name,
        sense=latch.sense.value,
        grade=latch.grade.value,
        nodes=latch.nodes,
        effect=", ".join(words),
        because=latch.because,
    )


def _deed(done: Done) -> DeedView:
    return DeedView(
        at=when(done.at),
        what=done.what,
        subject=done.subject,
        because=done.because,
        fate=done.fate,
    )


def _held(each: Keeping) -> HeldView:
    cap = each.cap
    return HeldView(
        subject=cap.subject,
        watts=cap.watts,
        until=when(cap.until),
        by=cap.by,
        kept=each.kept,
        why=each.message,
    )


def cap_view(held: Keeping, *, now: float) -> PowerCapView:
    cap, sight = held.cap, held.sight
    return PowerCapView(
        name=cap.subject,
        kind="powercap",
        labels={"rack": cap.rack},
        subject=cap.subject,
        rack=cap.rack,
        watts=cap.watts,
        until=when(cap.until),
        left_s=round(max(0.0, cap.until - now), 1),
        by=cap.by,
        reason=cap.reason,
        kept=held.kept,
        why=held.message,
        next_step=held.next_step,
        in_force_w=sight.in_force_w if sight else None,
        draws_w=sight.drawn_w if sight else None,
        floor_w=sight.floor_w if sight else None,
        set_at=when(cap.at),
        age_s=round(max(0.0, now - cap.at), 1),
    )
