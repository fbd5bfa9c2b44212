"""Our maps are sound, agree with the facts they were written from, and bad ones are refused."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.wire.modbus.registers import all_maps, clearing, load_map, map_names, parse_map

HEAD = 'name = "x"\ntitle = "x"\nthing = "psu"\nunits = [1, 2]\nprobe = [1]\nregisters = [{}]\n'
FORMATS = {
    "STRING": {"ascii"},
    "FLAGS": {"bits"},
    "INTEGER": {"uint16", "uint32", "int16", "bits"},
    "FLOAT": {"uint16", "int16"},
}
FACTS = {
    "orv3-psu": "orv3_psu",
    "hpr-psu": "orv3_hpr_psu",
    "orv3-bbu": "orv3_bbu",
    "hpr-bbu": "orv3_hpr_bbu",
    "hpr-pmm": "orv3_hpr_pmm_common",
    "rpu": "orv3_rpu",
}


@pytest.mark.parametrize("name", map_names())
def test_maps_of_ours_are_sound(name: str) -> None:
    found = load_map(name)
    assert found.name == name
    assert found.units[0] <= found.units[1]
    assert all(reg.meaning for reg in found.registers)
    for reg in found.registers:
        if reg.sticky not in ("", "read"):
            assert clearing(found, reg) is not None


def test_units_are_told_apart_by_registers_that_the_others_lack() -> None:
    for found in all_maps():
        ours = {reg.at for reg in found.registers}
        assert set(found.probe) <= ours, found.name


@pytest.mark.shared
@pytest.mark.parametrize(("ours", "theirs"), FACTS.items())
def test_maps_agree_with_the_specifications(ours: str, theirs: str, shared: Path) -> None:
    file = shared / "modbus" / f"{theirs}.csv"
    if not file.exists():
        pytest.skip("the register tables are not beside the project")
    rows = [row for row in csv.DictReader(file.read_text().splitlines()) if row["begin"]]
    facts = {int(row["begin"]): row for row in rows}
    for reg in load_map(ours).registers:
        row = facts[reg.at]
        assert int(row["length"]) == reg.count, reg.name
        assert reg.format in FORMATS[row["format"]], reg.name
        if row["format"] == "FLOAT":
            scale = Fraction(row["scale"] or 1) / 2 ** int(row["precision"] or 0)
            assert reg.factor / scale in (1, Fraction(1, 1000)), reg.name
            assert (reg.format == "int16") == (row["sign"].lower() == "true"), reg.name


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{at = 1, name = "a", meaning = "a", count = 3}', "uint16 has 1 words"),
        ('{at = 65535, name = "a", meaning = "a", format = "uint32", count = 2}', "address space"),
        ('{at = 1, name = "a", meaning = "a", scale = "1/0"}', "a fraction"),
        ('{at = 1, name = "a", meaning = "a", scale = 0}', "says nothing"),
        ('{at = 1, name = "a", meaning = "a", format = "bits"}', "have bits"),
        ('{at = 1, name = "a", meaning = "a", wrong = 1}', "wrong"),
        ('{at = 1, name = "a", meaning = "a"}, {at = 1, name = "b", meaning = "b"}', "is a's"),
        ('{at = 1, name = "a", meaning = "a"}, {at = 2, name = "a", meaning = "b"}', "one name"),
        ('{at = 1, name = "a", meaning = "a", sticky = "b.c"}', "no bit that can be written"),
    ],
)
def test_an_unsound_map_is_refused_with_its_line(line: str, why: str) -> None:
    with pytest.raises(OperatorMust, match=why):
        parse_map(HEAD.format(line), source="x.toml")


def test_a_map_that_is_none() -> None:
    with pytest.raises(OperatorMust, match="hpr-psu"):
        load_map("no-such")
