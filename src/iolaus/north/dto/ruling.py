"""What operators decided of power, and changes of it that wait for a second person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from iolaus.north.dto.make import when
from iolaus.north.dto.views import Age, View

if TYPE_CHECKING:
    from iolaus.model.ruling import PolicyDocument, PowerChange


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """What a change needs of one group, and who gave it."""

    group: Annotated[str, Meta(description="Empty: anybody but who made it.")]
    needed: int
    by: tuple[str, ...] = ()


class PowerPolicyView(View, frozen=True, kw_only=True):
    """A document of power that counts now."""

    type: Annotated[str, Meta(description="Plant, PowerPolicy, LeakPolicy or Building.")]
    title: Annotated[str, Meta(description="Its metadata.name.")]
    mode: Annotated[str, Meta(description="observe, advise or control; empty for a plant.")] = ""
    modes: Annotated[
        Mapping[str, str], Meta(description="Racks and halls that have another mode.")
    ] = {}
    document: Annotated[Mapping[str, Any], Meta(description="As it can be applied.")] = {}


class PowerChangeView(View, frozen=True, kw_only=True):
    """A change of power: made, reviewed, approved by somebody else, applied."""

    state: Annotated[str, Meta(description="planned, applied or withdrawn.")]
    by: Annotated[str, Meta(description="Who made it.")]
    source: Annotated[str, Meta(description="Where the documents came from.")]
    changes: Annotated[tuple[str, ...], Meta(description="Kinds of the documents given.")]
    approvals: tuple[ApprovalView, ...]
    missing: Annotated[int, Meta(description="Approvals that it still needs.")]
    made_at: datetime | None
    ended_at: datetime | None = None
    ended_by: str = ""
    text: Annotated[str, Meta(description="What it changes and does, to be reviewed.")] = ""
    age_s: Age = None


def policy_view(document: PolicyDocument, plain: Mapping[str, Any]) -> PowerPolicyView:
    spec = document.spec
    rows = getattr(spec, "modes", ())
    return PowerPolicyView(
        name=f"{document.kind.lower()}-{document.metadata.name}",
        kind="powerpolicy",
        type=document.kind,
        title=document.metadata.name,
        mode=getattr(spec, "mode", ""),
        modes={row.racks or f"hall {row.hall}": row.mode for row in rows},
        document=plain,
    )


def change_view(change: PowerChange, *, now: float) -> PowerChangeView:
    given = {
        group: tuple(each.by for each in change.approvals if group in each.groups)
        for group in change.needs
    }
    return PowerChangeView(
        name=change.id,
        kind="powerchange",
        state=change.state,
        by=change.by,
        source=change.source,
        changes=change.kinds,
        approvals=tuple(
            ApprovalView(group=group, needed=count, by=given[group])
            for group, count in change.needs.items()
        ),
        missing=sum(change.missing().values()),
        made_at=when(change.at),
        ended_at=when(change.ended_at) if change.ended_at is not None else None,
        ended_by=change.ended_by,
        text=change.text,
        age_s=round(max(0.0, now - change.at), 1),
    )
