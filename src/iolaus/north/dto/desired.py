"""What is wanted, and how the hall departs from it, as objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from iolaus.model.desired import Baseline, Kept
from iolaus.model.drift import Cause, Item
from iolaus.north.dto.make import when
from iolaus.north.dto.views import Age, Model, Observed, Vendor, View

Count = Annotated[int, Meta(description="How many nodes.")]


class DriftItemView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One departure of a node."""

    subject: Annotated[str, Meta(description="firmware/<word>, bios/<attribute>, bmc/<setting>.")]
    outcome: Annotated[
        str,
        Meta(
            description="drifted, staged (waits for a reset), unknown, excused, conflict, absent."
        ),
    ]
    baseline: str
    desired: Annotated[str, Meta(description="What the baseline says.")]
    applied: Annotated[str | None, Meta(description="What is; null where it is not known.")] = None
    staged: Annotated[str | None, Meta(description="What a reset would apply.")] = None
    reason: str = ""
    part: Annotated[str, Meta(description="The component or attribute as the device calls it.")] = (
        ""
    )
    uri: str = ""


class DriftView(View, frozen=True, kw_only=True):
    """How one node departs from the baselines that select it."""

    node_kind: Annotated[str, Meta(description="node, switch, powershelf ...")]
    vendor: Vendor = None
    model: Model = None
    state: Annotated[
        str, Meta(description="in-sync, drifted, staged, unknown, excused or conflict: the worst.")
    ]
    baselines: tuple[str, ...]
    items: Annotated[tuple[DriftItemView, ...], Meta(description="Departures only.")]
    compared: Annotated[int, Meta(description="How many values were compared.")]
    observed_at: Observed = None
    age_s: Age = None


class CauseView(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for departures, and all nodes that have it."""

    baseline: str
    subject: str
    outcome: str
    desired: str
    applied: str | None
    reason: str
    count: Count
    nodes: Annotated[tuple[str, ...], Meta(description="By name.")]
    parts: Annotated[int, Meta(description="Components or settings in all.")]


class CauseList(msgspec.Struct, kw_only=True, rename="camel"):
    """Why nodes depart from their baselines; the causes with the most nodes first. `counts` is
    state -> nodes over everything that was judged; `compared` counts values."""

    items: list[CauseView]
    counts: Mapping[str, int]
    nodes: int
    compared: int
    api_version: str = "iolaus.dev/v1"
    kind: str = "CauseList"


class BaselineView(View, frozen=True, kw_only=True):
    """A baseline as it is kept, and how the nodes that it selects fare."""

    generation: Annotated[int, Meta(description="Grows with every change of its content.")]
    remediation: Annotated[str, Meta(description="observe, plan or auto.")]
    selects: Count
    in_sync: Count
    drifted: Count
    staged: Count
    unknown: Count
    excused: Count
    by: Annotated[str, Meta(description="Who applied it.")] = ""
    source: Annotated[str, Meta(description="Where it came from: a file, a Git commit.")] = ""
    document: Annotated[
        Mapping[str, Any], Meta(description="The whole baseline; it can be applied again.")
    ] = {}
    observed_at: Observed = None
    age_s: Age = None


class Applied(msgspec.Struct, kw_only=True, rename="camel"):
    """What became of applying a baseline. `outcome` is created, changed or unchanged."""

    name: str
    outcome: str
    generation: int
    selects: int
    dry_run: bool = False
    api_version: str = "iolaus.dev/v1"
    kind: str = "Applied"


def item_view(item: Item) -> DriftItemView:
    return DriftItemView(
        subject=item.subject,
        outcome=item.outcome.value,
        baseline=item.baseline,
        desired=item.desired,
        applied=item.applied,
        staged=item.staged,
        reason=item.reason,
        part=item.part,
        uri=item.uri,
    )


def cause_view(cause: Cause) -> CauseView:
    return CauseView(
        baseline=cause.baseline,
        subject=cause.subject,
        outcome=cause.outcome.value,
        desired=cause.desired,
        applied=cause.applied,
        reason=cause.reason,
        count=len(cause.nodes),
        nodes=cause.nodes,
        parts=cause.parts,
    )


def baseline_view(kept: Kept, counts: Mapping[str, int], *, now: float) -> BaselineView:
    return BaselineView(
        name=kept.baseline.name,
        kind="baseline",
        labels=kept.baseline.metadata.labels,
        generation=kept.generation,
        remediation=kept.baseline.spec.remediation,
        selects=sum(counts.values()),
        in_sync=counts.get("in-sync", 0),
        drifted=counts.get("drifted", 0) + counts.get("conflict", 0),
        staged=counts.get("staged", 0),
        unknown=counts.get("unknown", 0),
        excused=counts.get("excused", 0),
        by=kept.by,
        source=kept.source,
        document=document_of(kept.baseline),
        observed_at=when(kept.at),
        age_s=round(max(0.0, now - kept.at), 3),
    )


def document_of(baseline: Baseline) -> dict[str, Any]:
    """The baseline as a person would write it: without what was left out."""
    document: dict[str, Any] = msgspec.to_builtins(baseline)
    spec = document["spec"]
    spec["rollout"] = {key: each for key, each in spec.get("rollout", {}).items() if each}
    document["spec"] = {key: each for key, each in spec.items() if each}
    return document
