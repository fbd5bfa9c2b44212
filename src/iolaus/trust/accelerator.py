"""Evidence of accelerators held against their maker's manifests.

The measurements are SPDM's, and are judged as such. Which manifest is theirs follows from what
was signed: the product of the leaf's device information, and the version of the firmware image
in the opaque data. A manifest of another product says nothing of this one; of another version of
the same product it says what differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from iolaus.model.reference import ReferenceSet
from iolaus.model.trust import (
    HARD_NEGATIVE,
    POSITIVE,
    Axis,
    Evidence,
    Finding,
    Signature,
    Verdict,
)
from iolaus.trust.chains import Anchors, Validity
from iolaus.trust.compare import Comparison, compare
from iolaus.trust.spdm import SpdmEvidence, SpdmQuestion, SpdmResult, judge_spdm
from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.spdm.bundle import Bundled
from iolaus.wire.spdm.opaque import parse_tlv, tlv_words

_FIRMWARE: Final = "vbios-version"
_OTHER_NONCE: Final = Finding(
    code="freshness-not-asked",
    message="No nonce was given to compare with, so the evidence may be an old one.",
)


class AcceleratorResult(msgspec.Struct, frozen=True, kw_only=True):
    """`words` are the named fields of the opaque data; `met` the references that were met."""

    verdict: Verdict
    spdm: SpdmResult
    words: dict[str, str] = {}
    met: tuple[str, ...] = ()


def opaque_words(result: SpdmResult) -> dict[str, str]:
    """Named fields of what was signed beside the measurements; none where it has another form."""
    try:
        return tlv_words(parse_tlv(result.opaque))
    except EvidenceMalformed:
        return {}


def _letters(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())


def fitting(
    references: Sequence[ReferenceSet], *, product: str, version: str
) -> tuple[ReferenceSet, ...]:
    """Those of this product: of this version of its firmware, or where there is none, of any."""
    named = _letters(product)
    same = [each for each in references if _letters(each.model) == named] if named else references
    exact = [each for each in same if version and _letters(each.version) == _letters(version)]
    return tuple(exact or same)


def judge_accelerator(
    item: Bundled,
    *,
    nonce: bytes | None,
    anchors: Anchors,
    references: Sequence[ReferenceSet],
    at: float,
    validity: Validity = Validity.ENFORCED,
) -> AcceleratorResult:
    """Judge one device's evidence at a time (seconds since 1970). Without a nonce of ours the
    evidence axis is None, unless the file contradicts itself. Pure; never raises."""
    evidence = SpdmEvidence(measurements=item.measurements, chain=item.chain)
    question = SpdmQuestion(nonce=item.nonce if nonce is None else nonce)
    result = judge_spdm(evidence, question, anchors, at=at, validity=validity)
    verdict = result.verdict
    if nonce is None and verdict.evidence in (Evidence.FRESH, None):
        findings = (*verdict.findings, _OTHER_NONCE)
        verdict = msgspec.structs.replace(verdict, evidence=None, findings=findings)
    if verdict.signature is not Signature.VALID:
        return AcceleratorResult(verdict=verdict, spdm=result)
    words = opaque_words(result)
    compared = _compared(result, words, references, at)
    verdict = msgspec.structs.replace(
        verdict, reference=compared.reference, findings=(*verdict.findings, *compared.findings)
    )
    return AcceleratorResult(verdict=verdict, spdm=result, words=words, met=compared.met)


def _compared(
    result: SpdmResult, words: dict[str, str], references: Sequence[ReferenceSet], at: float
) -> Comparison:
    product = result.attester.product if result.attester else ""
    fit = fitting(references, product=product, version=words.get(_FIRMWARE, ""))
    return compare(result.measurements, fit, at=at)


def _rank(axis: Axis | None) -> int:
    if axis in HARD_NEGATIVE:
        return 0
    if axis is None:
        return 2
    return 3 if axis in POSITIVE else 1


def worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict over several devices: of each axis the worst, and all findings, which say the
    device (counted from 1) where there are several."""
    axes = [min(column, key=_rank) for column in zip(*(v.axes for v in verdicts), strict=True)]
    names = ("evidence", "signature", "identity", "reference", "lifecycle")
    held = dict(zip(names, axes, strict=True))
    return msgspec.convert({**held, "findings": tuple(_numbered(verdicts))}, Verdict)


def _numbered(verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    for number, verdict in enumerate(verdicts, 1):
        for each in verdict.findings:
            if len(verdicts) == 1:
                yield each
            else:
                detail = {**each.detail, "device": number}
                yield Finding(code=each.code, message=each.message, detail=detail)
