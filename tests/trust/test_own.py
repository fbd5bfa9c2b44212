"""Values of our own: learned, signed, and read back by the way that makers' values take."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from iolaus.kernel.errors import OperatorMust
from iolaus.model.reference import Digest, Provenance, ReferenceSet, ReferenceValue, SourceKind
from iolaus.model.trust import Measurement, Reference
from iolaus.trust.compare import compare
from iolaus.trust.manifests import Imported, read_manifest
from iolaus.trust.own import read_private_key, write_baseline
from iolaus.trust.signing import read_anchors
from tests.trust.made import LATER, NOW

PEM = serialization.Encoding.PEM
SEEN = [
    Measurement(index=1, kind="rom", value=b"a" * 48, algorithm="sha384"),
    Measurement(index=2, kind="firmware-config", value=b"\x01\x02", raw=True),
    Measurement(index=9, kind="svn", value=b"\x07", raw=True),
]
VALUES = (
    ReferenceValue(index=1, digests=(Digest("sha384", b"a" * 48),), version="1.2"),
    ReferenceValue(index=2, raw=b"\x01\x02", version="1.2"),
)
LEARNED = ReferenceSet(
    name="ACME Trap 1.2", part="ACME Trap", vendor="ACME", model="Trap", version="1.2",
    values=VALUES, provenance=Provenance(source="", kind=SourceKind.LEARNED),
)  # fmt: skip


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def written(key: ec.EllipticCurvePrivateKey) -> bytes:
    return write_baseline([LEARNED], key, name="hall 1", not_before=NOW - 9, not_after=NOW + 9)


def read(data: bytes, *keys: ec.EllipticCurvePrivateKey, at: float = NOW) -> Imported:
    anchors = read_anchors([("own.pem", pem(key)) for key in keys])
    return read_manifest(data, source="own.corim", anchors=anchors, at=at)


def test_what_nobody_signed_counts_for_nothing() -> None:
    assert compare(SEEN, [LEARNED], at=NOW).reference is Reference.UNTRUSTED
    assert compare(SEEN, [LEARNED], at=NOW, accept_learned=True).reference is Reference.MATCH
    other = [Measurement(index=1, kind="rom", value=b"b" * 48, algorithm="sha384"), *SEEN[1:]]
    assert compare(other, [LEARNED], at=NOW, accept_learned=True).reference is Reference.MISMATCH


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_what_an_operator_signed_counts_like_a_makers(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    found = read(written(key), key)
    assert (found.provenance.kind, found.provenance.genuine) == (SourceKind.BASELINE, True)
    assert compare(SEEN, found.sets, at=NOW).reference is Reference.MATCH
    assert compare(SEEN, found.sets, at=LATER).reference is Reference.EXPIRED
    stranger = read(written(key), ec.generate_private_key(curve))
    assert not stranger.provenance.genuine


def test_a_key_that_cannot_sign_is_told_without_showing_it() -> None:
    key = rsa.generate_private_key(65537, 2048)
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    data = key.private_bytes(PEM, form, none)
    for wrong in (data, b"no key", b""):
        with pytest.raises(OperatorMust) as caught:
            read_private_key(wrong, subject="key.pem")
        assert caught.value.code == "KeyUnusable"
        assert "BEGIN" not in str(caught.value)
    with pytest.raises(OperatorMust, match="can sign"):
        written(ec.generate_private_key(ec.SECP256K1()))
    good = ec.generate_private_key(ec.SECP384R1())
    assert read_private_key(good.private_bytes(PEM, form, none), subject="k") is not None
