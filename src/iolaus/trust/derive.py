"""Verdicts derived again from a pack: by whoever made it, and by anybody who was given it.

Both do the same, so that what differs was not so when it was made. A pack's word for a verdict
counts against a component and never for it. Of a pack whose signer is not known, the anchors and
references are its signer's too: they may speak against a component, but whose it is and whether
it runs what it should are then left out of the verdict, unless anchors of one's own are given. So
an unknown signer's pack can be verified, and never trusted.

Policies of the pack are held against the verdicts again, too: what they let pass is told beside the
verdict, which stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from iolaus.model.decision import Decision, Pass
from iolaus.model.evidence import Exhibit, Outcome
from iolaus.model.reference import Provenance, ReferenceSet
from iolaus.model.select import MISSING
from iolaus.model.trust import (
    Detail,
    Evidence,
    Finding,
    Identity,
    Reference,
    Signature,
    Verdict,
)
from iolaus.trust.accelerator import worst_of
from iolaus.trust.appraise import Rules, appraise
from iolaus.trust.chains import Anchors
from iolaus.trust.manifests import read_manifest
from iolaus.trust.packs import Entry, Opened, Pack
from iolaus.trust.policy import decide
from iolaus.trust.signing import Anchors as SigningAnchors
from iolaus.trust.standing import after, aged, identified
from iolaus.wire.document import DocumentMalformed

DECISION: Final = "decision-differs"
_AXES: Final = ("evidence", "signature", "identity", "reference", "lifecycle")


class PackJudged(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict` is the worst of every axis, `each` the verdicts by "node:component", `decided` what
    counts of them by the pack's policies (none: it has none, or its signer is not known)."""

    verdict: Verdict
    each: Mapping[str, Verdict]
    differing: tuple[str, ...] = ()
    decided: Mapping[str, Decision] = {}


def with_derived(pack: Pack) -> Pack:
    """The pack with the verdicts that follow from it."""
    entries = tuple(
        msgspec.structs.replace(each, derived=derived(pack, each, at=pack.at))
        for each in pack.entries
    )
    return msgspec.structs.replace(pack, entries=entries)


def with_decided(pack: Pack) -> Pack:
    """The pack with what counts by its policies of the verdicts that stand."""
    entries = tuple(
        msgspec.structs.replace(each, decision=decided(pack, each, each.standing, at=pack.at))
        for each in pack.entries
    )
    return msgspec.structs.replace(pack, entries=entries)


def derived(pack: Pack, entry: Entry, *, at: float, anchors: Anchors | None = None) -> Verdict:
    """An attester's verdict at a time (seconds since 1970) from its evidence alone. Pure."""
    exhibits = [pack.exhibits[number] for number in entry.exhibits]
    if not exhibits:
        return Verdict(evidence=Evidence.NONE, signature=Signature.UNVERIFIED)
    stands = None
    for each in exhibits:
        found = appraise(
            each,
            anchors=pack.anchors if anchors is None else anchors,
            references=pack.references,
            at=at,
            rules=pack.rules,
            parts=entry.parts,
        )
        verdict = identified(
            found.verdict, found.identity_under(entry.pin), pin=entry.pin, elsewhere=entry.elsewhere
        )
        stands = after(stands, verdict)
    return _aged(stands or Verdict(), exhibits, at, pack.rules)


def _aged(verdict: Verdict, exhibits: Sequence[Exhibit], at: float, rules: Rules) -> Verdict:
    answered = [each.asked_at for each in exhibits if each.outcome is Outcome.ANSWERED]
    asked = max(answered, default=exhibits[-1].asked_at)
    return aged(verdict, asked_at=asked, now=at, max_age_s=rules.max_age_s)


def decided(pack: Pack, entry: Entry, verdict: Verdict, *, at: float) -> Decision:
    """What counts of a verdict by the policies of the pack at a time. Pure."""
    return decide(
        verdict,
        pack.policies,
        node=entry.node,
        look=lambda key: entry.said.get(key, MISSING),
        component=entry.name,
        now=at,
    )


def judge_pack(
    opened: Opened, *, known: bool, at: float | None = None, anchors: Anchors | None = None
) -> PackJudged:
    """Derive all verdicts again. `known`: its signer is one whom the judge trusts; `at`: another
    time than the pack's own; `anchors`: instead of the pack's. Pure."""
    pack, findings = opened.pack, list[Finding]()
    pack, wrong = _read_again(pack)
    findings += wrong
    if not known:
        findings.append(_unknown(opened.signer, anchored=anchors is not None))
    each: dict[str, Verdict] = {}
    decisions: dict[str, Decision] = {}
    differing = []
    for entry in pack.entries:
        findings += _decision_differs(pack, entry)
        told = derived(pack, entry, at=pack.at)
        if told.axes != entry.derived.axes:
            differing.append(entry.label)
            findings.append(_differs(entry, told))
        other = anchors is not None or at not in (None, pack.at)
        moment = pack.at if at is None else at
        found = derived(pack, entry, at=moment, anchors=anchors) if other else told
        found = worse(found, entry)
        if known and pack.policies:
            decisions[entry.label] = decided(pack, entry, found, at=moment)
        each[entry.label] = found if known else _alone(found, anchored=anchors is not None)
    verdict = worst_of(list(each.values())) if each else Verdict(evidence=Evidence.NONE)
    if differing or any(each.code == DECISION for each in findings):
        verdict = msgspec.structs.replace(verdict, evidence=Evidence.MALFORMED)
    named = [_labelled(label, finding) for label, v in each.items() for finding in v.findings]
    named += [_labelled(k, finding) for k, d in decisions.items() for finding in _by_policy(d)]
    verdict = msgspec.structs.replace(verdict, findings=(*findings, *named))
    return PackJudged(verdict=verdict, each=each, differing=tuple(differing), decided=decisions)


def _decision_differs(pack: Pack, entry: Entry) -> Iterator[Finding]:
    """What counted in the house must follow from the verdict that stood there."""
    if entry.decision is None or not pack.policies:
        return
    told = decided(pack, entry, entry.standing, at=pack.at)
    if told.standing is not entry.decision.standing:
        yield Finding(
            code=DECISION,
            message="The pack says that something else counts than its policies make of it.",
            detail={
                "attester": entry.label,
                "said": entry.decision.standing.value,
                "derived": told.standing.value,
            },
        )


def _by_policy(decision: Decision) -> Iterator[Finding]:
    """What is let pass, and what was until its end."""
    for each in decision.passes:
        told = f"{each.axis} is let pass by {each.owner}: {each.reason}."
        yield Finding(code="waived", message=told, detail=_of_pass(each))
    for each in decision.ended:
        told = f"{each.axis} was let pass by {each.owner}, and that is over."
        yield Finding(code="waiver-over", message=told, detail=_of_pass(each))


def _of_pass(found: Pass) -> dict[str, Detail]:
    ends = datetime.fromtimestamp(found.expires_at, UTC).isoformat(timespec="seconds")
    return {"axis": found.axis, "policy": found.policy, "owner": found.owner, "expires": ends}


def worse(found: Verdict, entry: Entry) -> Verdict:
    """What stood in the house takes back what is derived wherever it was worse."""
    axes = worst_of([found, entry.standing])
    changed = [name for name in _AXES if getattr(axes, name) is not getattr(found, name)]
    if not changed:
        return found
    told = Finding(
        code="stood-worse",
        message="A worse verdict stood in the house; evidence in the pack does not take it back.",
        detail={name: str(getattr(axes, name)) for name in changed},
    )
    kept = tuple(f for f in entry.standing.findings if f not in found.findings)
    return msgspec.structs.replace(axes, findings=(*found.findings, told, *kept))


def _alone(found: Verdict, *, anchored: bool) -> Verdict:
    """Without what only the pack's signer vouches for."""
    keeps = anchored or found.identity not in (Identity.ANCHORED, Identity.PINNED)
    return msgspec.structs.replace(
        found,
        identity=found.identity if keeps else None,
        reference=None if found.reference is Reference.MATCH else found.reference,
    )


def _read_again(pack: Pack) -> tuple[Pack, list[Finding]]:
    """References that their own document does not say are left out."""
    said = {digest: _said(pack, data) for digest, data in pack.documents.items()}
    held, findings = list[ReferenceSet](), list[Finding]()
    for each in pack.references:
        document = said.get(each.provenance.digest)
        if document is None:
            findings.append(_reference("reference-undocumented", each))
        elif _bare(each) not in document:
            findings.append(_reference("reference-differs", each))
            continue
        held.append(each)
    return msgspec.structs.replace(pack, references=tuple(held)), findings


def _said(pack: Pack, data: bytes) -> list[ReferenceSet] | None:
    """None: it is no manifest, as what was learned here is none."""
    anchors = SigningAnchors(certificates=pack.anchors.certificates)
    try:
        found = read_manifest(data, source="", anchors=anchors, at=pack.at)
    except DocumentMalformed:
        return None
    return [_bare(each) for each in found.sets]


def _bare(each: ReferenceSet) -> ReferenceSet:
    """What it says, whoever says so."""
    nobody = Provenance(source="", kind=each.provenance.kind)
    return msgspec.structs.replace(each, name="", provenance=nobody)


def _reference(code: str, each: ReferenceSet) -> Finding:
    told = {
        "reference-undocumented": "No document that says it is in the pack.",
        "reference-differs": "Its document says otherwise; it is left out.",
    }
    detail: dict[str, Detail] = {"reference": each.name, "document": each.provenance.digest}
    return Finding(code=code, message=told[code], detail=detail)


def _unknown(signer: str, *, anchored: bool) -> Finding:
    rest = "" if anchored else " and whose the components are"
    return Finding(
        code="signer-unknown",
        message=f"Who signed the pack is not known: what should run{rest} is not judged. Give "
        "the signer's public key, got from them by another way, with --key.",
        detail={"signer": signer},
    )


def _differs(entry: Entry, told: Verdict) -> Finding:
    return Finding(
        code="verdict-differs",
        message="The pack says another verdict than follows from it.",
        detail={
            "attester": entry.label,
            "said": _words(entry.derived.axes),
            "derived": _words(told.axes),
        },
    )


def _words(axes: Iterable[object]) -> str:
    return ", ".join(str(axis) for axis in axes if axis is not None)


def _labelled(label: str, finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, detail={**finding.detail, "attester": label})
