"""How values are written: short, with their unit, and never a zero for unknown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.north.dto.views import ConditionView
from iolaus.north.ui import words


@pytest.mark.parametrize(
    ("watts", "text"),
    [
        (None, "unknown"),
        (0.0, "0 W"),
        (999.4, "999 W"),
        (999.6, "1.00 kW"),
        (5432.1, "5.43 kW"),
        (999_999.0, "1.00 MW"),
        (12_345_678.0, "12.35 MW"),
    ],
)
def test_power_has_its_unit(watts: float | None, text: str) -> None:
    assert words.kw(watts) == text


def test_ages_are_words() -> None:
    assert words.age(None) == "never"
    assert words.age(41.2) == "41 s"
    assert words.age(7200.0) == "2 h"


@given(st.floats())
def test_any_number_can_be_written(value: float) -> None:
    text = words.number(value)
    assert text
    if math.isfinite(value) and abs(value) < 1e9:
        assert math.isclose(float(text), value, rel_tol=1e-3, abs_tol=0.05)


def test_units_are_those_of_people() -> None:
    assert [words.unit(u) for u in ("Cel", "{rev}/min", "V", "")] == ["°C", "RPM", "V", ""]


def test_what_is_not_there_is_not_written() -> None:
    assert words.draws({}) == ""
    assert words.celsius({}, "inlet_temperature_c") == ""
    assert words.draws({"shelf_output_power_w": 29_240.0}) == "29.24 kW"
    assert words.celsius({"inlet_temperature_c": 24.06}, "inlet_temperature_c") == "24.1 °C"


@pytest.mark.parametrize(
    ("camel", "text"), [("AllRead", "all read"), ("OK", "OK"), ("On", "on"), ("", "")]
)
def test_reasons_are_spoken(camel: str, text: str) -> None:
    assert words.spoken(camel) == text


@pytest.mark.parametrize(
    ("status", "text"), [("True", "dry"), ("False", "LEAK"), ("Unknown", "unknown")]
)
def test_unknown_is_not_dry(status: str, text: str) -> None:
    assert text in words.leak([ConditionView(type="LeakFree", status=status)])
    assert words.leak([]) == ""
