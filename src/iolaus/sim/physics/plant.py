"""The plant: a hall's power and heat, stepped in virtual time.

`Plant.step(dt)` moves everything on by `dt` seconds; nothing else moves it, and it reads no clock.
One seed and one sequence of steps give one run, bit for bit, however the steps were cut into
calls. State is arrays in the parts (`gpus`, `heat`, `supply`, `coolant` ...), which anyone may
read and only `actuators` (what a controller may do) and `faults` (what happens to it) change.

Order of a step: events that are due; what the work asks for; what limits allow; the way to the
grid; heat from dies to the facility; books. Parts see each other's values of the step before
where a ring has to be cut (coolant temperature, fans, the share of a node's cap), which is a lag
of one step and costs no energy: `books` balance.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import numpy as np

from iolaus.sim.physics.air import Fans, Rooms, air_design_w
from iolaus.sim.physics.arrays import F32, F64, Bools, Ints, totals
from iolaus.sim.physics.arrivals import Arrivals
from iolaus.sim.physics.books import Books
from iolaus.sim.physics.coolant import Coolant
from iolaus.sim.physics.gpus import Gpus
from iolaus.sim.physics.heat import Heat
from iolaus.sim.physics.hosts import Hosts
from iolaus.sim.physics.leaks import Leaks
from iolaus.sim.physics.supply import Supply
from iolaus.sim.physics.topology import Topology
from iolaus.sim.physics.work import Work


class Plant:
    """`node_w` is what each node takes from its feed; `t_s` is virtual time since the start."""

    def __init__(
        self, topology: Topology, *, seed: int = 0, arrivals: Arrivals | None = None
    ) -> None:
        rng = np.random.Generator(np.random.Philox(seed))
        self.topology, self.t_s, self.steps = topology, 0.0, 0
        self.gpus = Gpus(topology, rng)
        self.work = Work(topology, rng, arrivals)
        self.supply = Supply(topology)
        self.hosts = Hosts(topology, self.supply.node_fed, rng)
        self.fans = Fans(topology)
        self.coolant = Coolant(topology)
        self.rooms = Rooms(topology, air_design_w(topology))
        self.leaks = Leaks(topology)
        self._wire(topology)
        self.heat = Heat(topology, self.gpus.count, self._sink()[0])
        self.node_w: F64 = np.zeros(topology.nodes)
        self._pumping_w = 0.0
        self.books = Books(self)
        self._due: list[tuple[float, int, Callable[[Plant], None]]] = []
        self._count = count()

    def _wire(self, topology: Topology) -> None:
        """Which loop and zone each node's heat goes to."""
        liquid = np.array([k.liquid for k in topology.node_kinds])[topology.node_kind]
        share = np.array([k.wet_share for k in topology.node_kinds])[topology.node_kind]
        self.zone: Ints = topology.rack_zone[topology.node_rack]
        self.loop: Ints = topology.rack_loop[topology.node_rack]
        self.wet: Bools = liquid & (self.loop >= 0)
        self.wet_share: F64 = np.where(self.wet, share, 0.0)
        self.clear: F32 = np.ones(topology.nodes, dtype=np.float32)
        self._branch: Ints = np.zeros(topology.racks, dtype=np.intp)
        self._branch[self.coolant.racks] = np.arange(self.coolant.racks.size)
        self._branch_of: Ints = self._branch[topology.node_rack]
        self._loop_at = np.maximum(self.loop, 0)
        self._sourced: Bools = topology.loop_source >= 0
        self._source: Ints = np.maximum(topology.loop_source, 0)
        self._inside: Ints = np.flatnonzero(topology.supply_zone >= 0)
        self._outside: Ints = np.flatnonzero(topology.supply_zone < 0)
        self._zone_inside: Ints = topology.supply_zone[self._inside]

    # Time

    def at(self, t_s: float, call: Callable[[Plant], None]) -> None:
        """Call at the first step that begins at or after this virtual time."""
        heapq.heappush(self._due, (t_s, next(self._count), call))

    def run(self, seconds: float, dt: float = 0.1) -> None:
        for _ in range(round(seconds / dt)):
            self.step(dt)

    def step(self, dt: float) -> None:
        while self._due and self._due[0][0] <= self.t_s + 1e-9:
            heapq.heappop(self._due)[2](self)
        self._power(dt)
        self._heat(dt)
        self._watch(dt)
        self.books.enter(dt)
        self.t_s += dt
        self.steps += 1

    # Power

    def _power(self, dt: float) -> None:
        gpus, hosts = self.gpus, self.hosts
        moved = hosts.feed(self.supply.node_fed, dt)
        if moved.size:
            gpus.light(moved, hosts.on[moved], self.t_s)
            gpus.cut(moved[~hosts.fed[moved]])
        level = self.work.step(hosts.ready, gpus.want_w, gpus.given_w, self.t_s, dt)
        share_w = hosts.share_w(self.fans.watts)
        gpus.step(level, share_w, self.t_s, dt)
        hosts.draw(level, gpus.node_w, self.fans.watts, self.t_s)
        load = self.supply.node_loads(hosts.in_w)
        if self._source.size:
            self.coolant.powered = ~self._sourced | self.supply.live[self._source]
            fed = self.coolant.pumping_w * self._sourced
            load += totals(self._source, fed, load.size)
            self._pumping_w = float(fed[self._sourced].sum())
        self._shares_before = (self.supply.node_share_a, self.supply.node_share_b)
        self.supply.settle(load, self.t_s, dt)
        self._serve()
        self.node_w = hosts.in_w

    def _serve(self) -> None:
        """Take from the nodes what their bus could not carry in this step."""
        served = self.supply.served
        if (served >= 1.0).all():
            return
        top, (on_a, on_b) = self.topology, self._shares_before
        part = on_a * served[np.maximum(top.node_a, 0)] + on_b * served[np.maximum(top.node_b, 0)]
        short = np.flatnonzero((part < 1.0) & (on_a + on_b > 0.0))
        self.gpus.power_w[:, short] *= part[short].astype(np.float32)
        self.gpus.node_w[short] *= part[short].astype(np.float32)
        self.hosts.dim(short, part[short])

    # Heat

    def _sink(self) -> tuple[F32, F32]:
        """What GPUs and what the rest of each node give their heat to."""
        air = self.rooms.air_c[self.zone]
        if not self.coolant.loops:
            return air.astype(np.float32), air.astype(np.float32)
        liquid = np.where(self.wet, self.coolant.supply_mean_c[self._loop_at], air)
        rest = air + self.wet_share * (liquid - air)
        return liquid.astype(np.float32), rest.astype(np.float32)

    def flow(self) -> F32:
        """Of coolant or air through each node, over its nominal."""
        flow = self.fans.flow
        if self.coolant.loops:
            branch = self.coolant.flow_share.astype(np.float32)[self._branch_of]
            flow = np.where(self.wet, branch, flow)
        return flow * self.clear

    def _heat(self, dt: float) -> None:
        top, hosts, heat = self.topology, self.hosts, self.heat
        self.fans.step(heat.hottest_c, hosts.on, dt)
        sink, rest_sink = self._sink()
        heat.step(self.gpus, hosts.rest_w, (sink, rest_sink), self.flow(), dt)
        liquid = heat.gpu_heat_w * self.wet + heat.rest_heat_w * self.wet_share
        air = heat.gpu_heat_w + heat.rest_heat_w - liquid + hosts.direct_w
        self.coolant.step(totals(top.node_rack, liquid, top.racks)[self.coolant.racks], dt)
        losses = totals(self._zone_inside, self.supply.loss_w[self._inside], len(top.zones))
        self.rooms.step(totals(self.zone, air, len(top.zones)) + losses, dt)
        self.ambient_w = float(self.supply.loss_w[self._outside].sum()) + self._pumping_w
        self._leak(dt)

    def _leak(self, dt: float) -> None:
        if self.leaks.active:
            pressure = self.coolant.drop_kpa / self.coolant.design_kpa
            is_open = np.ones(self.topology.racks, dtype=np.bool_)
            is_open[self.coolant.racks] = self.coolant.branch > 0.0
            left = self.leaks.step(pressure, is_open, dt)
            self.coolant.level_l = np.maximum(0.0, self.coolant.level_l - left)

    def _watch(self, dt: float) -> None:
        """What machines do by themselves when too hot: throttle, then switch GPUs off."""
        hottest, hosts = self.heat.hottest_c, self.hosts
        hosts.throttle(hottest, dt)
        over = np.flatnonzero((hottest >= hosts.trip_c) & hosts.on)
        if over.size:
            dead = self.gpus.here[:, over] & (self.heat.die_c[:, over] >= hosts.trip_c[over])
            self.break_gpus(over, dead)

    def branches(self, racks: Ints) -> Ints:
        """The coolant branches of those of these racks that have one."""
        return self._branch[racks[self.topology.rack_loop[racks] >= 0]]

    def stores(self, supplies: Ints) -> Ints:
        """The stores of those of these supplies that have some."""
        return np.flatnonzero(np.isin(self.supply.stores.where, supplies))

    def break_gpus(self, nodes: Ints, dead: Bools) -> None:
        """Switch these GPUs (slot, node) off until their node is power-cycled."""
        self.gpus.broken[:, nodes] |= dead
        self.gpus.light(nodes, self.hosts.on[nodes], self.t_s)
        self.hosts.broken[nodes] = self.gpus.broken[:, nodes].any(axis=0)
