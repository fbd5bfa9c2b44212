"""The product's own controller, driven in virtual time: one centre, one edge per rack.

Nothing of it is changed for the bench: `Centre` and `Edge` are told the time and what their
instruments show, over the modelled network and devices. A killed program is an object that is
dropped, with all that it knew; its successor starts as a new process would, with a new word for
its start, a higher epoch and nothing else. Clocks are each program's own.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

import numpy as np

from bench.energy.hall import NODES_PER_RACK
from bench.energy.seen import Answers, Plan, Seen, Signal, Write
from bench.energy.world import GRID_NOTICE_S, TOLD_S
from iolaus.energy.arming import ARMED
from iolaus.energy.centre import Centre
from iolaus.energy.edge import Edge
from iolaus.energy.frames import Budget, Report
from iolaus.energy.policy import Fairness, LeakPolicy, Mode, PowerPolicy, Redundancy
from iolaus.energy.ports import CapRead, CapWrite, Command, Event, Grade, Sense
from iolaus.energy.rack import NodeView, RackView
from iolaus.energy.rules import edge_rules
from iolaus.energy.site import LoadTarget, SiteLoop, SiteRules
from iolaus.model.plant import Domain, DomainKind, Load, Plant
from iolaus.sim.physics.arrays import F64

CENTRE_S, REPORT_S, METER_S = 1.0, 0.5, 0.1
NET_S: Final = (0.01, 0.05)
DUPLICATED, LATE, LOST, LATE_S = 0.3, 0.3, 0.15, (0.5, 3.0)
SKEW: Final = 0.02
LEAST_SHARE: Final = 0.2
PSU_LEFT: Final = 0.69
SITE_RAMP: Final = 0.03
"""Of the site's limit, a second: how fast it is walked to what the grid asks for."""
POWER: Final = PowerPolicy(
    name="bench",
    mode=Mode.CONTROL,
    cap_error=0.01,
    redundancy=Redundancy.SHARED,
    fairness=Fairness.JOB,
)
LEAK: Final = LeakPolicy(name="bench", mode=Mode.CONTROL)


def node_name(number: int) -> str:
    return f"node-{number}"


def rack_name(number: int) -> str:
    return f"rack-{number}"


def feed_name(number: int) -> str:
    return f"feed-{number}"


def plant_of(plan: Plan) -> Plant:
    """The hall as the product knows it."""
    hall, limits, loads = plan.hall, plan.limits, plan.hall.loads
    site = Domain("site", DomainKind.SITE, None, limits.site_w)
    feeds = [Domain(feed_name(n), DomainKind.FEED, "site", limits.feed_w) for n in (0, 1)]
    rows = [
        Domain(f"row-{n}", DomainKind.BUSWAY, feed_name(0), float(w), (feed_name(1),))
        for n, w in enumerate(limits.row_w)
    ]
    racks = [
        Domain(rack_name(n), DomainKind.RACK, f"row-{row}", float(limits.rack_w[n]))
        for n, row in enumerate(hall.rack_row)
    ]
    nodes = [
        Load(
            name=node_name(n),
            rack=rack_name(int(loads.rack[n])),
            floor_w=float(loads.floor_w[n]),
            nameplate_w=float(min(loads.nameplate_w[n], loads.cord_w[n] * CORD_LEFT)),
            idle_w=float(loads.idle_w[n]),
            priority=int(loads.priority[n]),
            job=None if plan.serving[n] else f"job-{loads.job[n]}",
        )
        for n in range(loads.count)
    ]
    return Plant(domains=(site, *feeds, *rows, *racks), loads=tuple(nodes))


CORD_LEFT: Final = 1.0 - POWER.guard - POWER.cap_error


def view_of(plan: Plan, plant: Plant, rack: int) -> RackView:
    """What an edge is given: its nodes, and what it may draw after each loss."""
    limits, left = plan.limits, 1.0 - POWER.guard - POWER.cap_error
    even = (
        ARMED
        * left
        * min(
            limits.feed_w * NODES_PER_RACK / plan.nodes,
            float(limits.row_w[plan.hall.rack_row[rack]]) * NODES_PER_RACK / plan.nodes * 2.0,
        )
    )
    armed = {feed_name(0): even, feed_name(1): even}
    armed[rack_name(rack)] = ARMED * left * PSU_LEFT * float(limits.rack_w[rack])
    nodes = tuple(
        NodeView(
            name=load.name,
            floor_w=load.floor_w,
            nameplate_w=load.nameplate_w,
            priority=load.priority,
            least_w=LEAST_SHARE * load.nameplate_w,
        )
        for load in plant.by_rack[rack_name(rack)]
    )
    return RackView(
        rack=rack_name(rack), nodes=nodes, armed=armed, limit_w=float(limits.rack_w[rack])
    )


class Network:
    """Frames on their way: late, doubled, lost and out of order as the scenario has it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng((seed, 6))
        self._way: list[tuple[float, int, Budget | Report]] = []
        self._number = count()

    def send(self, frame: Budget | Report, t: float, *, bad: float) -> None:
        if self.rng.random() < LOST * bad:
            return
        copies = 2 if self.rng.random() < DUPLICATED * bad else 1
        for _ in range(copies):
            late = self.rng.random() < LATE * bad
            delay = float(self.rng.uniform(*(LATE_S if late else NET_S)))
            heapq.heappush(self._way, (t + delay, next(self._number), frame))

    def arrived(self, t: float) -> Iterator[Budget | Report]:
        while self._way and self._way[0][0] <= t:
            yield heapq.heappop(self._way)[2]


class Ours:
    """`centre` and `edges` may be None: killed."""

    name = "iolaus"

    def __init__(self, plan: Plan) -> None:
        self.plan, self.plant = plan, plant_of(plan)
        self.racks = plan.hall.racks
        self.rules = edge_rules(POWER, LEAK)
        self.views = [view_of(plan, self.plant, n) for n in range(self.racks)]
        self.net = Network(plan.seed)
        rng = np.random.default_rng((plan.seed, 8))
        self.offset: F64 = rng.uniform(0.0, 1e5, self.racks + 1)
        self.skew: F64 = rng.uniform(-SKEW, SKEW, self.racks + 1)
        self.rate: F64 = np.ones(self.racks + 1)
        self.centre: Centre | None = None
        self.edges: list[Edge | None] = [None] * self.racks
        self.epoch, self.starts = 0, 0
        self.meter_s = 0.0
        self.centre_s, self.report_s = 0.0, rng.uniform(0.0, REPORT_S, self.racks)
        self.seen: Seen | None = None
        self.near_at: F64 = np.full(plan.nodes, -99.0)
        self.index = {node_name(n): n for n in range(plan.nodes)}
        self.lost: set[str] = set()
        self.grid_w = plan.limits.site_w
        ramp = SITE_RAMP * plan.limits.site_w
        self.site = SiteLoop(self.grid_w, SiteRules(ramp_up_w_s=ramp, ramp_down_w_s=ramp))

    # Clocks

    def edge_now(self, rack: int, t: float) -> float:
        return float(self.offset[rack] + self.rate[rack] * t)

    def centre_now(self, t: float) -> float:
        return float(self.offset[-1] + self.rate[-1] * t)

    # What it is shown

    def observe(self, seen: Seen) -> None:
        self.seen = seen
        if seen.bad_clocks and (self.rate == 1.0).all():
            self.rate = 1.0 + seen.bad_clocks * self.skew
        self._live(seen)
        self._frames(seen)
        self._answers(seen.answers, seen.t)
        self._readings(seen)
        self._meters(seen)
        for signal in seen.signals:
            self._signal(signal, seen)
        for signal in seen.told:
            self._told(signal, seen.t)

    def _live(self, seen: Seen) -> None:
        """Programs die and start again."""
        if not seen.centre_up:
            self.centre = None
        elif self.centre is None:
            self.epoch += 1
            self.centre = Centre(self.plant, POWER, self.epoch)
            self.centre_s = seen.t
            for name in sorted(self.lost):
                self._replan(self.centre, name, seen.t)
        for rack in range(self.racks):
            if not seen.edge_up[rack]:
                self.edges[rack] = None
            elif self.edges[rack] is None:
                self._start_edge(rack, seen.t)

    def _start_edge(self, rack: int, t: float) -> None:
        """A new process reads the state of its gear's signals first, as a person would."""
        self.starts += 1
        edge = Edge(self.views[rack], self.rules, boot=f"boot-{self.starts}")
        self.edges[rack] = edge
        for name in sorted(self.lost):
            if name.startswith("feed") or name == rack_name(rack):
                sense = Sense.FEED if name.startswith("feed") else Sense.REDUNDANCY
                event = Event(sense=sense, subject=name, grade=Grade.CRITICAL)
                edge.event(event, self.edge_now(rack, t))
        mine = self.plan.hall.loads.rack == rack
        self.near_at[mine] = -99.0

    def _frames(self, seen: Seen) -> None:
        for frame in self.net.arrived(seen.t):
            if isinstance(frame, Report):
                if self.centre is not None:
                    self.centre.take(frame, self.centre_now(seen.t))
                continue
            rack = int(frame.rack.split("-")[1])
            edge = self.edges[rack]
            if edge is not None:
                edge.budget(frame, self.edge_now(rack, seen.t))

    def _answers(self, answers: Sequence[Answers], t: float) -> None:
        racks = self.plan.hall.loads.rack
        for back in answers:
            for node, watts, ticket in zip(
                back.nodes.tolist(), back.watts.tolist(), back.tickets.tolist(), strict=True
            ):
                rack = int(racks[node])
                edge = self.edges[rack]
                if edge is not None and ticket >> BOOT_BITS == self._start_of(edge):
                    read = None if watts != watts else watts
                    own = ticket & (1 << BOOT_BITS) - 1
                    edge.written(node_name(node), read, self.edge_now(rack, t), ticket=own)

    @staticmethod
    def _start_of(edge: Edge) -> int:
        return int(edge.boot.split("-")[1])

    def _readings(self, seen: Seen) -> None:
        fresh = np.flatnonzero(seen.near_at > self.near_at)
        racks = self.plan.hall.loads.rack
        for node in fresh.tolist():
            edge = self.edges[int(racks[node])]
            if edge is not None:
                now = self.edge_now(int(racks[node]), seen.t)
                edge.reading(node_name(node), float(seen.near_w[node]), 1, now)
        self.near_at = seen.near_at.copy()

    def _meters(self, seen: Seen) -> None:
        """The shelves' registers, as an edge reads them."""
        if seen.t < self.meter_s - 1e-9:
            return
        self.meter_s = seen.t + METER_S
        for rack, edge in enumerate(self.edges):
            if edge is not None:
                event = Event(
                    sense=Sense.RACK_POWER,
                    subject=rack_name(rack),
                    grade=Grade.UNKNOWN,
                    value=float(seen.rack_w[rack]),
                )
                edge.event(event, self.edge_now(rack, seen.t))

    def _signal(self, signal: Signal, seen: Seen) -> None:
        """What a rack's own gear says."""
        sense, subject = self._named(signal)
        grade = Grade.CRITICAL if signal.on else Grade.GOOD
        for rack in signal.racks:
            edge = self.edges[rack]
            if edge is not None:
                event = Event(sense=sense, subject=subject, grade=grade)
                edge.event(event, self.edge_now(rack, seen.t))

    def _named(self, signal: Signal) -> tuple[Sense, str]:
        if signal.what == "feed":
            return Sense.FEED, feed_name(signal.subject)
        if signal.what == "psu":
            return Sense.REDUNDANCY, rack_name(signal.subject)
        return Sense.FLOW, f"loop-{signal.subject}"

    def _told(self, signal: Signal, t: float) -> None:
        """What reaches the centre of it."""
        if signal.what == "flow":
            return
        _, name = self._named(signal)
        (self.lost.add if signal.on else self.lost.discard)(name)
        if self.centre is not None:
            self._replan(self.centre, name, t)

    def _replan(self, centre: Centre, name: str, t: float) -> None:
        now = self.centre_now(t)
        if name.startswith("rack"):
            rack = int(name.split("-")[1])
            left = PSU_LEFT * float(self.plan.limits.rack_w[rack])
            centre.derate(name, left if name in self.lost else None, now)
        elif name in self.lost:
            centre.lost(name, now)
        else:
            centre.restored(name, now)
        self.centre_s = t

    # What it does

    def tick(self, t: float) -> list[Write]:
        seen = self.seen
        if seen is None:
            return []
        if self.centre is not None and t >= self.centre_s - 1e-9:
            self.centre_s = t + CENTRE_S
            self._target(seen, t)
            for budget in self.centre.tick(self.centre_now(t)):
                if self._reaches(budget.rack, seen):
                    self.net.send(budget, t, bad=seen.bad_frames)
        writes: list[Write] = []
        for rack, edge in enumerate(self.edges):
            if edge is not None:
                writes += self._edge(rack, edge, t, seen)
        return writes

    def _target(self, seen: Seen, t: float) -> None:
        """The grid's wish by way of the site's loop. It is told ahead of its time."""
        asked, whole = seen.limits.site_w, self.plan.limits.site_w
        if not self.lost & {"feed-0", "feed-1"} and asked != self.grid_w:
            self.grid_w = asked
            if asked >= whole:
                self.site.withdraw("grid")
            else:
                start_s = t + GRID_NOTICE_S - TOLD_S
                self.site.ask(LoadTarget(name="grid", limit_w=asked, start_s=start_s))
        limit = self.site.tick(t, whole)
        if self.centre is not None:
            self.centre.target(limit, self.centre_now(t))

    def _reaches(self, rack: str, seen: Seen) -> bool:
        return seen.bus_up and bool(seen.joined[int(rack.split("-")[1])])

    def _edge(self, rack: int, edge: Edge, t: float, seen: Seen) -> Iterator[Write]:
        now = self.edge_now(rack, t)
        commands = edge.tick(now)
        if commands:
            write = self._carried(commands, self._start_of(edge))
            if write is not None:
                yield write
        if t >= self.report_s[rack]:
            self.report_s[rack] = t + REPORT_S
            if seen.bus_up and seen.joined[rack]:
                self.net.send(edge.report(now), t, bad=seen.bad_frames)

    def _carried(self, commands: Sequence[Command], start: int) -> Write | None:
        """Caps and reads as one request to the rack's lanes."""
        caps = [each for each in commands if isinstance(each, CapRead | CapWrite)]
        if not caps:
            return None
        watts = [each.watts if isinstance(each, CapWrite) else np.nan for each in caps]
        return Write(
            nodes=np.array([self.index[each.node] for each in caps], dtype=np.intp),
            watts=np.array(watts),
            tickets=np.array([start << BOOT_BITS | each.ticket for each in caps], dtype=np.intp),
            near=True,
        )


BOOT_BITS: Final = 32
