"""Advisories: what a maker or a database says of firmware, in one normal form.

CSAF and OSV name products in a tree, a package or a sentence; here each becomes statements: these
versions of this product are affected, or fixed, or not affected, by these vulnerabilities. What
the text says and we do not understand stays as text and is unknown: it never counts as "not
affected". What was worked out of a product's name when it was imported (whose it is, of which
component, which model numbers stand in it) is kept, so that matching reads no text.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

MAX_STATEMENTS: Final = 20_000


class Status(StrEnum):
    """What a statement says (the VEX statuses of CSAF 2.0, section 4.5)."""

    AFFECTED = "affected"
    FIXED = "fixed"
    NOT_AFFECTED = "not-affected"
    INVESTIGATED = "under-investigation"


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A product as it is written, and what is certain of it. `names` are its own names and those
    it stands below; `kinds` the firmware classes that they name ("bmc", "bios"); `numbers` the
    words in them that look like model numbers, and model numbers given as such."""

    name: str
    vendor: str = ""
    names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """`versions` are alternatives, each a constraint (">=1.0,<2.5"); None: the text in `said` is
    not understood; empty: every version. `fixed` is the first version without the flaw, where it
    is said; `remedy` what the maker tells to do; `because` why it is not affected."""

    product: Product
    status: Status
    versions: tuple[str, ...] | None
    said: str = ""
    flaws: tuple[str, ...] = ()
    fixed: str = ""
    remedy: str = ""
    because: str = ""


class Advisory(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is its publisher's; `form` is "csaf" or "osv". `score` is the highest CVSS base score
    and `severity` its word. `published` and `revised` are its own (RFC 3339 text); `withdrawn`
    ones are kept and not matched."""

    id: str
    form: str
    title: str
    publisher: str = ""
    url: str = ""
    flaws: tuple[str, ...] = ()
    severity: str = ""
    score: float | None = None
    published: str = ""
    revised: str = ""
    withdrawn: bool = False
    statements: tuple[Statement, ...] = ()
    ignored: tuple[str, ...] = ()
    """What in it could not be used, in words."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An advisory as the server keeps it: where it came from, and the digest (SHA-256, hex) of
    the document that said so. `at` is in seconds since 1970."""

    advisory: Advisory
    source: str
    digest: str
    at: float
    by: str = ""


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """What one advisory means for one firmware of one node. `outcome` is "affected", "fixed",
    "not-affected" or "unknown"; `reason` says why it is not known, or not affected."""

    advisory: str
    outcome: str
    component: str
    version: str | None
    kind: str = ""
    product: str = ""
    flaws: tuple[str, ...] = ()
    fixed: str = ""
    reason: str = ""


SEVERITIES: Final = (("critical", 9.0), ("high", 7.0), ("medium", 4.0), ("low", 0.1), ("none", 0.0))


def severity_of(score: float | None) -> str:
    """The qualitative word of a CVSS base score (CVSS v3.1 section 5); "" where there is none."""
    if score is None:
        return ""
    return next((word for word, least in SEVERITIES if score >= least), "none")
