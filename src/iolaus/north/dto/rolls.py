"""Plans and roll-outs as objects: what will be done, and how it fares.

A list shows counts, a single object every node: a roll-out of ten thousand nodes is watched by its
waves, its holds, what runs and what failed last. Only nodes that are to be changed are counted;
what a plan leaves alone stands in its `fates` and nowhere else. Nodes are called as the plan calls
them, also when the hall has forgotten them since.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from iolaus.north.dto.views import Age, View

Count = Annotated[int, Meta(description="How many nodes.")]
Counts = Annotated[Mapping[str, int], Meta(description="State of a node -> how many.")]
Seconds = Annotated[float | None, Meta(description="Seconds; null where nobody knows.")]
Names = Annotated[tuple[str, ...], Meta(description="By name.")]


class PlannedWave(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One wave of a plan. `batch` bounds how many at once; null: the limits alone."""

    name: str
    nodes: Count
    soak_s: Annotated[float, Meta(description="How long is looked on before the next wave.")]
    batch: int | None = None
    estimate_s: Seconds = None


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """What a group must say before the plan may be applied."""

    group: str
    needed: Annotated[int, Meta(description="How many of its members.")]
    by: Annotated[tuple[str, ...], Meta(description="Who has.")] = ()


class Radius(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far a plan reaches into one kind of failure domain."""

    kind: Annotated[str, Meta(description="rack, feed, cdu, nvlink, leaf ...")]
    touched: Annotated[int, Meta(description="Domains of the kind with a node to change.")]
    most: Annotated[int, Meta(description="The most nodes to change in one of them.")]
    where: Annotated[str, Meta(description="The one with the most.")]
    limit: Annotated[
        int | None, Meta(description="How many may be away together; null: no limit.")
    ] = None
    atomic: Annotated[bool, Meta(description="All its nodes go together or not at all.")] = False


class PlannedNode(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan has in store for one node."""

    name: str
    fate: Annotated[str, Meta(description="update, no-op, no-image or blocked.")]
    wave: Annotated[str, Meta(description="Empty where nothing is done.")] = ""
    reason: Annotated[str, Meta(description="Why nothing is done, or by what it is blocked.")] = ""
    drains: bool = False
    steps: Annotated[tuple[str, ...], Meta(description="In their order, in words.")] = ()
    estimate_s: Seconds = None


class PlanView(View, frozen=True, kw_only=True):
    """A plan: immutable, with everything that will be done. Its name is the start of its hash."""

    baseline: Annotated[str, Meta(description="Empty where a person asked for it.")]
    generation: Annotated[int, Meta(description="Of the baseline, or of that whose rules hold.")]
    state: Annotated[
        str,
        Meta(
            description="waiting (for approvals), planned (may be applied); then as its roll-out: "
            "running, paused, aborting, undoing, done, aborted, undone."
        ),
    ]
    asked: Annotated[
        str, Meta(description="What a person asked for, in words; empty with a baseline.")
    ] = ""
    parent: Annotated[str | None, Meta(description="The plan that it replaces.")] = None
    by: Annotated[str, Meta(description="Who made it.")] = ""
    made_at: datetime | None = None
    total: Annotated[int, Meta(description="How many nodes were looked at.")] = 0
    fates: Annotated[
        Mapping[str, int], Meta(description="update, no-op, no-image, blocked -> how many nodes.")
    ] = {}
    waves: tuple[PlannedWave, ...] = ()
    approvals: Annotated[
        tuple[ApprovalView, ...], Meta(description="Needed, and given so far.")
    ] = ()
    approved_by: Annotated[tuple[str, ...], Meta(description="Everybody who approved it.")] = ()
    estimate_s: Annotated[
        float | None,
        Meta(description="From first to last with the soaks, without windows and drains' waiting."),
    ] = None
    radius: Annotated[tuple[Radius, ...], Meta(description="The blast radius.")] = ()
    text: Annotated[str, Meta(description="What a person reviews; of a single plan only.")] = ""
    nodes: Annotated[tuple[PlannedNode, ...], Meta(description="Of a single plan only.")] = ()
    age_s: Age = None


class TriedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a recovery, and what came of it."""

    step: Annotated[str, Meta(description="In words.")]
    outcome: Annotated[
        str,
        Meta(
            description="done, not-needed (it was so already), no-help, passed-over (not begun), "
            "under-way."
        ),
    ]
    why: Annotated[str, Meta(description="Why it did not help, or was passed over.")] = ""
    at: datetime | None = None
    took_s: Seconds = None


class RolloutNode(msgspec.Struct, frozen=True, kw_only=True):
    """How one node fares."""

    name: str
    state: Annotated[
        str,
        Meta(
            description="waiting, running, done, rolling-back, rolled-back, failed, "
            "lost (no answer after a change), skipped."
        ),
    ]
    wave: str = ""
    step: Annotated[str | None, Meta(description="The step under way or the last.")] = None
    doing: Annotated[str, Meta(description="That step in words.")] = ""
    steps_done: int = 0
    steps: Annotated[int, Meta(description="How many it has.")] = 0
    reason: Annotated[str, Meta(description="What a person must know or do.")] = ""
    since: Annotated[datetime | None, Meta(description="When it began, or ended.")] = None


class TriedNode(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried on a node, in order."""

    node: str
    steps: tuple[TriedStep, ...]


class RolloutWave(msgspec.Struct, frozen=True, kw_only=True):
    """How one wave fares."""

    name: str
    state: Annotated[str, Meta(description="waiting, began, soaking or passed.")]
    nodes: Count
    counts: Counts = {}
    since: datetime | None = None
    soak_s: float = 0.0


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to wait. Without nodes it holds the whole roll-out."""

    reason: str
    count: Count = 0
    nodes: Annotated[tuple[str, ...], Meta(description="By name; in lists the first few.")] = ()


class RolloutView(View, frozen=True, kw_only=True):
    """A plan that was applied, and how it fares. Its name is that of the plan."""

    baseline: Annotated[str, Meta(description="Empty where a person asked for it.")]
    generation: int
    state: Annotated[
        str,
        Meta(
            description="waiting (for approvals), running, paused, aborting, undoing, done, "
            "aborted, undone."
        ),
    ]
    reason: Annotated[str, Meta(description="Why it is in this state, where that is not plain.")]
    wave: Annotated[str, Meta(description="The one under way; empty before and after.")]
    total: Annotated[int, Meta(description="How many nodes it changes.")]
    counts: Counts
    budgets: Annotated[
        Mapping[str, int], Meta(description="Used of the budgets: bricks, reset-manager ...")
    ] = {}
    since: Annotated[datetime | None, Meta(description="Since when it is in this state.")] = None
    holds: Annotated[tuple[Hold, ...], Meta(description="Why it, or its nodes, wait now.")] = ()
    waves: tuple[RolloutWave, ...] = ()
    running: Annotated[
        tuple[RolloutNode, ...], Meta(description="Under way now, the first 32.")
    ] = ()
    failures: Annotated[
        tuple[RolloutNode, ...],
        Meta(description="Failed, lost or rolled back, the last 32, newest first."),
    ] = ()
    nodes: Annotated[tuple[RolloutNode, ...], Meta(description="Of a single one only.")] = ()
    tried: Annotated[
        tuple[TriedNode, ...],
        Meta(description="Of a single recovery, whoever waits for a person first."),
    ] = ()
    by: Annotated[str, Meta(description="Who made the plan.")] = ""
    asked: Annotated[
        str, Meta(description="What a person asked for, in words; empty with a baseline.")
    ] = ""
    age_s: Age = None
