"""The Common Security Advisory Framework 2.0 (OASIS, ISO/IEC 20153), as values.

Only what says which versions of which product are affected is taken, under the standard's own
names; the rest of a document may hold anything. Every member that the standard leaves optional is
optional here. A VEX document is a CSAF document of another category (section 4.5).
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(min_length=1, max_length=1_000)]
Text = Annotated[str, Meta(max_length=200_000)]
Ids = Annotated[tuple[Id, ...], Meta(max_length=100_000)]
MAX_BRANCH_DEPTH: Final = 30
"""Section 7.2.1, conformance: "deeply nested"; the schema's own examples have at most 8."""


class Hash(msgspec.Struct, frozen=True):
    algorithm: Id
    value: Id


class FileHashes(msgspec.Struct, frozen=True):
    filename: Id
    file_hashes: tuple[Hash, ...] = ()


class Identification(msgspec.Struct, frozen=True):
    """Section 3.1.3.3: how else a product is known."""

    cpe: str = ""
    purl: str = ""
    model_numbers: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    serial_numbers: tuple[str, ...] = ()
    hashes: tuple[FileHashes, ...] = ()


class FullProduct(msgspec.Struct, frozen=True):
    """Section 3.1.3."""

    name: Text
    product_id: Id
    product_identification_helper: Identification = Identification()


class Branch(msgspec.Struct, frozen=True):
    """Section 3.1.2: `category` is "vendor", "product_name", "product_version" ..."""

    category: Id
    name: Text
    branches: tuple[Branch, ...] = ()
    product: FullProduct | None = None


class Relationship(msgspec.Struct, frozen=True):
    """Section 3.2.2.4: one product in, on or with another."""

    category: Id
    full_product_name: FullProduct
    product_reference: Id
    relates_to_product_reference: Id


class Group(msgspec.Struct, frozen=True):
    group_id: Id
    product_ids: Ids


class ProductTree(msgspec.Struct, frozen=True):
    branches: tuple[Branch, ...] = ()
    full_product_names: tuple[FullProduct, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    product_groups: tuple[Group, ...] = ()


class ProductStatus(msgspec.Struct, frozen=True):
    """Section 3.2.3.9."""

    first_affected: Ids = ()
    first_fixed: Ids = ()
    fixed: Ids = ()
    known_affected: Ids = ()
    known_not_affected: Ids = ()
    last_affected: Ids = ()
    recommended: Ids = ()
    under_investigation: Ids = ()


class Remediation(msgspec.Struct, frozen=True):
    """Section 3.2.3.12: `category` is "vendor_fix", "mitigation", "workaround" ..."""

    category: Id
    details: Text
    product_ids: Ids = ()
    group_ids: Ids = ()
    url: str = ""


class Flag(msgspec.Struct, frozen=True):
    """Section 3.2.3.5: why a product is not affected, in one word."""

    label: Id
    product_ids: Ids = ()
    group_ids: Ids = ()


class Threat(msgspec.Struct, frozen=True):
    category: Id
    details: Text
    product_ids: Ids = ()
    group_ids: Ids = ()


class Cvss(msgspec.Struct, frozen=True, rename="camel"):
    base_score: Annotated[float, Meta(ge=0, le=10)]
    vector_string: str = ""


class Score(msgspec.Struct, frozen=True):
    products: Ids = ()
    cvss_v3: Cvss | None = None
    cvss_v4: Cvss | None = None


class VulnerabilityId(msgspec.Struct, frozen=True):
    system_name: Id
    text: Id


class Vulnerability(msgspec.Struct, frozen=True):
    """Section 3.2.3."""

    cve: str = ""
    title: Text = ""
    ids: tuple[VulnerabilityId, ...] = ()
    product_status: ProductStatus = ProductStatus()
    remediations: tuple[Remediation, ...] = ()
    flags: tuple[Flag, ...] = ()
    threats: tuple[Threat, ...] = ()
    scores: tuple[Score, ...] = ()


class Publisher(msgspec.Struct, frozen=True):
    """Section 3.2.1.8: `category` is "vendor", "coordinator", "discoverer" ..."""

    category: Id
    name: Id
    namespace: Id


class Tracking(msgspec.Struct, frozen=True):
    """Section 3.2.1.12: `status` is "draft", "interim" or "final"."""

    id: Id
    status: Id
    version: Id
    initial_release_date: Id
    current_release_date: Id


class Severity(msgspec.Struct, frozen=True):
    text: Id


class Reference(msgspec.Struct, frozen=True):
    url: str
    summary: Text = ""
    category: str = "external"


class Meta20(msgspec.Struct, frozen=True):
    """Section 3.2.1."""

    category: Id
    csaf_version: Id
    publisher: Publisher
    title: Text
    tracking: Tracking
    aggregate_severity: Severity | None = None
    references: tuple[Reference, ...] = ()


class Csaf(msgspec.Struct, frozen=True):
    """One document."""

    document: Meta20
    product_tree: ProductTree = ProductTree()
    vulnerabilities: tuple[Vulnerability, ...] = ()
