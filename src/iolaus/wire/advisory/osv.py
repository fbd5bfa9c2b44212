"""The Open Source Vulnerability format 1.x (OSSF), as values, under the format's own names.

OSV was made for packages of software; makers and databases use it for firmware too, with the
maker in a package URL or in `database_specific`. Only what says which versions of which package
are affected is taken.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(min_length=1, max_length=1_000)]
Text = Annotated[str, Meta(max_length=200_000)]


class Package(msgspec.Struct, frozen=True):
    ecosystem: str
    name: Id
    purl: str = ""


class Event(msgspec.Struct, frozen=True):
    """One of the four is given."""

    introduced: str = ""
    fixed: str = ""
    last_affected: str = ""
    limit: str = ""


class Range(msgspec.Struct, frozen=True):
    """`type` is "SEMVER", "ECOSYSTEM" or "GIT"."""

    type: Id
    events: Annotated[tuple[Event, ...], Meta(max_length=1_000)] = ()
    repo: str = ""


class Severity(msgspec.Struct, frozen=True):
    """`score` is a CVSS vector."""

    type: Id
    score: Id


class Affected(msgspec.Struct, frozen=True):
    package: Package | None = None
    ranges: tuple[Range, ...] = ()
    versions: Annotated[tuple[str, ...], Meta(max_length=10_000)] = ()
    ecosystem_specific: dict[str, Any] | None = None
    database_specific: dict[str, Any] | None = None


class Reference(msgspec.Struct, frozen=True):
    type: Id
    url: str


class Osv(msgspec.Struct, frozen=True):
    """One entry."""

    id: Id
    modified: Id
    schema_version: str = ""
    published: str = ""
    withdrawn: str = ""
    aliases: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    summary: Text = ""
    details: Text = ""
    severity: tuple[Severity, ...] = ()
    affected: Annotated[tuple[Affected, ...], Meta(max_length=10_000)] = ()
    references: tuple[Reference, ...] = ()
    database_specific: dict[str, Any] | None = None
