"""Reports of independent reviewers: whose they are, and which images they are about.

A report joins to an image by the image's digest and by nothing else: a version is a word that
anybody can put on other bytes. It says nothing of what a device runs; that it takes a measurement
for, or the firmware that was pushed and its digest.

The key is the provider's that the report names (`kid`), as the operator has filed it. A report
that verifies under another provider's key than the one it claims to be by is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from iolaus.model.trust import Detail, Evidence, Finding, Identity, Reference, Signature, Verdict
from iolaus.trust.signing import PublicKey, algorithm_for, verifies
from iolaus.wire.cose import Signed
from iolaus.wire.safe import Report, SignedReport


class ProviderKey(NamedTuple):
    """`names` are how its provider may be called: the file and the folder that it is in."""

    file: str
    names: tuple[str, ...]
    key: PublicKey


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A firmware image at hand. `digests` are raw, by algorithm."""

    name: str
    digests: Mapping[str, bytes]
    version: str = ""


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict.reference` is `match` where every report names an image at hand, `mismatch` where
    one names another, None where no image was given. `joined` are (report, image) by number and
    name."""

    verdict: Verdict
    reports: tuple[Report, ...]
    signer: str = ""
    joined: tuple[tuple[int, str], ...] = ()


def folded(text: str) -> str:
    """A name without what people write differently: case, spaces and marks."""
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def judge_report(
    signed: SignedReport, keys: Sequence[ProviderKey], images: Sequence[Image] | None = None
) -> Reviewed:
    """Is it its provider's, and about these images (None: not asked)?"""
    signature, signer, findings = _signed_by(signed, keys)
    told = [Finding(code=each.code, message=each.message) for each in signed.deviations]
    told += findings
    told += _of_provider(signed.reports, signer)
    reference, joined = None, tuple[tuple[int, str], ...]()
    if images is not None:
        joined = tuple(_joined(signed.reports, images))
        reference, more = _reference(signed.reports, joined)
        told += more
    told += _issues(signed.reports)
    verdict = Verdict(
        evidence=Evidence.FRESH,
        signature=signature,
        identity=Identity.ANCHORED if signature is Signature.VALID else Identity.UNANCHORED,
        reference=reference,
        findings=tuple(told),
    )
    return Reviewed(
        verdict=verdict,
        reports=signed.reports,
        signer=signer.file if signer else "",
        joined=joined,
    )


def _signed_by(
    signed: SignedReport, keys: Sequence[ProviderKey]
) -> tuple[Signature, ProviderKey | None, list[Finding]]:
    tried = False
    for each in signed.signatures:
        for key in candidates(each.kid, keys):
            tried = True
            if _verified(each, key.key):
                return Signature.VALID, key, []
    kids = [each.kid.decode("utf-8", "replace")[:80] for each in signed.signatures]
    if tried:
        told = "the provider's key did not make the signature"
        finding = Finding(code="signature-invalid", message=told, detail={"kid": kids})
        return Signature.INVALID, None, [finding]
    told = "no key of its provider was given: file their public key under their name"
    finding = Finding(code="key-unknown", message=told, detail={"kid": kids})
    return Signature.UNVERIFIED, None, [finding]


def candidates(kid: bytes, keys: Sequence[ProviderKey]) -> list[ProviderKey]:
    """The keys that a report's `kid` may mean: those whose file or folder has its name in it;
    without a `kid`, all."""
    named = folded(kid.decode("utf-8", "replace"))
    if not named:
        return list(keys) if not kid else []
    return [each for each in keys if any(named in folded(name) for name in each.names)]


def _verified(signed: Signed, key: PublicKey) -> bool:
    algorithm = signed.algorithm or algorithm_for(key)
    return algorithm is not None and verifies(key, algorithm, signed.data, signed.signature)


def _of_provider(reports: Iterable[Report], signer: ProviderKey | None) -> Iterator[Finding]:
    if signer is None:
        return
    for report in reports:
        said = folded(report.provider)
        if not said or not any(said in folded(name) for name in signer.names):
            told = f"it is signed with {signer.file} and says that it is by {report.provider!r}"
            yield Finding(code="provider-differs", message=told)


def _joined(reports: Sequence[Report], images: Sequence[Image]) -> Iterator[tuple[int, str]]:
    for number, report in enumerate(reports):
        for image in images:
            shared = report.digests.keys() & image.digests.keys()
            if shared and all(report.digests[word] == image.digests[word] for word in shared):
                yield number, image.name


def _reference(
    reports: Sequence[Report], joined: Sequence[tuple[int, str]]
) -> tuple[Reference, list[Finding]]:
    about = {number for number, _ in joined}
    findings = [
        Finding(
            code="image-reviewed",
            message=f"it is about {name}",
            detail={"image": name, "version": reports[number].version},
        )
        for number, name in joined
    ]
    for number, report in enumerate(reports):
        if number not in about:
            told = f"no image at hand is the {report.product} {report.version} that was reviewed"
            digests = [f"{word}:{value.hex()}" for word, value in report.digests.items()]
            detail: dict[str, Detail] = {"version": report.version, "expected": digests}
            findings.append(Finding(code="image-differs", message=told, detail=detail))
    return (Reference.MATCH if len(about) == len(reports) else Reference.MISMATCH), findings


def _issues(reports: Iterable[Report]) -> Iterator[Finding]:
    for report in reports:
        for issue in report.issues:
            detail = {"score": issue.score, "cwe": issue.cwe or None, "cve": issue.cve or None}
            told = f"open at the end of the review: {issue.title}"
            yield Finding(code="open-issue", message=told, detail=detail)
