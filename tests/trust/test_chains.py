"""Chains: every way a link can be wrong, made with the same tools as right ones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from iolaus.model.trust import Identity
from iolaus.trust.attester import read_attester
from iolaus.trust.chains import Anchors, ChainResult, Validity, judge_chain
from tests.sim.roots.world import responder
from tests.trust.judging import AT, anchors, der

KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("root", "mid", "leaf", "other")}
BORN, DIES = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def made(
    subject: str,
    issuer: str,
    *,
    signer: str | None = None,
    ca: bool = True,
    path_length: int | None = None,
    dies: datetime = DIES,
    critical: str = "",
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder(name(issuer), name(subject), (key or KEYS[subject]).public_key())
        .serial_number(7)
        .not_valid_before(BORN)
        .not_valid_after(dies)
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
    )
    if critical:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(critical), b"\x05\0")
        builder = builder.add_extension(unknown, critical=True)
    return builder.sign(KEYS[signer or issuer], hashes.SHA256())


ROOT = made("root", "root")
MID = made("mid", "root")
LEAF = made("leaf", "mid", ca=False)


def judged(
    *chain: x509.Certificate,
    trusted: x509.Certificate = ROOT,
    at: float = AT,
    validity: Validity = Validity.ENFORCED,
) -> ChainResult:
    return judge_chain([der(each) for each in chain], Anchors((trusted,)), at=at, validity=validity)


def codes(result: ChainResult) -> list[str]:
    return [finding.code for finding in result.findings]


@pytest.mark.parametrize(
    ("chain", "trusted"),
    [
        ((ROOT, MID, LEAF), ROOT),
        ((LEAF, MID, ROOT), ROOT),
        ((MID, LEAF), ROOT),
        ((ROOT, MID, LEAF), MID),
        ((LEAF,), LEAF),
        ((LEAF,), MID),
    ],
    ids=["root-first", "leaf-first", "without-root", "middle-trusted", "pinned", "issuer-trusted"],
)
def test_a_chain_that_leads_to_an_anchor(
    chain: tuple[x509.Certificate, ...], trusted: x509.Certificate
) -> None:
    result = judged(*chain, trusted=trusted)
    assert result.identity is Identity.ANCHORED
    assert result.anchor == trusted
    assert result.leaf == LEAF
    assert result.findings == ()


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        ((ROOT, MID, made("leaf", "mid", signer="other", ca=False)), "chain-broken"),
        ((ROOT, LEAF), "chain-broken"),
        ((ROOT, made("mid", "root", ca=False), LEAF), "chain-broken"),
        ((made("other", "other"), made("mid", "other"), LEAF), "root-unknown"),
        ((ROOT, made("mid", "root", critical="1.2.3.4"), LEAF), "chain-broken"),
        ((ROOT, MID, made("leaf", "mid", ca=False, critical="1.2.3.4")), "chain-broken"),
    ],
    ids=["forged-leaf", "missing-link", "no-authority", "other-root", "critical", "critical-leaf"],
)
def test_a_chain_that_does_not(chain: tuple[x509.Certificate, ...], code: str) -> None:
    result = judged(*chain)
    assert result.identity is Identity.UNANCHORED
    assert code in codes(result)


def test_a_path_that_is_too_long() -> None:
    short = made("root", "root", path_length=0)
    result = judged(short, MID, LEAF, trusted=short)
    assert result.identity is Identity.UNANCHORED
    assert codes(result) == ["chain-broken"]
    assert "allows 0 authorities" in result.findings[0].message


def test_a_weak_key_is_no_link() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    result = judged(ROOT, MID, made("leaf", "mid", ca=False, key=weak))
    assert result.identity is Identity.UNANCHORED


def test_dates_count_by_policy_and_are_always_told() -> None:
    early, late = BORN.timestamp() - 1, DIES.timestamp() + 1
    for at, code in ((early, "certificate-not-yet-valid"), (late, "certificate-expired")):
        strict, lenient = (judged(ROOT, MID, LEAF, at=at, validity=each) for each in Validity)
        assert strict.identity is Identity.UNANCHORED
        assert lenient.identity is Identity.ANCHORED
        assert set(codes(strict)) == set(codes(lenient)) == {code}


def test_nothing_trusted_is_nothing_anchored() -> None:
    result = judge_chain([der(LEAF)], Anchors(), at=AT)
    assert result.identity is Identity.UNANCHORED
    assert codes(result) == ["root-unknown"]


def test_a_pin_outlives_the_alias_and_cannot_be_borrowed() -> None:
    chain = responder().certified(0).chain
    result = judge_chain([der(each) for each in chain], anchors(), at=AT)
    attester = read_attester(result.linked)
    device = chain[-2]
    assert attester.pin == read_attester((device,)).pin
    assert attester.pin != read_attester((chain[-1],)).pin
    assert (attester.maker, attester.product) == ("Maker", "RoT-1")
    forged = made("leaf", "other", ca=False)
    stolen = judge_chain([der(each) for each in (*chain[:-1], forged)], anchors(), at=AT)
    assert stolen.linked == (forged,)
    assert read_attester(stolen.linked).pin != attester.pin
