"""Work: what each node is asked for, by its job, as a share of TDP.

A synchronous training job is one clock for all its nodes: compute, then exchange, step after
step, a checkpoint now and then. That common beat is what feeds and breakers see. Its pace is that
of its slowest node (a straggler, or one held by a cap: throughput falls as p^alpha), and the
faster nodes wait at the low level for it. A node that loses power stalls its whole job until the
job has been formed anew without it. Draws come from a table made at the start, indexed by step
number, so that nothing depends on how a run was cut into calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from iolaus.sim.physics.arrays import F32, F64, Bools, Ints
from iolaus.sim.physics.arrivals import Arrivals
from iolaus.sim.physics.kinds import Job
from iolaus.sim.physics.serving import Serving
from iolaus.sim.physics.topology import Topology

DRAWS: Final = 509
REFORM_S: Final = 90.0
STRAGGLERS: Final = 0.01
SAVING: Final = 0.12
RANGES: Final = {
    "step_s": (0.8, 6.0),
    "duty": (0.7, 0.9),
    "high": (0.85, 1.02),
    "low": (0.25, 0.45),
    "save_every_s": (600.0, 1800.0),
    "save_s": (8.0, 20.0),
}
"""Published shapes of synchronous training."""


class Beat(NamedTuple):
    """One step of every job: where in its cycle it began, how far it went (0: halted), how long
    computing takes (negative: halted) and the whole cycle."""

    start_s: F64
    going_s: F64
    computes_s: F64
    cycle_s: F64


class Work:
    """`level` per node; per job `phase_s`, `steps`, `saving_s`, `stalled_s`, `done_s`."""

    step_s: F64
    duty: F64
    high: F64
    low: F64
    save_every_s: F64
    save_s: F64

    def __init__(
        self, topology: Topology, rng: np.random.Generator, arrivals: Arrivals | None
    ) -> None:
        jobs, self.job = topology.jobs, topology.node_job
        self.names = [job.name for job in jobs]
        for name in RANGES:
            setattr(self, name, _drawn(jobs, name, rng))
        self.training: Bools = np.array([job.work == "training" for job in jobs], dtype=np.bool_)
        self.jitter: F64 = np.array([job.jitter for job in jobs])
        self._draws: F64 = np.clip(rng.standard_normal(DRAWS), -2.0, 2.0)
        self.phase_s: F64 = rng.random(len(jobs)) * self.step_s
        self.since_save_s: F64 = rng.random(len(jobs)) * self.save_every_s
        self.saving_s, self.stalled_s, self.done_s, self.asked_s = np.zeros((4, len(jobs)))
        self.steps: Ints = rng.integers(0, DRAWS, len(jobs)).astype(np.intp)
        self.length_s: F64 = self.step_s.copy()
        self.pace: F64 = np.ones(len(jobs))
        self._apart: Ints = 31 * np.arange(len(jobs))
        self._rows: F32 = np.empty((7, len(jobs)), dtype=np.float32)
        self._init_nodes(topology, rng)
        self.serving = Serving(
            topology, rng, arrivals or Arrivals.synthetic(int(rng.integers(2**31)))
        )

    def _init_nodes(self, topology: Topology, rng: np.random.Generator) -> None:
        count = topology.nodes
        slow = np.where(rng.random(count) < STRAGGLERS, 0.06 * rng.random(count), 0.0)
        self.speed: F32 = (1.0 - 0.004 * rng.random(count) - slow).astype(np.float32)
        self.alpha: F32 = np.array([k.alpha for k in topology.node_kinds], dtype=np.float32)[
            topology.node_kind
        ]
        gpus = np.array([k.gpus for k in topology.node_kinds], dtype=np.intp)[topology.node_kind]
        self._trains = (self.job >= 0) & (gpus > 0)
        self._trains[self._trains] = self.training[self.job[self._trains]]
        self.member: Bools = self._trains.copy()
        self.throughput: F32 = np.ones(count, dtype=np.float32)
        self.level: F32 = np.zeros(count, dtype=np.float32)
        self._regroup()

    def _regroup(self) -> None:
        """Members by job, for minima over a job."""
        nodes = np.flatnonzero(self.member)
        order = nodes[np.argsort(self.job[nodes], kind="stable")]
        self._order: Ints = order
        self._order_job: Ints = self.job[order]
        self._jobs, self._starts = np.unique(self._order_job, return_index=True)
        self._idle: Ints = np.flatnonzero(~self.member)

    def slower(self, nodes: Ints, speed: float) -> None:
        """These nodes compute at this share of their speed from now on."""
        self.speed[nodes] = speed

    def step(self, ready: Bools, want_w: F32, given_w: F32, t: float, dt: float) -> F32:
        """The demand of each node. `ready` nodes have power and have booted; the watts are what
        their GPUs wanted and were given last."""
        np.divide(given_w, want_w, out=self.throughput, where=want_w > 0.0)
        np.minimum(self.throughput, 1.0, out=self.throughput)
        np.power(self.throughput, self.alpha, out=self.throughput)
        speed = np.maximum(self.throughput * self.speed, np.float32(0.02))
        self._form(ready, dt)
        slowest = self._slowest(speed)
        beat = self._advance(dt)
        if self._order.size:
            self._share(slowest / speed, beat)
        self.serving.step(self.level, ready, self.throughput, t, dt)
        return np.where(ready, self.level, np.float32(0.0))

    def _slowest(self, speed: F32) -> F32:
        """The pace of each node's job, per node; each job's in `pace`."""
        if self._order.size:
            self.pace[self._jobs] = np.minimum.reduceat(speed[self._order], self._starts)
        return self.pace.astype(np.float32)[self.job] if self.pace.size else speed

    def _form(self, ready: Bools, dt: float) -> None:
        """Stall jobs with dark members; after a while go on without them, and take back those
        that returned."""
        changed = self.member != (ready & self._trains)
        if not changed.any():
            self.stalled_s[:] = 0.0
            return
        lost, back = changed & self.member, changed & ~self.member
        waits = np.zeros(len(self.stalled_s), dtype=np.bool_)
        waits[self.job[lost]] = True
        self.stalled_s = np.where(waits, self.stalled_s + dt, 0.0)
        over = self.stalled_s >= REFORM_S
        leaves = lost & over[self.job]
        self.stalled_s[over] = 0.0
        if leaves.any() or back.any():
            self.member = (self.member & ~leaves) | back
            self._regroup()

    def _advance(self, dt: float) -> Beat:
        """Move every job on. The exchange takes its time whatever the caps are."""
        cycle_s, start_s = self.length_s, self.phase_s
        computes_s = self.duty * cycle_s
        halted = (self.saving_s > 0.0) | (self.stalled_s > 0.0)
        pace = np.where(start_s < computes_s, self.pace, 1.0)
        going_s = np.where(halted, 0.0, pace * dt)
        whole = np.floor((start_s + going_s) / cycle_s)
        self.phase_s = start_s + going_s - whole * cycle_s
        self.saving_s = np.maximum(0.0, self.saving_s - dt)
        self.since_save_s = self.since_save_s + dt
        self.done_s += going_s
        self.asked_s += dt
        self._next(whole > 0.0, whole)
        return Beat(start_s, going_s, np.where(halted, -1.0, computes_s), cycle_s)

    def _next(self, ended: Bools, whole: F64) -> None:
        """New steps are not quite like the last; some begin with a checkpoint."""
        if not ended.any():
            return
        self.steps += whole.astype(np.intp)
        draw = self._draws[(self.steps + self._apart) % DRAWS]
        self.length_s = np.where(ended, self.step_s * (1.0 + self.jitter * draw), self.length_s)
        saves = ended & (self.since_save_s >= self.save_every_s)
        self.saving_s = np.where(saves, self.save_s * (1.0 + 0.1 * draw), self.saving_s)
        self.since_save_s = np.where(saves, 0.0, self.since_save_s)

    def _share(self, early: F32, beat: Beat) -> None:
        """The level of each training node: how much of this step it computed."""
        long = beat.going_s >= beat.cycle_s
        begin = np.where(long, 0.0, beat.start_s)
        end = np.where(long, beat.cycle_s, beat.start_s + beat.going_s)
        per_s = 1.0 / np.maximum(end - begin, 1e-6)
        low = np.where((beat.computes_s < 0.0) & (self.stalled_s == 0.0), SAVING, self.low)
        table = (begin, end, beat.computes_s, end - beat.cycle_s, per_s, low, self.high - low)
        for row, values in zip(self._rows, table, strict=True):
            row[:] = values
        begin_n, end_n, ends_n, wrap_n, per_s_n, low_n, swing_n = self._rows[:, self._order_job]
        ends_n *= np.minimum(early[self._order], np.float32(1.0))
        share = np.maximum(np.minimum(end_n, ends_n) - begin_n, 0.0)
        share += np.maximum(np.minimum(wrap_n, ends_n), 0.0)
        share *= per_s_n
        np.minimum(share, 1.0, out=share)
        self.level[self._order] = low_n + swing_n * share


def _drawn(jobs: Sequence[Job], name: str, rng: np.random.Generator) -> F64:
    """What each job says of `name`, else a draw from its published range."""
    low, high = RANGES[name]
    draws = rng.uniform(low, high, len(jobs))
    said = [getattr(job, name) for job in jobs]
    return np.array([d if s is None else s for d, s in zip(draws, said, strict=True)])
