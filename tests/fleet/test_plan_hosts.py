"""Host ranges name exactly the nodes that were folded, as selectors read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.hosts import fold_hosts, say_hosts
from iolaus.model.select import parse_hosts

names = st.sets(
    st.from_regex(r"\A[a-c]{1,2}[0-9]{1,2}(-[a-b][0-9]{1,3}){0,2}[a-z]?\Z"), min_size=1, max_size=40
)


@pytest.mark.parametrize(
    ("given_names", "folded"),
    [
        (["n1"], ["n1"]),
        (["login"], ["login"]),
        (["n1", "n2", "n3", "n7"], ["n[1-3,7]"]),
        (["n9", "n10", "n11"], ["n[9,10-11]"]),
        (["n01", "n1"], ["n[1,01]"]),
        ([f"r{r:02}-u{u:02}" for r in (1, 2) for u in (1, 2, 3)], ["r[01-02]-u[01-03]"]),
        (["r1-u1", "r1-u2", "r2-u1"], ["r1-u[1-2]", "r2-u1"]),
        (["a1", "b1"], ["a1", "b1"]),
    ],
)
def test_what_is_regular_is_one_range(given_names: list[str], folded: list[str]) -> None:
    assert fold_hosts(given_names) == folded


@given(names)
def test_folding_loses_nobody_and_invents_nobody(given_names: set[str]) -> None:
    folded = fold_hosts(given_names)
    spelled = [name for each in folded for name in parse_hosts(each).names()]
    assert sorted(spelled) == sorted(given_names)


def test_a_name_with_more_numbers_than_a_selector_reads_stays_as_it_is() -> None:
    long = ["a1b2c3d4e5f6g7", "a1b2c3d4e5f6g8"]
    assert fold_hosts(long) == long


def test_lines_are_cut_with_what_is_not_shown() -> None:
    lines = say_hosts([f"{word}1" for word in "abcdefghij"], width=8, most_lines=2)
    assert lines == ["a1, b1", "c1, d1", "and 6 more ranges"]
