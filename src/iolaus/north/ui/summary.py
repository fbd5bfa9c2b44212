"""The line above the map: what a person asks first, counted from the map's own arrays.

So it costs the same with ten thousand cells as with ten, and says what the colours say. Power is
what nodes measure themselves and is not stale; a sum names how many nodes it stands for.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from iolaus.model.select import Selector
from iolaus.north.context import Context
from iolaus.north.fleet import visible
from iolaus.north.ui.hallmap import HallMap, Shown
from iolaus.north.ui.measures import ABSENT, METRICS, TOP, UNKNOWN
from iolaus.north.ui.words import age, kw

Chip = tuple[str, str, str]
TONES: Final = {"OK": "ok", "Warning": "warning", "Critical": "critical", "Unknown": "unknown"}


def summary_chips(context: Context, hall_map: HallMap, scope: Selector) -> list[Chip]:
    """Label, value and tone of each."""
    cells = hall_map.cells()
    is_node = np.array([cell.kind == "node" for cell in cells], dtype=bool)
    watts, known = power_of(hall_map.show("power"), is_node)
    wet = int((hall_map.show("leak").codes == METRICS["leak"].words.index("Leak")).sum())
    addresses = {cell.address for cell in cells}
    reached, tried = _reach(context, scope, addresses)
    return [
        ("Endpoints reachable", f"{reached:,} of {tried:,}", "" if reached == tried else "warning"),
        ("Makes", str(_makes(context, hall_map)), ""),
        ("Nodes", f"{int(is_node.sum()):,}", ""),
        *health_chips(health_of(hall_map.show("health"))),
        ("Power", _power(watts, known, int(is_node.sum())), ""),
        ("Leaks", str(wet), "critical" if wet else ""),
        ("Oldest value", _oldest(hall_map.show("age")), ""),
    ]


def health_of(shown: Shown) -> Counter[str]:
    words = METRICS["health"].words
    codes = Counter(shown.codes.tolist())
    counts = Counter({word: codes[code] for code, word in enumerate(words)})
    counts["Unknown"] = codes[UNKNOWN] + codes[ABSENT]
    return counts


def health_chips(health: Counter[str]) -> list[Chip]:
    return [
        (word, f"{health[word]:,}", tone if health[word] else "")
        for word, tone in TONES.items()
        if health[word] or word == "OK"
    ]


def power_of(shown: Shown, chosen: np.ndarray) -> tuple[float, int]:
    """Sum of what the chosen cells draw, and how many of them say so freshly."""
    known = chosen & (shown.codes <= TOP) & ~shown.stale
    share = shown.codes[known] / TOP
    low, high = shown.scale
    return float((low + share * (high - low)).sum()), int(known.sum())


def _power(watts: float, known: int, nodes: int) -> str:
    return f"{kw(watts)} ({known:,} of {nodes:,} nodes)" if known else "not measured"


def _oldest(shown: Shown) -> str:
    codes = shown.codes[shown.codes <= TOP]
    if not len(codes):
        return age(None)
    metric, (low, high) = METRICS["age"], shown.scale
    oldest = low + int(codes.max()) / TOP * (high - low)
    return ("over " if oldest == metric.most else "") + age(oldest)


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
