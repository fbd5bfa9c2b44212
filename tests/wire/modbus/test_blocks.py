"""Registers read together: nothing is left out, nothing is read that is not there."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.modbus.blocks import MOST_GAP, cut, halves, plan_blocks
from iolaus.wire.modbus.registers import MOST_WORDS, RegisterMap, all_maps, load_map

MAPS = list(all_maps())


def test_fast_registers_of_a_rectifier_are_one_read() -> None:
    found = load_map("hpr-psu")
    fast = [reg for reg in found.registers if reg.rate == "fast"]
    (block,) = plan_blocks(found, fast)
    assert (block.at, block.words) == (60, 28)
    assert "fan_1" in [reg.name for reg in block.registers]


def test_no_block_reads_over_a_register_that_is_missing() -> None:
    found = load_map("hpr-psu")
    fast = [reg for reg in found.registers if reg.rate == "fast"]
    blocks = plan_blocks(found, fast, frozenset({"temperature_most"}))
    assert [(b.at, b.words) for b in blocks] == [(60, 6), (79, 9)]


@given(st.sampled_from(MAPS), st.data())
def test_blocks_hold_all_that_is_wanted_and_no_hole(
    found: RegisterMap, data: st.DataObject
) -> None:
    names = [reg.name for reg in found.registers]
    wanted = data.draw(st.sets(st.sampled_from(names), min_size=1))
    absent = frozenset(data.draw(st.sets(st.sampled_from(names), max_size=3)))
    blocks = plan_blocks(found, [found[name] for name in wanted], absent)
    held = {reg.name for block in blocks for reg in block.registers}
    assert wanted - absent <= held
    assert not held & absent
    there = {
        at for reg in found.registers if reg.name not in absent for at in range(reg.at, reg.end)
    }
    for block in blocks:
        assert block.words <= MOST_WORDS
        assert set(range(block.at, block.at + block.words)) <= there
    for one, other in pairwise(blocks):
        gap = range(one.at + one.words, other.at)
        assert len(gap) > MOST_GAP or not set(gap) <= there or (
            other.at + other.words - one.at > MOST_WORDS
        )  # fmt: skip


@given(st.sampled_from(MAPS))
def test_halves_end_at_single_registers(found: RegisterMap) -> None:
    left = list(plan_blocks(found, found.registers))
    singles = set()
    while left:
        block = left.pop()
        parts = halves(block)
        singles |= set() if parts else {reg.name for reg in block.registers}
        left += parts
    assert singles == set(found.named)


def test_words_are_cut_by_register() -> None:
    found = load_map("hpr-bbu")
    (block,) = plan_blocks(found, [found["override_time"]])
    assert [(reg.name, list(words)) for reg, words in cut(block, [0, 300])] == [
        ("override_time", [0, 300])
    ]
