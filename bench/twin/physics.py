"""How long a step of the plant takes: `python -m bench.twin physics [STEPS]` (300).

Wall time is what a step takes when nobody else wants the core; CPU time is what it costs when
somebody does. One thread, dt = 100 ms, GPUs in their jobs, limits on a part of them. The goals
are 5 ms at 10,240 nodes of eight GPUs and 40 ms at 102,400, both p95.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from iolaus.sim.physics import actuators as do
from iolaus.sim.physics.build import Shape, uniform_hall
from iolaus.sim.physics.kinds import AIR_NODE, NodeKind, Smoothing
from iolaus.sim.physics.plant import Plant

CASES = {
    "training": Shape(),
    "training, smoothed": Shape(node=NodeKind(smoothing=Smoothing())),
    "half serving": Shape(serving_share=0.5),
    "air-cooled": Shape(node=AIR_NODE, nodes_per_rack=4),
}
SIZES = {10_240: 5.0, 102_400: 40.0}


def hall(shape: Shape, nodes: int) -> Plant:
    fields = {name: getattr(shape, name) for name in Shape.__dataclass_fields__}
    plant = Plant(uniform_hall(Shape(**(fields | {"nodes": nodes}))), seed=1)
    do.limit_nodes(plant, 7000.0, nodes=slice(0, nodes, 3))
    do.limit_gpus(plant, 600.0, nodes=slice(0, nodes, 5))
    return plant


def measure(plant: Plant, steps: int) -> tuple[np.ndarray, np.ndarray]:
    wall, cpu = [], []
    plant.run(2.0)
    for _ in range(steps):
        began, used = time.perf_counter(), time.thread_time()
        plant.step(0.1)
        wall.append(time.perf_counter() - began)
        cpu.append(time.thread_time() - used)
    return np.array(wall) * 1e3, np.array(cpu) * 1e3


def state_bytes(plant: Plant) -> int:
    parts = [plant, *vars(plant).values()]
    arrays = [v for part in parts if hasattr(part, "__dict__") for v in vars(part).values()]
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(name: str, nodes: int, steps: int) -> bool:
    plant = hall(CASES[name], nodes)
    wall, cpu = measure(plant, steps)
    goal, met = SIZES[nodes], float(np.percentile(cpu, 95)) <= SIZES[nodes]
    print(
        f"{nodes:8,d} x {plant.topology.slots}  {name:19} "
        f"cpu p50 {np.median(cpu):6.2f} p95 {np.percentile(cpu, 95):6.2f}  "
        f"wall p50 {np.median(wall):6.2f} p95 {np.percentile(wall, 95):6.2f} ms  "
        f"goal {goal:3.0f} {'met' if met else 'MISSED'}  "
        f"state {state_bytes(plant) / 1e6:6.1f} MB  peak {peak_mb():6.0f} MB  "
        f"books {plant.books.gap:+.0e}"
    )
    return met


def main(words: list[str]) -> int:
    steps = int(words[0]) if words else 300
    met = [row(name, nodes, steps) for nodes in SIZES for name in CASES]
    return 0 if all(met) else 1
