"""One rack as its edge sees it: what may be capped, what feeds it, what may leak, what is armed.

An edge needs neither plant nor server once it has this: it is a value, worked out beforehand and
small enough to stand in a file. `armed` is what makes a loss cheap: the watts that the rack may
draw after each loss, known before it happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from iolaus.model.plant import ZoneKind


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """A node with a cap. `floor_w` is the safe floor and its persistent cap; `least_w` the lowest
    cap that its device takes (what a flow loss may go down to)."""

    name: str
    floor_w: float
    nameplate_w: float
    priority: int = 0
    least_w: float = 0.0


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """What a leak there reaches. `detectors` are the subjects whose events belong to it; the
    zone's own name is one of them always."""

    name: str
    kind: ZoneKind
    nodes: tuple[str, ...]
    detectors: tuple[str, ...] = ()


class RackView(msgspec.Struct, frozen=True, kw_only=True):
    """`armed` is by subject of a loss (a feed's or a shelf's name, or "*" for any that is not
    named): the watts for the whole rack while that is lost. `limit_w` is the rack's own limit,
    `battery_j` what its battery holds when full. None is unknown."""

    rack: str
    nodes: tuple[NodeView, ...]
    zones: tuple[Zone, ...] = ()
    armed: Mapping[str, float] = MappingProxyType({})
    limit_w: float | None = None
    battery_j: float | None = None
