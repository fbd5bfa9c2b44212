"""Sums over the hall and over a rack: what a person asks first, from the map's own arrays.

So it costs the same with ten thousand cells as with ten, and says what the colours say. Power is
what nodes measure themselves and is not stale; a sum names how many nodes it stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from iolaus.model.select import Selector
from iolaus.north.context import Context
from iolaus.north.fleet import visible
from iolaus.north.ui.cells import Cell, natural
from iolaus.north.ui.hallmap import HallMap
from iolaus.north.ui.measures import ABSENT, METRICS, UNKNOWN, Numbers
from iolaus.north.ui.words import age, kw

Chip = tuple[str, str, str]
TONES: Final = {"OK": "ok", "Warning": "warning", "Critical": "critical", "Unknown": "unknown"}


class RackRow(NamedTuple):
    """What stands in a rack, in sums. `known` says how many nodes measure `power`, if not all."""

    name: str
    place: str
    nodes: int
    devices: int
    health: list[Chip]
    power: str
    known: str
    inlet: str
    leaks: int

    @property
    def chips(self) -> list[Chip]:
        power = f"{self.power or 'not measured'}{' by ' + self.known if self.known else ''}"
        return [
            ("Nodes", str(self.nodes), ""),
            ("Other devices", str(self.devices), ""),
            *self.health,
            ("Power", power, ""),
            *([("Hottest inlet", self.inlet, "")] if self.inlet else []),
            *([("Leaks", str(self.leaks), "critical")] if self.leaks else []),
        ]


def summary_chips(context: Context, hall_map: HallMap, scope: Selector) -> list[Chip]:
    """Label, value and tone of each."""
    cells = hall_map.cells()
    nodes = _nodes(cells, range(len(cells)))
    watts, known = _power(hall_map, nodes)
    wet = _leaks(hall_map, list(range(len(cells))))
    reached, tried = _reach(context, scope, {cell.address for cell in cells})
    power = f"{kw(watts)} ({known:,} of {len(nodes):,} nodes)" if known else "not measured"
    return [
        ("Endpoints reachable", f"{reached:,} of {tried:,}", "" if reached == tried else "warning"),
        ("Makes", str(_makes(context, hall_map)), ""),
        ("Nodes", f"{len(nodes):,}", ""),
        *_health(hall_map, list(range(len(cells)))),
        _drift(hall_map),
        ("Power", power, ""),
        ("Leaks", str(wet), "critical" if wet else ""),
        ("Oldest value", _oldest(hall_map), ""),
    ]


def rack_rows(hall_map: HallMap) -> list[RackRow]:
    """Every rack that something says it stands in, by name."""
    grouped: dict[str, list[int]] = {}
    for index, cell in enumerate(hall_map.cells()):
        if cell.rack:
            grouped.setdefault(cell.rack, []).append(index)
    return [rack_row(hall_map, grouped[name]) for name in sorted(grouped, key=natural)]


def rack_row(hall_map: HallMap, members: Sequence[int]) -> RackRow:
    cells = hall_map.cells()
    first, nodes = cells[members[0]], _nodes(cells, members)
    watts, known = _power(hall_map, nodes)
    inlets = _fresh(hall_map, "inlet", nodes)
    place = (("hall", first.hall), ("row", first.row))
    return RackRow(
        name=first.rack,
        place=", ".join(f"{kind} {name}" for kind, name in place if name),
        nodes=len(nodes),
        devices=len(members) - len(nodes),
        health=_health(hall_map, members),
        power=kw(watts) if known else "",
        known=f"{known} of {len(nodes)} nodes" if 0 < known < len(nodes) else "",
        inlet=f"{inlets.max():.1f} °C" if len(inlets) else "",
        leaks=_leaks(hall_map, members),
    )


def _nodes(cells: Sequence[Cell], members: Sequence[int]) -> list[int]:
    return [index for index in members if cells[index].kind == "node"]


def _fresh(hall_map: HallMap, metric: str, members: Sequence[int]) -> Numbers:
    """The known values that are not stale."""
    shown, chosen = hall_map.show(metric), list(members)
    values = shown.values[chosen]
    return values[np.isfinite(values) & ~shown.stale[chosen]]


def _power(hall_map: HallMap, nodes: Sequence[int]) -> tuple[float, int]:
    """Sum of what they draw, and how many of them say so."""
    watts = _fresh(hall_map, "power", nodes)
    return float(watts.sum()), len(watts)


def _leaks(hall_map: HallMap, members: Sequence[int]) -> int:
    wet = METRICS["leak"].words.index("Leak")
    return int((hall_map.show("leak").codes[list(members)] == wet).sum())


def _health(hall_map: HallMap, members: Sequence[int]) -> list[Chip]:
    codes = Counter(hall_map.show("health").codes[list(members)].tolist())
    words = METRICS["health"].words
    health = {word: codes[code] for code, word in enumerate(words)}
    health["Unknown"] = codes[UNKNOWN]
    return [
        (word, f"{health[word]:,}", tone if health[word] else "")
        for word, tone in TONES.items()
        if health[word] or word == "OK"
    ]


def _drift(hall_map: HallMap) -> Chip:
    """How many depart, of those that have a baseline; what is unknown is counted beside them."""
    codes = hall_map.show("drift").codes
    known, words = codes[codes < ABSENT], METRICS["drift"].words
    unknown = int((codes == UNKNOWN).sum())
    if not len(known) + unknown:
        return ("Drifted", "no baseline", "")
    away = int((known >= words.index("drifted")).sum())
    tone = "critical" if (known == words.index("conflict")).any() else "warning" if away else ""
    more = f" ({unknown:,} unknown)" if unknown else ""
    return ("Drifted", f"{away:,} of {len(known) + unknown:,}{more}", tone)


def _oldest(hall_map: HallMap) -> str:
    ages = hall_map.show("age").values
    return age(float(ages.max()) if len(ages) else None)


def _makes(context: Context, hall_map: HallMap) -> int:
    found = set()
    for cell in hall_map.cells():
        held = context.facts.held(cell.address)
        asset = held.assets.get(cell.key) if held else None
        found.add(asset.vendor if asset else None)
    return len(found - {None})


def _reach(context: Context, scope: Selector, shown: set[str]) -> tuple[int, int]:
    """Endpoints that answer, of those that exist for this scope."""
    reached = tried = 0
    for held in context.facts.all_held():
        address = held.target.address
        if scope and address not in shown and not _is_bare(context, address, scope):
            continue
        tried += 1
        reached += held.status is not None and held.status.reach.value == "reachable"
    return reached, tried


def _is_bare(context: Context, address: str, scope: Selector) -> bool:
    """An endpoint that shows nothing yet, but is itself in the scope."""
    held = context.facts.held(address)
    picture = context.fleet.picture(address) if held and not held.assets else None
    return picture is not None and visible(picture.endpoint, scope)
