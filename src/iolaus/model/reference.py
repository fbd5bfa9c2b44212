"""What should run, in one form whatever said so: a maker's manifest, a baseline of ours, a lesson.

A reference set is what one document says of one thing; its values are compared together, since
firmware that is half of one release and half of another is nobody's. Sets of the same `part` are
alternatives of each other: the releases of one firmware.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from iolaus.model.package import Packaged, Review
from iolaus.model.trust import Finding, Identity, Signature


class SourceKind(StrEnum):
    """Who says so."""

    CORIM = "corim"
    RIM = "rim"
    BASELINE = "baseline"
    """Signed by an operator of this house."""
    LEARNED = "learned"
    """Measured here once and taken for right by nobody's signature."""
    PACKAGE = "package"
    """Firmware to be flashed: it says which versions there are, and nothing of what runs."""
    REVIEW = "review"
    """What somebody independent found in an image."""


class Digest(msgspec.Struct, frozen=True):
    """`algorithm` as "sha384"; `value` raw."""

    algorithm: str
    value: bytes


class ReferenceValue(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement as it should be. `index` is the attester's (an SPDM block, a PCR), None
    where any will do. Any of `digests` of the measured algorithm is right. Of `raw`, the bits in
    `mask` count (None: all). `svn_least`: `svn` or more. `unsupported` names what its document
    also demands and nobody here can check; such a value is never met."""

    index: int | None = None
    key: str = ""
    name: str = ""
    digests: tuple[Digest, ...] = ()
    raw: bytes | None = None
    mask: bytes | None = None
    svn: int | None = None
    svn_least: bool = False
    version: str = ""
    active: bool = True
    unsupported: tuple[str, ...] = ()


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a set comes from. `digest` is the SHA-256 of the file in hex, `signer` who signed it
    as their certificate or key is named. `not_before` and `not_after` bound the document and the
    certificates that signed it; `imported_at` is when it came here, all in seconds since
    1970. `count` is of how many components it was learned."""

    source: str
    kind: SourceKind
    digest: str = ""
    signer: str = ""
    signature: Signature = Signature.UNVERIFIED
    identity: Identity = Identity.UNANCHORED
    not_before: float | None = None
    not_after: float | None = None
    imported_at: float | None = None
    count: int = 0

    @property
    def genuine(self) -> bool:
        """Signed by somebody whom our own anchors vouch for."""
        return self.signature is Signature.VALID and self.identity is Identity.ANCHORED

    def current(self, at: float) -> bool:
        """Is `at` (seconds since 1970) within its validity?"""
        after = self.not_before is None or at >= self.not_before
        return after and (self.not_after is None or at <= self.not_after)


class ReferenceSet(msgspec.Struct, frozen=True, kw_only=True):
    """`part` names what the values are of, without its version ("NVIDIA GH100 GPU"); `vendor`,
    `model` and `environment` are how the document names it."""

    name: str
    part: str
    values: tuple[ReferenceValue, ...]
    provenance: Provenance
    vendor: str = ""
    model: str = ""
    version: str = ""
    environment: Mapping[str, str] = {}


class KeptReference(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it was imported: its bytes, what was read from them, and what was found.
    `by` is who imported it, `anchors` the SHA-256 (hex) of the anchors given. Of a package (then
    `data` is empty, as it would be large) and of reviews there are no `sets`."""

    name: str
    data: bytes
    sets: tuple[ReferenceSet, ...]
    provenance: Provenance
    by: str
    anchors: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    package: Packaged | None = None
    reviews: tuple[Review, ...] = ()
