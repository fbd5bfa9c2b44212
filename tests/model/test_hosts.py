"""Names as ranges: few where they are regular, and the same names when unfolded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.hosts import fold, fold_hosts
from iolaus.model.select import parse_hosts


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        ([], ""),
        (["h1-r01-u12"], "h1-r01-u12"),
        (["a1", "a2", "a3", "a5"], "a[1-3,5]"),
        (["a9", "a10"], "a[9,10]"),
        (["h1-r01-u01", "h1-r01-u02", "h1-r02-u01", "h1-r02-u02"], "h1-r[01-02]-u[01-02]"),
        (["h1-r01-u01", "h1-r01-u02", "h1-r02-u01"], "h1-r01-u[01-02],h1-r02-u01"),
        (["cdu-1", "login", "cdu-2"], "cdu-[1-2],login"),
    ],
)
def test_folding(names: list[str], folded: str) -> None:
    assert fold(names) == folded


def test_most_ranges_and_how_many_more() -> None:
    assert fold(["a", "b", "c", "d"], most=2) == "a,b and 2 more"


def test_a_hall_is_one_range() -> None:
    names = [f"h1-r{rack:02d}-u{u:02d}" for rack in range(1, 17) for u in range(1, 19)]
    assert fold(names) == "h1-r[01-16]-u[01-18]"


NAMES = st.lists(
    st.from_regex(r"[a-c]{1,2}[0-9]{1,3}(-[a-c][0-9]{0,2})?", fullmatch=True), max_size=30
)


@given(NAMES)
def test_unfolding_gives_the_same_names(names: list[str]) -> None:
    unfolded = [name for each in fold_hosts(names) for name in parse_hosts(each).names()]
    assert sorted(unfolded) == sorted(set(names))
