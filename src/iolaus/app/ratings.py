"""What the supplies of a rack can give, as a claim about the rack's limit.

The shelves of a rack feed one busbar, so what they can give together is what it can carry. A supply
whose rating nobody tells makes the sum unknown, and unknown is no claim: a rack is never rated by
the supplies that happen to answer. Who keeps one in reserve writes the lower limit himself; the
lower counts, and both are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from iolaus.energy.plant import Claim
from iolaus.model.asset import AssetKind, ComponentKind, Report

RATINGS: Final = "ratings"


def ratings_of(
    every: Iterable[tuple[Mapping[str, str], Iterable[float | None]]],
) -> Iterator[Claim]:
    """One for each rack with power shelves whose supplies are all rated; of each endpoint its
    labels and its `rated`. Watts. Pure."""
    racks: dict[str, list[float | None]] = {}
    for labels, supplies in every:
        if rack := labels.get("rack"):
            racks.setdefault(rack, []).extend(supplies)
    for rack, given in sorted(racks.items()):
        known = [watts for watts in given if watts is not None]
        if known and len(known) == len(given):
            yield Claim(RATINGS, f"domain/{rack}", "limit_w", sum(known))


def rated(report: Report) -> Iterator[float | None]:
    """Of each supply of its power shelves; a shelf of batteries has none."""
    shelves = {each.key for each in report.assets if each.kind is AssetKind.POWER_SHELF}
    for part in report.components:
        if part.asset in shelves and part.kind is ComponentKind.PSU:
            watts = part.readings.get("power_capacity_w")
            yield watts if watts and watts > 0 else None
