"""The oracle's view: what is really so, apart from what any device says."""

from __future__ import annotations

from typing import Any

import numpy as np

from iolaus.sim.physics.plant import Plant


def truth(plant: Plant) -> dict[str, Any]:
    """What is on, dark, tripped, over its limit, too hot, wet, leaking, low: as lists of numbers,
    and the sums. JSON as it stands."""
    return {
        "t_s": round(plant.t_s, 6),
        "power": _power(plant),
        "heat": _heat(plant),
        "water": _water(plant),
        "work": _work(plant),
    }


def _numbers(mask: Any) -> list[int]:
    found: list[int] = np.flatnonzero(mask).tolist()
    return found


def over_limit(plant: Plant) -> np.ndarray:
    """Supplies that carry more than they are rated for, by rating at hand."""
    supply = plant.supply
    over: np.ndarray = supply.out_w > supply.rated_w * (1.0 + 1e-9)
    return over


def _power(plant: Plant) -> dict[str, Any]:
    supply, stores, hosts = plant.supply, plant.supply.stores, plant.hosts
    running = ~supply.ac[stores.where] & supply.live[stores.where]
    return {
        "grid_w": supply.grid_w,
        "nodes_w": float(plant.node_w.sum()),
        "gpus_w": float(plant.gpus.node_w.sum(dtype=float)),
        "off_nodes": _numbers(~hosts.on),
        "dark_nodes": _numbers(~supply.node_fed),
        "dark_supplies": _numbers(~supply.live),
        "tripped": _numbers(supply.tripped),
        "over_limit": _numbers(over_limit(plant)),
        "on_battery": stores.where[running].tolist(),
        "charge": {
            int(n): float(c) for n, c in zip(stores.where, stores.soc, strict=True) if c < 0.999
        },
        "psus_lost": stores.where[stores.working < stores.units].tolist(),
    }


def _heat(plant: Plant) -> dict[str, Any]:
    hosts, heat, coolant = plant.hosts, plant.heat, plant.coolant
    lowest = coolant.flow_share < 0.8
    return {
        "hottest_c": float(heat.hottest_c.max(initial=-273.0)),
        "throttled_nodes": _numbers(hosts.ease < 1.0),
        "over_trip_nodes": _numbers(heat.hottest_c >= hosts.trip_c),
        "tripped_gpus": np.argwhere(plant.gpus.broken.T).tolist(),
        "supply_c": [float(c) for c in coolant.supply_c],
        "flow_lpm": [float(f) for f in coolant.flow_lpm],
        "low_flow_racks": coolant.racks[lowest].tolist(),
        "pumps_lost": _numbers(coolant.pumps_ok < coolant.pumps),
        "air_c": [float(c) for c in plant.rooms.air_c],
    }


def _water(plant: Plant) -> dict[str, Any]:
    """Sites are (kind, number). A node that is on with a wet tray is in danger."""
    leaks, nodes = plant.leaks, plant.topology.nodes
    wet = leaks.water_l >= leaks.threshold_l
    return {
        "leaking": [_site(plant, n) for n in _numbers(leaks.rate_lpm > 0.0)],
        "wet": [_site(plant, n) for n in _numbers(wet)],
        "live_and_wet_nodes": _numbers(wet[:nodes] & plant.hosts.on),
        "lost_l": [float(v) for v in leaks.lost_l],
        "level_l": [float(v) for v in plant.coolant.level_l],
        "isolated_racks": plant.coolant.racks[plant.coolant.branch <= 0.0].tolist(),
        "detectors_broken": [_site(plant, n) for n in _numbers(leaks.fault != 0)],
    }


def _site(plant: Plant, number: int) -> list[str | int]:
    nodes, racks = plant.topology.nodes, plant.topology.racks
    if number < nodes:
        return ["tray", number]
    if number < nodes + racks:
        return ["pan", number - nodes]
    return ["floor", number - nodes - racks]


def _work(plant: Plant) -> dict[str, Any]:
    work = plant.work
    asked = np.maximum(work.asked_s, 1e-9)
    rows = zip(work.names, work.training, work.done_s / asked, work.stalled_s > 0.0, strict=True)
    return {
        "throughput": {name: float(share) for name, trains, share, _ in rows if trains},
        "stalled": [name for name, s in zip(work.names, work.stalled_s, strict=True) if s > 0.0],
        "served_tokens": float(work.serving.served.sum()),
    }
