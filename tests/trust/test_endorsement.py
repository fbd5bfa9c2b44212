"""Which TPM an attestation key belongs to: bound, unnamed, unanchored, or another one's."""

from __future__ import annotations

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from iolaus.model.appraisal import Pin
from iolaus.model.trust import Identity
from iolaus.sim.roots.lies import Lie
from iolaus.trust.appraise import Judged
from iolaus.trust.chains import Anchors, Validity, judge_chain
from iolaus.trust.endorsement import bound
from iolaus.trust.tpm import TpmResult, judge_tpm
from iolaus.wire.certificates import parse_certificates
from tests.sim.roots.world import NONCE, platform
from tests.trust.judging import AT, anchors
from tests.trust.test_tpm import told

ROOT = platform(keys=("ecc", "rsa"))
EK = ROOT.certified("ek").pem.encode()
OTHER = platform(Lie("tpm_swapped_identity", names=("h1-r01-u05",))).certified("ek").pem.encode()


def codes(found: TpmResult) -> list[str]:
    return [each.code for each in found.verdict.findings]


def judged(key: str = "ecc", shown: bytes = EK) -> TpmResult:
    evidence = msgspec.structs.replace(told(ROOT, key), endorsement=shown or None)
    return judge_tpm(evidence, nonce=NONCE, anchors=anchors(), at=AT)


def test_a_key_that_was_certified_for_the_endorsement_key_is_bound() -> None:
    found = judged()
    assert (found.verdict.identity, codes(found)) == (Identity.ANCHORED, ["key-bound"])


def test_all_attestation_keys_of_a_tpm_have_one_pin_whatever_is_shown() -> None:
    pins = {
        who.pin
        for key in ("ecc", "rsa")
        for shown in (EK, b"")
        if (who := judged(key, shown).attester)
    }
    keys = {who.key for key in ("ecc", "rsa") if (who := judged(key).attester)}
    assert (len(pins), len(keys)) == (1, 2)
    assert pins.isdisjoint(keys)
    assert codes(judged(shown=b"")) == ["endorsement-missing"]


def test_another_ones_endorsement_beside_it_unanchors_it() -> None:
    found = judged(shown=OTHER)
    assert (found.verdict.identity, codes(found)) == (Identity.UNANCHORED, ["endorsement-differs"])


def test_an_endorsement_without_an_anchor_is_told() -> None:
    chain = judge_chain(
        parse_certificates(ROOT.certified("ecc").pem.encode(), subject="AK"), anchors(), at=AT
    )
    found = bound(chain, EK, Anchors(), at=AT, validity=Validity.ENFORCED)
    assert (found.faults, [each.code for each in found.notes]) == ((), ["endorsement-unanchored"])
    assert found.pin
    strange = msgspec.structs.replace(chain, identity=Identity.UNANCHORED)
    assert not bound(strange, EK, anchors(), at=AT, validity=Validity.ENFORCED).pin


def test_a_certificate_that_names_none_says_so() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "AK")])
    made = ROOT.certified("ecc").leaf
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7)
    builder = builder.not_valid_before(made.not_valid_before_utc)
    leaf = builder.not_valid_after(made.not_valid_after_utc).sign(key, hashes.SHA256())
    chain = judge_chain([leaf.public_bytes(Encoding.DER)], Anchors((leaf,)), at=AT)
    found = bound(chain, EK, anchors(), at=AT, validity=Validity.ENFORCED)
    assert (found.pin, [each.code for each in found.notes]) == ("", ["endorsement-unnamed"])


def test_nonsense_beside_it_is_malformed_evidence() -> None:
    found = judged(shown=b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n")
    assert found.verdict.evidence == "malformed"


def test_a_key_in_a_certificate_of_no_known_version_is_malformed_evidence() -> None:
    der = ROOT.certified("ecc").leaf.public_bytes(Encoding.DER)
    odd = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x11")
    evidence = msgspec.structs.replace(told(ROOT), key=odd)
    found = judge_tpm(evidence, nonce=NONCE, anchors=anchors(), at=AT)
    assert found.verdict.evidence == "malformed"


def test_who_was_enrolled_by_the_attestation_key_stays_who_it_is() -> None:
    pin = Pin(asset="a", name="T", identity="old", at=0.0, by="first contact")
    found = Judged(verdict=judged().verdict, identity="new", key="old")
    assert found.identity_under(pin) == "old"
    assert found.identity_under(None) == "new"
    assert found.identity_under(msgspec.structs.replace(pin, identity="x")) == "new"
