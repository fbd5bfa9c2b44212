"""Names of many nodes as few host ranges: `h1-r[01-04]-u[01-18]`, as selectors read them back.

Every run of digits is a place that may vary. Names that differ in one place only become one range,
then ranges that differ in one place only, from the last place to the first; so a whole hall is one
line if it is regular, and what is irregular stands beside it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

MOST_PLACES: Final = 6
"""More brackets than these no selector reads."""
_DIGITS: Final = re.compile(r"(\d+)")
Ranges = tuple[tuple[str, ...], ...]
"""For each place the values that stand there."""


def fold_hosts(names: Iterable[str]) -> list[str]:
    """Host ranges that name exactly these nodes, in order."""
    by_shape: dict[tuple[str, ...], set[Ranges]] = defaultdict(set)
    for name in names:
        pieces = _DIGITS.split(name)
        by_shape[tuple(pieces[0::2])].add(tuple((each,) for each in pieces[1::2]))
    found = []
    for literals, rows in by_shape.items():
        folded = _fold(rows) if len(literals) - 1 <= MOST_PLACES else rows
        found += [_written(literals, row) for row in sorted(folded)]
    return sorted(found)


def fold(names: Iterable[str], *, most: int = 0) -> str:
    """The names as ranges in one line; with `most`, so many of them and how many more."""
    ranges = fold_hosts(names)
    if most and len(ranges) > most:
        return ",".join(ranges[:most]) + f" and {len(ranges) - most} more"
    return ",".join(ranges)


def say_hosts(names: Sequence[str], *, width: int, most_lines: int = 4) -> list[str]:
    """The same as lines of at most `width` characters, and how many nodes are not shown."""
    lines: list[str] = []
    ranges = fold_hosts(names)
    for shown, each in enumerate(ranges):
        if lines and len(lines[-1]) + 2 + len(each) <= width:
            lines[-1] += f", {each}"
        elif len(lines) < most_lines:
            lines.append(each)
        else:
            return [*lines, f"and {len(ranges) - shown} more ranges"]
    return lines


def _fold(rows: set[Ranges]) -> set[Ranges]:
    places = len(next(iter(rows)))
    for place in reversed(range(places)):
        merged: dict[tuple[Ranges, Ranges], set[str]] = defaultdict(set)
        for row in rows:
            merged[row[:place], row[place + 1 :]].update(row[place])
        rows = {
            (*before, tuple(sorted(values, key=_by_number)), *behind)
            for (before, behind), values in merged.items()
        }
    return rows


def _by_number(text: str) -> tuple[int, int]:
    return len(text), int(text)


def _written(literals: Sequence[str], row: Ranges) -> str:
    text = literals[0]
    for values, literal in zip(row, literals[1:], strict=True):
        text += (values[0] if len(values) == 1 else f"[{_runs(values)}]") + literal
    return text


def _runs(values: Sequence[str]) -> str:
    """01-04,07: neighbours of the same width are a range."""
    runs: list[list[str]] = []
    for value in values:
        last = runs[-1][-1] if runs else None
        if last is not None and len(last) == len(value) and int(value) == int(last) + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ",".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
