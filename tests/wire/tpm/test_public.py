"""Public areas, their names and what kind of key they are."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from iolaus.sim.roots import tpm
from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.tpm.public import parse_public
from tests.sim.roots.world import platform
from tests.wire.hostile import hostile


def area(kind: str, attributes: int = tpm.AK_ATTRIBUTES) -> bytes:
    key = platform(keys=("ecc", "rsa")).certified(kind).key.public_key()
    return tpm.public(key, attributes=attributes, signs=True)


@pytest.mark.parametrize("kind", ["ecc", "rsa"])
def test_a_key_and_its_name(kind: str) -> None:
    bare = area(kind)
    found = parse_public(struct.pack(">H", len(bare)) + bare)
    assert found == parse_public(bare)
    assert found.name == tpm.name_of(bare)
    assert found.attests
    key = platform(keys=("ecc", "rsa")).certified(kind).key.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        assert int.from_bytes(found.x, "big") == key.public_numbers().x
        assert found.curve == "p256"
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        assert int.from_bytes(found.modulus, "big") == key.public_numbers().n
        assert found.exponent == 65537


@pytest.mark.parametrize("lost", [1 << 16, 1 << 18, 1 << 1])
def test_a_key_that_signs_anything_does_not_attest(lost: int) -> None:
    assert not parse_public(area("ecc", tpm.AK_ATTRIBUTES & ~lost)).attests


def test_no_key_is_refused() -> None:
    for data in (b"", area("ecc")[:-1], area("rsa") + b"\0", bytes(40)):
        with pytest.raises(EvidenceMalformed):
            parse_public(data)


@given(st.deferred(lambda: hostile(area("ecc"), area("rsa"))))
def test_any_bytes_are_a_key_or_malformed(data: bytes) -> None:
    try:
        assert len(parse_public(data).name) > 2
    except EvidenceMalformed:
        return


@pytest.mark.shared
def test_an_endorsement_key_is_that_of_its_certificate(shared: Path) -> None:
    folder = shared / "trust" / "tpm"
    found = parse_public((folder / "ek_rsa.tpm2b_public").read_bytes())
    certificate = x509.load_der_x509_certificate((folder / "ek_rsa_cert.der").read_bytes())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert int.from_bytes(found.modulus, "big") == key.public_numbers().n
    assert not found.attests
