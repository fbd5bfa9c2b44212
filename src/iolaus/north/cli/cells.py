"""How a value is written in a cell.

A cell never shows a guess: unknown is `-`, and what is too old to be believed carries a `?`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from iolaus.model.select import MISSING, find

Flat = Mapping[str, Any]
Cell = Callable[[Flat], str]
UNKNOWN: Final = "-"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """`right` aligns numbers; `wide` shows it only with `-o wide`."""

    title: str
    cell: Cell
    right: bool = False
    wide: bool = False


def column(title: str, path: str, *, wide: bool = False, right: bool = False) -> Column:
    return Column(title=title, cell=lambda row: text(at(row, path)), wide=wide, right=right)


def at(row: Flat, path: str) -> Any:
    value = find(row, path.split("."))
    return None if value is MISSING else value


def text(value: object) -> str:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ",".join(str(each) for each in value) or UNKNOWN
    return printable(str(value))


def second(moment: str | None) -> str | None:
    """A moment as the API writes it (RFC 3339), without parts of a second."""
    return moment and re.sub(r"\.\d+(?=Z|[+-]|$)", "", moment)


def printable(value: str) -> str:
    """Device text without control characters: it must not drive a terminal."""
    return "".join(char if char.isprintable() else "?" for char in value)


def short_age(seconds: float | None) -> str:
    """41s, 12m, 3h, 5d; `-` if never seen."""
    if seconds is None:
        return UNKNOWN
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def age(row: Flat) -> str:
    return short_age(row.get("age_s")) + ("?" if row.get("stale") else "")


def health(row: Flat) -> str:
    return text(row.get("health") or "Unknown")


def power(row: Flat) -> str:
    return text(row.get("power_state") or "Unknown")


def watts(path: str) -> Cell:
    def cell(row: Flat) -> str:
        value = at(row, path)
        if not isinstance(value, int | float):
            return UNKNOWN
        return f"{value / 1000:.1f} kW" if value >= 10_000 else f"{value:.0f} W"

    return cell


def count(path: str) -> Column:
    return column(path.rpartition(".")[2].upper(), path, right=True)
