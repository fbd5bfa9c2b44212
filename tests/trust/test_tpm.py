"""Verdicts on quotes, registers and logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from iolaus.model.trust import Summary, Verdict
from iolaus.sim.roots import tpm
from iolaus.sim.roots.algorithms import HASHINGS, SHA1, SHA256
from iolaus.sim.roots.lies import Lie
from iolaus.sim.roots.platform import Platform
from iolaus.trust.tpm import TpmEvidence, TpmResult, judge_tpm
from tests.sim.roots.world import NONCE, platform
from tests.trust.judging import AT, anchors
from tests.wire.hostile import TPM_ASKED, event_log, hostile, signed_quote, split_quote


def told(root: Platform, key: str = "ecc", **changes: object) -> TpmEvidence:
    scheme = tpm.ECDSA if key == "ecc" else tpm.RSASSA
    asked = replace(TPM_ASKED, key=key, **({"scheme": scheme} | changes))  # type: ignore[arg-type]
    quote, signature = split_quote(root.quote(asked))
    return TpmEvidence(
        quote=quote,
        signature=signature,
        key=root.certified(key).pem.encode(),
        event_log=root.log(),
    )


def judged(evidence: TpmEvidence, nonce: bytes = NONCE) -> TpmResult:
    return judge_tpm(evidence, nonce=nonce, anchors=anchors(), at=AT)


def words(verdict: Verdict) -> tuple[str | None, ...]:
    axes = (verdict.evidence, verdict.signature, verdict.identity)
    return (*(None if axis is None else axis.value for axis in axes), verdict.summary.value)


def codes(result: TpmResult) -> list[str]:
    found = (finding.code for finding in result.verdict.findings)
    return [code for code in found if code != "endorsement-missing"]


def with_key(evidence: TpmEvidence, key: bytes) -> TpmEvidence:
    return TpmEvidence(
        quote=evidence.quote, signature=evidence.signature, key=key, event_log=evidence.event_log
    )


@pytest.mark.parametrize(
    ("key", "scheme"), [("ecc", tpm.ECDSA), ("rsa", tpm.RSASSA), ("rsa", tpm.RSAPSS)]
)
@pytest.mark.parametrize("hashing", HASHINGS.values(), ids=HASHINGS)
def test_an_honest_quote_is_verified(key: str, scheme: int, hashing: object) -> None:
    root = platform(keys=("ecc", "rsa"))
    result = judged(told(root, key, scheme=scheme, hashing=hashing))
    assert words(result.verdict) == ("fresh", "valid", "anchored", "verified")
    assert codes(result) == []
    held = root.registers()["SHA_256"]
    assert [(m.index, m.value) for m in result.measurements] == list(enumerate(held[:10]))


@pytest.mark.parametrize(
    ("kind", "expected", "code"),
    [
        ("replay", ("stale", "valid", "anchored", "unknown"), "nonce-mismatch"),
        ("wrong_nonce", ("stale", "valid", "anchored", "unknown"), "nonce-mismatch"),
        ("bad_signature", ("fresh", "invalid", "anchored", "untrusted"), "signature-invalid"),
        ("forged_root", ("fresh", "valid", "unanchored", "unknown"), "root-unknown"),
        ("log_edited", ("malformed", "valid", "anchored", "unknown"), "log-not-quoted"),
        ("secure_boot_off", ("fresh", "valid", "anchored", "verified"), "secure-boot-off"),
    ],
)
def test_each_lie_is_seen(kind: str, expected: tuple[str, ...], code: str) -> None:
    result = judged(told(platform(Lie(f"tpm_{kind}"))))
    assert words(result.verdict) == expected
    assert code in codes(result)


def test_a_bare_key_binds_nothing_and_says_so() -> None:
    root = platform()
    public = root.certified("ecc").key.public_key()
    area = tpm.public(public, attributes=tpm.AK_ATTRIBUTES, signs=True)
    result = judged(with_key(told(root), area))
    assert words(result.verdict) == ("fresh", "valid", None, "verified")
    assert codes(result) == ["key-unbound"]


def test_a_key_that_signs_anything_is_no_attestation_key() -> None:
    root = platform()
    public = root.certified("ecc").key.public_key()
    loose = tpm.public(public, attributes=tpm.AK_ATTRIBUTES & ~(1 << 16), signs=True)
    result = judged(with_key(told(root), loose))
    assert words(result.verdict) == ("fresh", "valid", "unanchored", "unknown")
    assert "key-not-restricted" in codes(result)


def test_another_kind_of_key_cannot_have_signed() -> None:
    root = platform(keys=("ecc", "rsa"))
    result = judged(with_key(told(root), root.certified("rsa").pem.encode()))
    assert words(result.verdict)[1] == "invalid"


def test_registers_must_be_those_quoted() -> None:
    root = platform()
    honest = told(root)
    values = b"".join(root.registers()["SHA_256"][:10])

    def beside(pcrs: bytes, log: bytes | None = None) -> TpmResult:
        return judged(TpmEvidence(quote=honest.quote, signature=honest.signature, key=honest.key,
                                  pcrs=pcrs, event_log=log))  # fmt: skip

    assert words(beside(values).verdict) == ("fresh", "valid", "anchored", "verified")
    assert len(beside(values).measurements) == 10
    wrong = beside(bytes(32) + values[32:])
    assert words(wrong.verdict) == ("malformed", "valid", "anchored", "unknown")
    assert codes(wrong) == ["pcrs-not-quoted"]
    assert wrong.measurements == ()
    edited = beside(values, told(platform(Lie("tpm_log_edited"))).event_log)
    found = next(f for f in edited.verdict.findings if f.code == "log-not-quoted")
    assert "pcr" in found.detail


def test_a_weak_bank_says_so() -> None:
    root = platform()
    result = judged(told(root, selection=[(SHA1, range(8))]))
    assert codes(result) == ["bank-weak"]
    mixed = judged(told(root, selection=[(SHA1, [0]), (SHA256, [0, 7])]))
    assert [(m.algorithm, m.index) for m in mixed.measurements] == [
        ("sha1", 0), ("sha256", 0), ("sha256", 7),
    ]  # fmt: skip


@settings(max_examples=60)
@given(data=hostile(signed_quote()))
def test_no_spoilt_quote_is_verified(data: bytes) -> None:
    if data == signed_quote():
        return
    quote, signature = split_quote(data)
    honest = told(platform())
    spoilt = TpmEvidence(quote=quote, signature=signature, key=honest.key, event_log=None)
    if (quote, signature) == (honest.quote, honest.signature):
        return
    verdict = judged(spoilt).verdict
    assert verdict.summary is not Summary.VERIFIED or quote == honest.quote


@settings(max_examples=60)
@given(data=hostile(event_log(), platform().certified("ecc").pem.encode()))
def test_any_key_and_log_give_a_verdict(data: bytes) -> None:
    honest = told(platform())
    judged(with_key(honest, data))
    judged(TpmEvidence(quote=honest.quote, signature=honest.signature, key=honest.key,
                       pcrs=data, event_log=data))  # fmt: skip


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ecc-sha256-ecdsa", "rsa-sha256-rsassa"])
def test_recorded_quotes_replay(shared: Path, name: str) -> None:
    folder = shared / "trust" / "tpm"

    def held(suffix: str) -> bytes:
        return (folder / f"q_{name}_sha256-0-1-2-3-4-5-6-7.{suffix}").read_bytes()

    evidence = TpmEvidence(
        quote=held("attest"),
        signature=held("sig"),
        key=(folder / f"ak_{name}.pem").read_bytes(),
        pcrs=held("pcrs"),
        event_log=(folder / "eventlog.bin").read_bytes(),
    )
    nonce = bytes.fromhex(held("nonce").decode().strip())
    result = judge_tpm(evidence, nonce=nonce, at=AT)
    assert words(result.verdict) == ("fresh", "valid", None, "verified")
    assert codes(result) == ["key-unbound", "secure-boot-off"]
    assert len(result.measurements) == 8
    assert words(judge_tpm(evidence, nonce=bytes(32), at=AT).verdict)[0] == "stale"
