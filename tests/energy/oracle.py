"""Lexicographic max-min by priority as linear programmes: slow, plain and independent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import highspy

from iolaus.model.plant import Load, Plant
from tests.energy.plants import factors

STEP = 1e-5
Names = Collection[str]
Watts = Mapping[str, float]
Rows = Sequence[tuple[dict[str, float], float]]


def fair_shares(
    plant: Plant, demand_w: Mapping[str, float], jobs: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Watts by load: floors, then by priority, the worst off first, by range above the floor. The
    loads of a job (by load) stop where one of them meets a limit."""
    rows = _rows(plant)
    extra = {load.name: 0.0 for load in plant.loads}
    for priority in sorted({load.priority for load in plant.loads}, reverse=True):
        chosen = [load for load in plant.loads if load.priority == priority]
        _raise_together(chosen, demand_w, rows, extra, jobs or {})
    return {load.name: load.floor_w + extra[load.name] for load in plant.loads}


def _rows(plant: Plant) -> list[tuple[dict[str, float], float]]:
    """(factors by load, room above the floors and overheads) of every domain."""
    of_rack = {domain.name: factors(plant, domain.name) for domain in plant.domains}
    rows = []
    for domain in plant.domains:
        counted = {load.name: of_rack[load.rack].get(domain.name, 0.0) for load in plant.loads}
        counted = {name: factor for name, factor in counted.items() if factor}
        if domain.limit_w == float("inf") or not counted:
            continue
        used = sum(counted.get(load.name, 0.0) * load.floor_w for load in plant.loads)
        used += sum(d.overhead_w * of_rack[d.name].get(domain.name, 0.0) for d in plant.domains)
        room = 0.0 if domain.limit_w is None else max(domain.limit_w - used, 0.0)
        rows.append((counted, room))
    return rows


def _raise_together(
    chosen: Sequence[Load], demand_w: Mapping[str, float],
    rows: Sequence[tuple[dict[str, float], float]], extra: dict[str, float],
    jobs: Mapping[str, str],
) -> None:  # fmt: skip
    most: dict[str, float] = {}
    weight: dict[str, float] = {}
    for load in chosen:
        weight[load.name] = load.nameplate_w - load.floor_w
        wanted = min(max(demand_w[load.name], load.floor_w), load.nameplate_w)
        most[load.name] = wanted - load.floor_w
    open_ = {name for name in most if most[name] > 0}
    while open_:
        level = min(
            _best_level(open_, most, weight, rows, extra), *(most[n] / weight[n] for n in open_)
        )
        can = _can_rise(open_, most, weight, rows, extra, level)
        stopped = {n for n in open_ if not can[n] or most[n] <= level * weight[n] + 1e-9}
        assert stopped, "every round settles somebody"
        ended = {jobs[n] for n in stopped if n in jobs and most[n] > level * weight[n] + 1e-9}
        stopped |= {n for n in open_ if jobs.get(n) in ended}
        for name in stopped:
            extra[name] = min(most[name], level * weight[name])
        open_ -= stopped


def _best_level(open_: Names, most: Watts, weight: Watts, rows: Rows, extra: Watts) -> float:
    solver, _, level = _model(open_, most, weight, rows, extra)
    solver.maximize(level)
    return float(solver.getInfo().objective_function_value)


def _can_rise(
    open_: Names, most: Watts, weight: Watts, rows: Rows, extra: Watts, at: float
) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for name in open_:
        solver, watts, _ = _model(open_, most, weight, rows, extra, at=at)
        solver.maximize(watts[name])
        found[name] = solver.getInfo().objective_function_value > at * weight[name] + STEP
    return found


def _model(
    open_: Names, most: Watts, weight: Watts, rows: Rows, extra: Watts, at: float | None = None
) -> tuple[Any, dict[str, Any], Any]:
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    level = solver.addVariable(lb=0.0 if at is None else at, ub=10.0 if at is None else at)
    watts = {name: solver.addVariable(lb=0.0, ub=most[name]) for name in sorted(open_)}
    for name in watts:
        solver.addConstr(watts[name] - level * weight[name] >= -1e-9)
    for counted, room in rows:
        rest = room - sum(f * extra[n] for n, f in counted.items() if n not in open_)
        terms = [watts[n] * f for n, f in counted.items() if n in open_]
        if terms:
            solver.addConstr(sum(terms[1:], terms[0]) <= max(rest, 0.0))
    return solver, watts, level
