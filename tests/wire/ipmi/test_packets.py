"""Packets of RMCP+: what is sealed opens, and nothing else does."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
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


@given(SUITE, st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_what_is_sealed_opens_with_its_keys_only(suite: object, texts: list[bytes]) -> None:
    ours, theirs = keys_of(suite, KEY), keys_of(suite, KEY)  # type: ignore[arg-type]
    others = keys_of(ours.suite, KEY[::-1])
    packets = [sealed(SOL, text, session=7, sequence=3, keys=ours) for text in texts]
    for packet, text in zip(packets, texts, strict=True):
        whole = Packet(kind=SOL, payload=text, session=7, sequence=3, sealed=True)
        assert parse(packet, others) is None
        assert parse(packet) is None
        assert parse(packet, theirs) == parse(packet, theirs) == whole
    assert parse(packets[0], theirs) is not None, "in any order"


def test_a_packet_is_encrypted_and_proved_as_the_standard_says() -> None:
    """Read with the plain algorithms (13.28, 13.29), each packet by itself."""
    key = keys_of(SUITES[0], KEY)
    mac, cipher = (hmac.digest(KEY, bytes([n]) * 20, "sha256") for n in (1, 2))
    packets = [sealed(SOL, b"the same", session=1, sequence=n, keys=key) for n in (1, 2)]
    for packet in packets:
        covered, iv, body = packet[4:-16], packet[16:32], packet[32:48]
        assert packet[-16:] == hmac.digest(mac, covered, "sha256")[:16]
        reading = Cipher(AES(cipher[:16]), CBC(iv)).decryptor()
        assert reading.update(body) == b"the same" + bytes([1, 2, 3, 4, 5, 6, 7, 7])
    assert packets[0][16:48] != packets[1][16:48]


@given(SUITE, st.integers(4, 60), st.integers(1, 255))
def test_one_bit_elsewhere_and_nothing_opens(suite: object, at: int, flip: int) -> None:
    keys = keys_of(suite, KEY)  # type: ignore[arg-type]
    packet = bytearray(sealed(MESSAGE, b"a word", session=1, sequence=1, keys=keys))
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
