"""Verdicts on SPDM answers: honest ones of every kind, each lie, each way to spoil one."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.model.trust import Identity, Signature, Summary
from iolaus.sim.roots.algorithms import HASHINGS
from iolaus.sim.roots.lies import Lie
from iolaus.trust.chains import Anchors, load_anchors
from iolaus.trust.spdm import SpdmEvidence, SpdmQuestion, SpdmResult, judge_spdm
from iolaus.wire.certificates import parse_chain
from tests.sim.roots.world import NONCE, responder
from tests.trust.judging import AT, anchors, chain_of, codes, judged, words
from tests.wire.hostile import hostile, measurements

GOOD = ("fresh", "valid", "anchored", "ok", "verified")
VERSIONS = pytest.mark.parametrize("version", ["1.1", "1.2", "1.3"])


@VERSIONS
@pytest.mark.parametrize("signing", ["ECDSA_P256", "ECDSA_P384", "ECDSA_P521", "RSAPSS_2048"])
@pytest.mark.parametrize("hashing", HASHINGS)
def test_an_honest_answer_is_verified(version: str, signing: str, hashing: str) -> None:
    result = judged(version=version, signing=signing, hashing=hashing)
    assert words(result) == GOOD
    assert codes(result) == []
    assert [m.index for m in result.measurements] == sorted(m.index for m in result.measurements)


@pytest.mark.parametrize("signing", ["RSASSA_2048", "RSAPSS_2048"])
def test_moduli_and_paddings_are_told_apart_without_being_told(signing: str) -> None:
    assert words(judged(version="1.1", signing=signing)) == GOOD


def test_a_pem_chain_is_as_good() -> None:
    root = responder()
    assert words(judged(chain=root.certified(0).pem.encode())) == GOOD


def test_a_further_slot_needs_its_own_root() -> None:
    slots = {"slots": (0, 1), "slot": 1}
    assert words(judged(trusted=anchors(0, 1), **slots)) == GOOD  # type: ignore[arg-type]
    other = judged(trusted=anchors(0), **slots)  # type: ignore[arg-type]
    assert other.verdict.identity is Identity.UNANCHORED
    assert "root-unknown" in codes(other)


@VERSIONS
@pytest.mark.parametrize(
    ("kind", "expected", "code"),
    [
        ("replay", ("stale", "valid", "anchored", "ok", "unknown"), "nonce-mismatch"),
        ("wrong_nonce", ("stale", "valid", "anchored", "ok", "unknown"), "nonce-mismatch"),
        ("bad_signature", ("fresh", "invalid", "anchored", None, "untrusted"), "signature-invalid"),
        ("forged_root", ("fresh", "valid", "unanchored", "ok", "unknown"), "root-unknown"),
        ("debug_mode", ("fresh", "valid", "anchored", "debug", "untrusted"), "debug-active"),
    ],
)
def test_each_lie_is_seen_on_its_axis(
    version: str, kind: str, expected: tuple[str, ...], code: str
) -> None:
    result = judged(Lie(f"spdm_{kind}"), version=version)
    assert words(result) == expected
    assert code in codes(result)


@VERSIONS
def test_a_swapped_identity_is_another_pin(version: str) -> None:
    lie = Lie("spdm_swapped_identity", names=["h1-r01-u09"])
    mine, other = judged(version=version).attester, judged(lie, version=version).attester
    assert mine is not None
    assert other is not None
    assert words(judged(lie, version=version)) == GOOD
    assert mine.pin != other.pin


@pytest.mark.parametrize("kind", ["stale_firmware", "tampered"])
def test_other_firmware_measures_otherwise_under_one_pin(kind: str) -> None:
    mine, other = judged(), judged(Lie(f"spdm_{kind}"))
    assert mine.attester == other.attester
    differing = [
        a.index for a, b in zip(mine.measurements, other.measurements, strict=True) if a != b
    ]
    assert differing == [2, 3]


def test_another_slot_than_asked() -> None:
    data = responder(slots=(0, 1)).transcript(NONCE, slot=1)
    result = judged(measurements=data, slots=(0, 1))
    assert words(result)[0] == "stale"
    assert "slot-mismatch" in codes(result)


@VERSIONS
@pytest.mark.parametrize(
    ("beside", "code"),
    [
        ({"version": "1.0.0"}, "version-mismatch"),
        ({"hashing": "TPM_ALG_SHA_256"}, "algorithm-mismatch"),
        ({"signing": "TPM_ALG_RSASSA_2048"}, "algorithm-mismatch"),
        ({"signing": "none of ours"}, "algorithm-mismatch"),
    ],
)
def test_what_a_courier_says_is_compared_and_never_used(
    version: str, beside: dict[str, str], code: str
) -> None:
    result = judged(version=version, beside=beside)
    assert words(result) == ("malformed", "valid", "anchored", "ok", "unknown")
    assert code in codes(result)


@VERSIONS
def test_what_a_courier_says_rightly_changes_nothing(version: str) -> None:
    said = {"version": f"{version}.0", "hashing": "TPM_ALG_SHA_384",
            "signing": "TPM_ALG_ECDSA_ECC_NIST_P384"}  # fmt: skip
    assert words(judged(version=version, beside=said)) == GOOD


def test_talked_down_algorithms_break_the_signature() -> None:
    data = bytearray(measurements("1.2"))
    answer = data.index(b"\x12\x63")
    data[answer + 12 : answer + 14] = b"\x10\0"
    data = data[:-32]
    result = judged(measurements=bytes(data), version="1.2")
    assert result.verdict.summary is not Summary.VERIFIED
    assert result.verdict.signature in (Signature.INVALID, Signature.UNVERIFIED)


def test_an_algorithm_nobody_verifies_is_unverified() -> None:
    data = bytearray(measurements("1.2"))
    for code, field in ((b"\x12\xe3", 8), (b"\x12\x63", 12)):
        at = data.index(code) + field
        data[at : at + 4] = (0x400).to_bytes(4, "little")
    result = judged(measurements=bytes(data[:-32]), version="1.2")
    assert words(result)[1] == "unverified"
    assert "algorithm-unsupported" in codes(result)


@VERSIONS
@pytest.mark.parametrize(
    ("told", "asked", "left_out"),
    [
        ((0xFF,), (0xFF,), []),
        ((1, 2), (1, 2), []),
        ((0xFF,), (1, 2), []),
        ((1, 2), (0xFF,), [0xFF]),
        ((1, 2), (1, 2, 0xFE), [0xFE]),
        ((0, 1, 2), (0xFF,), [0xFF]),
        ((0, 1, 2, 3, 4, 5, 16, 17, 32, 33, 0xFD, 0xFE), (0xFF,), []),
    ],
)
def test_a_courier_cannot_leave_out_what_was_asked(
    version: str, told: tuple[int, ...], asked: tuple[int, ...], left_out: list[int]
) -> None:
    evidence = SpdmEvidence(
        measurements=measurements(version, told), chain=chain_of(responder(version=version))
    )
    question = SpdmQuestion(nonce=NONCE, slot=0, indices=asked)
    result = judge_spdm(evidence, question, anchors(), at=AT)
    assert words(result)[:2] == ("stale" if left_out else "fresh", "valid")
    found = [f.detail["indices"] for f in result.verdict.findings]
    assert found == ([left_out] if left_out else [])


def test_without_a_signature_nothing_is_measured() -> None:
    data = bytearray(measurements("1.1"))
    unsigned = bytes(data[:2]) + b"\0\xff" + bytes(data[37:-96])
    result = judged(measurements=unsigned)
    assert words(result) == ("malformed", "unverified", "anchored", None, "unknown")
    assert "unsigned" in codes(result)
    assert result.measurements == ()


def test_without_a_chain_nothing_is_verified() -> None:
    for version in ("1.1", "1.2"):
        evidence = SpdmEvidence(
            measurements=measurements(version), chain=None, signing="TPM_ALG_ECDSA_ECC_NIST_P384"
        )
        question = SpdmQuestion(nonce=NONCE, slot=0)
        result = judge_spdm(evidence, question, anchors(), at=AT)
        assert words(result) == ("fresh", "unverified", "unanchored", None, "unknown")
        assert "chain-missing" in codes(result)


@VERSIONS
def test_a_provisioned_key_verifies_and_is_nobodys(version: str) -> None:
    root = responder(version=version)
    key = root.certified(0).key.public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    result = judged(chain=pem, version=version)
    assert words(result) == ("fresh", "valid", "unanchored", "ok", "unknown")
    assert codes(result) == ["key-unbound"]
    assert result.attester is not None
    assert len(result.attester.pin) == 64
    broken = judged(chain=pem[:60] + pem[70:], version=version)
    assert words(broken)[:2] == ("malformed", "unverified")


def test_another_nodes_evidence_is_not_signed_by_this_one() -> None:
    other = responder(Lie("spdm_swapped_identity", names=["h1-r01-u09"])).transcript(NONCE)
    assert words(judged(measurements=other))[1] == "invalid"


def test_no_nonce_of_ours_is_no_freshness() -> None:
    root = responder()
    evidence = SpdmEvidence(measurements=root.transcript(NONCE), chain=chain_of(root))
    result = judge_spdm(evidence, SpdmQuestion(nonce=None), anchors(), at=AT)
    assert words(result) == (None, "valid", "anchored", "ok", "verified")


@pytest.mark.parametrize("spoil", [b"", b"\0" * 8, b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_chain_that_is_none(spoil: bytes) -> None:
    result = judged(chain=spoil, version="1.2")
    assert words(result)[:3] == ("malformed", "unverified", "unanchored")


def test_the_roots_digest_must_be_of_the_root() -> None:
    good = chain_of(responder())
    result = judged(chain=good[:4] + bytes([good[4] ^ 1]) + good[5:])
    assert result.verdict.identity is Identity.UNANCHORED
    assert "root-hash-mismatch" in codes(result)


@VERSIONS
@settings(max_examples=30)
@given(data=st.data())
def test_no_spoilt_answer_is_ever_verified(version: str, data: st.DataObject) -> None:
    honest = measurements(version)
    spoilt = data.draw(hostile(honest))
    if spoilt == honest:
        return
    result = judged(measurements=spoilt, version=version)
    assert result.verdict.summary in (Summary.UNKNOWN, Summary.UNTRUSTED)
    assert result.measurements == ()


@settings(max_examples=60)
@given(data=hostile(chain_of(responder()), responder().certified(0).pem.encode()))
def test_any_chain_gives_a_verdict(data: bytes) -> None:
    result = judged(chain=data)
    if result.verdict.identity is Identity.ANCHORED:
        assert result.chain is not None
        assert result.chain.anchor in anchors().certificates


def recorded(shared: Path, folder: Path, name: str, **changes: Any) -> SpdmResult:
    """The verdict on a recorded answer with everything as it was, but for the changes."""
    meta = json.loads((folder / "meta.json").read_text())
    slot = meta["summary"]["slot"]
    chain = (folder / f"cert_chain_slot{slot}.bin").read_bytes()
    trusted = roots(shared)
    if slot:  # a further slot has a root of its own, which the anchors do not hold
        own = load_anchors([parse_chain(chain).certificates[0]])
        trusted = Anchors(trusted.certificates + own.certificates)
    evidence = {
        "measurements": (folder / name).read_bytes(),
        "chain": chain,
        "version": meta["spdm_version"],
        "hashing": meta["base_hash"],
        "signing": meta["base_asym"],
    }
    question = SpdmQuestion(nonce=bytes.fromhex(meta["summary"]["nonce"]), slot=slot)
    return judge_spdm(SpdmEvidence(**(evidence | changes)), question, trusted, at=AT)


def roots(shared: Path) -> Anchors:
    folder = shared / "trust" / "anchors"
    return load_anchors(file.read_bytes() for file in sorted(folder.glob("*.der")))


@pytest.mark.shared
def test_every_recorded_answer_verifies(shared: Path) -> None:
    for folder in sorted((shared / "trust" / "spdm").iterdir()):
        result = recorded(shared, folder, "redfish_signed_measurements.bin")
        assert words(result) == GOOD, folder.name
        assert result.attester is not None
        assert (result.attester.maker, result.attester.product) == ("ACME", "WIDGET")


@pytest.mark.shared
def test_a_changed_byte_of_a_recorded_answer_never_verifies(shared: Path) -> None:
    for folder in sorted((shared / "trust" / "spdm").iterdir()):
        data = (folder / "redfish_signed_measurements.bin").read_bytes()
        for at in range(0, len(data), 29):
            spoilt = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
            result = recorded(shared, folder, "redfish_signed_measurements.bin",
                              measurements=spoilt)  # fmt: skip
            assert result.verdict.summary is not Summary.VERIFIED, (folder.name, at)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("positive-control", GOOD),
        ("p11-positive-control", GOOD),
        ("measurement-bit-flip", ("fresh", "invalid", "anchored", None, "untrusted")),
        ("nonce-mismatch-replay", ("stale", "valid", "anchored", "ok", "unknown")),
    ],
)
def test_the_recorded_negatives_fail_for_the_stated_reason(
    shared: Path, name: str, expected: tuple[str, ...]
) -> None:
    folder = shared / "trust" / "spdm-negative" / name
    asked = json.loads((folder / "expect.json").read_text())
    told = json.loads((folder / "response.json").read_text())
    evidence = SpdmEvidence(
        measurements=base64.b64decode(told["SignedMeasurements"]),
        chain=(folder / "cert_chain.bin").read_bytes(),
        version=told["Version"],
        hashing=told["HashingAlgorithm"],
        signing=told["SigningAlgorithm"],
    )
    nonce = bytes.fromhex(asked["requested_nonce"])
    question = SpdmQuestion(nonce=nonce, slot=asked["requested_slot"])
    assert words(judge_spdm(evidence, question, roots(shared), at=AT)) == expected
