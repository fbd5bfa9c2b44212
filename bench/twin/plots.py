"""The pictures of docs/physics.md: `python -m bench.twin plots DIR` (docs/images/physics).

Each picture is a small experiment on the plant, from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.twin.drawing import Axis, Line, Values, chart
from iolaus.sim.physics import actuators as do
from iolaus.sim.physics import faults
from iolaus.sim.physics.build import Shape, uniform_hall
from iolaus.sim.physics.kinds import Job, NodeKind, Smoothing
from iolaus.sim.physics.leaks import Sees
from iolaus.sim.physics.plant import Plant
from iolaus.sim.physics.topology import Topology

STEADY = Job(step_s=2.0, duty=0.8, high=0.9, low=0.9, save_every_s=1e9, jitter=0.0)
SWING = Job(step_s=3.0, duty=0.78, high=0.98, low=0.32, save_every_s=45.0, save_s=10.0)


def hall(nodes: int, job: Job, *, node: NodeKind | None = None, seed: int = 2) -> Plant:
    made = uniform_hall(Shape(nodes=nodes, nodes_per_job=nodes, node=node or NodeKind()))
    fields = {name: getattr(made, name) for name in Topology.__dataclass_fields__}
    return Plant(Topology(**(fields | {"jobs": (job,)})), seed=seed)


def watch(
    plant: Plant, seconds: float, dt: float, *asks: Callable[[Plant], float]
) -> tuple[Values, list[Values]]:
    rows = []
    for _ in range(round(seconds / dt)):
        plant.step(dt)
        rows.append([plant.t_s, *(ask(plant) for ask in asks)])
    table = np.array(rows)
    return table[:, 0] - table[0, 0], [table[:, n + 1] for n in range(len(asks))]


def gpus_kw(plant: Plant) -> float:
    return float(plant.gpus.node_w.sum()) / 1e3


def grid_kw(plant: Plant) -> float:
    return plant.supply.grid_w / 1e3


def training() -> str:
    plain, smooth = hall(36, SWING), hall(36, SWING, node=NodeKind(smoothing=Smoothing(floor=0.6)))
    t, (power,) = watch(plain, 75.0, 0.25, gpus_kw)
    _, (held,) = watch(smooth, 75.0, 0.25, gpus_kw)
    lines = [Line(name="as it comes", x=t, y=power), Line(name="smoothed", x=t, y=held)]
    return chart(
        "288 GPUs in one synchronous job, with checkpoints",
        Axis(name="s"),
        Axis(name="kW", low=0.0),
        lines,
    )


def inference() -> str:
    kind = NodeKind(gpu_tdp_w=500.0, gpu_idle_w=87.0)
    plant = hall(36, Job(work="serving"), node=kind)
    plant.run(30.0)
    t, (one, mean) = watch(
        plant,
        60.0,
        0.25,
        lambda p: float(p.gpus.power_w[0, 3]),
        lambda p: float(p.gpus.power_w.mean()),
    )
    lines = [Line(name="one GPU", x=t, y=one), Line(name="mean of 288", x=t, y=mean)]
    return chart(
        "Serving: prefill bursts over a decode plateau",
        Axis(name="s"),
        Axis(name="W", low=0.0),
        lines,
    )


def cap() -> str:
    plant = hall(18, STEADY)
    plant.run(5.0)
    plant.at(plant.t_s + 0.2, lambda p: do.limit_gpus(p, 500.0, nodes=slice(None)))
    t, (power, limit) = watch(
        plant,
        1.2,
        0.005,
        lambda p: float(p.gpus.power_w[0, 0]),
        lambda p: float(p.gpus.cap_w[0, 0]),
    )
    lines = [Line(name="power", x=t, y=power), Line(name="effective cap", x=t, y=limit)]
    return chart(
        "A cap of 500 W written at 0.2 s", Axis(name="s"), Axis(name="W", low=400.0), lines
    )


def breaker() -> str:
    load = np.linspace(1.06, 6.0, 120)
    lines = [Line(name=f"K = {k:.0f}", x=100 * load, y=k / (load**2 - 1.0)) for k in (49.0, 360.0)]
    lines.append(Line(name="UL 489: at most", x=[135.0, 200.0], y=[3600.0, 120.0], dots=True))
    return chart(
        "Time to trip",
        Axis(name="% of rating", low=100.0),
        Axis(name="s", low=1.0, high=10_000.0, log=True),
        lines,
    )


def feed_loss() -> str:
    plant = hall(36, STEADY)
    plant.run(30.0)
    now = plant.t_s
    faults.schedule(
        plant, "feed-loss", np.flatnonzero(plant.supply.root), at_s=now + 10.0, for_s=40.0
    )
    t, (grid, nodes, charge) = watch(
        plant,
        150.0,
        0.5,
        grid_kw,
        lambda p: float(p.node_w.sum()) / 1e3,
        lambda p: 100 * float(p.supply.stores.soc[0]),
    )
    lines = [
        Line(name="grid, kW", x=t, y=grid),
        Line(name="nodes, kW", x=t, y=nodes),
        Line(name="battery, %", x=t, y=charge),
    ]
    return chart(
        "Both feeds lost for 40 s; racks recharge in turn",
        Axis(name="s"),
        Axis(name="kW, %", low=0.0),
        lines,
    )


def flow_loss() -> str:
    def course(cap_w: float | None) -> tuple[Values, Values]:
        plant = hall(18, STEADY, node=NodeKind(throttle_c=300.0, trip_c=400.0))
        plant.run(900.0, 0.5)
        faults.schedule(plant, "pump-loss", [0], at_s=plant.t_s + 5.0, amount=2)
        if cap_w is not None:
            plant.at(plant.t_s + 7.0, lambda p: do.limit_gpus(p, cap_w, nodes=slice(None)))
        t, (die,) = watch(plant, 60.0, 0.25, lambda p: float(p.heat.die_c.mean()))
        return t, die

    lines = [Line(name="left alone", x=(free := course(None))[0], y=free[1])]
    lines.append(Line(name="30 % after 2 s", x=(held := course(300.0))[0], y=held[1]))
    return chart(
        "All pumps stop at 5 s: mean die temperature", Axis(name="s"), Axis(name="°C"), lines
    )


def loop() -> str:
    plant = hall(90, STEADY)
    plant.run(1200.0, 0.5)
    plant.at(plant.t_s + 60.0, lambda p: do.limit_gpus(p, 400.0, nodes=slice(None)))
    plant.at(plant.t_s + 360.0, lambda p: do.limit_gpus(p, None, nodes=slice(None)))
    t, (supply, back, valve) = watch(
        plant,
        800.0,
        2.0,
        lambda p: float(p.coolant.supply_c[0]),
        lambda p: float(p.coolant.return_c[0]),
        lambda p: 100 * float(p.coolant.valve[0]),
    )
    lines = [
        Line(name="supply, °C", x=t, y=supply),
        Line(name="return, °C", x=t, y=back),
        Line(name="valve, %", x=t, y=valve),
    ]
    return chart(
        "A coolant unit when its load halves and returns",
        Axis(name="s"),
        Axis(name="°C, %", low=0.0),
        lines,
    )


def leak() -> str:
    plant = hall(54, STEADY)
    plant.run(60.0)
    faults.strike(plant, "leak-tray", [20], 2.0)
    leaks = plant.leaks
    sites = {"tray": 20, "pan": leaks.pan(1), "floor": leaks.floor(1), "next floor": leaks.floor(2)}
    t, levels = watch(
        plant,
        300.0,
        1.0,
        *(lambda p, s=s: float(p.leaks.water_l[s]) for s in sites.values()),
    )
    said = [n for n, s in sites.items() if leaks.says[s] != Sees.DRY]
    lines = [Line(name=name, x=t, y=level) for name, level in zip(sites, levels, strict=True)]
    return chart(
        f"A tray leaks 2 L/min: water by place ({len(said)} detectors wet)",
        Axis(name="s"),
        Axis(name="L", low=0.0),
        lines,
    )


PLOTS = (training, inference, cap, breaker, feed_loss, flow_loss, loop, leak)


def main(words: list[str]) -> int:
    folder = Path(words[0] if words else "docs/images/physics")
    folder.mkdir(parents=True, exist_ok=True)
    for plot in PLOTS:
        path = folder / f"{plot.__name__.replace('_', '-')}.svg"
        path.write_text(plot(), encoding="utf-8")
        print(path)
    return 0
