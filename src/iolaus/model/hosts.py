"""Folding many names into host ranges: h1-r[01-03]-u[01,04], as selectors read them.

Names that differ in their last number only fold first, then those whose ranges are alike fold by
the number before it. What does not fold stays as it is; unfolding gives the same names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

_NUMBER: Final = re.compile(r"\d+")


def fold(names: Iterable[str], *, most: int = 0) -> str:
    """The names as few ranges, by name; with `most`, so many of them and how many more."""
    ranges = fold_all(names)
    if most and len(ranges) > most:
        return ",".join(ranges[:most]) + f" and {len(ranges) - most} more"
    return ",".join(ranges)


def fold_all(names: Iterable[str]) -> list[str]:
    """The names as ranges, each understood by a selector."""
    folded = _fold_last(sorted(set(names)))
    return _fold_inner(folded)


def _fold_last(names: Sequence[str]) -> list[str]:
    groups: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    alone = []
    for name in names:
        found = list(_NUMBER.finditer(name))
        if found:
            last = found[-1]
            groups[(name[: last.start()], name[last.end() :], len(last[0]))].append(last[0])
        else:
            alone.append(name)
    return sorted(alone + [f"{a}{_bracket(n)}{b}" for (a, b, _), n in groups.items()])


def _fold_inner(ranges: Sequence[str]) -> list[str]:
    """By the last number outside brackets, among those that are otherwise the same."""
    groups: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    alone = []
    for each in ranges:
        plain = re.sub(r"\[[^\]]*\]", lambda found: "\0" * len(found[0]), each)
        found = list(_NUMBER.finditer(plain))
        if found:
            last = found[-1]
            groups[(each[: last.start()], each[last.end() :], len(last[0]))].append(last[0])
        else:
            alone.append(each)
    folded = [
        f"{a}{_bracket(numbers)}{b}" if len(numbers) > 1 else f"{a}{numbers[0]}{b}"
        for (a, b, _), numbers in groups.items()
    ]
    return sorted(alone + folded)


def _bracket(numbers: Sequence[str]) -> str:
    """["01", "02", "04"] -> [01-02,04]; one number stays bare."""
    if len(numbers) == 1:
        return numbers[0]
    parts: list[list[str]] = []
    for number in sorted(numbers, key=int):
        if parts and int(number) == int(parts[-1][-1]) + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return "[" + ",".join(p[0] if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts) + "]"
