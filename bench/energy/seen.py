"""The seam between a hall and whoever controls it: what can be seen, and what can be done.

A controller is told the hall's plan once. In every step it is shown what its instruments show (a
value and when it was taken, never the truth), what came back from its writes, and what the gear
signals on the spot; then it is asked for commands. A program that is dead is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from bench.energy.hall import Hall, Limits
from iolaus.sim.physics.arrays import F64, Bools, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a controller knows before it starts. `guard` is what it has to leave below a limit."""

    hall: Hall
    limits: Limits
    dt: float
    seed: int
    serving: Bools

    @property
    def nodes(self) -> int:
        return self.hall.loads.count


def in_step(plan: Plan) -> Ints:
    """A number for each job that steps together, and one for each node that serves alone."""
    keys = np.where(plan.serving, -1 - np.arange(plan.nodes), plan.hall.loads.job)
    found: Ints = np.unique(keys, return_inverse=True)[1].astype(np.intp)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What gear says by itself: `what` a feed, psu, flow or battery is, for `racks`; `on` is that
    it is lost."""

    what: str
    subject: int
    racks: tuple[int, ...]
    on: bool
    amount: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What came back of writes and reads: the cap read back, NaN for no answer."""

    nodes: Ints
    watts: F64
    tickets: Ints


@dataclass(slots=True, kw_only=True)
class Seen:
    """At `t`. `far` is what reaches the centre, `near` what reaches a rack's edge: watts by node
    with the time they were taken. `rack_w` are shelves' registers as edges read them; `rack_far_w`
    and `site_far_w` the same a second later at the centre. `limits` are those that the centre has
    been told. `up` flags are programs and paths that work."""

    t: float
    far_w: F64
    far_at: F64
    near_w: F64
    near_at: F64
    rack_w: F64
    rack_far_w: F64
    site_far_w: float
    limits: Limits
    centre_up: bool
    bus_up: bool
    edge_up: Bools
    joined: Bools
    bad_frames: float = 0.0
    bad_clocks: float = 0.0
    signals: list[Signal] = field(default_factory=list)
    told: list[Signal] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Caps for these nodes; NaN reads the cap. `near` is over the rack's own network."""

    nodes: Ints
    watts: F64
    tickets: Ints
    near: bool = False


class Controller(Protocol):
    """Whoever can be judged. `tick` is asked in every step of virtual time."""

    name: str

    def observe(self, seen: Seen) -> None: ...

    def tick(self, t: float) -> list[Write]: ...
