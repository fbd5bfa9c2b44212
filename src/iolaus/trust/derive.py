"""Verdicts derived again from a pack: by whoever made it, and by anybody who was given it.

Both do the same, so that what differs was not so when it was made. A pack's word for a verdict
counts against a component and never for it. Of a pack whose signer is not known, the anchors and
references are its signer's too: they may speak against a component, but whose it is and whether
it runs what it should are then left out of the verdict, unless anchors of one's own are given. So
an unknown signer's pack can be verified, and never trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from iolaus.model.evidence import Exhibit, Outcome
from iolaus.model.reference import Provenance, ReferenceSet
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
from iolaus.trust.signing import Anchors as SigningAnchors
from iolaus.trust.standing import after, aged, identified
from iolaus.wire.document import DocumentMalformed

_AXES: Final = ("evidence", "signature", "identity", "reference", "lifecycle")


class PackJudged(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict` is the worst of every axis, `each` the verdicts by "node:component"."""

    verdict: Verdict
    each: Mapping[str, Verdict]
    differing: tuple[str, ...] = ()


def with_derived(pack: Pack) -> Pack:
    """The pack with the verdicts that follow from it."""
    entries = tuple(
        msgspec.structs.replace(each, derived=derived(pack, each, at=pack.at))
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
    differing = []
    for entry in pack.entries:
        told = derived(pack, entry, at=pack.at)
        if told.axes != entry.derived.axes:
            differing.append(entry.label)
            findings.append(_differs(entry, told))
        other = anchors is not None or at not in (None, pack.at)
        moment = pack.at if at is None else at
        found = derived(pack, entry, at=moment, anchors=anchors) if other else told
        found = worse(found, entry)
        each[entry.label] = found if known else _alone(found, anchored=anchors is not None)
    verdict = worst_of(list(each.values())) if each else Verdict(evidence=Evidence.NONE)
    if differing:
        verdict = msgspec.structs.replace(verdict, evidence=Evidence.MALFORMED)
    named = [_labelled(label, finding) for label, v in each.items() for finding in v.findings]
    verdict = msgspec.structs.replace(verdict, findings=(*findings, *named))
    return PackJudged(verdict=verdict, each=each, differing=tuple(differing))


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
