"""Register maps: sound, written down in full, and numbers come back as they went in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.building.registers import Register, load_map, map_names, parse_map

MAPS = [load_map(name) for name in map_names()]
REGISTERS = [(m.name, reg) for m in MAPS for reg in m.registers]


def test_maps_are_there() -> None:
    assert map_names() == ["bbu", "cdu", "psu", "shelf"]


@pytest.mark.parametrize(("name", "reg"), REGISTERS, ids=lambda x: getattr(x, "name", x))
def test_register_is_written_down(name: str, reg: Register) -> None:
    assert reg.meaning
    assert (reg.format == "flags") == bool(reg.bits)
    assert reg.unit or reg.format in ("text", "flags") or float(reg.factor) > 0
    if reg.access == "rw" and reg.format != "flags" and not reg.to.startswith("@time"):
        assert reg.low is not None
        assert reg.high is not None
        assert reg.low < reg.high


@given(st.sampled_from([reg for _, reg in REGISTERS if reg.format in ("u16", "i16", "u32")]),
       st.floats(0.0, 1.0))  # fmt: skip
def test_numbers_survive(reg: Register, share: float) -> None:
    low = reg.decode(reg.encode(float("-1e12")))
    high = reg.decode(reg.encode(1e12))
    value = low + share * (high - low)
    assert abs(reg.decode(reg.encode(value)) - value) <= 0.51 * float(reg.factor)


def test_saturates_and_says_unknown() -> None:
    power = load_map("cdu")["heat"]
    assert power.encode(1e9) == [0xFFFF]
    assert power.encode(None) == [0xFFFF]
    assert load_map("bbu")["current"].encode(-200.0) == [0x10000 - 20]
    assert load_map("bbu")["temperature_1"].encode(26.85) == [3000]


@pytest.mark.parametrize("line", [
    '{at = 1, name = "a", meaning = "x"}, {at = 1, name = "b", meaning = "x"}',
    '{at = 65536, name = "a", meaning = "x"}',
    '{at = 1, count = 2, name = "a", meaning = "x"}',
    '{at = 1, name = "a", meaning = "x", colour = "red"}',
])  # fmt: skip
def test_unsound_map_is_refused(line: str) -> None:
    text = f'name = "m"\ntitle = "t"\nunit = 1\nregisters = [{line}]\n'
    with pytest.raises(OperatorMust, match=r"m\.toml"):
        parse_map(text.encode(), source="m.toml")
