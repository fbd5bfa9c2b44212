"""Manifests of makers to reference sets: what was signed, by whom, and for how long.

A CoRIM (CBOR) and an accelerator's reference manifest (XML) end in the same form. What is read is
what the signature covers. Nothing here fails for want of trust: an unsigned manifest gives sets
that say so, and whoever compares decides (`iolaus.trust.compare`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.model.reference import (
    Digest,
    Provenance,
    ReferenceSet,
    ReferenceValue,
    SourceKind,
)
from iolaus.model.trust import Evidence, Finding, Identity, Reference, Signature, Verdict
from iolaus.trust.chains import name_of
from iolaus.trust.signing import Anchors, PublicKey, Signer, algorithm_for, signer_of, verifies
from iolaus.wire.cbor import decode
from iolaus.wire.corim import Corim, Environment, Measured, parse_corim
from iolaus.wire.corim.measured import Shape
from iolaus.wire.cose import Cose, Signed, parse_cose
from iolaus.wire.document import DocumentMalformed
from iolaus.wire.rim import Manifest, Resource, parse_rim

CONTENT_TYPE: Final = "application/rim+cbor"
_META: Final = 8
BASELINE_ID: Final = "iolaus-baseline:"
"""How the id of a CoRIM begins that an operator signed (`iolaus.trust.own`); it is a label only."""
FIRST_BLOCK: Final = 1
"""Index 0 of an accelerator's manifest is the attester's measurement of this index."""


class Imported(NamedTuple):
    """What a manifest gives. `verdict` is of the manifest itself: is it whole, whose is it, is it
    within its time (`reference` is `expired`, or None)."""

    sets: tuple[ReferenceSet, ...]
    provenance: Provenance
    verdict: Verdict


class _Read(NamedTuple):
    """A manifest before anybody asked who signed it."""

    kind: SourceKind
    signature: Signature
    signer: Signer
    not_before: float | None
    not_after: float | None
    findings: tuple[Finding, ...]


def read_manifest(
    data: bytes,
    *,
    source: str,
    anchors: Anchors,
    at: float,
    imported_at: float | None = None,
) -> Imported:
    """`at` (seconds since 1970) is when it is judged. `source` names the file. Raises
    `DocumentMalformed` for what is no manifest."""
    manifest, corim = None, None
    if data.lstrip()[:1] == b"<":
        manifest = parse_rim(data, subject=source)
        read = _rim_read(manifest, anchors)
    else:
        corim, read = _corim_read(data, source, anchors)
    provenance = Provenance(
        source=source,
        kind=read.kind,
        digest=hashlib.sha256(data).hexdigest(),
        signer=read.signer.name,
        signature=read.signature,
        identity=_identity(read),
        not_before=read.not_before,
        not_after=read.not_after,
        imported_at=imported_at,
    )
    sets: tuple[ReferenceSet, ...] = ()
    if manifest is not None:
        sets = (_rim_set(manifest, provenance),)
    elif corim is not None:
        sets = tuple(_corim_sets(corim, provenance))
    return Imported(sets, provenance, _verdict(provenance, read, sets, at))


def malformed(error: DocumentMalformed) -> Verdict:
    """What is said of a document that cannot be read."""
    finding = Finding(code=error.reason, message=error.message)
    return Verdict(evidence=Evidence.MALFORMED, findings=(finding,))


def _identity(read: _Read) -> Identity:
    """A signature that is not valid says nothing of whose it is."""
    anchored = read.signature is Signature.VALID and read.signer.anchored
    return Identity.ANCHORED if anchored else Identity.UNANCHORED


def _verdict(
    provenance: Provenance, read: _Read, sets: Sequence[ReferenceSet], at: float
) -> Verdict:
    findings = list(read.findings)
    if provenance.signature is Signature.VALID and not read.signer.anchored:
        told = f"{read.signer.problem or 'nobody vouches for its signer'} Give their root."
        findings.append(Finding(code="signer-unanchored", message=told))
    current = provenance.current(at)
    if not current:
        told = "the manifest or a certificate of its signer is not valid at that time"
        detail = {"not_before": provenance.not_before, "not_after": provenance.not_after}
        findings.append(Finding(code="reference-expired", message=told, detail=detail))
    findings += _unsupported(sets)
    return Verdict(
        evidence=Evidence.FRESH,
        signature=provenance.signature,
        identity=provenance.identity,
        reference=None if current else Reference.EXPIRED,
        findings=tuple(findings),
    )


def _unsupported(sets: Sequence[ReferenceSet]) -> Iterator[Finding]:
    named = {word: None for s in sets for v in s.values for word in v.unsupported}
    if named:
        told = "it demands what cannot be checked, so such values are never met"
        yield Finding(code="reference-unsupported", message=told, detail={"what": list(named)})


def _rim_read(manifest: Manifest, anchors: Anchors) -> _Read:
    enveloped = manifest.enveloped
    if enveloped is None:
        told = Finding(code="manifest-unsigned", message="it is not signed")
        unverified = Signature.UNVERIFIED
        return _Read(SourceKind.RIM, unverified, Signer(name=""), None, None, (told,))
    signer = signer_of(enveloped.certificates, anchors)
    findings = []
    if not enveloped.digest_right:
        told = Finding(code="digest-differs", message="it was changed after it was signed")
        findings.append(told)
    right = signer.key is not None and verifies(
        signer.key, enveloped.algorithm, enveloped.data, enveloped.signature
    )
    if not right:
        told = Finding(code="signature-invalid", message="its key did not make the signature")
        findings.append(told)
    valid = Signature.VALID if right and enveloped.digest_right else Signature.INVALID
    return _Read(
        SourceKind.RIM, valid, signer, signer.not_before, signer.not_after, tuple(findings)
    )


def _rim_set(manifest: Manifest, provenance: Provenance) -> ReferenceSet:
    part = " ".join(filter(None, (manifest.maker, manifest.name, manifest.edition)))
    return ReferenceSet(
        name=f"{part} {manifest.version}".strip(),
        part=part,
        values=tuple(_rim_value(each, manifest.version) for each in manifest.resources),
        provenance=provenance,
        vendor=manifest.maker,
        model=manifest.name,
        version=manifest.version,
        environment={"edition": manifest.edition, "tagId": manifest.tag_id},
    )


def _rim_value(resource: Resource, version: str) -> ReferenceValue:
    return ReferenceValue(
        index=resource.index + FIRST_BLOCK,
        name=resource.name,
        digests=tuple(Digest(resource.algorithm, each) for each in resource.hashes),
        version=version,
        active=resource.active,
    )


def _corim_read(data: bytes, source: str, anchors: Anchors) -> tuple[Corim, _Read]:
    if data[:1] == b"\xd2" or data[:2] == b"\xd8\x62":
        cose = parse_cose(data, subject=source)
        corim = parse_corim(cose.payload, subject=source)
        signature, signer, findings = cose_signer(cose, anchors)
        bounds = [_signed_validity(cose, source), (corim.not_before, corim.not_after)]
    else:
        corim = parse_corim(data, subject=source)
        told = Finding(code="manifest-unsigned", message="it is not signed")
        signature, signer, findings = Signature.UNVERIFIED, Signer(name=""), (told,)
        bounds = [(corim.not_before, corim.not_after)]
    bounds.append((signer.not_before, signer.not_after))
    after = [begin for begin, _ in bounds if begin is not None]
    before = [end for _, end in bounds if end is not None]
    skipped = Finding(
        code="parts-skipped",
        message="it also holds what gives no reference values here",
        detail={"what": list(corim.skipped)},
    )
    own = corim.id.startswith(BASELINE_ID)
    return corim, _Read(
        SourceKind.BASELINE if own else SourceKind.CORIM,
        signature,
        signer,
        max(after, default=None),
        min(before, default=None),
        (*findings, *((skipped,) if corim.skipped else ())),
    )


def _signed_validity(cose: Cose, source: str) -> tuple[float | None, float | None]:
    """corim-meta-map, which the signer keeps in the protected header."""
    if cose.content_type not in (CONTENT_TYPE, None):
        told = f"what is signed is {str(cose.content_type)[:60]!r}"
        raise DocumentMalformed("not-corim", told, subject=source)
    raw = cose.headers.get(_META)
    if raw is None:
        return None, None
    shape = Shape(source)
    meta: Any = decode(shape.octets(raw, "the signer's part"), subject=source)
    found = shape.validity(shape.mapping(meta, "the signer's part").get(1))
    return found["not_before"], found["not_after"]


def cose_signer(cose: Cose, anchors: Anchors) -> tuple[Signature, Signer, tuple[Finding, ...]]:
    """The best of its signatures: one that is valid and anchored, else one that is valid."""
    tried = [_one_signer(each, anchors) for each in cose.signatures]
    best = max(tried, key=lambda t: (t[0] is Signature.VALID, t[1].anchored))
    findings = []
    if any(each.algorithm is None for each in cose.signatures):
        told = "the protected header names no algorithm; the configured key's was taken"
        findings.append(Finding(code="algorithm-not-signed", message=told))
    if best[0] is Signature.INVALID:
        told = "its key did not make the signature"
        findings.append(Finding(code="signature-invalid", message=told))
    elif best[0] is Signature.UNVERIFIED:
        told = "no key for it is known: give its publisher's key or root"
        findings.append(Finding(code="key-unknown", message=told))
    return *best, tuple(findings)


def _one_signer(signed: Signed, anchors: Anchors) -> tuple[Signature, Signer]:
    if signed.certificates:
        signer = signer_of(signed.certificates, anchors)
        if signer.key is None:
            return Signature.UNVERIFIED, signer
        right = _verified(signed, signer)
        return (Signature.VALID if right else Signature.INVALID), signer
    for name, key in (*anchors.keys, *anchor_keys(anchors)):
        signer = Signer(name=name, key=key, anchored=True)
        if _verified(signed, signer):
            return Signature.VALID, signer
    known = bool(anchors.keys or anchors.certificates)
    return (Signature.INVALID if known else Signature.UNVERIFIED), Signer(name="")


def anchor_keys(anchors: Anchors) -> Iterator[tuple[str, PublicKey]]:
    """The keys of its certificates, by whom these name."""
    for each in anchors.certificates:
        key = each.public_key()
        if isinstance(key, PublicKey):
            yield name_of(each.subject), key


def _verified(signed: Signed, signer: Signer) -> bool:
    key = signer.key
    if key is None:
        return False
    algorithm = signed.algorithm or algorithm_for(key)
    return algorithm is not None and verifies(key, algorithm, signed.data, signed.signature)


def _corim_sets(corim: Corim, provenance: Provenance) -> Iterator[ReferenceSet]:
    for triple in corim.triples:
        if triple.endorsed:
            continue
        part = part_of(triple.environment)
        versions = list(dict.fromkeys(m.version for m in triple.measured if m.version))
        version = versions[0] if len(versions) == 1 else ""
        yield ReferenceSet(
            name=f"{part} {version}".strip(),
            part=part,
            values=tuple(_corim_value(each) for each in triple.measured),
            provenance=provenance,
            vendor=triple.environment.vendor,
            model=triple.environment.model,
            version=version,
            environment=words_of(triple.environment),
        )


def words_of(environment: Environment) -> dict[str, str]:
    """What it says, without what it leaves out."""
    found = msgspec.structs.asdict(environment)
    return {name: str(value) for name, value in found.items() if value not in ("", None)}


def part_of(environment: Environment) -> str:
    """How a person names it."""
    found = words_of(environment)
    shown = [found.pop(name) for name in ("vendor", "model") if name in found]
    return " ".join((*shown, *(f"{name}={value}" for name, value in found.items()))) or "anything"


def _corim_value(measured: Measured) -> ReferenceValue:
    key = measured.key
    return ReferenceValue(
        index=key if isinstance(key, int) else None,
        key="" if key is None else str(key),
        name=measured.name,
        digests=tuple(Digest(*each) for each in measured.digests),
        raw=measured.raw,
        mask=measured.mask,
        svn=measured.svn,
        svn_least=measured.svn_least,
        version=measured.version,
        unsupported=measured.unsupported,
    )
