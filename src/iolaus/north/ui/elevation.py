"""A rack seen from the front: which unit holds what, as boxes for a drawing.

Units count from the floor. Things that claim the same unit share its width (two controllers of
one tray), and what says no unit, or one that no rack has, stands in the table only: a drawing that
guesses is worse than none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from iolaus.north.dto.views import AssetView
from iolaus.north.ui.cells import unit_of

UNITS: Final = 42
MOST_UNITS: Final = 60
UNIT_PX: Final = 17
WIDTH_PX: Final = 300
LEFT_PX: Final = 28


class Box(NamedTuple):
    """Where one thing is drawn, in pixels from the top left of the rack."""

    view: AssetView
    x: float
    y: float
    width: float
    height: float


class Elevation(NamedTuple):
    """`marks` are the unit numbers to write and how far down; `unplaced` counts what stands
    nowhere."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    marks: tuple[tuple[int, float], ...]
    unplaced: int


def elevation(members: Sequence[AssetView]) -> Elevation | None:
    """None where nothing says at which unit it stands."""
    placed = [(view, span) for view in members if (span := _span(view)) is not None]
    if not placed:
        return None
    top = max(UNITS, *(last for _, (_, last) in placed))
    boxes = [
        _box(view, span, [other for other in placed if _overlap(span, other[1])], top)
        for view, span in placed
    ]
    return Elevation(
        width=WIDTH_PX,
        height=top * UNIT_PX,
        boxes=tuple(boxes),
        marks=tuple((u, (top - u + 0.72) * UNIT_PX) for u in range(1, top + 1)),
        unplaced=len(members) - len(placed),
    )


def _span(view: AssetView) -> tuple[int, int] | None:
    """First and last unit."""
    first = unit_of(view.labels.get("u"))
    last = first + max(1, unit_of(view.labels.get("height"))) - 1
    return (first, last) if first > 0 and last <= MOST_UNITS else None


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _box(
    view: AssetView,
    span: tuple[int, int],
    beside: Sequence[tuple[AssetView, tuple[int, int]]],
    top: int,
) -> Box:
    place = next(index for index, (other, _) in enumerate(beside) if other is view)
    width = (WIDTH_PX - LEFT_PX) / len(beside)
    return Box(
        view=view,
        x=LEFT_PX + place * width,
        y=(top - span[1]) * UNIT_PX,
        width=width - (1 if place + 1 < len(beside) else 0),
        height=(span[1] - span[0] + 1) * UNIT_PX - 1,
    )
