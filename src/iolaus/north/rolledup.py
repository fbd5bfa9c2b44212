"""Verdicts of many components as one line: for a node, a rack, a row, a hall, or all.

The worst word is the word of all: one component that was proved untrusted makes its rack so, and a
group is trusted only where every component of it is. What cannot attest is in no group; a rack
without attesters is not listed, which is not the same as trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust
from iolaus.model.decision import Standing
from iolaus.north.attestations import Row, deciding
from iolaus.north.dto.views import View

BY: Final = ("node", "rack", "row", "hall", "all")
NOWHERE: Final = "-"
"""The group of those whose place nobody said."""
WORST: Final = (
    Standing.UNTRUSTED,
    Standing.UNKNOWN,
    Standing.VERIFIED,
    Standing.WAIVED,
    Standing.TRUSTED,
)


class GroupView(View, frozen=True, kw_only=True):
    """The verdicts of a group as one."""

    by: Annotated[str, Meta(description="node, rack, row, hall, or all.")]
    standing: Annotated[str, Meta(description="By policy, the worst of all.")]
    summary: Annotated[str, Meta(description="As it was proved, the worst of all.")]
    nodes: Annotated[int, Meta(description="With a component that can attest.")]
    components: int
    trusted: int
    waived: int
    verified: int
    unknown: int
    untrusted: int
    nodes_untrusted: Annotated[
        tuple[str, ...], Meta(description="The first of those with an untrusted component.")
    ]
    why: Annotated[str, Meta(description="Of the first that is not good.")]
    age_s: Annotated[float | None, Meta(description="Since the oldest evidence was asked.")] = None


MOST_NAMED: Final = 32


def read_by(text: str) -> Literal["node", "rack", "row", "hall", "all"]:
    """Raises `OperatorMust` for what verdicts are not counted by."""
    for word in BY:
        if text == word:
            return word
    raise OperatorMust(
        f"verdicts are not counted by {text[:40]!r}",
        operation="group",
        subject="attestations",
        code="BadGroup",
        next_step=f"use one of: {', '.join(BY)}.",
    )


def rolled_up(rows: Iterable[Row], by: str, *, now: float) -> list[GroupView]:
    """One for each group that has an attester, by name. Pure."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_group(row, by), []).append(row)
    return [_view(name, by, groups[name], now) for name in sorted(groups)]


def _group(row: Row, by: str) -> str:
    if by == "node":
        return row.node
    return "all" if by == "all" else row.labels.get(by) or NOWHERE


def _view(name: str, by: str, rows: list[Row], now: float) -> GroupView:
    counts = Counter(row.kind.standing for row in rows)
    summaries = {row.kind.summary for row in rows}
    worst = next(word for word in WORST if word.value in counts)
    bad = dict.fromkeys(r.node for r in rows if r.kind.standing == Standing.UNTRUSTED.value)
    first = next(row for row in rows if row.kind.standing == worst.value)
    why = deciding(first.held.verdict)
    asked = [row.held.asked_at for row in rows]
    oldest = [at for at in asked if at is not None] if None not in asked else []
    return GroupView(
        name=name,
        kind="attestation-group",
        labels=rows[0].labels if by == "node" else {},
        by=by,
        standing=worst.value,
        summary=next(word.value for word in WORST if word.value in summaries),
        nodes=len({row.node for row in rows}),
        components=len(rows),
        **{word.value: counts[word.value] for word in Standing},
        nodes_untrusted=tuple(list(bad)[:MOST_NAMED]),
        why=f"{first.id}: {why.message}" if why and worst is not Standing.TRUSTED else "",
        age_s=round(max(0.0, now - min(oldest)), 3) if oldest else None,
    )


class GroupList(msgspec.Struct, kw_only=True, rename="camel"):
    """Groups of verdicts, by name."""

    items: list[GroupView]
    api_version: str = "iolaus.dev/v1"
    kind: str = "AttestationGroupList"
