"""Importing reference values: a document and anchors in, what it says and whose it is kept.

A document that was changed after it was signed is never kept. One that nobody vouches for is kept
only where that was accepted, and counts for nothing then (`iolaus.trust.compare`). Packages and
reviews are kept on the same shelf (`importing`): they have no values to be held against.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePath

from iolaus.app.importing import is_review, name_of, package_of, review_of
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.model.appraisal import AttesterKey
from iolaus.model.reference import KeptReference, SourceKind
from iolaus.model.trust import Signature
from iolaus.north.context import LearnOrder, PackageOrder, ReferenceOrder
from iolaus.store.shelf import Shelf
from iolaus.trust.compare import comparable
from iolaus.trust.learning import Witness, learned
from iolaus.trust.manifests import Imported, read_manifest
from iolaus.trust.signing import read_anchors
from iolaus.wire.pldm.parse import looks_like_package
from iolaus.wire.tarball import looks_like_archive

Teaching = Callable[[Mapping[AttesterKey, str]], Awaitable[Sequence[Witness]]]


class References:
    """The port of north. `shelf` keeps the documents; `witnesses` gives what components of these
    places (to the name of their node) have proved, None where nobody attests."""

    def __init__(
        self, *, shelf: Shelf[KeptReference], clock: Clock, witnesses: Teaching | None = None
    ) -> None:
        self._shelf, self._clock, self._witnesses = shelf, clock, witnesses

    def all(self) -> Mapping[str, KeptReference]:
        return self._shelf.all()

    async def take(self, order: ReferenceOrder, *, by: str, keep: bool) -> KeptReference:
        kept = await asyncio.to_thread(kept_of, order, by=by, at=self._clock.now())
        if keep:
            await self._shelf.put({kept.name: kept})
        return kept

    async def take_package(self, order: PackageOrder, *, by: str, keep: bool) -> KeptReference:
        kept = await asyncio.to_thread(package_of, order, by=by, at=self._clock.now())
        if keep:
            await self._shelf.put({kept.name: kept})
        return kept

    async def learn(self, order: LearnOrder, *, by: str, keep: bool) -> KeptReference:
        held = await self._witnesses(order.named) if self._witnesses else ()
        at = self._clock.now()
        kept = learned(held, name=order.name, by=by, at=at, least=order.least)
        other = self._shelf.get(kept.name)
        if other is not None and other.provenance.kind is not SourceKind.LEARNED:
            raise _taken(kept.name)
        if keep:
            await self._shelf.put({kept.name: kept})
        return kept

    async def remove(self, name: str) -> KeptReference | None:
        return await self._shelf.remove(name)


def kept_of(order: ReferenceOrder, *, by: str, at: float) -> KeptReference:
    """What would be kept of a document. Raises `OperatorMust`, `Unverified`."""
    if is_review(order.data):
        return review_of(order, by=by, at=at)
    if looks_like_package(order.data) or looks_like_archive(order.data):
        raise _not_so(order.source)
    anchors = read_anchors((PurePath(name).name, data) for name, data in order.anchors)
    found = read_manifest(order.data, source=order.source, anchors=anchors, at=at, imported_at=at)
    _check(order, found)
    return KeptReference(
        name=name_of(order.source, found.provenance.digest),
        data=order.data,
        sets=found.sets,
        provenance=found.provenance,
        by=by,
        anchors=anchors.digests,
        findings=found.verdict.findings,
    )


def _check(order: ReferenceOrder, found: Imported) -> None:
    provenance = found.provenance
    told = "; ".join(each.message for each in found.verdict.findings)
    if provenance.signature is Signature.INVALID:
        raise Unverified(
            told,
            operation="import",
            subject=order.source,
            code="SignatureInvalid",
            next_step="fetch it from its publisher again; it was changed after it was signed.",
        )
    if not provenance.genuine and not order.accept_unverified:
        raise Unverified(
            told,
            operation="import",
            subject=order.source,
            code="NotVouchedFor",
            next_step="give the signer's root with --anchor, or keep it for what it is worth "
            "with --accept-unverified.",
        )
    if not any(comparable(each) for each in found.sets):
        raise OperatorMust(
            "it holds no values that measurements can be held against",
            operation="import",
            subject=order.source,
            code="NoReferenceValues",
            next_step="import a manifest with reference values.",
        )


def _not_so(source: str) -> OperatorMust:
    return OperatorMust(
        "it is a firmware package, which is sent as it is",
        operation="import",
        subject=source,
        code="PackageGiven",
        next_step="import it with `iolaus reference import`, or POST its bytes to "
        "/api/v1/references/package.",
    )


def _taken(name: str) -> OperatorMust:
    return OperatorMust(
        "a document that was imported has that name",
        operation="learn",
        subject=name,
        code="NameTaken",
        next_step="choose another --name.",
    )
