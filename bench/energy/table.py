"""The scores as a table to read, and the goals with how far each is from being met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from bench.energy.contest import by_controller
from bench.energy.score import LEVELS, Score

COLUMNS: Final = (
    *("controller", "over s", *LEVELS, "over J", "worst %", "trips", "inversions", "clean"),
    *("to cap", "thr", "x static", "of oracle", "weighted", "stranded kW", "Jain", "writes"),
    *("ramp kW/s", "0.1-20 Hz"),
)
OURS, ORACLE, SAFE, STATIC = "iolaus", "oracle", "oracle-safe", "static"
HEALTHY: Final = ("quiet", "feed-loss-and-return")
"""Where throughput is compared: the whole hall, or one feed lost for a quarter of the time."""


def table(scores: Sequence[Score]) -> str:
    """One row per controller: sums of seconds and joules, means of shares, worst of times."""
    groups = by_controller(scores)
    static = _throughput(groups.get(STATIC, ()))
    oracle = _throughput(groups.get(ORACLE, ()))
    rows = [COLUMNS, *(_row(name, mine, static, oracle) for name, mine in groups.items())]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(lines)


def _row(name: str, mine: Sequence[Score], static: float, oracle: float) -> tuple[str, ...]:
    seconds = {level: sum(s.over_s[level] for s in mine) for level in LEVELS}
    joules = sum(value for s in mine for value in s.over_j.values())
    worst = max(value for s in mine for value in s.overshoot.values())
    trips = {curve: sum(s.trips[curve] for s in mine) for curve in mine[0].trips}
    thr = _throughput(mine)
    return (
        name,
        f"{sum(seconds.values()):.2f}",
        *(f"{seconds[level]:.2f}" for level in LEVELS),
        f"{joules:.3g}",
        f"{100 * worst:.1f}",
        "/".join(str(n) for n in trips.values()),
        str(sum(s.inversions for s in mine)),
        f"{sum(s.clean for s in mine)}/{len(mine)}",
        f"{max(s.to_cap_s for s in mine):.2f}",
        f"{thr:.3f}",
        f"{thr / static:.3f}",
        f"{thr / oracle:.3f}",
        f"{np.mean([s.weighted for s in mine]):.3f}",
        f"{np.mean([s.stranded_w for s in mine]) / 1e3:.0f}",
        f"{np.mean([s.fairness for s in mine]):.3f}",
        f"{np.mean([s.writes_per_node_min for s in mine]):.1f}",
        f"{np.mean([s.ramp_w_s for s in mine]) / 1e3:.0f}",
        f"{np.mean([s.band_share for s in mine]):.2f}",
    )


def _throughput(scores: Sequence[Score]) -> float:
    return float(np.mean([s.throughput for s in scores])) if scores else float("nan")


def healthy(scores: Sequence[Score]) -> list[Score]:
    return [s for s in scores if s.scenario.split("/")[1] in HEALTHY]


def goals(scores: Sequence[Score], *, ours: str = OURS) -> Iterator[str]:
    """Goals 3 to 7 as far as these runs can say, each with its distance."""
    groups = by_controller(scores)
    mine = groups.get(ours, [])
    if not mine:
        return
    loss = [
        s.to_cap_s for s in mine if "feed-loss" in s.scenario and "unsignalled" not in s.scenario
    ]
    if loss:
        yield goal("3", "feed loss to under the limit, p99, by the edge", _p99(loss), 0.5, "s")
    for name, words, most in (
        ("unsignalled-feed-loss", "by central push", 1.0),
        ("unsignalled-centre-dead", "controller dead, no local signal", 3.5),
    ):
        times = [s.to_cap_s for s in mine if f"/{name}/" in s.scenario]
        if times:
            yield goal("3", f"feed loss, {words}, worst", max(times), most, "s")
    yield goal("4", "seconds over any limit outside the window", _sum_over(mine), 0.0, "s")
    trips = float(sum(sum(s.trips.values()) for s in mine))
    yield goal("4", "trips, both curves", trips, 0.0, "")
    yield goal("4", "priority inversions", float(sum(s.inversions for s in mine)), 0.0, "")
    yield from _work(groups, mine)
    floors = [s.to_floor_s for s in mine if s.to_floor_s is not None]
    if floors:
        yield goal("3", "floors reached after authority is lost, worst", max(floors), 3.5, "s")
    flows = [s.to_flow_cap_s for s in mine if s.to_flow_cap_s is not None]
    if flows:
        yield goal("6", "flow loss to cap, worst", max(flows), 2.0, "s")
    quiet = [s.writes_per_node_min for s in mine if "/quiet/" in s.scenario]
    if quiet:
        yield goal("7", "cap writes of the busiest node a minute, worst", max(quiet), 6.0, "")


def _work(groups: Mapping[str, list[Score]], mine: Sequence[Score]) -> Iterator[str]:
    for words, pick in (("healthy", healthy), ("all", list)):
        for name, least in ((STATIC, 1.15), (ORACLE, 0.97)):
            other = pick(groups.get(name, []))
            if other and pick(mine):
                ratio = _throughput(pick(mine)) / _throughput(other)
                yield goal("5", f"throughput over {name}, {words} scenarios", ratio, -least, "x")
        yield from _bound({name: pick(each) for name, each in groups.items()}, words)


def _bound(groups: Mapping[str, list[Score]], words: str) -> Iterator[str]:
    """What the limits themselves allow: who knows all beforehand and leaves the guard."""
    safe = _throughput(groups.get(SAFE, ()))
    for name in (STATIC, ORACLE):
        if groups.get(SAFE) and groups.get(name):
            most = safe / _throughput(groups[name])
            over = _sum_over(groups[name])
            yield (
                f"        bound of any that keeps a guard, {words} scenarios: {most:.3f} x {name}"
                f" (which is over limits for {over:.2f} s)"
            )
    if groups.get(SAFE) and groups.get(OURS):
        yield f"        of that bound, {words} scenarios: {_throughput(groups[OURS]) / safe:.3f}"


def goal(number: str, what: str, value: float, bound: float, unit: str) -> str:
    """A bound is the most, or (negative) the least that is asked."""
    least = bound < 0.0
    bound = abs(bound)
    met = value >= bound if least else value <= bound
    distance = (value - bound) if least else (bound - value)
    word = "met" if met else "MISSED"
    sign = ">=" if least else "<="
    return f"goal {number}  {what}: {value:.3f} {unit} ({sign} {bound:g}) {word} by {distance:+.3f}"


def worst(scores: Sequence[Score]) -> Score | None:
    """The run that came nearest to, or went furthest over, a limit."""
    if not scores:
        return None

    def badness(s: Score) -> tuple[float, float, float, float]:
        joules = sum(s.over_j.values())
        return (float(sum(s.trips.values())), joules, sum(s.in_window_j.values()), s.granted_over_w)

    return max(scores, key=badness)


def _p99(values: Sequence[float]) -> float:
    return float(np.percentile(values, 99))


def _sum_over(scores: Sequence[Score]) -> float:
    return sum(s.violation_s for s in scores)
