"""Review reports: what they say, what is odd about them, and the published ones."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.document import DocumentMalformed
from iolaus.wire.safe.report import CORIM_CLAIM, SignedReport, parse_report

DIGESTS = {"384": "0x" + "ab" * 48, "512": "cd" * 64}
SAFE_OID = cbor2.CBORTag(111, bytes.fromhex("2B0601040182CC7F0101"))


def body(**more: Any) -> dict[str, Any]:
    device = {"vendor": "ACME", "product": "Trap", "fw_version": "1.2", **more}
    hashes = {f"fw_hash_sha2_{size}": digest for size, digest in DIGESTS.items()}
    issue = {"title": "SPI", "cvss_score": "7.9", "cwe": "CWE-111", "cve": None}
    audit = {"srp": "Reviewers", "completion_date": "2026-01-01", "scope_number": 1}
    return {"device": {**hashes, **device}, "audit": {**audit, "issues": [issue]}}


def part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def jws(payload: object, **header: Any) -> bytes:
    head = json.dumps({"alg": "ES512", "kid": "Reviewers", **header}).encode()
    return b".".join((part(head), part(json.dumps(payload).encode()), part(b"signature")))


def reviewed() -> bytes:
    environment = {0: {1: "ACME", 2: "Trap"}}
    digests = [[-43, b"\xab" * 48], [-44, b"\xcd" * 64]]
    issue = {0: "SPI", 1: "...", 2: {0: "7.9", 1: "AV:L"}, 3: "CWE-111"}
    report = {0: "1.1", 1: "1.2", 2: cbor2.CBORTag(1, 1767225600), 3: 1, 4: [{0: {0: "1.2"}}]}
    record = [
        [[environment, [{1: {2: digests}}]]],
        [[environment, [{1: {-1: {**report, 5: [issue]}}}]]],
    ]
    comid = cbor2.CBORTag(506, cbor2.dumps({1: {0: "t"}, 4: {10: [record]}}))
    manifest = {0: "m", 1: [comid], 3: SAFE_OID, 5: [{0: "Reviewers", 2: [1]}]}
    return cbor2.dumps(cbor2.CBORTag(501, manifest))


def cose(payload: bytes, tag: int = 18) -> bytes:
    head = cbor2.dumps({1: -36, 4: b"Reviewers"})
    if tag == 18:
        return cbor2.dumps(cbor2.CBORTag(18, [head, {}, payload, b"signature"]))
    return cbor2.dumps(cbor2.CBORTag(98, [b"", {}, payload, [[b"", {4: b"k"}, b"signature"]]]))


FORMS = {
    "jws": jws(body()),
    "cose-sign1": cose(json.dumps(body()).encode()),
    "corim": cose(reviewed()),
    "claims": cose(cbor2.dumps({CORIM_CLAIM: reviewed()})),
    "cose-sign": cose(reviewed(), 98),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: str) -> None:
    found = parse_report(FORMS[form])
    (report,) = found.reports
    assert (report.vendor, report.product, report.version) == ("ACME", "Trap", "1.2")
    assert report.digests == {"sha384": b"\xab" * 48, "sha512": b"\xcd" * 64}
    assert (report.provider, report.completed, report.scope) == ("Reviewers", "2026-01-01", "1")
    (issue,) = report.issues
    assert (issue.title, issue.score, issue.cwe, issue.cve) == ("SPI", 7.9, "CWE-111", "")
    deviations = ["algorithm-not-signed"] if form == "cose-sign" else []
    assert [each.code for each in found.deviations] == deviations
    (signed,) = found.signatures
    assert signed.algorithm == (None if form == "cose-sign" else "ES512")
    if form == "jws":
        assert signed.data == FORMS[form].rpartition(b".")[0]


@pytest.mark.parametrize("wrong", ["", None, "0x12", "00" * 48, "zz" * 48])
def test_a_digest_that_is_none_is_told(wrong: str | None) -> None:
    found = parse_report(jws(body(fw_hash_sha2_384=wrong)))
    assert list(found.reports[0].digests) == ["sha512"]
    assert [each.code for each in found.deviations] == ["image-digest-wrong"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello", "not-report"),
        (jws(body(), alg="none"), "algorithm-unknown"),
        (jws(body(), alg="HS256"), "algorithm-unknown"),
        (jws(body(), crit=["x"]), "header-unknown"),
        (jws(["no"]), "not-report"),
        (jws({"device": {"vendor": "x"}, "audit": []}), "not-report"),
        (cose(b"\x01"), "not-report"),
        (b"a.b.c", "not-base64"),
        (b"YWI.YWI.YWI", "not-json"),
    ],
)
def test_what_is_no_report_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentMalformed) as caught:
        parse_report(data)
    assert caught.value.reason == reason


@pytest.mark.shared
def test_the_published_reports(shared: Path) -> None:
    """Each says what its unsigned sidecar says."""
    files = sorted((shared / "trust" / "safe" / "reports").rglob("*.jws"))
    assert len(files) == 83
    for file in files:
        found = parse_report(file.read_bytes())
        stated = json.loads(file.with_suffix(".json").read_bytes())
        (report,) = found.reports
        assert report.product == stated["device"]["product"].strip()
        assert report.version == stated["device"]["fw_version"].strip()
        assert len(report.issues) == len(stated["audit"]["issues"])
        for algorithm, value in report.digests.items():
            assert value.hex() in stated["device"][f"fw_hash_sha2_{algorithm[3:]}"].lower()


def judged(data: bytes) -> None:
    try:
        assert isinstance(parse_report(data), SignedReport)
    except DocumentMalformed as wrong:
        assert wrong.reason


@given(
    st.binary(max_size=150) | st.binary(max_size=60).map(lambda b: b".".join([part(b or b"0")] * 3))
)
def test_any_bytes_give_a_report_or_the_one_error(data: bytes) -> None:
    judged(data)


@given(st.sampled_from(sorted(FORMS)), st.data())
def test_damage_anywhere_gives_a_report_or_the_one_error(form: str, data: st.DataObject) -> None:
    raw = bytearray(FORMS[form])
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    judged(bytes(raw))
