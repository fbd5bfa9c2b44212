"""A small line chart as SVG: axes, lines, names at their ends. Only what the pages need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 132, 30, 36
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df")
HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    'font-family="sans-serif" font-size="11">'
)
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    x: Sequence[float] | Values
    y: Sequence[float] | Values
    dots: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """The picture as text; every line has as many points as are worth drawing."""
    across = _scale(x, [line.x for line in lines], LEFT, WIDTH - RIGHT)
    up = _scale(y, [line.y for line in lines], HEIGHT - BOTTOM, TOP)
    parts = [
        HEAD,
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-weight="bold" font-size="13">{escape(title)}</text>',
        *_grid(x, across, upright=True),
        *_grid(y, up, upright=False),
        *(part for n, line in enumerate(lines) for part in _line(line, n, across, up)),
    ]
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True, slots=True)
class Scale:
    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, values: Sequence[float] | Values) -> Values:
        table = np.asarray(values, dtype=np.float64)
        low, high = self.low, self.high
        if self.log:
            table, low, high = np.log10(table), np.log10(low), np.log10(high)
        place: Values = self.start + (table - low) / (high - low) * (self.end - self.start)
        return place


def _scale(
    axis: Axis, values: Sequence[Sequence[float] | Values], start: float, end: float
) -> Scale:
    every = np.concatenate([np.asarray(v, dtype=np.float64) for v in values])
    low = float(every.min()) if axis.low is None else axis.low
    high = float(every.max()) if axis.high is None else axis.high
    room = 0.0 if axis.log else 0.04 * (high - low or 1.0)
    low = low - room if axis.low is None else low
    high = high + room if axis.high is None else high
    return Scale(low, high, start, end, axis.log)


def _ticks(scale: Scale) -> list[float]:
    if scale.log:
        first, last = int(np.ceil(np.log10(scale.low))), int(np.floor(np.log10(scale.high)))
        return [10.0**n for n in range(first, last + 1)]
    rough = (scale.high - scale.low) / 5
    size = 10.0 ** np.floor(np.log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough)
    first = np.ceil(scale.low / step) * step
    return [float(v) + 0.0 for v in np.arange(first, scale.high + step * 1e-6, step)]


def _grid(axis: Axis, scale: Scale, *, upright: bool) -> list[str]:
    rows = []
    for value in _ticks(scale):
        at = float(scale([value])[0])
        ends = (at, TOP, at, HEIGHT - BOTTOM) if upright else (LEFT, at, WIDTH - RIGHT, at)
        rows.append(
            '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="#e3e6ea"/>'.format(*ends)
        )
        place = (at, HEIGHT - BOTTOM + 14) if upright else (LEFT - 6, at + 4)
        anchor = "middle" if upright else "end"
        rows.append(
            f'<text x="{place[0]:.1f}" y="{place[1]:.1f}" text-anchor="{anchor}" fill="#57606a">'
            f"{round(value, 9) + 0.0:.6g}</text>"
        )
    where = (
        f'x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}"'
        if upright
        else (f'transform="translate(13,{(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"')
    )
    rows.append(f'<text {where} text-anchor="middle" fill="#24292f">{escape(axis.name)}</text>')
    return rows


def _line(line: Line, number: int, across: Scale, up: Scale) -> list[str]:
    colour, x, y = COLOURS[number % len(COLOURS)], across(line.x), up(line.y)
    place = f'x="{WIDTH - RIGHT + 8}" y="{TOP + 12 + 16 * number}"'
    label = f'<text {place} fill="{colour}">{escape(line.name)}</text>'
    if line.dots:
        return [
            *(
                f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>'
                for a, b in zip(x, y, strict=True)
            ),
            label,
        ]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return [
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
        label,
    ]
