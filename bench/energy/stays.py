"""How long it takes until what must be so is so: floors after authority is lost, caps after flow.

Also kept: by how much the caps in force ever exceeded the hall's limit in sum, outside the window
and whatever was drawn, which says whether a run was clean by design or by luck.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bench.energy.hall import Limits
from bench.energy.world import World
from iolaus.sim.physics.arrays import Bools

FLOW_CAP: Final = 0.30
ROUNDING: Final = 1.01
NEVER: Final = 999.0


class Stays:
    """Seconds, the worst of all happenings; None where nothing of the kind happened, NEVER where
    it never came to be."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting: dict[int, float] = {}
        self.to_floor_s: float | None = None
        self.to_flow_cap_s: float | None = None
        self.granted_over_w = 0.0
        for number, h in enumerate(world.scenario.happenings):
            if h.what in ("centre", "bus", "partition", "flow"):
                self.waiting[number] = h.start_s

    def enter(self, limits: Limits, t: float, *, window: bool) -> None:
        loads, caps = self.world.hall.loads, self.world.plant.hosts.cap_w
        if not window:
            granted = float(np.minimum(caps, loads.nameplate_w).sum())
            self.granted_over_w = max(self.granted_over_w, granted - limits.site_w)
        for number, start in list(self.waiting.items()):
            if t >= start and self._is_so(number):
                self._note(number, t - start)

    def _is_so(self, number: int) -> bool:
        h = self.world.scenario.happenings[number]
        loads, plant = self.world.hall.loads, self.world.plant
        nodes = self._nodes(number)
        if h.what == "flow":
            low = FLOW_CAP * ROUNDING * loads.nameplate_w
            return bool((plant.hosts.cap_w <= low)[nodes].all())
        return bool((plant.hosts.cap_w <= ROUNDING * loads.floor_w)[nodes].all())

    def _nodes(self, number: int) -> Bools:
        """Whom it befalls; where an edge is dead nobody can write, and the caps stay."""
        h, hall = self.world.scenario.happenings[number], self.world.hall
        dead = self.world.marked("edge", hall.racks)[hall.loads.rack]
        if h.what == "partition":
            return np.isin(hall.loads.rack, h.who) & ~dead
        if h.what == "flow":
            racks = [rack for loop in h.who for rack in self.world.flow_racks(loop)]
            return np.isin(hall.loads.rack, racks) & ~dead
        living: Bools = ~dead
        return living

    def _note(self, number: int, seconds: float) -> None:
        del self.waiting[number]
        if self.world.scenario.happenings[number].what == "flow":
            self.to_flow_cap_s = max(self.to_flow_cap_s or 0.0, seconds)
        else:
            self.to_floor_s = max(self.to_floor_s or 0.0, seconds)

    def end(self) -> None:
        """What never came to be, took for ever."""
        for number in list(self.waiting):
            self._note(number, NEVER)
