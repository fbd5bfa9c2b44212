"""One device's physics, read from the stepped plant and told to it.

The answers are those of `hall_lumped.Physics`; `t` is of no use here, as the plant is at one time.
What the plant does not know of a machine (where exactly its inlet sensor sits, how far a memory
module is above the coolant) is a fixed offset, so that readings of a machine differ from its
neighbour's as they do in a hall.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from iolaus.sim.hall_life import LEVELS, Life
from iolaus.sim.hall_lumped import LOOP_C, Lumped, Smooth
from iolaus.sim.hall_wave import draw
from iolaus.sim.physics import actuators as do
from iolaus.sim.physics.kinds import NO_LIMIT
from iolaus.sim.physics.leaks import Sees
from iolaus.sim.physics.plant import Plant

NOMINAL_RISE_K: Final = 30.0
MEMORY_RISE_K: Final = 6.0
WET: Final = (Sees.WARNING, Sees.CRITICAL)
SAYS: Final = {Sees.DRY: "OK", Sees.WARNING: "Warning", Sees.CRITICAL: "Critical"}


class Energies(Protocol):
    """Joules since the plant began, of its nodes and its supplies."""

    node_j: np.ndarray
    supply_j: np.ndarray


class Stepped(Lumped):
    """What is not overridden stays lumped: a device that the plant does not know in that respect.

    `nodes` are its hosts in the plant, `supply` and `loop` what it is there (None: neither);
    `floors` are the racks under which it feels for water."""

    def __init__(
        self,
        life: Life,
        plant: Plant,
        energies: Energies,
        *,
        nodes: Sequence[int] = (),
        supply: int | None = None,
        loop: int | None = None,
        rack: int | None = None,
        floors: Sequence[int] = (),
        began: float = 0.0,
    ) -> None:
        super().__init__(life)
        self.plant, self._energies = plant, energies
        self.nodes, self.supply, self.loop, self.rack = list(nodes), supply, loop, rack
        self.floors = [plant.leaks.floor(each) for each in floors]
        self._offset_c = 4.0 * draw(f"{life.seed}/inlet") - 1.0
        self._kwh = super().kwh(began)

    # What is so

    def load(self, t: float) -> float:
        if not self.nodes:
            return super().load(t)
        body, hosts = self.life.body, self.plant.hosts
        if body.gpus:
            now = float(self.plant.gpus.node_w[self.nodes].sum())
            least, most = body.gpus * body.gpu_idle_w, body.gpus * body.gpu_max_w
        else:
            now = float(hosts.cpu_w[self.nodes].sum())
            least, most = body.cpus * body.cpu_idle_w, body.cpus * body.cpu_max_w
        return min(1.0, max(0.0, (now - least) / max(1.0, most - least)))

    def slow_load(self, t: float) -> float:
        if not self.nodes:
            return super().slow_load(t)
        rise = float(self.plant.heat.hottest_c[self.nodes].max()) - self._sink_c(t)
        return min(1.0, max(0.0, rise / (55.0 if self.life.body.gpus else NOMINAL_RISE_K)))

    def gpu_w(self, n: int, t: float) -> float:
        if not self.nodes:
            return super().gpu_w(n, t)
        slot, node = self._gpu(n)
        return float(self.plant.gpus.power_w[slot, node])

    def cpu_w(self, n: int, t: float) -> float:
        if not self.nodes:
            return super().cpu_w(n, t)
        cpus = max(1, self.life.body.cpus // len(self.nodes))
        node = self.nodes[self.life.host_of(n, self.life.body.cpus)]
        return float(self.plant.hosts.cpu_w[node]) / cpus

    def own_w(self, t: float) -> float:
        if not self.nodes:
            return super().own_w(t)
        return float(self.plant.hosts.in_w[self.nodes].sum())

    def feeds_w(self, t: float) -> float:
        if self.supply is None:
            return super().feeds_w(t)
        return self.life.share * float(self.plant.supply.out_w[self.supply])

    def outlet_w(self, n: int, t: float) -> float:
        fed = self._fed_by(n)
        if fed is None or self.supply is None:
            return super().outlet_w(n, t)
        supply, top = self.plant.supply, self.plant.topology
        share = np.where(top.node_a[fed] == self.supply, supply.node_share_a[fed], 0.0)
        share += np.where(top.node_b[fed] == self.supply, supply.node_share_b[fed], 0.0)
        return float((self.plant.hosts.in_w[fed] * share).sum())

    def inlet_c(self, t: float) -> float:
        if self.rack is None:
            return super().inlet_c(t)
        zone = self.plant.topology.rack_zone[self.rack]
        return float(self.plant.rooms.air_c[zone]) + self._offset_c

    def supply_c(self, t: float) -> float:
        if self.loop is not None:
            return float(self.plant.coolant.supply_c[self.loop])
        return super().supply_c(t)

    def fan(self, t: float) -> float:
        if not self.nodes:
            return super().fan(t)
        fans = self.plant.fans
        return float((fans.duty * (1.0 - fans.lost))[self.nodes].max())

    def part_c(self, n: int, t: float, *, rise: float, kind: str) -> float:
        if not self.nodes:
            return super().part_c(n, t, rise=rise, kind=kind)
        if kind in ("gpu", "hbm") and self.life.body.gpus:
            gpus = self.life.body.gpus
            slot, node = self._gpu(n if n < gpus else n * gpus // max(n + 1, gpus))
            die_c = float(self.plant.heat.die_c[slot, node])
            return die_c + (MEMORY_RISE_K * self.load(t) if kind == "hbm" else 0.0)
        rest_c = float(self.plant.heat.rest_c[self.nodes].max())
        spread = 1.0 + 0.08 * (draw(f"{self.life.seed}/{kind}{n}") - 0.5)
        sink_c = self._sink_c(t)
        return sink_c + max(0.0, rest_c - sink_c) * spread * rise / NOMINAL_RISE_K

    def heat_kw(self, t: float) -> float:
        if self.loop is None:
            return super().heat_kw(t)
        return float(self.plant.coolant.heat_w[self.loop]) / 1000.0

    def flow_lpm(self, t: float) -> float:
        if self.loop is None:
            return super().flow_lpm(t)
        return float(self.plant.coolant.flow_lpm[self.loop])

    def return_c(self, t: float) -> float:
        coolant = self.plant.coolant
        if self.loop is not None:
            return float(coolant.return_c[self.loop])
        if self.rack is not None and self.nodes and self.life.coolant is not None:
            branch = self.plant.branches(np.array([self.rack]))
            if branch.size:
                return float(coolant.rack_c[branch[0]])
        return super().return_c(t)

    def kwh(self, t: float) -> float:
        joules = 0.0
        if self.nodes:
            joules = float(self._energies.node_j[self.nodes].sum())
        elif self.supply is not None:
            joules = self.life.share * float(self._energies.supply_j[self.supply])
        else:
            return super().kwh(t)
        return self._kwh + joules / 3.6e6

    def leak(self, n: int) -> str | None:
        """Trays, and ropes on the floor, each with one answer for all its detectors."""
        sites = self.sites
        if not sites:
            return super().leak(n)
        says = [SAYS.get(Sees(int(each))) for each in self.plant.leaks.says[sites]]
        known = [each for each in says if each is not None]
        return max(known, key=LEVELS.index) if len(known) == len(says) else None

    @property
    def sites(self) -> list[int]:
        """Where it feels for water."""
        return self.nodes or self.floors

    def rack_is_wet(self) -> bool:
        leaks = self.plant.leaks
        return self.rack is not None and Sees(int(leaks.says[leaks.pan(self.rack)])) in WET

    def _fed_by(self, outlet: int) -> list[int] | None:
        """The nodes that hang on an outlet of it."""
        fed = self.life.feeds[outlet].physics if outlet < len(self.life.feeds) else None
        return fed.nodes if isinstance(fed, Stepped) and fed.nodes else None

    def _gpu(self, n: int) -> tuple[int, int]:
        body = self.life.body
        host = self.life.host_of(n, body.gpus)
        return n - host * (body.gpus // len(self.nodes)), self.nodes[host]

    def _sink_c(self, t: float) -> float:
        return self.supply_c(t) if self.life.body.liquid else self.inlet_c(t) - self._offset_c

    # What it is told

    def switched(self, host: int, *, on: bool) -> None:
        if host < len(self.nodes):
            do.switch_nodes(self.plant, on, nodes=[self.nodes[host]])

    def plugged(self, outlet: int, *, on: bool) -> None:
        fed = self._fed_by(outlet)
        if fed is not None and self.supply is not None:
            do.plug_nodes(self.plant, on, nodes=fed, supply=self.supply)

    def capped(self, part: str, watts: float | None) -> None:
        body = self.life.body
        if part == "node" and self.nodes:
            each = None if watts is None else watts / len(self.nodes)
            do.limit_nodes(self.plant, each, nodes=self.nodes)
        elif part == "gpus" and self.nodes and body.gpus:
            each = None if watts is None else watts / body.gpus
            do.limit_gpus(self.plant, each, nodes=self.nodes)
        elif part.startswith("gpu.") and self.nodes:
            slot, node = self._gpu(int(part.removeprefix("gpu.")))
            do.limit_gpus(self.plant, watts, nodes=[node], slots=[slot])

    def smoothed(self, n: int, how: Smooth | None) -> None:
        if not self.nodes:
            return
        slot, node = self._gpu(n)
        way = how or Smooth(0.0, NO_LIMIT, NO_LIMIT, 0.0)
        do.smooth(
            self.plant,
            nodes=[node],
            slots=[slot],
            floor=way.floor_w / self.life.body.gpu_max_w,
            up_w_s=way.up_w_s,
            down_w_s=way.down_w_s,
            hold_s=way.hold_s,
        )

    def rack_valve(self, opening: float) -> None:
        if self.rack is not None:
            do.set_valves(self.plant, opening, racks=[self.rack])

    def steer(self, t: float) -> None:
        """A coolant unit's set points, as the building's protocols have moved them."""
        if self.loop is None:
            return
        target_c = LOOP_C + self.life.supply_shift_c(t)
        do.set_supply_temperature(self.plant, target_c, loops=[self.loop])
        wanted = self.life.flow_wanted_lpm(t)
        nominal = float(self.plant.coolant.nominal_lpm[self.loop])
        speed = None if wanted is None else min(1.0, wanted / nominal)
        do.set_pumps(self.plant, speed, loops=[self.loop])
