"""The hall as arrays: one packed frame per metric, the same bytes for every browser.

Ten thousand cells twice a second are 20 kB a frame as numbers and a megabyte as HTML, so a browser
gets the order of the cells once and then unsigned 16-bit values with one stale bit each. A value
that is not known is `UNKNOWN`, never a number; what "known" means is decided by the same pure
rules as everywhere else (`model/condition.py`). The map is computed when someone looks, at most
once per tick and metric.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec
import numpy as np

from iolaus.kernel.clock import Clock
from iolaus.model.asset import Asset, AssetKind, Reading, Report
from iolaus.model.condition import Sight, effective, last_seen, leak_condition
from iolaus.model.endpoint import EndpointStatus, Target
from iolaus.model.fact import Known, Unknown

UNKNOWN: Final = 0xFFFF
TOP: Final = 65_000
SWING_SAMPLES: Final = 30


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """`words` makes it categorical; else it is a number in `unit` over at least `low`..`high`."""

    name: str
    title: str
    unit: str = ""
    words: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    roles: tuple[str, ...] = ()


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric(name="health", title="Health", words=("OK", "Warning", "Critical")),
        Metric(name="state", title="Power state", words=("On", "Off", "Changing")),
        Metric(
            name="power",
            title="Power",
            unit="W",
            high=1000,
            roles=("node_power", "shelf_output_power", "pdu_power"),
        ),
        Metric(name="swing", title="Power swing", unit="W", high=500),
        Metric(
            name="inlet", title="Inlet", unit="°C", low=15, high=45, roles=("inlet_temperature",)
        ),
        Metric(
            name="coolant",
            title="Coolant return",
            unit="°C",
            low=20,
            high=60,
            roles=("coolant_return_temperature", "coolant_supply_temperature"),
        ),
        Metric(name="leak", title="Leak", words=("Dry", "Leak")),
        Metric(name="age", title="Age", unit="s", high=60),
    )
}
_NODELIKE: Final = (AssetKind.NODE, AssetKind.DPU)


class HeldView(Protocol):
    """What the map reads of one endpoint's picture."""

    @property
    def target(self) -> Target: ...
    @property
    def status(self) -> EndpointStatus | None: ...
    @property
    def report(self) -> Report | None: ...
    @property
    def assets(self) -> Mapping[str, Asset]: ...
    @property
    def readings(self) -> Mapping[str, Reading]: ...


class Picture(Protocol):
    def all_held(self) -> Iterable[HeldView]: ...


class Names(Protocol):
    """Asset key -> name at one endpoint, clashes between endpoints solved."""

    def names_of(self, address: str) -> Mapping[str, str]: ...


class Cell(NamedTuple):
    """One asset on the map. `leaks` and `roles` name readings, so that a frame scans none."""

    address: str
    key: str
    name: str
    kind: str
    hall: str
    row: str
    rack: str
    u: int
    roles: Mapping[str, str]
    leaks: tuple[str, ...]


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    version: int
    metrics: tuple[dict[str, object], ...]
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    halls: tuple[dict[str, object], ...]


class Frame(NamedTuple):
    """`scale` is a JSON text message, `data` the cells: u16 little-endian, then stale bits."""

    version: int
    scale: bytes
    data: bytes


class HallMap:
    """One for all browsers. `interval_s` is how often the hot set is polled."""

    def __init__(
        self,
        *,
        facts: Picture,
        names: Names,
        clock: Clock,
        interval_s: float,
        slow_interval_s: float = 900.0,
    ) -> None:
        self._facts, self._names, self._clock = facts, names, clock
        self._interval_s, self._slow_s = interval_s, slow_interval_s
        self._cells: tuple[Cell, ...] = ()
        self._shape: tuple[object, ...] = ()
        self._layout = b""
        self._version = 0
        self._frames: dict[str, tuple[float, Frame]] = {}
        self._power: dict[str, deque[float]] = {}
        self._seen_at: dict[str, float] = {}

    def layout(self) -> tuple[int, bytes]:
        """Version and JSON of what stands where; the version moves when the hall does."""
        shape = tuple((held.target, id(held.report)) for held in self._facts.all_held())
        if shape != self._shape or not self._layout:
            self._shape, self._cells = shape, tuple(_cells(self._facts, self._names))
            self._version += 1
            self._frames.clear()
            self._layout = msgspec.json.encode(
                Layout(
                    type="layout",
                    version=self._version,
                    metrics=tuple(
                        {"name": m.name, "title": m.title, "unit": m.unit, "words": m.words}
                        for m in METRICS.values()
                    ),
                    names=tuple(cell.name for cell in self._cells),
                    kinds=tuple(cell.kind for cell in self._cells),
                    halls=tuple(_halls(self._cells)),
                )
            )
        return self._version, self._layout

    def frame(self, metric: str, *, max_age_s: float = 0.9) -> Frame:
        """The packed values of a metric, computed at most every `max_age_s`."""
        version, _ = self.layout()
        now = self._clock.now()
        cached = self._frames.get(metric)
        if cached and cached[1].version == version and now - cached[0] < max_age_s:
            return cached[1]
        frame = self._pack(METRICS[metric], version, now)
        self._frames[metric] = (now, frame)
        return frame

    def sample_power(self) -> None:
        """Remember each node's power once per new reading, for its swing."""
        held_by = {held.target.address: held for held in self._facts.all_held()}
        for cell in self._cells:
            reading = held_by[cell.address].readings.get(cell.roles.get("node_power", ""))
            if reading is None or reading.value is None:
                continue
            if reading.at > self._seen_at.get(cell.name, 0.0):
                self._seen_at[cell.name] = reading.at
                self._power.setdefault(cell.name, deque(maxlen=SWING_SAMPLES)).append(reading.value)

    def _pack(self, metric: Metric, version: int, now: float) -> Frame:
        held_by = {held.target.address: held for held in self._facts.all_held()}
        sights = {a: self._sight(held, now) for a, held in held_by.items()}
        values = np.full(len(self._cells), np.nan)
        stale = np.zeros(len(self._cells), dtype=bool)
        read = self._reader(metric)
        for index, cell in enumerate(self._cells):
            held = held_by[cell.address]
            values[index], stale[index] = read(cell, held, sights[cell.address])
        return _encode(metric, version, values, stale)

    def _sight(self, held: HeldView, now: float) -> Sight:
        return Sight(
            now=now,
            interval_s=self._interval_s,
            slow_interval_s=self._slow_s,
            status=held.status,
            report=held.report,
            hot=frozenset(held.report.hot) if held.report else frozenset(),
        )

    def _reader(self, metric: Metric) -> Callable[[Cell, HeldView, Sight], tuple[float, bool]]:
        named = {"health": _health, "state": _state, "leak": _leak, "age": _age}
        if metric.name in named:
            return named[metric.name]
        if metric.name == "swing":
            return self._swing
        return lambda cell, held, sight: _by_role(metric.roles, cell, held, sight)

    def _swing(self, cell: Cell, held: HeldView, sight: Sight) -> tuple[float, bool]:
        seen = self._power.get(cell.name)
        _, stale = _by_role(("node_power",), cell, held, sight)
        return (max(seen) - min(seen), stale) if seen and len(seen) > 1 else (float("nan"), stale)


def _health(cell: Cell, held: HeldView, sight: Sight) -> tuple[float, bool]:
    asset = held.assets[cell.key]
    fact = effective(asset.health, sight, interval_s=sight.asset_interval_s(asset))
    words = METRICS["health"].words
    return _word(fact, words), not isinstance(asset.health, Unknown) and isinstance(fact, Unknown)


def _state(cell: Cell, held: HeldView, sight: Sight) -> tuple[float, bool]:
    asset = held.assets[cell.key]
    fact = effective(asset.power_state, sight, interval_s=sight.asset_interval_s(asset))
    was_known = not isinstance(asset.power_state, Unknown)
    code = _word(fact, ("On", "Off"))
    changing = isinstance(fact, Known) and np.isnan(code)
    return 2.0 if changing else code, was_known and isinstance(fact, Unknown)


def _word(fact: object, words: tuple[str, ...]) -> float:
    if isinstance(fact, Known) and str(fact.value) in words:
        return float(words.index(str(fact.value)))
    return float("nan")


def _leak(cell: Cell, held: HeldView, sight: Sight) -> tuple[float, bool]:
    readings = [held.readings[key] for key in cell.leaks if key in held.readings]
    condition = leak_condition(AssetKind(cell.kind), sight, readings=readings)
    if condition is None:
        return float("nan"), False
    codes = {"True": 0.0, "False": 1.0}
    return codes.get(condition.status, float("nan")), condition.status == "Unknown"


def _age(cell: Cell, held: HeldView, sight: Sight) -> tuple[float, bool]:
    seen = last_seen(held.assets[cell.key])
    return max(0.0, sight.now - seen), sight.is_stale(seen)


def _by_role(
    roles: tuple[str, ...], cell: Cell, held: HeldView, sight: Sight
) -> tuple[float, bool]:
    for role in roles:
        reading = held.readings.get(cell.roles.get(role, ""))
        if reading is not None and reading.value is not None:
            stale = sight.is_stale(reading.at, interval_s=sight.reading_interval_s(reading))
            return reading.value, stale
    return float("nan"), False


def _encode(metric: Metric, version: int, values: np.ndarray, stale: np.ndarray) -> Frame:
    known = ~np.isnan(values)
    packed = np.full(len(values), UNKNOWN, dtype="<u2")
    if metric.words:
        low, high = 0.0, float(len(metric.words) - 1)
        packed[known] = values[known].astype("<u2")
    else:
        low, high = metric.low, _ceiling(metric, values[known])
        share = np.clip((values[known] - low) / (high - low), 0.0, 1.0)
        packed[known] = np.round(share * TOP).astype("<u2")
    scale = msgspec.json.encode(
        {"type": "scale", "version": version, "metric": metric.name, "low": low, "high": high}
    )
    return Frame(version, scale, packed.tobytes() + np.packbits(stale, bitorder="little").tobytes())


def _ceiling(metric: Metric, values: np.ndarray) -> float:
    """The top of the scale: rounded up in steps, so that it seldom moves."""
    most = float(values.max()) if len(values) else metric.high
    top = metric.high
    while top < most:
        top *= 2
    return top


def _cells(facts: Picture, named: Names) -> Iterable[Cell]:
    found = []
    for held in facts.all_held():
        names = named.names_of(held.target.address)
        roles, leaks = _index(held.readings)
        labels = held.target.labels
        for key, asset in held.assets.items():
            if key not in names:
                continue
            place = asset.place
            found.append(
                Cell(
                    address=held.target.address,
                    key=key,
                    name=names[key],
                    kind=asset.kind.value,
                    hall=labels.get("hall") or place.hall or "",
                    row=labels.get("row") or place.row or "",
                    rack=labels.get("rack") or place.rack or "",
                    u=_unit(labels.get("u"), place.u),
                    roles=roles.get(key, {}),
                    leaks=leaks.get(key, ()),
                )
            )
    return sorted(found, key=lambda c: (c.hall, c.row, c.rack, -c.u, c.name))


def _index(
    readings: Mapping[str, Reading],
) -> tuple[dict[str, dict[str, str]], dict[str, tuple[str, ...]]]:
    roles: dict[str, dict[str, str]] = {}
    leaks: dict[str, tuple[str, ...]] = {}
    for key, reading in readings.items():
        if reading.role == "leak":
            leaks[reading.asset] = (*leaks.get(reading.asset, ()), key)
        elif reading.role:
            roles.setdefault(reading.asset, {}).setdefault(reading.role, key)
    return roles, leaks


def _unit(label: str | None, place: int | None) -> int:
    if label and label.lstrip("-").isdigit():
        return int(label)
    return place or 0


def _halls(cells: tuple[Cell, ...]) -> Iterable[dict[str, object]]:
    """Halls of rows of racks of cell indices, in the order of the cells."""
    halls: dict[str, dict[str, dict[str, list[int]]]] = {}
    for index, cell in enumerate(cells):
        rows = halls.setdefault(cell.hall, {})
        rows.setdefault(cell.row, {}).setdefault(cell.rack, []).append(index)
    for hall, rows in halls.items():
        yield {
            "name": hall,
            "rows": [
                {"name": row, "racks": [{"name": r, "cells": c} for r, c in racks.items()]}
                for row, racks in rows.items()
            ],
        }
