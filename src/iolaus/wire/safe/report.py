"""A short-form report as it is published: JWS compact (RFC 7515), or COSE with a CoRIM in it.

The payload is read before its signature is checked, since the key is found by what the report
says of itself (`kid`); nothing in it counts until the signature does. An algorithm "none" and
symmetric ones are refused here: whoever may check such a report could also have written it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from iolaus.wire.cbor import Tag, decode
from iolaus.wire.corim import Review, parse_corim
from iolaus.wire.corim.review import MAX_ISSUES, number_of
from iolaus.wire.corim.values import Issue
from iolaus.wire.cose import Signed, read_cose
from iolaus.wire.document import DocumentMalformed, bounded

ALGORITHMS: Final = frozenset(
    ("ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "EdDSA")
)
CORIM_CLAIM: Final = -65537
"""Where the reviewers' own tool puts the CoRIM in a CBOR Web Token."""
_COMPACT: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEX: Final = re.compile(r"(?:0x)?((?:[0-9A-Fa-f]{2})+)")
_SIZES: Final[Mapping[str, int]] = {"sha384": 48, "sha512": 64}


class Deviation(msgspec.Struct, frozen=True):
    """Where a report differs from what it should be: a stable word, and a sentence."""

    code: str
    message: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Of one image. `digests` are those of the image by algorithm; `completed` is an ISO date as
    it is written; `issues` were open at the end."""

    vendor: str
    product: str
    version: str
    digests: Mapping[str, bytes]
    category: str = ""
    repo_tag: str = ""
    framework: str = ""
    provider: str = ""
    methodology: str = ""
    completed: str = ""
    report_version: str = ""
    scope: str = ""
    issues: tuple[Issue, ...] = ()


class SignedReport(msgspec.Struct, frozen=True, kw_only=True):
    """`envelope` is "jws", "cose-sign1" or "cose-sign"; `payload` what was signed, as it stands
    in the file. Any of `signatures` that verifies makes it that signer's."""

    envelope: str
    payload: bytes
    signatures: tuple[Signed, ...]
    reports: tuple[Report, ...]
    deviations: tuple[Deviation, ...] = ()


def parse_report(data: bytes, *, subject: str = "report") -> SignedReport:
    """Raises `DocumentMalformed`."""
    text = bounded(data, subject).strip()
    if _COMPACT.fullmatch(text):
        return _jws(text, subject)
    if data[0] in (0xD2, 0xD8):
        return _cose(data, subject)
    raise DocumentMalformed("not-report", "neither JWS compact nor COSE", subject=subject)


def _jws(text: bytes, subject: str) -> SignedReport:
    head, body, last = text.split(b".")
    header = _json(_base64(head, subject), subject)
    payload = _base64(body, subject)
    if not isinstance(header, dict) or "crit" in header or "b64" in header:
        raise DocumentMalformed("header-unknown", "its header is not understood", subject=subject)
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if algorithm not in ALGORITHMS or not isinstance(kid, str):
        told = f"the algorithm {str(algorithm)[:20]!r} is not taken"
        raise DocumentMalformed("algorithm-unknown", told, subject=subject)
    signed = Signed(
        data=head + b"." + body,
        signature=_base64(last, subject),
        algorithm=algorithm,
        kid=kid.encode(),
    )
    report, deviations = report_of(payload, subject=subject)
    return SignedReport(
        envelope="jws",
        payload=payload,
        signatures=(signed,),
        reports=(report,),
        deviations=deviations,
    )


def _cose(data: bytes, subject: str) -> SignedReport:
    found = read_cose(decode(data, subject=subject), subject=subject)
    inner, payload = found.payload, found.payload
    deviations: list[Deviation] = []
    if any(each.algorithm is None for each in found.signatures):
        deviations.append(
            Deviation(
                "algorithm-not-signed",
                "the protected header names no algorithm; the configured key's is taken",
            )
        )
    for each in found.signatures:
        if each.algorithm is not None and each.algorithm not in ALGORITHMS:
            told = f"the algorithm {each.algorithm} is not taken"
            raise DocumentMalformed("algorithm-unknown", told, subject=subject)
    if not payload.lstrip().startswith(b"{"):
        reports: tuple[Report, ...] = tuple(_corim_reports(inner, subject))
    else:
        report, more = report_of(payload, subject=subject)
        reports, deviations = (report,), [*deviations, *more]
    return SignedReport(
        envelope="cose-sign1" if found.tag == 18 else "cose-sign",
        payload=payload,
        signatures=found.signatures,
        reports=reports,
        deviations=tuple(deviations),
    )


def _corim_reports(payload: bytes, subject: str) -> list[Report]:
    claims = decode(payload, subject=subject)
    if isinstance(claims, dict):
        payload = claims.get(CORIM_CLAIM, b"")
        if not isinstance(payload, bytes):
            raise DocumentMalformed("not-report", "the CoRIM claim is no bytes", subject=subject)
    elif not isinstance(claims, Tag):
        raise DocumentMalformed("not-report", "the payload is no CoRIM", subject=subject)
    corim = parse_corim(payload, subject=subject)
    if not corim.reviews:
        raise DocumentMalformed("not-report", "the CoRIM holds no review", subject=subject)
    return [_reviewed(each, ", ".join(corim.entities)) for each in corim.reviews]


def _reviewed(review: Review, provider: str) -> Report:
    completed = review.completed
    return Report(
        vendor=review.environment.vendor,
        product=review.environment.model,
        version=", ".join(review.versions),
        digests={word: value for word, value in review.digests if word in _SIZES},
        framework=review.framework,
        provider=provider,
        completed="" if completed is None else _date(completed),
        report_version=review.report_version,
        scope="" if review.scope is None else str(review.scope),
        issues=review.issues,
    )


def _date(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def report_of(payload: bytes, *, subject: str) -> tuple[Report, tuple[Deviation, ...]]:
    """The JSON of a report, by itself. Raises `DocumentMalformed`."""
    found = _json(payload, subject)
    outer: dict[str, Any] = found if isinstance(found, dict) else {}
    device, audit = outer.get("device"), outer.get("audit")
    if not isinstance(device, dict) or not isinstance(audit, dict) or not device:
        raise DocumentMalformed("not-report", "it names no device and audit", subject=subject)
    digests, deviations = _digests(device)
    issues = audit.get("issues", [])
    if not isinstance(issues, list) or len(issues) > MAX_ISSUES:
        raise DocumentMalformed("not-report", "its issues are no list", subject=subject)
    report = Report(
        vendor=_plain(device.get("vendor")),
        product=_plain(device.get("product")),
        version=_plain(device.get("fw_version")),
        digests=digests,
        category=_plain(device.get("category")),
        repo_tag=_plain(device.get("repo_tag")),
        framework=_plain(outer.get("review_framework_version")),
        provider=_plain(audit.get("srp")),
        methodology=_plain(audit.get("methodology")),
        completed=_plain(audit.get("completion_date")),
        report_version=_plain(audit.get("report_version")),
        scope=_plain(audit.get("scope_number", audit.get("scope"))),
        issues=tuple(_issue(each) for each in issues if isinstance(each, dict)),
    )
    return report, tuple(deviations)


def _digests(device: Mapping[str, Any]) -> tuple[dict[str, bytes], list[Deviation]]:
    digests: dict[str, bytes] = {}
    deviations = []
    for algorithm, size in _SIZES.items():
        stated = device.get(f"fw_hash_sha2_{algorithm[3:]}")
        matched = _HEX.fullmatch(stated.strip()) if isinstance(stated, str) else None
        value = bytes.fromhex(matched[1]) if matched else b""
        if len(value) == size and any(value):
            digests[algorithm] = value
        else:
            told = f"{_plain(stated)[:20]!r} is no {algorithm} of an image"
            deviations.append(Deviation("image-digest-wrong", told))
    return digests, deviations


def _issue(found: Mapping[str, Any]) -> Issue:
    return Issue(
        title=_plain(found.get("title")),
        score=number_of(str(found.get("cvss_score"))),
        cwe=_plain(found.get("cwe")),
        cve=_plain(found.get("cve")),
    )


def _plain(value: object) -> str:
    text = "" if value is None else str(value)[:500]
    return "".join(letter if letter.isprintable() else "?" for letter in text).strip()


def _base64(text: bytes, subject: str) -> bytes:
    try:
        return base64.b64decode(
            text.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(text) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        raise DocumentMalformed("not-base64", "a part is no base64url", subject=subject) from None


def _json(data: bytes, subject: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise DocumentMalformed("not-json", "a part is no JSON", subject=subject) from None
