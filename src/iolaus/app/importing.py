"""Importing what says something of firmware and has no reference values: packages and reviews.

A PLDM package cannot be signed, so what it says is what it says, and it is kept for what it is:
the versions that exist. An OpenBMC archive can be; one that was changed after it was signed is
never kept, and where a key was given it must be that key's. A review counts under its provider's
key only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Final

import msgspec

from iolaus.app.documents import open_package
from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.model.naming import slug
from iolaus.model.package import Packaged
from iolaus.model.reference import KeptReference, Provenance, SourceKind
from iolaus.model.trust import Evidence, Finding, Identity, Signature, Verdict
from iolaus.north.context import PackageOrder, ReferenceOrder
from iolaus.trust.manifests import anchor_keys
from iolaus.trust.packaging import reviews_of
from iolaus.trust.reviews import ProviderKey, judge_report
from iolaus.trust.signing import Anchors, read_anchors
from iolaus.wire.document import DocumentMalformed
from iolaus.wire.safe import parse_report

JWS: Final = b"eyJ"
"""How a JSON object begins in Base64."""
COSE: Final = (b"\xd2", b"\xd8")
_MOST_NUMBER: Final = 0xFFFF


def package_of(order: PackageOrder, *, by: str, at: float) -> KeptReference:
    """What would be kept of a package. Raises `OperatorMust`, `Unverified`."""
    anchors = read_anchors(order.anchors)
    meant = tuple(read_meant(each) for each in order.meant)
    opened = open_package(order.path, [*anchors.keys, *anchor_keys(anchors)], source=order.source)
    if opened.packaged is None or opened.verdict.evidence is Evidence.MALFORMED:
        raise _damaged(order.source, opened.verdict.findings)
    _check(opened.verdict, order.source, accept=order.accept_unverified or not order.anchors)
    provenance = Provenance(
        source=order.source,
        kind=SourceKind.PACKAGE,
        digest=_digest(order.path),
        signature=opened.verdict.signature or Signature.UNVERIFIED,
        identity=opened.verdict.identity or Identity.UNANCHORED,
        imported_at=at,
    )
    return KeptReference(
        name=name_of(order.source, provenance.digest),
        data=b"",
        sets=(),
        provenance=provenance,
        by=by,
        anchors=anchors.digests,
        findings=opened.verdict.findings,
        package=_meant(opened.packaged, meant, order.source),
    )


def is_review(data: bytes) -> bool:
    """A report as JWS, or one in COSE; a signed CoRIM without reviews is a manifest."""
    if data.lstrip()[:3] == JWS:
        return True
    if data[:1] not in COSE:
        return False
    try:
        return bool(parse_report(data).reports)
    except DocumentMalformed:
        return False


def review_of(order: ReferenceOrder, *, by: str, at: float) -> KeptReference:
    """What would be kept of a review. Raises `OperatorMust`, `Unverified`."""
    anchors = read_anchors(order.anchors)
    signed = parse_report(order.data, subject=order.source)
    found = judge_report(signed, list(_providers(anchors)))
    _check(found.verdict, order.source, accept=order.accept_unverified)
    provenance = Provenance(
        source=order.source,
        kind=SourceKind.REVIEW,
        digest=hashlib.sha256(order.data).hexdigest(),
        signer=found.signer,
        signature=found.verdict.signature or Signature.UNVERIFIED,
        identity=found.verdict.identity or Identity.UNANCHORED,
        imported_at=at,
    )
    return KeptReference(
        name=name_of(order.source, provenance.digest),
        data=order.data,
        sets=(),
        provenance=provenance,
        by=by,
        anchors=anchors.digests,
        findings=found.verdict.findings,
        reviews=reviews_of(found.reports),
    )


def name_of(source: str, digest: str) -> str:
    """By its file and its bytes."""
    stem = slug(PurePath(source).stem)[:40].strip("-") or "document"
    return f"{stem}-{digest[:8]}"


def read_meant(text: str) -> tuple[int | None, str]:
    """ "0x0010=FW_BMC_*" as (0x10, "FW_BMC_*"), "bmc" as (None, "bmc"). Raises `OperatorMust`."""
    number, equals, pattern = text.rpartition("=")
    try:
        found = int(number, 0) if equals else None
    except ValueError:
        found = -1
    if not pattern.strip() or (found is not None and not 0 <= found <= _MOST_NUMBER):
        raise OperatorMust(
            "this names no component",
            operation="import",
            subject=text[:80],
            code="BadOption",
            next_step="write a component's id, its class, or 0x0010=FW_BMC_* for one image.",
        )
    return found, pattern.strip()


def _meant(packaged: Packaged, meant: Sequence[tuple[int | None, str]], source: str) -> Packaged:
    numbers = {each.identifier for each in packaged.images if each.identifier is not None}
    for number, _ in meant:
        if number is not None and number not in numbers:
            held = ", ".join(f"{n:#06x}" for n in sorted(numbers))
            raise OperatorMust(
                f"it holds no image for component {number:#06x}",
                operation="import",
                subject=source,
                code="NoSuchComponent",
                next_step=f"it holds {held or 'images without a number'}.",
            )
    return msgspec.structs.replace(packaged, meant=tuple(meant))


def _check(verdict: Verdict, source: str, *, accept: bool) -> None:
    told = "; ".join(each.message for each in verdict.findings)
    if verdict.signature is Signature.INVALID:
        raise Unverified(
            told,
            operation="import",
            subject=source,
            code="SignatureInvalid",
            next_step="fetch it from its publisher again, or give the key that signed it.",
        )
    if verdict.signature is not None and verdict.identity is not Identity.ANCHORED and not accept:
        raise Unverified(
            told,
            operation="import",
            subject=source,
            code="NotVouchedFor",
            next_step="give the signer's public key with --anchor, or keep it for what it is worth "
            "with --accept-unverified.",
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(source: str, findings: Iterable[Finding]) -> OperatorMust:
    return OperatorMust(
        "; ".join(each.message for each in findings) or "it is no package",
        operation="import",
        subject=source,
        code="PackageMalformed",
        next_step="fetch it from its maker again; `iolaus verify package` says more of it.",
    )


def _providers(anchors: Anchors) -> Iterator[ProviderKey]:
    """A key's file and folder say whose it is, as `iolaus verify safe` has them."""
    for name, key in (*anchors.keys, *anchor_keys(anchors)):
        path = PurePath(name)
        yield ProviderKey(name, tuple(filter(None, (path.stem, path.parent.name))), key)
