"""CBOR of somebody else: as the general library reads it, or the one error."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.cbor import MAX_DEPTH, Tag, decode
from iolaus.wire.document import MAX_DOCUMENT, DocumentMalformed

leaves = (
    st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=40)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False)
)
items = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.integers(-5, 500) | st.text(max_size=9), inner, max_size=5)
    ),
    max_leaves=30,
)


@given(items)
def test_it_reads_what_the_library_writes(item: Any) -> None:
    assert decode(cbor2.dumps(item)) == item


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_give_an_item_or_the_one_error(data: bytes) -> None:
    try:
        found = decode(data)
    except DocumentMalformed as wrong:
        assert wrong.reason
        assert wrong.next_step
    else:
        assert cbor2.dumps(plain(found), canonical=False)


def plain(item: Any) -> Any:
    if isinstance(item, Tag):
        return cbor2.CBORTag(item.number, plain(item.value))
    if isinstance(item, list):
        return [plain(each) for each in item]
    return {k: plain(v) for k, v in item.items()} if isinstance(item, dict) else item


def test_a_tag_stays_a_tag() -> None:
    assert decode(cbor2.dumps(cbor2.CBORTag(35, "(a+)+"))) == Tag(35, "(a+)+")
    assert decode(bytes.fromhex("c24101")) == Tag(2, b"\x01")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "empty"),
        ("0102", "trailing-bytes"),
        ("a201010102", "duplicate-key"),
        ("1801", "not-canonical"),
        ("9f01ff", "not-canonical"),
        ("5b000000007fffffff", "not-canonical"),
        ("5a7fffffff", "truncated"),
        ("9a7fffffff", "truncated"),
        ("ba7fffffff", "truncated"),
        ("61ff", "not-text"),
        ("a18001", "key-unknown"),
        ("f0", "value-unknown"),
        ("81" * (MAX_DEPTH + 2) + "01", "too-large"),
        ("d81c" * (MAX_DEPTH + 2) + "01", "too-large"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: str, reason: str) -> None:
    with pytest.raises(DocumentMalformed) as caught:
        decode(bytes.fromhex(data))
    assert caught.value.reason == reason


def test_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(DocumentMalformed, match="more than 8 MiB"):
        decode(b"\x40" * (MAX_DOCUMENT + 1))
