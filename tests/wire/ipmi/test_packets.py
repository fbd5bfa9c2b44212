"""Packets of RMCP+: what is sealed opens, and nothing else does."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.ipmi.login import Login, Refused
from iolaus.wire.ipmi.packets import (
    MESSAGE,
    OPEN_ANSWER,
    SOL,
    SUITES,
    Packet,
    keys_of,
    parse,
    parse_piece,
    parse_reply,
    plain,
    request,
    sealed,
)

KEY = bytes(range(32))
SUITE = st.sampled_from(SUITES)


@given(SUITE, st.binary(max_size=300), st.binary(min_size=16, max_size=16))
def test_what_is_sealed_opens_with_its_keys_only(suite: object, text: bytes, iv: bytes) -> None:
    keys = keys_of(suite, KEY)  # type: ignore[arg-type]
    packet = sealed(SOL, text, session=7, sequence=3, keys=keys, iv=iv)
    assert parse(packet, keys) == Packet(kind=SOL, payload=text, session=7, sequence=3, sealed=True)
    assert parse(packet, keys_of(keys.suite, KEY[::-1])) is None
    assert parse(packet) is None


@given(SUITE, st.integers(4, 60), st.integers(1, 255))
def test_one_bit_elsewhere_and_nothing_opens(suite: object, at: int, flip: int) -> None:
    keys = keys_of(suite, KEY)  # type: ignore[arg-type]
    packet = bytearray(sealed(MESSAGE, b"a word", session=1, sequence=1, keys=keys, iv=bytes(16)))
    packet[at % len(packet)] ^= flip
    found = parse(bytes(packet), keys)
    assert found is None or not found.sealed


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_packet_or_none(data: bytes, framed: bool) -> None:
    keys = keys_of(SUITES[0], KEY)
    given_ = plain(OPEN_ANSWER, data) if framed else data
    found = parse(given_, keys)
    assert found is None or not found.sealed
    parse_reply(data)
    parse_piece(data)


@given(st.lists(st.tuples(st.sampled_from([0x11, 0x13, 0x15]), st.binary(max_size=90)), max_size=4))
def test_a_controller_may_say_anything_while_it_lets_in(said: list[tuple[int, bytes]]) -> None:
    login = Login("root", "secret", SUITES[0])
    login.begin()
    for kind, payload in said:
        try:
            login.heard(Packet(kind=kind, payload=payload))
        except Refused as error:
            assert str(error)
    assert login.keys is None


def test_a_request_is_as_the_standard_draws_it() -> None:
    asked = request(0x3B, b"\x04", number=5)
    assert asked == bytes([0x20, 0x18, 0xC8, 0x81, 0x14, 0x3B, 0x04, 0x2C])


def test_who_does_not_know_the_password_is_told_apart_before_ours_is_used() -> None:
    login = Login("root", "secret", SUITES[1])
    opening = parse(login.begin())
    assert opening is not None
    ends = opening.payload[4:8] + bytes([9, 0, 0, 0])
    answer = bytes([0, 0, 4, 0]) + ends + opening.payload[8:32]
    asked = login.heard(Packet(kind=OPEN_ANSWER, payload=answer))
    assert asked is not None
    false = hmac.digest(b"another", b"", "sha1")
    with pytest.raises(Refused, match="password"):
        login.heard(Packet(kind=0x13, payload=bytes(4) + ends[:4] + bytes(32) + false))
