"""How many examples a property is tried on."""

from __future__ import annotations

from hypothesis import settings


def examples(few: int, many: int) -> int:
    """`few` where all tests run and these are the same every time; `many` where others are looked
    for (--hypothesis-profile=explore)."""
    return few if settings().derandomize else many
