"""What was proved of a component: five independent axes, and one word over them.

No single boolean is kept, since "not trusted" for want of a reference and "not trusted" because a
signature is wrong call for different hands. The words are those of RFC 9334: evidence is what an
attester signed, a reference value is what it should be, an endorsement vouches for its identity.

An axis is None where a question leaves it out: an offline check of one transcript has no
references. A verdict that leaves an axis out may be `verified`, but is never `trusted`; so what is
missing, or what somebody removed, improves nothing. Whoever judges a fleet leaves no axis out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

Detail: TypeAlias = str | int | float | bool | list[Any] | None
"""A list holds texts, or whole numbers."""


class Evidence(StrEnum):
    """Is something signed there, does it parse to its exact end, does it answer our question?"""

    NONE = "none"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"
    STALE = "stale"
    """Not an answer to this question: another nonce, another slot, too old."""
    FRESH = "fresh"


class Signature(StrEnum):
    """Does the key of the leaf certificate (or the given key) verify what was presented?"""

    UNVERIFIED = "unverified"
    """It could not be tried: nothing signed, no key, an algorithm that is not supported."""
    INVALID = "invalid"
    VALID = "valid"


class Identity(StrEnum):
    """Whose key is it?"""

    UNANCHORED = "unanchored"
    """The chain does not lead to a root of our own store."""
    ANCHORED = "anchored"
    PINNED = "pinned"
    """Anchored or not, it is the identity that was enrolled."""
    CHANGED = "changed"
    DUPLICATE = "duplicate"


class Reference(StrEnum):
    """Is what runs what should run?"""

    NONE = "none"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    MISMATCH = "mismatch"
    """The findings list what differs."""
    MATCH = "match"


class Lifecycle(StrEnum):
    """In what state is the component?"""

    DEBUG = "debug"
    RMA = "rma"
    MANUFACTURING = "manufacturing"
    SVN_BELOW_FLOOR = "svn-below-floor"
    KNOWN_VULNERABLE = "known-vulnerable"
    OK = "ok"


class Summary(StrEnum):
    TRUSTED = "trusted"
    """Every axis was judged, and is positive."""
    VERIFIED = "verified"
    """Every axis that the question has is positive; others were not asked."""
    UNTRUSTED = "untrusted"
    """A hard negative."""
    UNKNOWN = "unknown"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something to know of the evidence. `code` is a stable word in kebab case a program can
    match, `message` a sentence for a person, `detail` what it speaks of (digests in hex)."""

    code: str
    message: str
    detail: Mapping[str, Detail] = {}


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One value that a root of trust signed. `index` is the attester's own numbering (an SPDM
    block, a PCR), `kind` what it measures ("rom", "mutable-firmware", ..., "pcr"); `algorithm` is
    that of a digest ("sha384"), empty for a raw value."""

    index: int
    kind: str
    value: bytes
    raw: bool = False
    algorithm: str = ""


POSITIVE: frozenset[StrEnum] = frozenset(
    (
        Evidence.FRESH,
        Signature.VALID,
        Identity.ANCHORED,
        Identity.PINNED,
        Reference.MATCH,
        Lifecycle.OK,
    )
)
HARD_NEGATIVE: frozenset[StrEnum] = frozenset(
    (
        Signature.INVALID,
        Identity.CHANGED,
        Identity.DUPLICATE,
        Reference.MISMATCH,
        Lifecycle.DEBUG,
    )
)

Axis: TypeAlias = Evidence | Signature | Identity | Reference | Lifecycle


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was proved of one component. `findings` are in the order they were met."""

    evidence: Evidence | None = None
    signature: Signature | None = None
    identity: Identity | None = None
    reference: Reference | None = None
    lifecycle: Lifecycle | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def axes(self) -> tuple[Axis | None, ...]:
        return (self.evidence, self.signature, self.identity, self.reference, self.lifecycle)

    @property
    def summary(self) -> Summary:
        """Untrusted on any hard negative, trusted if all five axes are positive, verified if all
        that were judged are; else unknown, as is a verdict without axes."""
        return _summary(self.axes)


@lru_cache(maxsize=4096)
def _summary(axes: tuple[Axis | None, ...]) -> Summary:
    judged = [axis for axis in axes if axis is not None]
    if any(axis in HARD_NEGATIVE for axis in judged):
        return Summary.UNTRUSTED
    if not judged or not all(axis in POSITIVE for axis in judged):
        return Summary.UNKNOWN
    return Summary.TRUSTED if len(judged) == len(axes) else Summary.VERIFIED
