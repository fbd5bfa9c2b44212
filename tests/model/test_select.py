"""Selectors: the grammar, its errors, and laws that hold for any input."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.model.endpoint import Condition
from iolaus.model.select import (
    EVERYTHING,
    MISSING,
    lookup_in,
    parse_hosts,
    parse_selector,
)


class Part(msgspec.Struct):
    component: str
    version: str


class Thing(msgspec.Struct):
    vendor: str | None = "Dell"
    health: str | None = "Critical"
    counts: Mapping[str, int | None] = MappingProxyType({"gpu": 8, "dpu": None})
    capabilities: tuple[str, ...] = ("logs", "bios")
    firmware: tuple[Part, ...] = (Part("bmc", "25.08"),)


def matches(
    selector: str, *, name: str = "h1-r07-u12", rack: str = "h1-r07", thing: Thing | None = None
) -> bool:
    lookup = lookup_in(
        labels={"rack": rack, "maintenance": ""},
        fields=thing or Thing(),
        conditions=[Condition(type="Reachable", status="False")],
    )
    return parse_selector(selector).matches(name, lookup)


@pytest.mark.parametrize(
    "selector",
    [
        "",
        "rack=h1-r07",
        "rack == H1-R07",
        "RACK=h1-r07".replace("RACK", "labels.rack"),
        "vendor!=hpe,health=critical",
        "rack in (h1-r06, h1-r07)",
        "rack notin (h1-r01,h1-r02)",
        "counts.gpu=8",
        "counts.gpu>=8,counts.gpu<9",
        "counts.dpu=unknown",
        "capabilities=bios",
        "reachable=false",
        "firmware.bmc=25.08",
        "rack=h1-r[01-09]",
        "rack=h1-*",
        "maintenance",
        "maintenance,rack",
        "!drained",
        "pool!=train",
        "h1-r[01-16]-u[01-18]",
        "h1-r07-u12",
        "node9,h1-r07-u12",
        "h1-r01-u01,h1-r[07,09]-u12",
        "h1-*,health=Critical",
    ],
)
def test_it_matches(selector: str) -> None:
    assert matches(selector)


@pytest.mark.parametrize(
    "selector",
    [
        "rack=h1-r08",
        "vendor!=dell",
        "health!=critical",
        "counts.gpu>8",
        "counts.dpu<1",
        "counts.dpu>=0",
        "rack>3",
        "!rack",
        "drained",
        "h1-r[01-06]-u[01-18]",
        "h1-r[7-16]-u12",
        "node9,node10",
        "h1-r[01-16]-u[01-18],health=OK",
        "rack in (a,b)",
    ],
)
def test_it_does_not_match(selector: str) -> None:
    assert not matches(selector)


def test_unknown_is_not_ok_and_can_be_asked_for() -> None:
    unknown = Thing(health=None)
    assert matches("health!=OK", thing=unknown)
    assert matches("health=unknown", thing=unknown)
    assert not matches("health=OK", thing=unknown)


@pytest.mark.parametrize(
    ("selector", "where", "why"),
    [
        ("rack=a,,b", "character 8", "nothing between two commas"),
        ("rack in (a", "character 1", "not closed"),
        ("rack in ()", "character 1", "no value"),
        ("a)", "character 2", "closes nothing"),
        ("counts.gpu>many", "character 11", "numbers"),
        ("vendor=~dell", "character 7", "use = !="),
        ("rack=a health=b", "character 5", "did you forget a comma"),
        ("h1-r[16-01]", "character 1", "range"),
        ("h1-r[0-99999]-u[0-99999]", "character 1", "at most"),
        ("h1 r07", "character 1", "did you forget a comma"),
        ("rack=a,b;c", "character 8", "separate terms with commas"),
        ("rack=h1-r[", "character 1", "not closed"),
        ("rack=h1-r[a-b]", "character 1", "range"),
        ("x" * 9000, "character 1", "longer"),
    ],
)
def test_an_error_says_where_and_why(selector: str, where: str, why: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        parse_selector(selector)
    assert where in caught.value.message
    assert why in caught.value.message
    assert caught.value.code == "BadSelector"
    assert caught.value.next_step


def test_a_near_miss_of_a_known_key_is_an_error() -> None:
    known = {"vendor", "health", "rack", "counts"}
    with pytest.raises(OperatorMust, match='did you mean "vendor"'):
        parse_selector("vendro=dell", known=known)
    assert parse_selector("pool=train,counts.gpu=8", known=known)


@given(st.text(max_size=60))
def test_any_text_parses_or_says_what_is_wrong(text: str) -> None:
    try:
        selector = parse_selector(text)
    except OperatorMust:
        return
    selector.matches("node1", lambda _: MISSING)


@given(st.text(alphabet="ab=!<>(),[]-0123 in*", max_size=40))
def test_any_text_of_the_grammar_letters_too(text: str) -> None:
    test_any_text_parses_or_says_what_is_wrong.hypothesis.inner_test(text)  # type: ignore[attr-defined]


WORDS = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
NUMBERS = st.integers(0, 120)


@st.composite
def host_ranges(draw: st.DrawFn) -> str:
    parts = [draw(WORDS)]
    for _ in range(draw(st.integers(1, 2))):
        low, span = draw(NUMBERS), draw(st.integers(0, 12))
        width = draw(st.integers(1, 3))
        extra = f",{draw(WORDS)}" if draw(st.booleans()) else ""
        parts.append(f"[{str(low).zfill(width)}-{low + span}{extra}]-{draw(WORDS)}")
    return "".join(parts)


@given(host_ranges())
def test_a_host_range_matches_exactly_the_names_it_stands_for(text: str) -> None:
    hosts = parse_hosts(text)
    names = set(hosts.names())
    assert all(hosts.matches(name) for name in names)
    assert all(hosts.matches(name.upper()) for name in names)
    for name in names:
        assert hosts.matches(name + "0") == (name + "0" in names)
        assert hosts.matches("0" + name) == ("0" + name in names)


@given(WORDS, WORDS, st.dictionaries(WORDS, WORDS, max_size=4))
def test_equal_and_not_equal_are_complements(key: str, value: str, labels: dict[str, str]) -> None:
    lookup = lookup_in(labels=labels, fields={})
    is_equal = parse_selector(f"{key}={value}").matches("-", lookup)
    assert is_equal == (labels.get(key) == value)
    assert is_equal != parse_selector(f"{key}!={value}").matches("-", lookup)
    assert is_equal == parse_selector(f"{key} in ({value},{value})").matches("-", lookup)
    assert is_equal != parse_selector(f"{key} notin ({value})").matches("-", lookup)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_numbers_compare_as_numbers(have: float, limit: float) -> None:
    lookup = lookup_in(labels={}, fields={"x": have})
    less = parse_selector(f"x<{limit!r}").matches("-", lookup)
    assert less == (have < limit)
    assert parse_selector(f"x>={limit!r}").matches("-", lookup) != less


def test_nothing_selects_everything() -> None:
    assert not EVERYTHING
    assert EVERYTHING.matches("anything", lambda _: MISSING)
