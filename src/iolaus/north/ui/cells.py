"""What stands where on the map: one cell for each asset, found once per full reading.

A cell keeps the keys of the readings that its metrics need, so that nobody scans a hundred
sensors for one number. Order is what a person walking the hall would say: hall, row, rack, from
the top unit down; digits in names count as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from iolaus.model.asset import Asset, ComponentKind, Reading
from iolaus.north.ui.measures import METRICS
from iolaus.store.held import Held

_DIGITS: Final = re.compile(r"(\d{1,18})")
MAX_LABEL: Final = 120


class Cell(NamedTuple):
    """One asset on the map. It takes `span` rack units from `u` upwards (0: nobody says). `roles`
    (role -> reading) and `leaks` name readings; `detects` says that something in it could detect
    a leak."""

    address: str
    key: str
    name: str
    kind: str
    hall: str
    row: str
    rack: str
    u: int
    span: int
    roles: Mapping[str, str]
    leaks: tuple[str, ...]
    detects: bool

    @property
    def head(self) -> tuple[object, ...]:
        """Which asset it is, and all that the layout shows of it."""
        return self[1:9]


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The first message to a browser: cells by number, in halls of rows of racks; `units` are
    the lowest rack unit of each (0: not known) and how many it takes."""

    type: str
    version: int
    metrics: tuple[dict[str, object], ...]
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    units: tuple[tuple[int, int], ...]
    halls: tuple[dict[str, object], ...]


def natural(text: str) -> tuple[object, ...]:
    """A sort key by which r2 comes before r10."""
    return tuple(int(part) if part.isdigit() else part for part in _DIGITS.split(text.casefold()))


def cells_of(held: Held, names: Mapping[str, str]) -> tuple[Cell, ...]:
    """The cells of one endpoint; an asset without a name here is not on this map."""
    roles, leaks = _index(held.readings)
    parts = held.report.components if held.report else ()
    detecting = {part.asset for part in parts if part.kind is ComponentKind.LEAK_DETECTOR}
    return tuple(
        _cell(
            held.target.address,
            asset,
            labels=held.target.labels,
            name=names[key],
            roles=roles.get(key, {}),
            leaks=leaks.get(key, ()),
            detects=key in detecting,
        )
        for key, asset in held.assets.items()
        if key in names
    )


def in_order(cells: Iterable[Cell]) -> list[Cell]:
    return sorted(
        cells,
        key=lambda c: (natural(c.hall), natural(c.row), natural(c.rack), -c.u, natural(c.name)),
    )


def layout_of(cells: Sequence[Cell], *, version: int) -> bytes:
    return msgspec.json.encode(
        Layout(
            type="layout",
            version=version,
            metrics=tuple(
                {
                    "name": m.name,
                    "title": m.title,
                    "unit": m.unit,
                    "words": m.words,
                    "most": m.most,
                    "absent": m.absent,
                }
                for m in METRICS.values()
            ),
            names=tuple(cell.name for cell in cells),
            kinds=tuple(cell.kind for cell in cells),
            units=tuple((cell.u, cell.span) for cell in cells),
            halls=tuple(_halls(cells)),
        )
    )


def _cell(
    address: str,
    asset: Asset,
    *,
    labels: Mapping[str, str],
    name: str,
    roles: Mapping[str, str],
    leaks: tuple[str, ...],
    detects: bool,
) -> Cell:
    place = asset.place
    return Cell(
        address=address,
        key=asset.key,
        name=name,
        kind=asset.kind.value,
        hall=(labels.get("hall") or place.hall or "")[:MAX_LABEL],
        row=(labels.get("row") or place.row or "")[:MAX_LABEL],
        rack=(labels.get("rack") or place.rack or "")[:MAX_LABEL],
        u=unit_of(labels.get("u"), place.u),
        span=max(1, unit_of(labels.get("height"))),
        roles=roles,
        leaks=leaks,
        detects=detects or bool(leaks) or asset.kind.value == "leak",
    )


def unit_of(label: str | None, place: int | None = None) -> int:
    """The lowest rack unit; 0 where nobody says."""
    if label and label.isascii() and label.isdigit() and len(label) < 4:
        return int(label)
    return place if place is not None and 0 < place < 1000 else 0


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


def _halls(cells: Sequence[Cell]) -> Iterable[dict[str, object]]:
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
