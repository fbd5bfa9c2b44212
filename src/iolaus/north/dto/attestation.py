"""What was proved of components, as objects."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from iolaus.model.appraisal import Appraisal, Examined
from iolaus.model.decision import Decision, Pass, Standing
from iolaus.model.trust import Finding
from iolaus.north.dto.make import when
from iolaus.north.dto.views import Endpoint, Observed, Owner, Uri, View

if TYPE_CHECKING:
    from iolaus.store.evidence import Kept

QUARANTINE: Final = "quarantine"
"""What is proposed of a node of which a component was proved untrusted."""


class PassView(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody lets pass, or did."""

    axis: Annotated[str, Meta(description="Axis and value: reference/expired.")]
    policy: str
    owner: str
    reason: str
    expires: datetime | None


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    """Something to know of the evidence."""

    code: Annotated[str, Meta(description="A stable word that a program can match.")]
    message: str
    detail: Annotated[
        Mapping[str, Any], Meta(description="What it speaks of; digests in hex.")
    ] = {}


class AttestationView(View, frozen=True, kw_only=True):
    """What was proved of one component: five axes, and one word over them."""

    node: Owner
    component: Annotated[str, Meta(description="The attester, as its controller names it.")]
    protocol: Annotated[str, Meta(description="SPDM, TPM, or other.")]
    summary: Annotated[
        str, Meta(description="trusted, verified (not all was asked), unknown, untrusted.")
    ]
    evidence: Annotated[str | None, Meta(description="none, unreachable, malformed, stale, fresh.")]
    signature: Annotated[str | None, Meta(description="unverified, invalid, valid.")]
    identity: Annotated[
        str | None, Meta(description="unanchored, anchored, pinned, changed, duplicate.")
    ]
    reference: Annotated[str | None, Meta(description="none, untrusted, expired, mismatch, match.")]
    lifecycle: Annotated[
        str | None,
        Meta(
            description="debug, rma, manufacturing, svn-below-floor, known-vulnerable, ok; null: "
            "it was not said."
        ),
    ]
    standing: Annotated[
        str,
        Meta(
            description="What counts by policy: trusted, waived (somebody lets it pass), verified, "
            "unknown, untrusted."
        ),
    ]
    waived: Annotated[tuple[PassView, ...], Meta(description="What is let pass, and by whom.")]
    waivers_over: Annotated[
        tuple[PassView, ...], Meta(description="What was let pass until its end.")
    ]
    wanting: Annotated[
        tuple[str, ...], Meta(description="Axes (axis/value) that are not good, nor let pass.")
    ]
    proposal: Annotated[
        str | None, Meta(description="What is proposed to a person: quarantine, or nothing.")
    ]
    findings: Annotated[tuple[FindingView, ...], Meta(description="Why, and what to do.")]
    observed_at: Observed
    age_s: Annotated[float | None, Meta(description="Seconds since the evidence was asked.")]
    tried_at: Annotated[datetime | None, Meta(description="The last attempt, whatever it gave.")]
    since: Annotated[datetime | None, Meta(description="Since when the summary is what it is.")]
    references: Annotated[tuple[str, ...], Meta(description="The references that it matched.")]
    subject: Annotated[str, Meta(description="Whom its certificate names.")]
    pin: Annotated[str, Meta(description="SHA-256 of the key by which it is known.")]
    protects: Annotated[tuple[str, ...], Meta(description="What it vouches for.")]
    policy: Annotated[str, Meta(description="Digest of what it was judged by.")]
    exhibit: Annotated[int | None, Meta(description="Number of the evidence that was judged.")]
    endpoint: Endpoint
    id: Annotated[str, Meta(description="Unique among all: node:component.")] = ""
    uri: Uri = ""


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of a chain."""

    subject: str
    issuer: str
    sha256: str
    not_before: datetime | None
    not_after: datetime | None
    holds: Annotated[bool, Meta(description="Every link from it to the leaf holds.")]
    anchor: Annotated[bool, Meta(description="The chain ends here, at an anchor of ours.")]


class MeasurementView(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, under a valid signature."""

    index: int
    kind: str
    algorithm: str
    value: Annotated[str, Meta(description="Hex.")]
    text: Annotated[str | None, Meta(description="A raw value that is text.")] = None


class ExhibitView(msgspec.Struct, frozen=True, kw_only=True):
    """One asking and what came of it."""

    number: int
    asked_at: datetime | None
    answered_at: datetime | None
    outcome: Annotated[str, Meta(description="answered, none, unreachable, malformed.")]
    why: str
    turned: Annotated[bool, Meta(description="It changed the verdict.")]
    sha256: Annotated[str, Meta(description="Of the bytes that were signed.")]
    nonce: Annotated[str, Meta(description="Ours, in hex.")]
    slot: int | None
    claimed: Annotated[Mapping[str, str], Meta(description="What the controller says of it.")]
    reported: Annotated[
        Mapping[str, str], Meta(description="The firmware inventory of then; proves nothing.")
    ]
    missing: Annotated[Mapping[str, str], Meta(description="What could not be read, and why.")]
    measurements: Annotated[str, Meta(description="The bytes that were signed, in Base64.")]
    chain: Annotated[str, Meta(description="PEM.")]
    log: Annotated[str, Meta(description="Events of a measured boot, in Base64.")]
    secure_boot: Annotated[str, Meta(description="What is reported of Secure Boot, as JSON.")]


class EvidenceView(msgspec.Struct, kw_only=True, rename="camel"):
    """The evidence of one attester: the newest taken apart, and all that is kept, newest first."""

    name: str
    items: list[ExhibitView]
    chain: list[LinkView]
    measurements: list[MeasurementView]
    verdict: Annotated[
        Mapping[str, Any], Meta(description="Of the newest that was answered, judged now.")
    ]
    api_version: str = "iolaus.dev/v1"
    kind: str = "Evidence"


def finding_view(found: Finding) -> FindingView:
    return FindingView(code=found.code, message=found.message, detail=found.detail)


def pass_view(found: Pass) -> PassView:
    return PassView(
        axis=found.axis,
        policy=found.policy,
        owner=found.owner,
        reason=found.reason,
        expires=when(found.expires_at),
    )


def attestation_view(
    held: Appraisal, *, node: str, labels: Mapping[str, str], now: float, decision: Decision
) -> AttestationView:
    verdict = held.verdict
    axes = {
        name: str(value) if (value := getattr(verdict, name)) is not None else None
        for name in ("evidence", "signature", "identity", "reference", "lifecycle")
    }
    age_s = None if held.asked_at is None else round(max(0.0, now - held.asked_at), 3)
    return AttestationView(
        name=f"{node}:{held.name}",
        id=f"{node}:{held.name}",
        kind="attestation",
        labels=labels,
        node=node,
        component=held.name,
        protocol=held.protocol,
        summary=verdict.summary.value,
        **axes,
        standing=decision.standing.value,
        waived=tuple(pass_view(each) for each in decision.passes),
        waivers_over=tuple(pass_view(each) for each in decision.ended),
        wanting=decision.open,
        proposal=QUARANTINE if decision.standing is Standing.UNTRUSTED else None,
        findings=tuple(finding_view(each) for each in verdict.findings),
        observed_at=when(held.asked_at),
        age_s=age_s,
        tried_at=when(held.tried_at),
        since=when(held.since),
        references=held.references,
        subject=held.subject,
        pin=held.identity,
        protects=held.protects,
        policy=held.policy,
        exhibit=held.exhibit,
        endpoint=held.endpoint,
        uri=held.uri,
    )


def evidence_view(name: str, kept: tuple[Kept, ...], examined: Examined | None) -> EvidenceView:
    found = examined
    return EvidenceView(
        name=name,
        items=[exhibit_view(each) for each in kept],
        chain=[
            LinkView(
                subject=each.subject,
                issuer=each.issuer,
                sha256=each.sha256,
                not_before=when(each.not_before),
                not_after=when(each.not_after),
                holds=each.holds,
                anchor=each.anchor,
            )
            for each in (found.chain if found else ())
        ],
        measurements=[
            MeasurementView(
                index=each.index,
                kind=each.kind,
                algorithm=each.algorithm,
                value=each.value.hex(),
                text=_text(each.value) if each.raw else None,
            )
            for each in (found.measurements if found else ())
        ],
        verdict=verdict_words(found) if found else {},
    )


def verdict_words(found: Examined) -> dict[str, Any]:
    verdict = found.verdict
    axes = ("evidence", "signature", "identity", "reference", "lifecycle")
    return {
        **{name: getattr(verdict, name) for name in axes},
        "summary": verdict.summary,
        "findings": msgspec.to_builtins(verdict.findings),
    }


def _text(value: bytes) -> str | None:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c == "\n" for c in text) and text else None


def exhibit_view(kept: Kept) -> ExhibitView:
    exhibit, shown = kept.exhibit, kept.exhibit.shown
    question = exhibit.question
    return ExhibitView(
        number=kept.number,
        asked_at=when(exhibit.asked_at),
        answered_at=when(exhibit.answered_at),
        outcome=exhibit.outcome.value,
        why=exhibit.why,
        turned=kept.turned,
        sha256=kept.digest,
        nonce=question.nonce.hex() if question else "",
        slot=question.slot if question else None,
        claimed=exhibit.claimed,
        reported=exhibit.versions,
        missing=shown.missing,
        measurements=base64.b64encode(exhibit.measurements).decode(),
        chain=shown.chain.decode("ascii", "replace"),
        log=base64.b64encode(shown.log).decode(),
        secure_boot=shown.secure_boot.decode("utf-8", "replace"),
    )
