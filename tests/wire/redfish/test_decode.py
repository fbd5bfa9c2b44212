"""Bytes to one object: clean JSON untouched, known sloppiness repaired, all else one error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iolaus.kernel.errors import DeviceLied
from iolaus.wire.redfish.body import Body, BodyGarbled, BodyTooLarge
from iolaus.wire.redfish.decode import MAX_DEPTH, parse_object

_LEAF = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
_JSON = st.recursive(
    _LEAF | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _JSON))
def test_clean_json_comes_through(value: dict[str, Any]) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    assert parse_object(raw, uri="/x") == (json.loads(raw), ())


@given(st.binary(max_size=300))
@example(b"\xff\xfe{\x00}\x00")
@example(b'{"a":"\\ud800"}')
@example(b'{"a":' + b"9" * 6000 + b"}")
@example(b"{" * 400)
@example(b'{"a":1e999,"b":-Infinity}')
def test_any_bytes_give_an_object_or_one_error(raw: bytes) -> None:
    try:
        value, _ = parse_object(raw, uri="/x")
    except DeviceLied as error:
        assert error.next_step
    else:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@given(st.binary(max_size=60), st.integers(0, 60))
def test_damaged_json_gives_an_object_or_one_error(noise: bytes, at: int) -> None:
    clean = b'{"Name": "Chassis", "Reading": 41.5, "Links": {"Members": [{"@odata.id": "/a"}]}}'
    test_any_bytes_give_an_object_or_one_error.hypothesis.inner_test(  # type: ignore[attr-defined]
        clean[:at] + noise + clean[at + len(noise) // 2 :]
    )


@pytest.mark.parametrize(
    ("raw", "value", "rules"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}, ["encoding", "syntax"]),
        (b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}', {"a": 1}, ["encoding", "syntax"]),
        (b'{"a": 1}\x00\x00', {"a": 1}, ["syntax", "syntax"]),
        (b'{"a": NaN, "b": -Infinity}', {"a": None, "b": None}, ["syntax"]),
        (b'{"a": 1e400}', {"a": None}, ["syntax"]),
        (b'{"a": "\xb0C"}', {"a": "\u00b0C"}, ["encoding", "syntax"]),
        (b'{"a": "\x01\t"}', {"a": "\x01\t"}, ["syntax"]),
        (b'{"a": "\\ud83d"}', {"a": "?"}, ["syntax"]),
    ],
)
def test_sloppiness_is_repaired_and_reported(
    raw: bytes, value: dict[str, Any], rules: list[str]
) -> None:
    got, notes = parse_object(raw, uri="/x")
    assert (got, [rule for _, rule, _ in notes]) == (value, rules)


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_depth_is_bounded(depth: int) -> None:
    raw = b'{"a":' * depth + b"1" + b"}" * depth
    if depth <= MAX_DEPTH:
        assert parse_object(raw, uri="/x")
    else:
        with pytest.raises(DeviceLied, match="too deep"):
            parse_object(raw, uri="/x")


def test_brackets_in_strings_are_no_depth() -> None:
    value = {"a": "[" * 500 + '"\\', "b": [[]]}
    assert parse_object(json.dumps(value).encode(), uri="/x")[0] == value


@given(st.lists(st.binary(max_size=50)), st.integers(0, 200))
def test_a_body_is_whole_or_refused(pieces: list[bytes], most: int) -> None:
    body, whole = Body(coding="", max_bytes=most), b"".join(pieces)
    try:
        for piece in pieces:
            body.feed(piece)
    except BodyTooLarge:
        assert len(whole) > most
    else:
        assert body.finish() == whole


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=200))
def test_any_coded_bytes_are_a_body_or_garbled(coding: str, raw: bytes) -> None:
    body = Body(coding=coding, max_bytes=10_000)
    try:
        body.feed(raw)
        body.finish()
    except (BodyGarbled, BodyTooLarge):
        pass
