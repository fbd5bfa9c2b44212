"""The hall as arrays: one packed frame per metric, the same bytes for every browser.

Ten thousand cells a second are 20 kB as numbers and a megabyte as HTML, so a browser gets the
order of the cells once and then unsigned 16-bit values with one stale bit each. Nothing is worked
out before somebody looks; then each metric keeps a column of what was seen and until when it may
be believed (`sightings.py`), only endpoints that changed are read again, and a frame is a few
array operations, at most once a tick.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from iolaus.fleet.ledger import Verdict
from iolaus.kernel.clock import Clock
from iolaus.model.asset import Report
from iolaus.model.condition import Sight, blindness
from iolaus.model.endpoint import Target
from iolaus.north.ui.cells import Cell, cells_of, in_order, layout_of
from iolaus.north.ui.measures import (
    METRICS,
    NOT_KNOWN,
    NOT_MEASURED,
    Codes,
    Metric,
    Numbers,
    Scale,
    pack,
    scale_of,
    write,
)
from iolaus.north.ui.sightings import Seen, by_role, departure, sighting
from iolaus.store.held import Held

SWING_S: Final = 300.0
MOST_SAMPLES: Final = 600


class Picture(Protocol):
    """The store, as far as the map needs it."""

    def all_held(self) -> Iterable[Held]: ...

    def held(self, address: str) -> Held | None: ...

    def on_change(self, listener: Callable[[str, Any], None]) -> Callable[[], None]: ...


class Names(Protocol):
    """Which assets are on the map, and what they are called."""

    def names_of(self, address: str) -> Mapping[str, str]:
        """Asset key -> name at one endpoint, clashes between endpoints solved."""

    def shape(self) -> object:
        """Something equal as long as no name changes but at endpoints whose facts do."""


class Verdicts(Protocol):
    """How assets depart from their baselines, as last settled; another revision, other verdicts."""

    revision: int

    def verdict_of(self, endpoint: str, key: str) -> Verdict | None: ...


class Frame(NamedTuple):
    """`scale` is a JSON text message, `data` the cells: u16 little-endian, then stale bits."""

    version: int
    scale: bytes
    data: bytes


class Shown(NamedTuple):
    """A metric over all cells. `codes` are what is sent of `values`; `stale` is by cell."""

    scale: Scale
    values: Numbers
    codes: Codes
    stale: npt.NDArray[np.bool_]


class Plot(NamedTuple):
    """One endpoint's cells, and what they were made from. `hot` are the URIs of its hot set."""

    target: Target
    report: Report | None
    names: Mapping[str, str]
    cells: tuple[Cell, ...]
    hot: frozenset[str]


class Column:
    """A metric of all cells: value, until when, and whether it fades; `dirty` needs a look."""

    def __init__(self, size: int, dirty: Iterable[str]) -> None:
        self.value = np.full(size, NOT_KNOWN)
        self.until = np.full(size, np.inf)
        self.fades = np.zeros(size, dtype=bool)
        self.dirty = set(dirty)

    def put(self, index: int, seen: Seen) -> None:
        self.value[index], self.until[index], self.fades[index] = seen


class HallMap:
    """One for all browsers that see the same. `interval_s` is how often the hot set is polled,
    `slow_interval_s` the inventory; without `verdicts` nothing has a baseline."""

    def __init__(
        self,
        *,
        facts: Picture,
        names: Names,
        clock: Clock,
        interval_s: float,
        slow_interval_s: float = 900.0,
        verdicts: Verdicts | None = None,
    ) -> None:
        self._facts, self._names, self._clock = facts, names, clock
        self._verdicts, self._judged = verdicts, -1
        self._interval_s, self._slow_s = interval_s, slow_interval_s
        self._plots: dict[str, Plot] = {}
        self._cells: list[Cell] = []
        self._where: dict[str, list[int]] = {}
        self._blind = np.zeros(0, dtype=bool)
        self._columns: dict[str, Column] = {}
        self._shown: dict[str, tuple[float, Shown]] = {}
        self._scales: dict[str, Scale] = {}
        self._power: dict[tuple[str, str], deque[tuple[float, float]]] = {}
        self._changed = {held.target.address for held in facts.all_held()}
        self._shape: object = None
        self._layout, self._version, self._rest_until = b"", 0, 0.0
        facts.on_change(self._note)

    def layout(self) -> tuple[int, bytes]:
        """Version and JSON of what stands where; the version moves when the hall does."""
        self._look()
        return self._version, self._layout

    def cells(self) -> Sequence[Cell]:
        """What stands where, in the order of the map."""
        self._look()
        return self._cells

    def frame(self, metric: str, *, max_age_s: float = 0.9) -> Frame:
        """The packed values of a metric, worked out at most every `max_age_s`."""
        shown = self.show(metric, max_age_s=max_age_s)
        low, high = shown.scale
        head = {"type": "scale", "version": self._version, "metric": metric}
        return Frame(
            version=self._version,
            scale=msgspec.json.encode({**head, "low": low, "high": high}),
            data=shown.codes.tobytes() + np.packbits(shown.stale, bitorder="little").tobytes(),
        )

    def show(self, metric: str, *, max_age_s: float = 0.9) -> Shown:
        """The values of a metric, worked out at most every `max_age_s`."""
        self._look()
        if metric == "drift":
            self._judge()
        now = self._clock.now()
        cached = self._shown.get(metric)
        if cached and 0 <= now - cached[0] < max_age_s:
            return cached[1]
        shown = self._show(METRICS[metric], now)
        self._shown[metric] = (now, shown)
        return shown

    def texts(self, metric: str, indexes: Sequence[int] | None = None) -> list[str]:
        """The values of a metric as the map writes them: of these cells, or of all."""
        shown = self.show(metric)
        codes = shown.codes if indexes is None else shown.codes[list(indexes)]
        return [write(METRICS[metric], shown.scale, code) for code in codes.tolist()]

    def _judge(self) -> None:
        """Verdicts may be others though no fact changed: another baseline, or the day it ends."""
        if self._verdicts is None or self._verdicts.revision == self._judged:
            return
        self._judged = self._verdicts.revision
        self._shown.pop("drift", None)
        if (column := self._columns.get("drift")) is not None:
            column.dirty.update(self._where)

    def _note(self, topic: str, payload: Any) -> None:
        if topic.startswith("facts.") and isinstance(payload, str):
            self._changed.add(payload)

    def _look(self) -> None:
        """Take in what changed, and rest four times as long as that took: a hall that is being
        discovered changes its shape all the time, and others want the processor too."""
        began = self._clock.monotonic()
        if self._layout and began < self._rest_until:
            return
        self._take_in()
        ended = self._clock.monotonic()
        self._rest_until = ended + 4 * (ended - began)

    def _take_in(self) -> None:
        if (shape := self._names.shape()) != self._shape or not self._layout:
            self._changed.update(self._renamed())
            self._shape = shape
        elif not self._changed:
            return
        changed, self._changed = self._changed, set()
        moved = [self._plot(address) for address in changed]
        if any(moved) or not self._layout:
            self._lay_out()
        for address in changed & self._where.keys():
            self._see(address)
        for column in self._columns.values():
            column.dirty.update(changed & self._where.keys())

    def _renamed(self) -> Iterable[str]:
        """Endpoints whose names are not those on the map."""
        known = {**self._plots, **{held.target.address: None for held in self._facts.all_held()}}
        for address in known:
            plot = self._plots.get(address)
            if plot is None or plot.names != self._names.names_of(address):
                yield address

    def _plot(self, address: str) -> bool:
        """Bring one endpoint's cells up to date; whether the layout has to change for it."""
        held, before = self._facts.held(address), self._plots.get(address)
        if held is None:
            return self._plots.pop(address, None) is not None
        names = self._names.names_of(address)
        kept = before and before.target is held.target and before.report is held.report
        if before and kept and before.names == names:
            return False
        cells = cells_of(held, names)
        hot = frozenset(held.report.hot) if held.report else frozenset()
        self._plots[address] = Plot(held.target, held.report, dict(names), cells, hot)
        if before is None or [c.head for c in before.cells] != [c.head for c in cells]:
            return True
        fresh = {cell.key: cell for cell in cells}
        for index in self._where.get(address, ()):
            self._cells[index] = fresh[self._cells[index].key]
        return False

    def _lay_out(self) -> None:
        self._cells = in_order(cell for plot in self._plots.values() for cell in plot.cells)
        self._where = {}
        for index, cell in enumerate(self._cells):
            self._where.setdefault(cell.address, []).append(index)
        self._version += 1
        self._layout = layout_of(self._cells, version=self._version)
        self._columns.clear()
        self._shown.clear()
        self._blind = np.zeros(len(self._cells), dtype=bool)
        for address in self._where:
            self._see(address)

    def _see(self, address: str) -> None:
        held, now = self._facts.held(address), self._clock.now()
        if held is None:
            return
        self._blind[self._where[address]] = bool(blindness(self._sight(held, now)))
        for index in self._where[address]:
            self._sample(self._cells[index], held)

    def _sample(self, cell: Cell, held: Held) -> None:
        """Remember a node's power once per new reading, for its swing."""
        reading = held.readings.get(cell.roles.get("node_power", ""))
        if reading is None or reading.value is None:
            return
        seen = self._power.setdefault((cell.address, cell.key), deque(maxlen=MOST_SAMPLES))
        if not seen or reading.at > seen[-1][0]:
            seen.append((reading.at, reading.value))
            while reading.at - seen[0][0] > SWING_S:
                seen.popleft()

    def _sight(self, held: Held, now: float) -> Sight:
        plot = self._plots[held.target.address]
        return Sight(
            now=now,
            interval_s=self._interval_s,
            slow_interval_s=self._slow_s,
            status=held.status,
            report=held.report,
            hot=plot.hot,
        )

    def _show(self, metric: Metric, now: float) -> Shown:
        column = self._column(metric, now)
        old = self._blind | (now > column.until)
        seen = np.isfinite(column.value)
        values = now - column.value if metric.name == "age" else column.value.copy()
        if metric.name == "age":
            values = np.maximum(values, 0.0)
        values[old & column.fades & seen] = NOT_KNOWN
        scale = scale_of(metric, values[np.isfinite(values)], self._scales.get(metric.name))
        self._scales[metric.name] = scale
        return Shown(scale, values, pack(metric, scale, values), old & seen)

    def _column(self, metric: Metric, now: float) -> Column:
        column = self._columns.get(metric.name)
        if column is None:
            column = self._columns[metric.name] = Column(len(self._cells), self._where)
        for address in column.dirty:
            if (held := self._facts.held(address)) is None:
                continue
            sight = self._sight(held, now)
            for index in self._where[address]:
                column.put(index, self._seen(metric, self._cells[index], held, sight))
        column.dirty.clear()
        return column

    def _seen(self, metric: Metric, cell: Cell, held: Held, sight: Sight) -> Seen:
        if cell.key not in held.assets:
            return Seen(NOT_KNOWN)
        if metric.name == "drift":
            verdicts = self._verdicts
            verdict = verdicts.verdict_of(cell.address, cell.key) if verdicts else None
            return departure(verdict, held, sight)
        if metric.name != "swing":
            return sighting(metric, cell, held, sight)
        power = by_role(metric.roles, cell, held, sight)
        past = [watts for _, watts in self._power.get((cell.address, cell.key), ())]
        if power.value == NOT_MEASURED or len(past) < 2:
            return Seen(NOT_MEASURED if power.value == NOT_MEASURED else NOT_KNOWN)
        return Seen(max(past) - min(past), power.until, fades=False)
