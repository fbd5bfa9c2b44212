"""Versions: the same or not can nearly always be said, the order only where it is certain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.model.version import SCHEMES, Verdict, compare, parse_constraint, same, satisfies

TEXT = st.text(min_size=0, max_size=24)
SCHEME = st.sampled_from(("", *SCHEMES))
DOTTED = st.lists(st.integers(0, 10**6), min_size=1, max_size=5).map(
    lambda parts: ".".join(map(str, parts))
)


@pytest.mark.parametrize(
    ("a", "b", "scheme", "order"),
    [
        ("1.7", "1.10", "", -1),
        ("1.7", "1.7.0", "", 0),
        ("GB200Nvl-25.08-9", "25.08-9", "", 0),
        ("GB200Nvl-25.08-9", "25.09-1", "", -1),
        ("GB200Nvl-25.08-9", "HGX-25.08-9", "", None),
        ("1.62 Oct 02 2025", "1.62", "", 0),
        ("A55 v2.16 (03/01/2025)", "2.10", "", 1),
        ("BIOS Date: 08/13/2025 Ver 1.4b", "1.4a", "suffix", 1),
        ("BIOS Date: 08/13/2025 Ver 1.4b", "BIOS Date: 03/02/2025 Ver 1.3a", "date", 1),
        ("1.4b", "1.4a", "", None),
        ("0.1C", "0.22", "", None),
        ("0.1C", "0.22", "hex", -1),
        ("0x1C", "0x1d", "hex", -1),
        ("00.1D.7D", "00.1d.7d", "", 0),
        ("01.04.0031.0000_n04", "01.04.0031.0000_n05", "suffix", -1),
        ("R19_F38", "R19_F39", "suffix", -1),
        ("4.33.2F", "4.33.2F", "exact", 0),
        ("4.33.2F", "4.33.3F", "exact", None),
    ],
)
def test_the_order_of_two_versions(a: str, b: str, scheme: str, order: int | None) -> None:
    assert compare(a, b, scheme=scheme) == order
    assert compare(b, a, scheme=scheme) == (None if order is None else -order)


@pytest.mark.parametrize(
    ("version", "constraint", "verdict"),
    [
        ("1.7.2", ">=1.7,<2", Verdict.YES),
        ("2.0", ">=1.7,<2", Verdict.NO),
        ("1.8", ">=1.7, !=1.8", Verdict.NO),
        ("PE05", ">=1.7,<2", Verdict.UNKNOWN),
        ("PE05", "PE05", Verdict.YES),
        ("PE05", "PE06", Verdict.NO),
        ("2.1 ", "2.1", Verdict.YES),
    ],
)
def test_what_satisfies_a_constraint(version: str, constraint: str, verdict: Verdict) -> None:
    assert satisfies(version, parse_constraint(constraint)) is verdict


@pytest.mark.parametrize("text", ["", ">=", ">=1,", "~=1.2", ">>1", "1,,2"])
def test_what_is_no_constraint_is_told(text: str) -> None:
    with pytest.raises(OperatorMust, match="no version and no comparison"):
        parse_constraint(text)


@given(TEXT, TEXT, SCHEME)
def test_any_two_texts_compare_without_an_error_and_both_ways(a: str, b: str, scheme: str) -> None:
    order = compare(a, b, scheme=scheme)
    back = compare(b, a, scheme=scheme)
    assert back == (None if order is None else -order)
    assert same(a, b, scheme=scheme) == same(b, a, scheme=scheme)
    assert compare(a, a, scheme=scheme) == 0


@given(DOTTED, DOTTED, DOTTED)
def test_numbers_are_ordered_totally(a: str, b: str, c: str) -> None:
    ab, bc, ac = compare(a, b), compare(b, c), compare(a, c)
    assert ab is not None
    assert bc is not None
    if ab <= 0 and bc <= 0:
        assert ac is not None
        assert ac <= 0


@given(TEXT)
def test_any_text_is_a_constraint_or_told_to_be_none(text: str) -> None:
    try:
        constraint = parse_constraint(text)
    except OperatorMust as error:
        assert error.next_step
    else:
        assert constraint.terms
