"""What no recorded or simulated responder speaks yet: SPDM 1.0 and 1.4, SHA-3, a responder's own
list of algorithms. Honest answers are rewritten and signed anew, by DSP0274 and `cryptography`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.model.trust import Summary
from iolaus.sim.roots.lies import Lie
from iolaus.trust.spdm import SpdmEvidence, SpdmQuestion, SpdmResult, judge_spdm
from iolaus.wire.spdm.parse import parse_transcript
from tests.sim.roots.world import NONCE, responder
from tests.trust.judging import AT, anchors, chain_of, codes, judged, words
from tests.wire.hostile import measurements

GOOD = ("fresh", "valid", "anchored", "ok", "verified")
SIZE = 96
SHA3: Mapping[int, tuple[str, hashes.HashAlgorithm]] = {
    0x08: ("sha3_256", hashes.SHA3_256()),
    0x10: ("sha3_384", hashes.SHA3_384()),
    0x20: ("sha3_512", hashes.SHA3_512()),
}
RANK = (Summary.UNTRUSTED, Summary.UNKNOWN, Summary.VERIFIED, Summary.TRUSTED)


def signature(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    key = responder().certified(0).key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(algorithm)))
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")


def with_prefix(version: str, digest: bytes) -> bytes:
    head = f"dmtf-spdm-v{version}.*".encode() * 4
    context = b"responder-measurements signing"
    return head + bytes(100 - len(head) - len(context)) + context + digest


def signed(body: bytes, version: str, name: str = "sha384", **algorithm: Any) -> bytes:
    digest = hashlib.new(name, body).digest()
    used = algorithm.get("algorithm", hashes.SHA384())
    return body + signature(with_prefix(version, digest), used)


def verdict(data: bytes) -> SpdmResult:
    evidence = SpdmEvidence(measurements=data, chain=responder().certified(0).pem.encode())
    return judge_spdm(evidence, SpdmQuestion(nonce=NONCE, slot=0), anchors(), at=AT)


def body_of(version: str) -> bytes:
    return measurements(version)[:-SIZE]


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def message(data: bytes, code: int, version: int) -> int:
    """Where the first message of this code begins."""
    return data.index(bytes((version, code)))


def as_1_4() -> bytes:
    data = body_of("1.3")
    entries = range(10, 10 + 2 * data[9], 2)
    for at in entries:
        if data[at + 1] == 0x13:
            data = put(data, at + 1, b"\x14")
    for code in (0xE1, 0x61, 0xE3, 0x63, 0xE0, 0x60):
        data = put(data, message(data, code, 0x13), b"\x14")
    return data


def test_1_4() -> None:
    result = verdict(signed(as_1_4(), "1.4"))
    assert words(result) == GOOD
    assert result.transcript is not None
    assert result.transcript.version == "1.4"
    assert words(verdict(signed(as_1_4(), "1.3")))[1] == "invalid"


def test_a_post_quantum_signature_is_read_and_left_unverified() -> None:
    data = as_1_4()
    asked, got = message(data, 0xE3, 0x14), message(data, 0x63, 0x14)
    data = put(put(data, asked + 16, b"\x02"), got + 12, bytes(4))
    data = put(data, got + 20, b"\x02")
    result = verdict(data + bytes(3309))
    assert words(result) == ("fresh", "unverified", "anchored", None, "unknown")
    assert "algorithm-unsupported" in codes(result)
    both = put(data, got + 12, b"\x80")
    assert words(verdict(both + bytes(SIZE)))[0] == "malformed"


def test_1_0_has_no_slot() -> None:
    old = body_of("1.1")
    data = b"\x10" + old[1:36] + b"\x10" + old[38:]
    result = verdict(data + signature(data, hashes.SHA384()))
    assert words(result) == GOOD
    assert result.transcript is not None
    assert result.transcript.last.slot is None


@pytest.mark.parametrize("bit", SHA3)
def test_sha_3(bit: int) -> None:
    name, algorithm = SHA3[bit]
    data = body_of("1.2")
    for code, field in ((0xE3, 12), (0x63, 16)):
        data = put(data, message(data, code, 0x12) + field, bytes((bit,)))
    assert words(verdict(signed(data, "1.2", name, algorithm=algorithm))) == GOOD
    old = body_of("1.1")
    assert words(verdict(old + signature(old, algorithm))) == GOOD


def test_a_responders_own_list_of_algorithms() -> None:
    data = body_of("1.3")
    asked, got = message(data, 0xE1, 0x13), message(data, 0x61, 0x13)
    block = bytes((0, 0)) + (30).to_bytes(2, "little") + bytes(26)
    told = put(put(data, asked + 2, b"\x01"), got + 2, b"\x01")
    told = told[: got + 20] + block + told[got + 20 :]
    assert words(verdict(signed(told, "1.3"))) == GOOD
    unasked = put(told, asked + 2, b"\0")
    assert "not-asked" in codes(verdict(signed(unasked, "1.3")))
    cut = told[: got + 22] + b"\x02\0" + told[got + 24 :]
    assert "length-wrong" in codes(verdict(signed(cut, "1.3")))


def test_the_chosen_version_must_be_offered() -> None:
    data = body_of("1.2")
    for at in range(10, 10 + 2 * data[9], 2):
        data = put(data, at + 1, b"\x11")
    assert "version-not-offered" in codes(verdict(signed(data, "1.2")))
    assert "count-impossible" in codes(verdict(put(data, 9, b"\0")))


LIES = st.sampled_from(
    ["", "replay", "wrong_nonce", "bad_signature", "forged_root", "debug_mode", "tampered"]
)


@settings(max_examples=40)
@given(
    lie=LIES,
    version=st.sampled_from(["1.1", "1.2", "1.3"]),
    said=st.fixed_dictionaries(
        {},
        optional={
            "version": st.sampled_from(["1.1", "1.2", "1.3"]) | st.text(max_size=8),
            "hashing": st.sampled_from(["TPM_ALG_SHA_256", "TPM_ALG_SHA_384"])
            | st.text(max_size=8),
            "signing": st.sampled_from(["TPM_ALG_ECDSA_ECC_NIST_P384", "TPM_ALG_RSASSA_2048"]),
        },
    ),
)
def test_what_a_courier_says_never_improves_a_verdict(
    lie: str, version: str, said: dict[str, str]
) -> None:
    lies = [Lie(f"spdm_{lie}")] if lie else []
    silent, told = judged(*lies, version=version), judged(*lies, version=version, beside=said)
    assert RANK.index(told.verdict.summary) <= RANK.index(silent.verdict.summary)
    assert told.verdict.axes[1:] == silent.verdict.axes[1:]
    assert told.measurements == silent.measurements


@settings(max_examples=40)
@given(lie=LIES, version=st.sampled_from(["1.1", "1.2", "1.3"]), data=st.data())
def test_what_is_taken_away_never_improves_a_verdict(
    lie: str, version: str, data: st.DataObject
) -> None:
    """Bytes of the answer, certificates, blocks: the question stays what it was."""
    root = responder(*([Lie(f"spdm_{lie}")] if lie else []), version=version)
    question = SpdmQuestion(nonce=NONCE, slot=0, indices=(0xFF,))
    answer, chain = root.transcript(NONCE), chain_of(root)
    blocks = [b.index for b in parse_transcript(answer, signature_size=SIZE).blocks]

    def summary(measured: bytes, shown: bytes | None) -> int:
        evidence = SpdmEvidence(measurements=measured, chain=shown)
        return RANK.index(judge_spdm(evidence, question, anchors(), at=AT).verdict.summary)

    whole = summary(answer, chain)
    cut = data.draw(st.integers(0, len(answer) - 1))
    fewer = root.transcript(NONCE, data.draw(st.lists(st.sampled_from(blocks), min_size=1)))
    partial = summary(fewer, chain)
    assert summary(answer[:cut], chain) <= max(whole, RANK.index(Summary.UNKNOWN))
    assert summary(answer, None) <= max(whole, RANK.index(Summary.UNKNOWN))
    assert partial <= RANK.index(Summary.UNKNOWN)
