"""ETag dialects: what is kept, and what is tried for If-Match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.redfish.etag import for_if_match, for_if_none_match, read_etag, usable


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"etag": 'W/"1"'}, {"@odata.etag": 'W/"2"'}, 'W/"1"'),
        ({"etag": ""}, {"@odata.etag": 'W/"2"'}, 'W/"2"'),
        ({"etag": 'W/""'}, {}, None),
        ({"etag": "plain"}, {}, "plain"),
        ({"etag": 'W/"\r\nX: y"'}, {}, None),
        ({}, {"@odata.etag": 7}, None),
        ({}, {}, None),
    ],
)
def test_which_tag_counts(
    headers: dict[str, str], body: dict[str, object], expected: str | None
) -> None:
    assert read_etag(headers, body) == expected


def test_the_spellings_of_a_tag() -> None:
    assert for_if_match('"a"') == ('"a"', 'W/"a"')
    assert for_if_match('W/"a"') == ('W/"a"', '"a"')
    assert for_if_match("a") == ("a", '"a"', 'W/"a"')
    assert for_if_match('W/"a-gzip"') == ('W/"a-gzip"', '"a-gzip"', '"a"', 'W/"a"')
    assert for_if_match('""') == ()
    assert for_if_none_match("a") == '"a"'


@given(st.text(max_size=40))
def test_any_tag_makes_safe_headers(tag: str) -> None:
    for spelling in for_if_match(tag):
        assert "\r" not in spelling
        assert "\n" not in spelling
        spelling.encode("latin-1")
    if usable(tag):
        assert for_if_match(tag)[0] == tag.strip()


def test_any_is_sent_as_it_is() -> None:
    assert for_if_match(" * ") == ("*",)
