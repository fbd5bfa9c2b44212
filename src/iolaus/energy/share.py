"""How a rack's watts are divided among its own nodes: floors first, then by priority, evenly.

The centre shares out the plant; this is the last metre, small enough to be done between two events.
Each class of priority, highest first, is levelled up to its demand (max-min: nobody gets more while
an equal gets less); what is left over then goes up to the nameplates in the same way, so that a
node that wants more finds room without asking. A budget below the floors gives the floors: those
are what a device holds by itself, and nothing here can lower them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from iolaus.energy.rack import NodeView

EPS_W: Final = 1e-6


def share(nodes: Sequence[NodeView], demand_w: Sequence[float], budget_w: float) -> list[float]:
    """Watts for each node, by position; in sum at most the budget or, where that is more, the
    floors. Pure."""
    floors = [min(node.floor_w, node.nameplate_w) for node in nodes]
    plates = [node.nameplate_w for node in nodes]
    wanted = [min(max(each, f), p) for each, f, p in zip(demand_w, floors, plates, strict=True)]
    given = list(floors)
    spare = budget_w - sum(floors)
    for ends in (wanted, plates):
        for priority in sorted({node.priority for node in nodes}, reverse=True):
            members = [i for i, node in enumerate(nodes) if node.priority == priority]
            spare = _level(given, ends, members, spare)
    return given


def _level(given: list[float], ends: list[float], members: list[int], spare: float) -> float:
    """Raise the members from the lowest upwards until they end or the watts do."""
    gaps = sum(max(0.0, ends[i] - given[i]) for i in members)
    if spare <= EPS_W or gaps <= EPS_W:
        return spare
    if gaps <= spare:
        for i in members:
            given[i] = max(given[i], ends[i])
        return spare - gaps
    level = _waterline([(given[i], ends[i]) for i in members], spare)
    for i in members:
        given[i] = max(given[i], min(ends[i], level))
    return 0.0


def _waterline(spans: Sequence[tuple[float, float]], spare: float) -> float:
    """The level at which the spans (from, to) take up exactly the spare watts."""
    marks = sorted({mark for span in spans for mark in span})
    for low, high in pairwise(marks):
        width = sum(1 for start, end in spans if start <= low and end >= high and end > start)
        need = width * (high - low)
        if need >= spare:
            return low + spare / width
        spare -= need
    return marks[-1]
