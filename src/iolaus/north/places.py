"""Racks and halls: places are not devices, so they are sums over what stands in them.

A rack exists because something says that it stands there (a label of the operator, or the device's
own word). Its health is a count, not a colour: one unknown among fifteen OK is shown as such.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from iolaus.north.dto.views import AssetView, HallView, RackView

HEALTHS: Final = ("OK", "Warning", "Critical", "Unknown")
INLET: Final = "inlet_temperature_c"
POWER: Final = "node_power_w"


def racks(assets: Iterable[AssetView]) -> list[RackView]:
    return [
        RackView(
            name=name,
            kind="rack",
            labels=_common(members, ("hall", "row")),
            hall=members[0].labels.get("hall"),
            **_sums(members),
        )
        for name, members in _group(assets, "rack")
    ]


def halls(assets: Iterable[AssetView]) -> list[HallView]:
    return [
        HallView(
            name=name,
            kind="hall",
            racks=len({each.labels["rack"] for each in members if "rack" in each.labels}),
            **_sums(members),
        )
        for name, members in _group(assets, "hall")
    ]


def node_power_w(view: AssetView) -> float | None:
    """What a node draws by its own fresh measurement."""
    return None if view.stale else view.readings.get(POWER)


def leaks(view: AssetView) -> str | None:
    """ "leak", "dry", "unknown"; None where nothing could tell."""
    verdict = next((c.status for c in view.conditions if c.type == "LeakFree"), None)
    return {"True": "dry", "False": "leak", "Unknown": "unknown", None: None}[verdict]


def _group(assets: Iterable[AssetView], label: str) -> list[tuple[str, list[AssetView]]]:
    grouped: dict[str, list[AssetView]] = defaultdict(list)
    for each in assets:
        if each.labels.get(label):
            grouped[each.labels[label]].append(each)
    return sorted(grouped.items())


def _common(members: Sequence[AssetView], names: Iterable[str]) -> Mapping[str, str]:
    """The labels that all members share."""
    found = {name: {each.labels.get(name) for each in members} for name in names}
    return {n: v for n, vs in found.items() if len(vs) == 1 and (v := next(iter(vs))) is not None}


def _sums(members: Sequence[AssetView]) -> dict[str, Any]:
    nodes = [each for each in members if each.kind == "node"]
    health = Counter(each.health or "Unknown" for each in members)
    power = [watts for each in nodes if (watts := node_power_w(each)) is not None]
    inlets = [each.readings[INLET] for each in members if INLET in each.readings]
    return {
        "nodes": len(nodes),
        "devices": len(members) - len(nodes),
        "health": {word: health.get(word, 0) for word in HEALTHS},
        "powered_on": sum(each.power_state == "On" for each in nodes),
        "power_w": round(sum(power), 3) if power else None,
        "power_known": len(power),
        "inlet_c": max(inlets, default=None),
        "leaks": sum(leaks(each) == "leak" for each in members),
        "stale": any(each.stale for each in members),
        "age_s": max((each.age_s for each in members if each.age_s is not None), default=None),
    }
