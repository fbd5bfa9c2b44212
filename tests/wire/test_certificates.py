"""Framing of certificates: DER after DER, PEM, SPDM's chain."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given

from iolaus.wire.certificates import (
    looks_like_chain,
    parse_certificates,
    parse_chain,
    split_der,
)
from iolaus.wire.octets import EvidenceMalformed
from tests.wire.hostile import chain, chain_pem, hostile


def test_a_chain_is_root_hash_and_root_to_leaf() -> None:
    found = parse_chain(chain())
    assert found.root_hash == hashlib.sha384(found.certificates[0]).digest()
    assert parse_chain(chain(), hash_size=48) == found
    assert looks_like_chain(chain())
    assert not looks_like_chain(chain_pem())


def test_pem_and_der_hold_the_same() -> None:
    certificates = parse_chain(chain()).certificates
    assert tuple(reversed(parse_certificates(chain_pem()))) == certificates
    assert split_der(b"".join(certificates)) == certificates
    assert parse_certificates(b"".join(certificates)) == certificates


@pytest.mark.parametrize("cut", [0, 3, 4, 30, 60, 700, -1])
def test_a_cut_chain_is_refused(cut: int) -> None:
    data = chain()[:cut]
    for tried in (data, len(data).to_bytes(4, "little") + data[4:]):
        with pytest.raises(EvidenceMalformed):
            parse_chain(tried)


def test_more_than_a_chain_is_refused() -> None:
    with pytest.raises(EvidenceMalformed):
        parse_chain(chain() + b"\0")
    with pytest.raises(EvidenceMalformed):
        split_der(b"0\0" * 33)


@given(hostile(chain(), chain_pem()))
def test_any_bytes_are_certificates_or_malformed(data: bytes) -> None:
    for parse in (parse_certificates, parse_chain):
        try:
            parse(data)
        except EvidenceMalformed:
            continue
