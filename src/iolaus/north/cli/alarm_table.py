"""Alarms as a table: what is explained stands below its cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from iolaus.north.cli.client import Flat

FEW: Final = 5
"""So many of what a cause explains are listed below it."""


def below_causes(rows: Sequence[Flat], *, whole: bool) -> tuple[list[Flat], list[str]]:
    """Rows as a table shows them, what is explained indented below its cause; without `whole` only
    the first few of each cause, and the rest counted in words."""
    shown, below = list[Flat](), Counter[str]()
    there = {row["name"] for row in rows}
    for row in rows:
        cause = row.get("cause") if row.get("cause") in there else None
        if cause is None:
            shown.append(row)
            continue
        below[cause] += 1
        if whole or below[cause] <= FEW:
            shown.append({**row, "name": f"  {row['name']}"})
    left = {cause: count - FEW for cause, count in below.items() if count > FEW and not whole}
    return shown, [
        f"{count} more below {cause}: iolaus get alarms -o wide" for cause, count in left.items()
    ]
