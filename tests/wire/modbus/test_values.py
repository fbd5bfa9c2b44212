"""Formats: what words say, both ways, and that no words ever raise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.wire.modbus.registers import Register, all_maps, load_map
from iolaus.wire.modbus.values import decode, encode, raised

PSU, BBU = load_map("hpr-psu"), load_map("hpr-bbu")
REGISTERS = [reg for found in all_maps() for reg in found.registers]


@pytest.mark.parametrize(
    ("reg", "words", "value"),
    [
        (PSU["output_power"], [44_001], 5500.125),
        (PSU["inlet_temperature"], [0xF380], -25.0),
        (PSU["output_voltage"], [51_712], 50.5),
        (PSU["up_time"], [1, 2], 65_538.0),
        (BBU["temperature_1"], [2982], 25.05),
        (BBU["current"], [0xFF38], -2.0),
        (Register(at=1, name="f", meaning="f", format="float32", count=2), [0x41C8, 0], 25.0),
        (Register(at=1, name="i", meaning="i", format="int32", count=2), [0xFFFF, 0xFFFE], -2.0),
    ],
)
def test_numbers(reg: Register, words: list[int], value: float) -> None:
    assert decode(reg, words).number == pytest.approx(value)


def test_text_is_what_can_be_printed() -> None:
    assert decode(PSU["firmware"], [0x312E, 0x372E, 0x3200, 0x4141]).text == "1.7.2"
    assert decode(PSU["firmware"], [0xFFFF] * 4).reason == "the unit answers no text"


def test_what_is_not_known_has_a_reason() -> None:
    assert decode(BBU["time_to_empty"], [0xFFFF]).reason == "the unit says that it does not know"
    nan = Register(at=1, name="f", meaning="f", format="float32", count=2)
    assert decode(nan, [0x7FC0, 0]).reason == "the unit answers no number"
    assert decode(PSU["output_power"], []).reason == "answered 0 of 1 words"


def test_flags_that_are_active_when_low() -> None:
    assert raised(PSU["signals"], 0b11000000) == set()
    assert raised(PSU["signals"], 0b10000000) == {"ac_loss"}


def test_values_that_do_not_fit_are_not_written() -> None:
    assert encode(PSU["output_voltage_wanted"], 50.5) == [51_712]
    assert encode(BBU["override_time"], 70_000 % 7201) == [0, 5191]
    for reg, value in (
        (PSU["output_power"], 1.0),
        (PSU["output_voltage_wanted"], 60.0),
        (PSU["output_voltage_wanted"], float("nan")),
    ):
        with pytest.raises(OperatorMust):
            encode(reg, value)


@given(
    st.sampled_from(REGISTERS),
    st.lists(st.integers(min_value=-3, max_value=70_000), max_size=20) | st.none(),
)
@settings(max_examples=300)
def test_any_words_are_a_value_or_a_reason(reg: Register, words: list[int] | None) -> None:
    given_words = [0xFFFF] * reg.count if words is None else words
    value = decode(reg, given_words)
    assert (value.number is not None) + (value.text is not None) + bool(value.reason) == 1


@given(st.data())
@settings(max_examples=100)
def test_what_is_written_is_what_is_read(data: st.DataObject) -> None:
    reg = data.draw(st.sampled_from([r for r in REGISTERS if r.access == "rw"]))
    low = 0.0 if reg.low is None else reg.low
    high = 1000.0 if reg.high is None else reg.high
    value = data.draw(st.floats(min_value=low, max_value=high))
    words = encode(reg, value)
    shown = decode(reg, words).number
    assert shown is not None
    assert abs(shown - value) <= float(reg.factor) / 2 + 1e-9
