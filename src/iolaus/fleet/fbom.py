"""The firmware bill of materials: every firmware that runs, in CycloneDX 1.6, with VEX. Pure.

Each node is a device and its firmware stands within it; versions are what the devices report, and
a version that is not known is left out rather than invented. Where a known package holds that
version for that component, the digests are those of its image. The overlay says of each
vulnerability what the imported advisories mean for exactly these firmwares: exploitable, resolved,
not affected, or in triage where it cannot be said. The same facts give the same document but for
its time, so that two of them can be compared.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from iolaus.fleet.exposure import NodeExposure
from iolaus.fleet.facts import NodeFacts
from iolaus.model.advisory import Advisory, Exposure
from iolaus.model.asset import Firmware
from iolaus.model.claims import Claim, Packages, review_line

SCHEMA: Final = "http://cyclonedx.org/schema/bom-1.6.schema.json"
STATES: Final[Mapping[str, str]] = {
    "affected": "exploitable",
    "fixed": "resolved",
    "not-affected": "not_affected",
    "unknown": "in_triage",
}
JUSTIFICATIONS: Final[Mapping[str, str]] = {
    "component_not_present": "code_not_present",
    "vulnerable_code_not_present": "code_not_present",
    "vulnerable_code_not_in_execute_path": "code_not_reachable",
    "vulnerable_code_cannot_be_controlled_by_adversary": "requires_environment",
    "inline_mitigations_already_exist": "protected_by_mitigating_control",
}
"""CSAF 2.0 section 3.2.3.5 to CycloneDX 1.6 `impactAnalysisJustification`."""
VERSION_STATUS: Final[Mapping[str, str]] = {
    "affected": "affected",
    "fixed": "unaffected",
    "not-affected": "unaffected",
    "unknown": "unknown",
}
HASHES: Final[Mapping[str, str]] = {
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
}
"""Our names to CycloneDX 1.6 `hash-alg`."""
SEVERITIES: Final = frozenset({"critical", "high", "medium", "low", "none"})
_SPACE: Final = uuid.UUID("6f2c1d0e-5b0a-5d57-9a57-1014a5000003")


def fbom(
    nodes: Iterable[NodeFacts],
    exposures: Iterable[NodeExposure],
    advisories: Iterable[Advisory],
    *,
    site: str,
    version: str,
    now: float,
    packages: Packages | None = None,
) -> dict[str, Any]:
    """The document as plain data. `version` is our own; `now` its time, in seconds since 1970.
    `packages` are those that reported versions are looked up in."""
    known_as = packages or Packages(())
    devices = [_device(each, known_as) for each in sorted(nodes, key=lambda n: (n.name, n.uid))]
    known = {each.id: each for each in advisories}
    body: dict[str, Any] = {"components": devices}
    if vulnerabilities := _vulnerabilities(exposures, known):
        body["vulnerabilities"] = vulnerabilities
    content = json.dumps(body, sort_keys=True)
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, content)}",
        "version": 1,
        "metadata": {
            "timestamp": at,
            "lifecycles": [{"phase": "operations"}],
            "tools": {
                "components": [{"type": "application", "name": "iolaus", "version": version}]
            },
            "component": {"type": "platform", "bom-ref": "hall", "name": site or "hall"},
        },
        **body,
    }


def _device(facts: NodeFacts, packages: Packages) -> dict[str, Any]:
    fields = facts.fields
    told = {
        "node": facts.name,
        "kind": facts.kind,
        "serial": fields.get("serial"),
        "rack": fields.get("rack"),
        "endpoint": facts.endpoint,
        "unknown": facts.blind,
        "observedAt": None if facts.observed_at is None else _when(facts.observed_at),
    }
    return {
        "type": "device",
        "bom-ref": facts.uid,
        **_maker(fields.get("vendor")),
        "name": fields.get("model") or facts.name,
        "properties": _properties(told),
        "components": [
            _firmware(each, facts, packages) for each in sorted(facts.firmware, key=_order)
        ],
    }


def _firmware(entry: Firmware, facts: NodeFacts, packages: Packages) -> dict[str, Any]:
    claim = packages.claim(entry)
    told = {
        "component": entry.component,
        "kind": entry.kind,
        "bank": entry.bank,
        "uri": entry.uri,
        "state": entry.state,
        **_claimed(claim),
    }
    return {
        "type": "firmware",
        "bom-ref": _ref(facts.uid, entry.component),
        **_maker(entry.vendor),
        **_supplier(claim),
        "name": entry.name or entry.component,
        **({"version": entry.version} if entry.version else {}),
        **_hashes(claim),
        "properties": _properties(told),
    }


def _claimed(claim: Claim | None) -> dict[str, str | None]:
    """In which package the reported version is, and how that was joined; a claim."""
    if claim is None:
        return {}
    place = claim.place
    return {
        "package": place.document.name if place else "none that is known",
        "packageJoinedBy": claim.by,
        "reviewed": "; ".join(review_line(each) for each in claim.reviews),
    }


def _supplier(claim: Claim | None) -> dict[str, Any]:
    """Whose devices the package is for."""
    makers = claim.place.image.makers if claim and claim.place and claim.certain else ()
    return {"supplier": {"name": makers[0]}} if makers else {}


def _hashes(claim: Claim | None) -> dict[str, Any]:
    """Of the package's image, where that is certainly for this component: what should run if what
    is reported is so."""
    if claim is None or claim.place is None or not claim.certain:
        return {}
    digests = claim.place.image.digests
    return {
        "hashes": [
            {"alg": name, "content": digests[word].hex()}
            for word, name in HASHES.items()
            if word in digests
        ]
    }


def _order(entry: Firmware) -> tuple[str, str]:
    return entry.component, entry.uri


def _ref(uid: str, component: str) -> str:
    return f"{uid}/{component}"


def _maker(vendor: str | None) -> dict[str, Any]:
    return {"manufacturer": {"name": vendor}} if vendor else {}


def _properties(told: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"name": f"iolaus:{name}", "value": each} for name, each in told.items() if each]


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- the overlay --------------------------------------------------------------------------------


def _vulnerabilities(
    exposures: Iterable[NodeExposure], known: Mapping[str, Advisory]
) -> list[dict[str, Any]]:
    """One for each vulnerability, advisory and outcome, with the firmwares that it speaks of."""
    grouped = defaultdict[tuple[str, str, str, str], list[tuple[str, Exposure]]](list)
    for node in exposures:
        for item in node.items:
            for flaw in item.flaws or (item.advisory,):
                outcome = "unknown" if node.blind and item.outcome == "affected" else item.outcome
                grouped[flaw, item.advisory, outcome, item.reason].append((node.uid, item))
    return [
        _vulnerability(flaw, known[advisory], outcome, reason, members)
        for (flaw, advisory, outcome, reason), members in sorted(
            grouped.items(), key=lambda pair: pair[0]
        )
        if advisory in known
    ]


def _vulnerability(
    flaw: str,
    advisory: Advisory,
    outcome: str,
    reason: str,
    members: Sequence[tuple[str, Exposure]],
) -> dict[str, Any]:
    source = {"name": advisory.publisher or advisory.form}
    bulletin = {"title": advisory.title[:200] or advisory.id, "url": advisory.url}
    return {
        "id": flaw,
        "source": source,
        **({"advisories": [bulletin]} if advisory.url else {}),
        **_rating(advisory),
        "analysis": _analysis(outcome, reason),
        "affects": _affects(outcome, members),
        "properties": [{"name": "iolaus:advisory", "value": advisory.id}],
    }


def _rating(advisory: Advisory) -> dict[str, Any]:
    rating: dict[str, Any] = {"method": "other"}
    if advisory.score is not None:
        rating["score"] = advisory.score
    if advisory.severity in SEVERITIES:
        rating["severity"] = advisory.severity
    return {"ratings": [rating]} if len(rating) > 1 else {}


def _analysis(outcome: str, reason: str) -> dict[str, Any]:
    found: dict[str, Any] = {"state": STATES[outcome]}
    if outcome == "not-affected" and reason in JUSTIFICATIONS:
        found["justification"] = JUSTIFICATIONS[reason]
    if outcome == "affected":
        found["response"] = ["update"]
    return {**found, **({"detail": reason} if reason else {})}


def _affects(outcome: str, members: Sequence[tuple[str, Exposure]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for uid, item in members:
        versions = [{"version": item.version, "status": VERSION_STATUS[outcome]}]
        ref = _ref(uid, item.component)
        found[ref] = {"ref": ref, **({"versions": versions} if item.version else {})}
    return [found[ref] for ref in sorted(found)]
