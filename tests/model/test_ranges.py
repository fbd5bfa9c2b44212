"""Ranges of versions: what is understood, and that nothing else ever counts as outside."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.model.ranges import first_fixed, parse_range, within
from iolaus.model.version import Verdict


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("vers:generic/>=1.0|<2.5", (">=1.0,<2.5",)),
        ("vers:generic/1.2|>=2|<3|!=2.5", ("==1.2,!=2.5", ">=2,<3,!=2.5")),
        ("vers:generic/<1%2E5", ("<1.5",)),
        ("vers:all/*", ()),
        ("<25.08-9", ("<25.08-9",)),
        (">= 1.0 < 2.0", (">=1.0,<2.0",)),
        ("<1 || >=2, <3", ("<1", ">=2,<3")),
        ("≤ 1.4", ("<=1.4",)),
        ("All versions prior to v1.3", ("<1.3",)),
        ("before 1.4.", ("<1.4",)),
        ("1.4 and earlier", ("<=1.4",)),
        ("version 1.2 or later", (">=1.2",)),
        ("up to and including 2.0", ("<=2.0",)),
        ("all versions", ()),
    ],
)
def test_what_makers_write_is_understood(text: str, alternatives: tuple[str, ...]) -> None:
    assert parse_range(text) == alternatives


@pytest.mark.parametrize(
    "text",
    ["", "see the table", "1.4", "vers:generic/>=1|>=2", "vers:x/", "< 1 foo", "<1,,", "x|y"],
)
def test_anything_else_is_not_understood(text: str) -> None:
    assert parse_range(text) is None


@pytest.mark.parametrize(
    ("version", "text", "scheme", "verdict"),
    [
        ("25.08-8", "<25.08-9", "", Verdict.YES),
        ("GB200Nvl-25.08-9", "<25.08-9", "", Verdict.NO),
        ("1.2b", "<1.3", "", Verdict.UNKNOWN),
        ("1.2b", "<1.3a", "suffix", Verdict.YES),
        ("00.1D.7D", "<0.22.0", "", Verdict.UNKNOWN),
        ("00.1D.7D", "<0.22.0", "hex", Verdict.YES),
        ("R5c", "vers:x/R5b", "", Verdict.UNKNOWN),
        ("1.5", "vers:x/1.4|1.6", "", Verdict.NO),
        ("1.5", "<1.0 || >=1.4 <1.6", "", Verdict.YES),
        ("garbage", "*", "", Verdict.YES),
    ],
)
def test_whether_a_version_lies_within(
    version: str, text: str, scheme: str, verdict: Verdict
) -> None:
    alternatives = parse_range(text)
    assert alternatives is not None
    assert within(version, alternatives, scheme=scheme) is verdict


def test_the_first_fixed_version_is_the_one_open_end() -> None:
    assert first_fixed(parse_range("vers:x/>=1|<2.5")) == "2.5"
    assert first_fixed(parse_range("<=2.5")) == ""
    assert first_fixed(parse_range("<1 || >=2 <3")) == ""
    assert first_fixed(None) == ""


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"[<>=! |,v0-9.:a-z/]{1,30}", fullmatch=True))
def test_any_text_is_a_range_or_not_understood(text: str) -> None:
    found = parse_range(text)
    assert found is None or within("1.0", found) in Verdict


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 30), st.lists(st.integers(0, 30), min_size=2, max_size=2, unique=True))
def test_an_interval_holds_what_numbers_say(version: int, bounds: list[int]) -> None:
    low, high = sorted(bounds)
    found = parse_range(f"vers:generic/>={low}.0|<{high}.0")
    assert found is not None
    verdict = within(f"{version}.0", found)
    assert verdict is (Verdict.YES if low <= version < high else Verdict.NO)


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_a_version_that_cannot_be_ordered_is_never_outside(version: str) -> None:
    for bound in ("<1.0", ">=2.0", "<=3.0"):
        if within(version, (bound,)) is Verdict.NO:
            assert any(char.isdigit() for char in version)
