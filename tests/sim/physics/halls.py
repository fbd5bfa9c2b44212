"""Small halls whose behaviour can be worked out on paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iolaus.sim.physics.arrays import ints
from iolaus.sim.physics.build import Shape, uniform_hall
from iolaus.sim.physics.kinds import AIR_NODE, Job, LoopKind, NodeKind, SupplyKind, ZoneKind
from iolaus.sim.physics.plant import Plant
from iolaus.sim.physics.topology import NONE, Topology

STEADY = Job(name="steady", step_s=1.0, duty=0.8, high=0.9, low=0.9, save_every_s=1e9, jitter=0.0)
SQUARE = Job(name="square", step_s=2.0, duty=0.75, high=1.0, low=0.3, save_every_s=1e9, jitter=0.0)


def hall(nodes: int = 36, *, job: Job = STEADY, seed: int = 1, **shape: object) -> Plant:
    """One row of a uniform hall, every node in one job."""
    made = uniform_hall(Shape(nodes=nodes, nodes_per_job=nodes, **shape))  # type: ignore[arg-type]
    return Plant(with_jobs(made, job), seed=seed)


def air_hall(nodes: int = 8, *, job: Job = STEADY) -> Plant:
    return hall(nodes, job=job, node=AIR_NODE, nodes_per_rack=4)


def with_jobs(topology: Topology, *jobs: Job) -> Topology:
    fields = {name: getattr(topology, name) for name in Topology.__dataclass_fields__}
    return Topology(**(fields | {"jobs": jobs}))


def stub(
    supply: SupplyKind, *, node: NodeKind | None = None, nodes: int = 1, job: Job = STEADY
) -> Topology:
    """Air-cooled nodes behind one supply at the grid."""
    count = nodes
    return Topology(
        node_kinds=(node or replace(AIR_NODE, fan_w=0.0),),
        node_kind=np.zeros(count, dtype=np.intp),
        node_rack=np.zeros(count, dtype=np.intp),
        node_a=np.zeros(count, dtype=np.intp),
        node_b=np.full(count, NONE),
        node_job=np.zeros(count, dtype=np.intp),
        jobs=(job,),
        supply_kinds=(supply,),
        supply_kind=ints([0]),
        supply_a=ints([NONE]),
        supply_b=ints([NONE]),
        supply_zone=ints([0]),
        rack_zone=ints([0]),
        rack_loop=ints([NONE]),
        zones=(ZoneKind(),),
    )


def settled(plant: Plant, seconds: float = 1200.0, dt: float = 1.0) -> Plant:
    plant.run(seconds, dt)
    return plant


__all__ = ["LoopKind", "Shape", "air_hall", "hall", "replace", "settled", "stub", "with_jobs"]
