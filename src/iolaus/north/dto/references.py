"""Reference values as objects: one per document that was imported."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from iolaus.model.claims import Packages, review_line
from iolaus.model.reference import KeptReference, SourceKind
from iolaus.north.dto.make import when
from iolaus.north.dto.views import Age, Observed, View

SHOWN = 64


class ReferenceSetView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a document says of one thing."""

    part: Annotated[str, Meta(description="What it is of, without its version.")]
    version: str
    indices: Annotated[tuple[int, ...], Meta(description="Measurements that it has values for.")]


class PackagedView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An image of a package."""

    image: str
    version: str
    identifier: Annotated[str | None, Meta(description="PLDM's, as controllers report it.")]
    size: Annotated[int, Meta(description="Bytes.")]
    sha256: str
    sha384: str
    descriptors: Annotated[tuple[str, ...], Meta(description="Of the devices that take it.")]
    reviewed: Annotated[tuple[str, ...], Meta(description="Who looked into exactly this image.")]


class ReviewView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an independent reviewer says of an image."""

    vendor: str
    product: str
    version: str
    provider: str
    completed: str
    issues: Annotated[int, Meta(description="Open at the end.")]
    sha384: Annotated[str | None, Meta(description="Of the image.")]


class ReferenceView(View, frozen=True, kw_only=True):
    """A document of reference values: whose it is, how long it holds, and what it is about."""

    type: Annotated[
        str, Meta(description="corim, rim, baseline (our own), learned, package or review.")
    ]
    state: Annotated[
        str,
        Meta(
            description="current, expired, not-yet-valid, learned, claims (a package: what it says "
            "is compared with what is reported, and proves nothing), or untrusted: nobody we know "
            "signed it, and it counts for nothing."
        ),
    ]
    parts: Annotated[tuple[str, ...], Meta(description="What it is about.")]
    versions: tuple[str, ...]
    sets: Annotated[tuple[ReferenceSetView, ...], Meta(description=f"The first {SHOWN}.")]
    values: Annotated[int, Meta(description="How many active values it has.")]
    signer: Annotated[str, Meta(description="As the certificate or key names them.")]
    signature: Annotated[str, Meta(description="unverified, invalid or valid.")]
    identity: Annotated[str, Meta(description="anchored or unanchored.")]
    not_before: Annotated[datetime | None, Meta(description="It and its certificates.")] = None
    not_after: Annotated[datetime | None, Meta(description="The first of them to end.")] = None
    source: Annotated[str, Meta(description="The file that it was imported from.")] = ""
    sha256: Annotated[str, Meta(description="Of that file.")] = ""
    anchors: Annotated[tuple[str, ...], Meta(description="SHA-256 of those it was held against.")]
    oddities: Annotated[tuple[str, ...], Meta(description="What was found when it was read.")] = ()
    by: Annotated[str, Meta(description="Who imported it.")] = ""
    learned_from: Annotated[
        int, Meta(description="Of how many components it was learned; 0: it was not.")
    ] = 0
    images: Annotated[tuple[PackagedView, ...], Meta(description="Of a package.")] = ()
    meant: Annotated[
        tuple[str, ...], Meta(description="What a package is for, as its importer says.")
    ] = ()
    reports: Annotated[tuple[ReviewView, ...], Meta(description="Of a review.")] = ()
    observed_at: Observed = None
    age_s: Age = None


def reference_view(
    kept: KeptReference, *, now: float, packages: Packages | None = None
) -> ReferenceView:
    """`packages` know who reviewed which image."""
    provenance, imported = kept.provenance, kept.provenance.imported_at
    return ReferenceView(
        name=kept.name,
        kind="reference",
        type=provenance.kind.value,
        state=state_of(kept, now),
        parts=tuple(dict.fromkeys(_parts(kept)))[:SHOWN],
        versions=tuple(dict.fromkeys(filter(None, _versions(kept))))[:SHOWN],
        sets=tuple(_set_views(kept)),
        values=sum(value.active for each in kept.sets for value in each.values),
        signer=provenance.signer,
        signature=provenance.signature.value,
        identity=provenance.identity.value,
        not_before=_moment(provenance.not_before),
        not_after=_moment(provenance.not_after),
        source=provenance.source,
        sha256=provenance.digest,
        anchors=kept.anchors,
        oddities=tuple(f"{each.code}: {each.message}" for each in kept.findings),
        by=kept.by,
        learned_from=provenance.count,
        images=tuple(_images(kept, packages or Packages(()))),
        meant=tuple(_meant(kept)),
        reports=tuple(_reports(kept)),
        observed_at=when(imported),
        age_s=None if imported is None else round(max(0.0, now - imported), 3),
    )


def _parts(kept: KeptReference) -> Iterator[str]:
    """What it is about, as it says."""
    yield from (each.part for each in kept.sets)
    yield from (f"{each.vendor} {each.product}".strip() for each in kept.reviews)
    for image in kept.package.images if kept.package else ():
        yield " ".join((*image.makers[:1], image.name))


def _versions(kept: KeptReference) -> Iterator[str]:
    yield from (each.version for each in kept.sets)
    yield from (each.version for each in kept.reviews)
    yield from (each.version for each in (kept.package.images if kept.package else ()))


def _images(kept: KeptReference, packages: Packages) -> Iterator[PackagedView]:
    for each in kept.package.images[:SHOWN] if kept.package else ():
        yield PackagedView(
            image=each.name,
            version=each.version,
            identifier=None if each.identifier is None else f"{each.identifier:#06x}",
            size=each.size,
            sha256=each.digests["sha256"].hex(),
            sha384=each.digests["sha384"].hex(),
            descriptors=each.descriptors,
            reviewed=tuple(review_line(found) for found in packages.reviews(each)),
        )


def _meant(kept: KeptReference) -> Iterator[str]:
    for number, pattern in kept.package.meant if kept.package else ():
        yield pattern if number is None else f"{number:#06x}={pattern}"


def _reports(kept: KeptReference) -> Iterator[ReviewView]:
    for each in kept.reviews[:SHOWN]:
        digest = each.digests.get("sha384")
        yield ReviewView(
            vendor=each.vendor,
            product=each.product,
            version=each.version,
            provider=each.provider,
            completed=each.completed,
            issues=each.issues,
            sha384=digest.hex() if digest else None,
        )


def _moment(at: float | None) -> datetime | None:
    """A certificate may be valid for ever, which is no date that every program can read."""
    return when(at) if at is not None and 0 <= at < 32_503_680_000 else None


def _set_views(kept: KeptReference) -> list[ReferenceSetView]:
    return [
        ReferenceSetView(
            part=each.part,
            version=each.version,
            indices=tuple(v.index for v in each.values if v.active and v.index is not None),
        )
        for each in kept.sets[:SHOWN]
    ]


def state_of(kept: KeptReference, now: float) -> str:
    """What it counts for at this time (seconds since 1970)."""
    provenance = kept.provenance
    if provenance.kind is SourceKind.LEARNED:
        return "learned"
    if provenance.kind is SourceKind.PACKAGE:
        return "claims"
    if not provenance.genuine:
        return "untrusted"
    if provenance.current(now):
        return "current"
    early = provenance.not_before is not None and now < provenance.not_before
    return "not-yet-valid" if early else "expired"
