"""Advisories, and whom they concern, as objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from iolaus.model.advisory import Kept
from iolaus.north.dto.make import when
from iolaus.north.dto.views import Age, Observed, View

if TYPE_CHECKING:
    from iolaus.fleet.exposures import Group


class AdvisoryFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What the advisory means for nodes that are alike."""

    outcome: Annotated[str, Meta(description="affected, unknown, fixed or not-affected.")]
    component: Annotated[str, Meta(description="The firmware inventory entry's id.")]
    version: Annotated[str | None, Meta(description="What runs; null where it is not known.")]
    product: Annotated[str, Meta(description="The advisory's name for it.")]
    fixed: Annotated[str, Meta(description="First version without the flaw, where it is said.")]
    reason: Annotated[str, Meta(description="Why it is not known, or not affected.")]
    flaws: tuple[str, ...]
    count: int
    nodes: Annotated[tuple[str, ...], Meta(description="By name.")]


class AdvisoryView(View, frozen=True, kw_only=True):
    """An advisory that was imported, and the nodes that it concerns."""

    id: Annotated[str, Meta(description="Its publisher's own id.")]
    form: Annotated[str, Meta(description="csaf or osv.")]
    title: str
    publisher: str
    url: str
    flaws: Annotated[tuple[str, ...], Meta(description="CVE or other ids.")]
    severity: Annotated[str, Meta(description="critical, high, medium, low, none, or empty.")]
    score: Annotated[float | None, Meta(description="The highest CVSS base score.")]
    published: Annotated[str, Meta(description="By its own word.")]
    revised: Annotated[str, Meta(description="By its own word.")]
    withdrawn: bool
    affected: Annotated[int, Meta(description="Nodes.")]
    unknown: Annotated[int, Meta(description="Nodes of which it cannot be said.")]
    fixed: Annotated[int, Meta(description="Nodes that run a fixed version.")]
    statements: Annotated[int, Meta(description="What it says of how many products.")]
    findings: tuple[AdvisoryFinding, ...] = ()
    ignored: Annotated[tuple[str, ...], Meta(description="What in it was not used, and why.")] = ()
    source: Annotated[str, Meta(description="The file that it was imported from.")] = ""
    digest: Annotated[str, Meta(description="SHA-256 of that file.")] = ""
    by: Annotated[str, Meta(description="Who imported it.")] = ""
    observed_at: Observed = None
    age_s: Age = None


class ImportedAdvisory(msgspec.Struct, kw_only=True):
    """What became of one advisory of a file. `outcome` is created, changed, unchanged or older
    (the one that is kept is newer)."""

    name: str
    outcome: str
    statements: int
    ignored: list[str]


class AdvisoryImport(msgspec.Struct, kw_only=True, rename="camel"):
    """What became of importing a file."""

    items: list[ImportedAdvisory]
    dry_run: bool = False
    api_version: str = "iolaus.dev/v1"
    kind: str = "AdvisoryImport"


def advisory_view(name: str, kept: Kept, found: Sequence[Group], *, now: float) -> AdvisoryView:
    advisory = kept.advisory
    nodes = defaultdict[str, set[str]](set)
    for group in found:
        nodes[group.outcome].update(group.nodes)
    return AdvisoryView(
        name=name,
        kind="advisory",
        id=advisory.id,
        form=advisory.form,
        title=advisory.title,
        publisher=advisory.publisher,
        url=advisory.url,
        flaws=advisory.flaws,
        severity=advisory.severity,
        score=advisory.score,
        published=advisory.published,
        revised=advisory.revised,
        withdrawn=advisory.withdrawn,
        affected=len(nodes["affected"]),
        unknown=len(nodes["unknown"] - nodes["affected"]),
        fixed=len(nodes["fixed"] - nodes["affected"] - nodes["unknown"]),
        statements=len(advisory.statements),
        findings=tuple(_finding(group) for group in found),
        ignored=advisory.ignored,
        source=kept.source,
        digest=kept.digest,
        by=kept.by,
        observed_at=when(kept.at),
        age_s=round(max(0.0, now - kept.at), 3),
    )


def _finding(group: Group) -> AdvisoryFinding:
    return AdvisoryFinding(
        outcome=group.outcome,
        component=group.component,
        version=group.version,
        product=group.product,
        fixed=group.fixed,
        reason=group.reason,
        flaws=group.flaws,
        count=len(group.nodes),
        nodes=group.nodes,
    )
