"""Advisories as makers write them, in miniature."""

from __future__ import annotations

import json
from typing import Any

from iolaus.fleet.advisories import read_advisories
from iolaus.model.advisory import Advisory


def csaf(
    ident: str = "ACME-SA-1",
    *,
    vendor: str = "Acme",
    product: str = "M1 BMC",
    versions: dict[str, str] | None = None,
    status: dict[str, list[str]] | None = None,
    publisher: str = "Acme",
    **parts: Any,
) -> dict[str, Any]:
    """`versions` are product id -> version or range; a range begins with `vers:` or `<`."""
    versions = versions or {"old": "vers:generic/<2.5", "new": "2.5"}
    leaves = [
        {
            "category": "product_version_range" if text[0] in "v<>" else "product_version",
            "name": text,
            "product": {"name": f"{vendor} {product} {text}", "product_id": ident_},
        }
        for ident_, text in versions.items()
    ]
    tree = [
        {
            "category": "vendor",
            "name": vendor,
            "branches": [{"category": "product_name", "name": product, "branches": leaves}],
        }
    ]
    status = status or {"known_affected": ["old"], "fixed": ["new"]}
    flaw = {"cve": "CVE-2026-0001", "product_status": status, **parts.pop("flaw", {})}
    return {
        "document": {
            "category": "csaf_security_advisory",
            "csaf_version": "2.0",
            "publisher": {"category": "vendor", "name": publisher, "namespace": "https://a.test"},
            "title": "A flaw in the controller",
            "tracking": {
                "id": ident,
                "status": "final",
                "version": "1",
                "initial_release_date": "2026-01-01T00:00:00Z",
                "current_release_date": "2026-02-01T00:00:00Z",
            },
        },
        "product_tree": {"branches": parts.pop("branches", tree), **parts},
        "vulnerabilities": [flaw],
    }


def osv(ident: str = "ACME-2026-1", **fields: Any) -> dict[str, Any]:
    affected = {
        "package": {
            "ecosystem": "firmware",
            "name": "M1 BMC",
            "purl": "pkg:generic/acme/m1-bmc",
        },
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.5"}]}],
    }
    return {
        "schema_version": "1.6.0",
        "id": ident,
        "modified": "2026-02-01T00:00:00Z",
        "aliases": ["CVE-2026-0001"],
        "summary": "A flaw in the controller",
        "affected": [affected],
        **fields,
    }


def advisory(document: dict[str, Any]) -> Advisory:
    """The normal form of a document."""
    raw = json.dumps(document).encode()
    return read_advisories(raw, source="a.json", at=0.0)[0].advisory
