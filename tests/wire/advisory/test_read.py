"""Bytes of advisories: either a document of one of the two formats, or the one error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.wire.advisory import Csaf, parse_advisories
from iolaus.wire.advisory.read import MAX_BYTES, AdvisoryMalformed
from tests.fleet.advisories import csaf, osv

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    below = [(key, each) for key, each in items] if isinstance(value, dict | list) else []
    return [here] + [p for key, each in below for p in paths(each, (*here, key))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.builds(json.dumps, JSON).map(str.encode))
def test_any_bytes_give_an_advisory_or_the_one_error(raw: bytes) -> None:
    try:
        parse_advisories(raw, source="x.json")
    except AdvisoryMalformed as error:
        assert error.message
        assert error.next_step
        assert error.exit_code == 2


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([csaf(), osv()]))
def test_a_document_with_one_thing_changed_is_read_or_refused(
    data: st.DataObject, whole: dict[str, Any]
) -> None:
    path = data.draw(st.sampled_from([p for p in paths(whole) if p]))
    raw = json.dumps(replaced(whole, path, data.draw(JSON))).encode()
    try:
        parse_advisories(raw, source="x.json")
    except AdvisoryMalformed as error:
        assert error.message


def test_both_formats_are_told_by_their_marks() -> None:
    assert isinstance(parse_advisories(json.dumps(csaf()).encode(), source="a"), Csaf)
    found = parse_advisories(b"\xef\xbb\xbf" + json.dumps([osv(), osv()]).encode(), source="b")
    assert isinstance(found, tuple)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "it is empty"),
        (b"<csaf/>", "it is XML"),
        (b"[]", "an empty list"),
        (b"{}", "neither CSAF 2.0 nor OSV"),
        (b'{"document": {"csaf_version": "2.1"}}', "CSAF '2.1', not 2.0"),
        (b'{"document": {"csaf_version": "2.0"}}', "$.document"),
        (b'{"id": "X", "modified": "t", "affected": 3}', "$.affected"),
        (b'{"document":{"csaf_version":' + b"[" * 100_000, "nested too deeply"),
        (b'{"id"' + b" " * MAX_BYTES, "larger than 8 MiB"),
    ],
)
def test_what_is_none_is_refused_with_the_place(raw: bytes, said: str) -> None:
    with pytest.raises(AdvisoryMalformed) as caught:
        parse_advisories(raw, source="f.json")
    assert said in caught.value.message.replace("array", "")
    assert caught.value.subject == "f.json"


def test_a_tree_that_is_too_deep_is_refused() -> None:
    branch: dict[str, Any] = {"category": "product_name", "name": "x"}
    for _ in range(40):
        branch = {"category": "product_family", "name": "x", "branches": [branch]}
    raw = json.dumps(csaf(branches=[branch])).encode()
    with pytest.raises(AdvisoryMalformed, match="deeper than 30"):
        parse_advisories(raw, source="f")
