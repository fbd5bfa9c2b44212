"""A rack that behaves: devices with caps, and a network that delays, loses and doubles."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from iolaus.energy.edge import Edge
from iolaus.energy.frames import Budget
from iolaus.energy.ports import (
    CapRead,
    CapWrite,
    Command,
    Event,
    Grade,
    IsolationRequest,
    PowerOff,
    Sense,
)
from iolaus.energy.rack import NodeView, RackView, Zone
from iolaus.model.plant import ZoneKind


def rack(
    nodes: int = 4, *, floor_w: float = 400, nameplate_w: float = 1000, **more: object
) -> RackView:
    """Nodes n0, n1 ... of rising priority, each with a tray detector; one rack detector."""
    names = [f"n{i}" for i in range(nodes)]
    zones = [
        Zone(name=f"tray-{name}", kind=ZoneKind.TRAY, nodes=(name,), detectors=(f"{name}-wet",))
        for name in names
    ]
    zones.append(Zone(name="rack", kind=ZoneKind.RACK, nodes=tuple(names), detectors=("ra", "rb")))
    zones.append(Zone(name="loop", kind=ZoneKind.LOOP, nodes=tuple(names), detectors=("loop-1",)))
    views = tuple(
        NodeView(name=name, floor_w=floor_w, nameplate_w=nameplate_w, priority=i % 4, least_w=200)
        for i, name in enumerate(names)
    )
    return RackView(rack="r1", nodes=views, zones=tuple(zones), **more)  # type: ignore[arg-type]


def frame(
    seq: int, watts: float, *, epoch: int = 1, lease_ms: int = 3000, **more: object
) -> Budget:
    return Budget(
        epoch=epoch,
        seq=seq,
        rack="r1",
        budget_w=watts,
        floor_w=1600,
        expires_in_ms=lease_ms,
        **more,  # type: ignore[arg-type]
    )


def event(sense: Sense, subject: str, grade: Grade, value: float | None = None) -> Event:
    return Event(sense=sense, subject=subject, grade=grade, value=value)


@dataclass
class World:
    """Runs one edge in virtual time against devices. `delay` gives the seconds of each hop, None
    loses what is under way."""

    edge: Edge
    delay: Callable[[], float | None] = lambda: 0.02
    doubled: Callable[[], bool] = lambda: False
    check: Callable[[World], None] = lambda world: None
    now_s: float = 0.0
    caps: dict[str, float] = field(default_factory=dict)
    on: dict[str, bool] = field(default_factory=dict)
    log: list[tuple[float, Command]] = field(default_factory=list)
    _queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        for node in self.edge.rack.nodes:
            self.caps.setdefault(node.name, node.nameplate_w)
            self.on.setdefault(node.name, True)

    def at(self, when_s: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when_s, next(self._order), what))

    def after(self, delay_s: float | None, what: Callable[[], None]) -> None:
        if delay_s is not None:
            self.at(self.now_s + delay_s, what)

    def run(self, until_s: float, *, period_s: float = 0.1) -> None:
        while self.now_s < until_s:
            step = self.now_s + period_s
            while self._queue and self._queue[0][0] <= step:
                self.now_s, _, what = heapq.heappop(self._queue)
                what()
                self.tick()
            self.now_s = step
            self.tick()

    def tick(self) -> None:
        for command in self.edge.tick(self.now_s):
            self.log.append((self.now_s, command))
            self._carry(command)
        self.check(self)

    def _carry(self, command: Command) -> None:
        if isinstance(command, CapRead | CapWrite):
            self.after(self.delay(), lambda: self._arrives(command))
        elif isinstance(command, PowerOff):
            self.after(self.delay(), lambda: self._off(command.node))
        elif isinstance(command, IsolationRequest):
            self.after(0.1, lambda: self.edge.isolated(command.medium, True, self.now_s))

    def _arrives(self, command: CapRead | CapWrite) -> None:
        if isinstance(command, CapWrite):
            self.caps[command.node] = command.watts
        said = self.caps[command.node]

        def answer() -> None:
            self.edge.written(command.node, said, self.now_s, ticket=command.ticket)

        for _ in range(2 if self.doubled() else 1):
            self.after(self.delay(), answer)

    def _off(self, node: str) -> None:
        self.on[node] = False
        self.after(0.05, lambda: self.edge.powered(node, False, self.now_s))

    # --- what happens to it ------------------------------------------------------------------

    def lease(self, watts: float, until_s: float, *, every_s: float = 1.0, seq: int = 1) -> None:
        when, number = self.now_s, seq
        while when < until_s:
            sent = frame(number, watts)
            self.gives(when, sent)
            when, number = when + every_s, number + 1

    def gives(self, when_s: float, sent: Budget) -> None:
        def take() -> None:
            self.edge.budget(sent, self.now_s)

        self.at(when_s, take)

    def busy(self, watts: float, until_s: float, *, every_s: float = 0.5) -> None:
        """Every node draws what its cap leaves of `watts`."""
        when = self.now_s
        while when < until_s:
            self.at(when, lambda: self._read(watts))
            when += every_s

    def _read(self, watts: float) -> None:
        for name, cap in self.caps.items():
            self.edge.reading(name, min(watts, cap) if self.on[name] else 0.0, 1, self.now_s)

    def says(self, when_s: float, what: Event) -> None:
        self.at(when_s, lambda: self.edge.event(what, self.now_s))

    # --- what was seen -----------------------------------------------------------------------

    @property
    def total_w(self) -> float:
        return sum(self.caps.values())

    def first(self, kind: type[Command]) -> float | None:
        return next((at for at, each in self.log if isinstance(each, kind)), None)

    def writes(self, node: str, *, since_s: float = 0.0) -> list[float]:
        return [
            at
            for at, each in self.log
            if isinstance(each, CapWrite) and each.node == node and at >= since_s
        ]


def rough(seed: int, *, lost: float = 0.1, slow_s: float = 1.5) -> Callable[[], float | None]:
    """A network that loses some and delays the others."""
    dice = random.Random(seed)

    def delay() -> float | None:
        return None if dice.random() < lost else dice.expovariate(8.0) % slow_s

    return delay
