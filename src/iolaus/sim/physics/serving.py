"""Inference: prompts come in bursts at full power, answers trickle on a plateau below.

A serving node is a fluid queue. Prompt tokens wait for prefill, which runs at a fixed rate and at
the prefill level; generated tokens then drain at the pace of decoding, at the decode level, as
long as there are any. The levels are the published shape of an A100 (idle 87 W, prefill 480-512
W, decode 290-303 W) over its 500 W. Every node stands somewhere else in the arrival curve.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from iolaus.sim.physics.arrays import F32, F64, Bools, Ints
from iolaus.sim.physics.arrivals import Arrivals
from iolaus.sim.physics.topology import Topology

PREFILL: Final = 0.99
DECODE: Final = 0.594
PREFILL_TOKENS_S: Final = 24_000.0
ANSWER_S: Final = 6.0
DECODE_TOKENS_S: Final = 12_000.0
FULL_BATCH_TOKENS: Final = 400.0
"""Of tokens in flight: with so many the decode level is nearly reached; memory sets it."""


class Serving:
    """Per serving node: prompt and answer tokens waiting; `served` answers in tokens."""

    def __init__(self, topology: Topology, rng: np.random.Generator, arrivals: Arrivals) -> None:
        serves = np.array([job.work == "serving" for job in topology.jobs], dtype=np.bool_)
        gpus = np.array([k.gpus for k in topology.node_kinds], dtype=np.intp)[topology.node_kind]
        serving = (topology.node_job >= 0) & (gpus > 0)
        serving[serving] = serves[topology.node_job[serving]]
        self.nodes: Ints = np.flatnonzero(serving)
        self.arrivals = arrivals
        self.offset_s: F64 = rng.random(self.nodes.size) * arrivals.period_s
        self.prompt, self.answer, self.served = np.zeros((3, self.nodes.size))
        self.scale = 1.0

    def step(self, level: F32, ready: Bools, throughput: F32, t: float, dt: float) -> None:
        """Write the level of the serving nodes."""
        if not self.nodes.size:
            return
        _, prompt, answer = self.arrivals.between(self.offset_s + t, dt)
        takes = ready[self.nodes].astype(np.float64) * self.scale
        self.prompt += prompt * takes
        self.answer += answer * takes
        speed = throughput[self.nodes].astype(np.float64)
        able = PREFILL_TOKENS_S * dt * speed
        prefill = np.minimum(1.0, self.prompt / np.maximum(able, 1e-9))
        self.prompt = np.maximum(0.0, self.prompt - able)
        batch = -np.expm1(-self.answer / FULL_BATCH_TOKENS)
        pace = np.minimum(self.answer / ANSWER_S, DECODE_TOKENS_S) * (1.0 - prefill) * speed
        done = np.minimum(self.answer, pace * dt)
        self.answer -= done
        self.answer[self.answer < 1e-3] = 0.0
        self.served += done
        level[self.nodes] = prefill * PREFILL + (1.0 - prefill) * batch * DECODE
