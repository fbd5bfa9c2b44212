"""Who lives in which process, where a hall is shared out over several.

Without a stepped plant a machine knows of others only what its cords and pipes lead to: shelves,
strips and managers those of their rack, units of coolant those of their rack or row, and whoever
names its outlets or its bay what these belong to. What hangs together stays together; the rest is
shared out evenly, always in the same way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from iolaus.sim.cords import LABEL, SLOT
from iolaus.sim.personas.persona import Persona


class Placed(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def persona(self) -> Persona: ...

    @property
    def labels(self) -> Mapping[str, str]: ...


def share_out(spots: Sequence[Placed], processes: int) -> list[list[int]]:
    """The numbers of the spots of each process, none empty; fewer where they cannot be parted."""
    shares: list[list[int]] = [[] for _ in range(processes)]
    for group in sorted(_groups(spots), key=len, reverse=True):
        min(shares, key=len).extend(group)
    return [sorted(share) for share in shares if share]


def _groups(spots: Sequence[Placed]) -> list[list[int]]:
    """Spots that hang together, by what ties them."""
    cooled = {_row(spot) for spot in spots if spot.persona.body.family == "cdu" and not _rack(spot)}
    above: dict[str, str] = {}

    def root(tie: str) -> str:
        while (up := above.setdefault(tie, tie)) != tie:
            above[tie] = above[up]
            tie = up
        return tie

    for spot in spots:
        first, *others = _ties(spot, cooled=_row(spot) in cooled)
        for other in others:
            above[root(other)] = root(first)
    groups = defaultdict[str, list[int]](list)
    for number, spot in enumerate(spots):
        groups[root(f"device {spot.name}")].append(number)
    return list(groups.values())


def _ties(spot: Placed, *, cooled: bool) -> Iterator[str]:
    yield f"device {spot.name}"
    if rack := _rack(spot):
        yield f"rack {rack}"
    if cooled:
        yield f"row {' '.join(_row(spot))}"
    for cord in (*spot.labels.get(LABEL, "").split(","), spot.labels.get(SLOT, "")):
        if cord.strip():
            yield f"device {cord.strip().partition('/')[0]}"


def _rack(spot: Placed) -> str:
    return spot.labels.get("rack", "")


def _row(spot: Placed) -> tuple[str, str]:
    return spot.labels.get("hall", ""), spot.labels.get("row", "")
