"""What is held of one attester: the verdict that stands, what it rests on, and since when.

A verdict is about evidence, and evidence grows old or is withheld; so an appraisal says which
exhibit was judged, when it was asked, under which policy and against which references. Whoever
has those derives the same verdict.
"""

from __future__ import annotations

import msgspec

from iolaus.model.trust import Measurement, Verdict

AttesterKey = tuple[str, str]
"""(endpoint's address, URI of the ComponentIntegrity resource)."""


class Appraisal(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds since 1970. `asset` is a uid, `key` the asset's key at its endpoint.
    `exhibit` is the number of the evidence that was judged, `asked_at` when that was asked;
    `tried_at` is the last attempt, whatever came of it. `since` is when the summary last became
    what it is. `identity` names who signs (hex digest of the key that stays over updates; "":
    nobody). `policy` is the digest of what it was judged by, `references` name the sets that were
    matched and `parts` what they are of."""

    endpoint: str
    uri: str
    name: str
    asset: str
    key: str
    protocol: str
    verdict: Verdict
    judged_at: float
    since: float
    component: str = ""
    protects: tuple[str, ...] = ()
    exhibit: int | None = None
    asked_at: float | None = None
    tried_at: float | None = None
    identity: str = ""
    subject: str = ""
    policy: str = ""
    references: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def place(self) -> AttesterKey:
        return (self.endpoint, self.uri)


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """The identity that an attester had when it was enrolled. `by` is who said so ("first
    contact", or an operator who let it be exchanged)."""

    asset: str
    name: str
    identity: str
    at: float
    by: str


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate of a chain that was shown. `holds`: every link from it to the leaf does;
    `anchor`: it is one of ours, or one of ours signed it. Times are seconds since 1970."""

    subject: str
    issuer: str
    sha256: str
    not_before: float
    not_after: float
    holds: bool
    anchor: bool = False


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """An exhibit judged anew, with what a person wants to see of it. `chain` is from root to
    leaf, `measurements` those that a valid signature covers."""

    verdict: Verdict
    identity: str = ""
    subject: str = ""
    measurements: tuple[Measurement, ...] = ()
    references: tuple[str, ...] = ()
    chain: tuple[Link, ...] = ()
