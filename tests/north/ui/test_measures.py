"""Values to codes and back: what is written is what was known, and what was not stays so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.north.ui import measures
from iolaus.north.ui.measures import (
    ABSENT,
    METRICS,
    NOT_KNOWN,
    NOT_MEASURED,
    TOP,
    UNKNOWN,
    Scale,
    pack,
    scale_of,
    write,
)

NUMBERS = [m for m in METRICS.values() if not m.words]
VALUES = st.lists(st.floats(-60.0, 5e6, allow_subnormal=False), min_size=0, max_size=30)


@given(st.sampled_from(NUMBERS), VALUES)
def test_scale_covers_every_value(metric: measures.Metric, values: list[float]) -> None:
    scale = scale_of(metric, np.array(values))
    assert scale.low <= metric.low
    assert scale.high >= metric.high
    assert scale.low < scale.high
    assert all(scale.low <= value for value in values)
    top = metric.most or float("inf")
    assert all(min(value, top) <= scale.high for value in values)


@given(st.sampled_from(NUMBERS), VALUES)
def test_code_is_the_value_within_one_step(metric: measures.Metric, values: list[float]) -> None:
    array = np.array(values)
    scale = scale_of(metric, array)
    codes = pack(metric, scale, array)
    assert codes.max(initial=0) <= TOP
    for value, code in zip(values, codes.tolist(), strict=True):
        back = scale.low + code / TOP * (scale.high - scale.low)
        shown = min(value, metric.most or value)
        assert abs(back - shown) <= (scale.high - scale.low) / TOP


def test_unknown_and_not_measured_are_no_numbers() -> None:
    for metric in METRICS.values():
        values = np.array([NOT_KNOWN, NOT_MEASURED, 0.0])
        codes = pack(metric, scale_of(metric, values[2:]), values).tolist()
        assert codes[:2] == [UNKNOWN, ABSENT]
        assert codes[2] <= TOP
        texts = [write(metric, Scale(0, 1), code) for code in (UNKNOWN, ABSENT)]
        assert texts == ["unknown", metric.absent]


def test_scale_stays_while_it_fits() -> None:
    power = METRICS["power"]
    first = scale_of(power, np.array([5900.0]))
    assert first == Scale(0, 6000)
    grown = scale_of(power, np.array([6100.0]), first)
    assert grown == Scale(0, 8000)
    assert scale_of(power, np.array([5900.0]), grown) == grown
    assert scale_of(power, np.array([2000.0]), grown) == Scale(0, 2000)


@pytest.mark.parametrize(
    ("most", "high"),
    [(0.0, 1000), (1000.0, 1000), (1000.1, 1200), (2900.0, 3000), (6001.0, 8000), (29e3, 30e3)],
)
def test_scale_goes_in_steps(most: float, high: float) -> None:
    assert scale_of(METRICS["power"], np.array([most])).high == high


def test_a_cold_or_hot_inlet_is_not_clipped() -> None:
    inlet = METRICS["inlet"]
    assert scale_of(inlet, np.array([-3.0, 51.0])) == Scale(-10, 60)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("power", 0.0, "0 W"),
        ("power", 640.0, "640 W"),
        ("power", 5000.0, "5.00 kW"),
        ("inlet", 24.5, "24.5 °C"),
        ("age", 3.0, "3 s"),
        ("age", 300.0, "5 min"),
        ("age", 9_999.0, "over 10 min"),
        ("health", 2.0, "Critical"),
        ("leak", 1.0, "Leak"),
        ("state", 1.0, "Off"),
    ],
)
def test_values_are_written_with_their_unit(metric: str, value: float, text: str) -> None:
    spec, values = METRICS[metric], np.array([value])
    scale = scale_of(spec, values)
    assert write(spec, scale, int(pack(spec, scale, values)[0])) == text


def test_browser_has_the_same_constants() -> None:
    script = (Path(measures.__file__).parent / "static" / "measures.js").read_text()
    found = dict(re.findall(r"(UNKNOWN|ABSENT|TOP) = (\w+)", script))
    assert {name: int(text, 0) for name, text in found.items()} == {
        "UNKNOWN": UNKNOWN,
        "ABSENT": ABSENT,
        "TOP": TOP,
    }
    palette = (Path(measures.__file__).parent / "static" / "palette.js").read_text()
    words = re.findall(r"^  (\w+): (\[.*\]),$", palette, re.MULTILINE)
    sizes = {name: len(json.loads(colors)) for name, colors in words}
    assert sizes == {m.name: len(m.words) for m in METRICS.values() if m.words}
