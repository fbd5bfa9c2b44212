"""What a CoRIM says, as values: environments, and what is to be measured in them.

The manifest's own words are kept. Whatever of a measured value is not understood is named in
`unsupported`, because a value that is compared in part only would pass for more than it is.
"""

from __future__ import annotations

import msgspec


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """environment-map. Identifiers are text: a UUID or OID as usual, other bytes in hex."""

    class_id: str = ""
    vendor: str = ""
    model: str = ""
    layer: int | None = None
    index: int | None = None
    instance: str = ""
    group: str = ""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """measurement-map. `key` is the mkey: a number, text or None. Digests are (algorithm, value);
    several of one algorithm are alternatives. `mask` is of `raw`'s length: bits that count.
    `svn_least`: the number is the least that is right, not the only one."""

    key: int | str | None = None
    digests: tuple[tuple[str, bytes], ...] = ()
    raw: bytes | None = None
    mask: bytes | None = None
    svn: int | None = None
    svn_least: bool = False
    version: str = ""
    name: str = ""
    unsupported: tuple[str, ...] = ()


class Triple(msgspec.Struct, frozen=True, kw_only=True):
    """reference-triple-record, or with `endorsed` an endorsed-triple-record."""

    environment: Environment
    measured: tuple[Measured, ...]
    endorsed: bool = False


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of a reviewer that was open at the end of the review. `score` is a CVSS base
    score, or None where it is rated otherwise."""

    title: str
    score: float | None = None
    cwe: str = ""
    cve: str = ""


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """The OCP S.A.F.E. extension: what was reviewed (by version and by digests of the image) and
    what was found. `completed` is in seconds since 1970."""

    environment: Environment
    digests: tuple[tuple[str, bytes], ...]
    framework: str = ""
    report_version: str = ""
    completed: float | None = None
    scope: int | None = None
    versions: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()


class Corim(msgspec.Struct, frozen=True, kw_only=True):
    """`profile` is a URI or OID, "" without one. Times are in seconds since 1970. `skipped` names
    what stands in the manifest and says nothing here (other triples, coswid tags, links)."""

    id: str
    profile: str = ""
    entities: tuple[str, ...] = ()
    triples: tuple[Triple, ...] = ()
    reviews: tuple[Review, ...] = ()
    not_before: float | None = None
    not_after: float | None = None
    skipped: tuple[str, ...] = ()
