"""Which registers are read together.

A transaction costs its bytes and, on a serial line, more: the silences around it and the time a
unit takes to answer, together worth twenty words and more. So neighbours are read in one request,
over gaps that the map knows to hold other registers; what comes along is used, too. A unit that
refuses a block may lack a single register of it, so a refused block is halved until it is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from iolaus.wire.modbus.registers import MOST_WORDS, Register, RegisterMap

MOST_GAP: Final = 16


class Block(NamedTuple):
    """`words` words from `at` on, and the registers that lie in them whole."""

    at: int
    words: int
    registers: tuple[Register, ...]


def plan_blocks(
    found: RegisterMap, wanted: Iterable[Register], absent: frozenset[str] = frozenset()
) -> list[Block]:
    """Blocks that hold all of `wanted`; `absent` are registers that this unit does not have, and
    no block reads over them. In the order of their addresses."""
    there = [reg for reg in found.registers if reg.name not in absent]
    covered = {at for reg in there for at in range(reg.at, reg.end)}
    runs: list[list[int]] = []
    for reg in sorted({r.name: r for r in wanted if r.name not in absent}.values(), key=_at):
        if runs and _joins(runs[-1], reg, covered):
            runs[-1][1] = reg.end
        else:
            runs.append([reg.at, reg.end])
    return [_block(there, at, end) for at, end in runs]


def halves(block: Block) -> list[Block]:
    """The two halves of a block of several registers; none for one register alone."""
    middle = len(block.registers) // 2
    if not middle:
        return []
    parts = (block.registers[:middle], block.registers[middle:])
    return [_block(part, part[0].at, part[-1].end) for part in parts]


def cut(block: Block, words: Sequence[int]) -> Iterable[tuple[Register, Sequence[int]]]:
    """Each register of a block with its words."""
    for reg in block.registers:
        start = reg.at - block.at
        yield reg, words[start : start + reg.count]


def _joins(run: Sequence[int], reg: Register, covered: set[int]) -> bool:
    if reg.at - run[1] > MOST_GAP or reg.end - run[0] > MOST_WORDS:
        return False
    return all(at in covered for at in range(run[1], reg.at))


def _block(there: Iterable[Register], at: int, end: int) -> Block:
    inside = tuple(sorted((r for r in there if at <= r.at and r.end <= end), key=_at))
    return Block(at, end - at, inside)


def _at(reg: Register) -> int:
    return reg.at
