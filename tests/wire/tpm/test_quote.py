"""Quotes and signatures as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given

from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.tpm.quote import parse_quote, parse_signature, parse_signed_quote
from tests.sim.roots.tpm_verifier import parse_attest
from tests.sim.roots.world import NONCE
from tests.wire.hostile import hostile, signed_quote, split_quote

ATTEST, SIGNATURE = split_quote(signed_quote())


def test_a_quote_is_read_as_others_read_it() -> None:
    quote, other = parse_quote(ATTEST), parse_attest(ATTEST)
    assert (quote.nonce, quote.digest) == (NONCE, other.digest)
    assert [(bank.hashing, bank.pcrs) for bank in quote.banks] == [("sha256", tuple(range(10)))]
    assert (quote.reset_count, quote.restart_count, quote.safe) == (1, 0, True)
    assert quote.attested == ATTEST


def test_a_length_before_it_changes_nothing() -> None:
    sized = len(ATTEST).to_bytes(2, "big") + ATTEST
    assert parse_quote(sized) == parse_quote(ATTEST)
    quote, signature = parse_signed_quote(signed_quote())
    assert (quote, signature) == (parse_quote(ATTEST), parse_signature(SIGNATURE))
    assert (signature.scheme, signature.hashing, len(signature.parts)) == ("ecdsa", "sha256", 2)


def test_an_rsa_signature_is_one_number() -> None:
    found = parse_signature(split_quote(signed_quote("rsa"))[1])
    assert (found.scheme, [len(part) for part in found.parts]) == ("rsassa", [256])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0" + ATTEST[1:], "magic-wrong"),
        (ATTEST[:4] + b"\x80\x14" + ATTEST[6:], "unexpected-message"),
        (ATTEST + b"\0", "trailing-bytes"),
        (ATTEST[:-1], "truncated"),
        (b"", "truncated"),
    ],
)
def test_why_a_quote_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(EvidenceMalformed) as wrong:
        parse_quote(data)
    assert wrong.value.reason == reason


def test_schemes_that_nobody_verifies_are_refused() -> None:
    with pytest.raises(EvidenceMalformed) as wrong:
        parse_signature(b"\0\x05" + SIGNATURE[2:])
    assert wrong.value.reason == "algorithm-unknown"


@given(hostile(ATTEST, SIGNATURE, signed_quote("rsa")))
def test_any_bytes_are_a_quote_or_malformed(data: bytes) -> None:
    for parse in (parse_quote, parse_signature, parse_signed_quote):
        try:
            parse(data)
        except EvidenceMalformed:
            continue
