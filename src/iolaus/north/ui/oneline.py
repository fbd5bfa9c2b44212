"""A one-line diagram: what feeds what, from the top of the plant to its racks and a rack's nodes.

The plant is a tree by its parents, drawn from left to right, a rack a line; what stands in by a
second cord is a dashed line. It says what the table beside it says, in the order in which watts
flow. Pure: names and watts in, boxes and lines out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from iolaus.energy.decisions import DomainState
from iolaus.energy.standing import EdgeStanding
from iolaus.model.plant import Plant

COLUMN, ROW, BOX_W, BOX_H, EDGE = 244, 26, 200, 20, 4
FITS: Final = 27
"""So many characters stand in a box, the gap between a name and its watts among them."""
LEAST: Final = 6
MOST_ROWS: Final = 400
NEAR: Final = 0.95
"""So full is worth a look."""


class Box(NamedTuple):
    """`full` is what part of the limit is taken (None: not known); `bar` its width."""

    name: str
    kind: str
    x: int
    y: int
    says: str
    tone: str
    full: float | None
    bar: int
    chosen: bool

    @property
    def label(self) -> str:
        """The name, cut where its watts would touch it."""
        fits = max(LEAST, FITS - len(self.says))
        return self.name if len(self.name) <= fits else f"{self.name[: fits - 2]}.."


class Wire(NamedTuple):
    path: str
    standby: bool


class OneLine(NamedTuple):
    width: int
    height: int
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    left_out: int


def one_line(
    plant: Plant,
    states: Mapping[str, DomainState],
    edges: Mapping[str, EdgeStanding],
    *,
    chosen: str = "",
) -> OneLine:
    """`chosen` is the rack whose nodes are drawn, too."""
    drawing = _Drawing(plant, states, edges, chosen)
    for domain in plant.domains:
        if domain.parent not in plant.by_name:
            drawing.place(domain.name, 0)
    deepest = max((box.x for box in drawing.boxes), default=0)
    return OneLine(
        deepest + BOX_W + EDGE,
        max(1, drawing.row) * ROW + EDGE,
        tuple(drawing.boxes),
        tuple(drawing.wired()),
        drawing.left_out,
    )


class _Drawing:
    def __init__(
        self,
        plant: Plant,
        states: Mapping[str, DomainState],
        edges: Mapping[str, EdgeStanding],
        chosen: str,
    ) -> None:
        self._plant, self._states, self._edges, self._chosen = plant, states, edges, chosen
        self._below: dict[str, list[str]] = {}
        for domain in plant.domains:
            if domain.parent:
                self._below.setdefault(domain.parent, []).append(domain.name)
        self.boxes: list[Box] = []
        self._at: dict[str, tuple[int, int]] = {}
        self.row = self.left_out = 0

    def place(self, name: str, depth: int) -> None:
        """A domain, in the middle of what it feeds. One that is fed in a circle ends there."""
        if name in self._at:
            return
        first = self.row
        self._at[name] = EDGE + depth * COLUMN, EDGE + first * ROW
        for child in self._below.get(name, ()):
            self.place(child, depth + 1)
        if name == self._chosen:
            for load in self._plant.by_rack.get(name, ()):
                self._leaf(load.name, depth + 1, f"floor {_kw(load.floor_w)}")
        if self.row == first:
            if self.row >= MOST_ROWS:
                self.left_out += 1
                del self._at[name]
                return
            self.row += 1
        x, y = EDGE + depth * COLUMN, EDGE + (first + self.row - 1) * ROW // 2
        self._at[name] = x, y
        self.boxes.append(self._box(name, x, y))

    def _leaf(self, name: str, depth: int, says: str) -> None:
        x, y = EDGE + depth * COLUMN, EDGE + self.row * ROW
        self._at[f"node {name}"] = x, y
        self.boxes.append(Box(name, "node", x, y, says, "", None, 0, False))
        self.row += 1

    def _box(self, name: str, x: int, y: int) -> Box:
        kind = self._plant.by_name[name].kind.value
        says, tone, full = self._says(name)
        bar = round(BOX_W * min(1.0, full)) if full is not None else 0
        return Box(name, kind, x, y, says, tone, full, bar, name == self._chosen)

    def _says(self, name: str) -> tuple[str, str, float | None]:
        state, edge = self._states.get(name), self._edges.get(name)
        limit_w = state.limit_w if state else self._plant.by_name[name].limit_w
        used_w = edge.measured_w if edge else (state.charged_w if state else None)
        says = _of_limit(used_w, limit_w)
        full = used_w / limit_w if used_w is not None and limit_w else None
        if state and state.lost:
            return "lost", "critical", None
        if (edge and edge.state == "hung") or (full is not None and full > 1.0):
            return says, "critical", full
        if (edge and edge.state in ("held", "falling")) or (full is not None and full > NEAR):
            return says, "warning", full
        return says, "ok" if limit_w is not None else "unknown", full

    def wired(self) -> Iterator[Wire]:
        for domain in self._plant.domains:
            feeders = [(domain.parent, False), *((each, True) for each in domain.standby)]
            for above, standby in feeders:
                if above in self._at and domain.name in self._at:
                    yield Wire(_bent(self._at[above], self._at[domain.name]), standby)
        for load in self._plant.by_rack.get(self._chosen, ()):
            at = self._at.get(f"node {load.name}")
            if at and self._chosen in self._at:
                yield Wire(_bent(self._at[self._chosen], at), False)


def _bent(above: tuple[int, int], below: tuple[int, int]) -> str:
    """From the right side of one to the left side of the other."""
    x1, y1 = above[0] + BOX_W, above[1] + BOX_H // 2
    x2, y2 = below[0], below[1] + BOX_H // 2
    middle = x2 - (COLUMN - BOX_W) // 2
    return f"M{x1} {y1}H{middle}V{y2}H{x2}"


def _kw(watts: float | None) -> str:
    return "?" if watts is None else f"{watts / 1000:.1f} kW"


def _of_limit(used_w: float | None, limit_w: float | None) -> str:
    """The unit once. `-` is no limit, `?` what nobody knows."""
    if limit_w is None or limit_w == float("inf"):
        return f"{_kw(used_w)} / {'?' if limit_w is None else '-'}"
    used = "?" if used_w is None else f"{used_w / 1000:.1f}"
    return f"{used} / {_kw(limit_w)}"


WAVE_W, WAVE_H = 600, 120


class Wave(NamedTuple):
    """A line of watts over the last minutes; `path` is empty where nothing is known."""

    path: str
    most_w: float
    least_w: float
    seconds: int


def wave(values: Sequence[float | None]) -> Wave:
    """A gap where a value is unknown."""
    known = [each for each in values if each is not None]
    if len(known) < 2:
        return Wave("", 0.0, 0.0, len(values))
    top, step = max(known) * 1.05 or 1.0, WAVE_W / max(1, len(values) - 1)
    path, pen = "", "M"
    for number, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        path += f"{pen}{number * step:.1f} {WAVE_H - value / top * WAVE_H:.1f}"
        pen = "L"
    return Wave(path, max(known), min(known), len(values))
