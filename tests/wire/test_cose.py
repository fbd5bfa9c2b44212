"""COSE taken apart: what was signed, by which key, as the standard's own structures have it."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.cose import parse_cose
from iolaus.wire.document import DocumentMalformed

KEY = ec.generate_private_key(ec.SECP256R1())


def sign(structure: list[Any], key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    r, s = utils.decode_dss_signature(key.sign(cbor2.dumps(structure), ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verified(data: bytes, signature: bytes) -> None:
    der = utils.encode_dss_signature(
        int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    )
    KEY.public_key().verify(der, data, ec.ECDSA(hashes.SHA256()))


def sign1(protected: dict[Any, Any], unprotected: dict[Any, Any], payload: bytes) -> bytes:
    raw = cbor2.dumps(protected) if protected else b""
    signature = sign(["Signature1", raw, b"", payload])
    return cbor2.dumps(cbor2.CBORTag(18, [raw, unprotected, payload, signature]))


def test_one_signature() -> None:
    found = parse_cose(sign1({1: -7, 3: "text/plain", 4: b"me"}, {33: b"cert"}, b"hello"))
    assert (found.tag, found.payload, found.content_type) == (18, b"hello", "text/plain")
    (signed,) = found.signatures
    assert (signed.algorithm, signed.kid, signed.certificates) == ("ES256", b"me", (b"cert",))
    verified(signed.data, signed.signature)


def test_an_algorithm_that_is_not_signed_is_not_read() -> None:
    (signed,) = parse_cose(sign1({}, {1: -7, 4: b"me"}, b"hello")).signatures
    assert (signed.algorithm, signed.kid) == (None, b"me")
    verified(signed.data, signed.signature)


def test_several_signatures() -> None:
    own = cbor2.dumps({1: -7})
    signature = sign(["Signature", b"", own, b"", b"hello"])
    data = cbor2.dumps(cbor2.CBORTag(98, [b"", {}, b"hello", [[own, {4: b"a"}, signature]]]))
    (signed,) = parse_cose(data).signatures
    assert (signed.algorithm, signed.kid) == ("ES256", b"a")
    verified(signed.data, signed.signature)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ([b"", {}, b"", b""], "not-cose"),
        (cbor2.CBORTag(18, [b"", {}, b""]), "cose-malformed"),
        (cbor2.CBORTag(18, [b"", {}, None, b""]), "payload-detached"),
        (cbor2.CBORTag(18, [b"", {}, b"", "sig"]), "cose-malformed"),
        (cbor2.CBORTag(18, ["", {}, b"", b""]), "cose-malformed"),
        (cbor2.CBORTag(18, [b"\xa1\x02\x81\x01", {}, b"", b""]), "header-unknown"),
        (cbor2.CBORTag(98, [b"", {}, b"", []]), "cose-malformed"),
        (cbor2.CBORTag(98, [b"", {}, b"", [[b"", {}]]]), "cose-malformed"),
    ],
)
def test_what_is_no_signature_is_told(item: Any, reason: str) -> None:
    with pytest.raises(DocumentMalformed) as caught:
        parse_cose(cbor2.dumps(item))
    assert caught.value.reason == reason


@given(
    st.binary(max_size=120), st.sampled_from((b"", b"\xd2\x84", b"\xd8\x62\x84\x40\xa0\x41a\x81"))
)
def test_any_bytes_give_a_signature_or_the_one_error(data: bytes, head: bytes) -> None:
    judged(head + data)


def judged(data: bytes) -> None:
    try:
        assert parse_cose(data).signatures
    except DocumentMalformed as wrong:
        assert wrong.reason


@given(st.data())
def test_damage_anywhere_gives_a_signature_or_the_one_error(data: st.DataObject) -> None:
    raw = bytearray(sign1({1: -7, 33: [b"a", b"b"]}, {4: b"me"}, b"hello"))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    judged(bytes(raw))
