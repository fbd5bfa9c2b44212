"""The room of power in numbers: every edge by rack, every domain of the plant by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from iolaus.energy.decisions import DomainState
from iolaus.energy.keeping import Keeping
from iolaus.energy.standing import EdgeStanding
from iolaus.energy.timing import BOUNDS_MS
from iolaus.north.exposition import escape, number
from iolaus.north.site import SeesSite

STATES: Final = ("observing", "starting", "leased", "falling", "floor", "held", "hung")
GRADES: Final = ("warning", "critical")
LATENCY: Final = "iolaus_energy_edge_latency_seconds"
POWER_FAMILIES: Final[Mapping[str, tuple[str, str]]] = {
    "iolaus_energy_edge_state": ("gauge", "1 for the state in which a rack's edge is"),
    "iolaus_energy_edge_budget_watts": ("gauge", "What a rack is leased; absent without a lease"),
    "iolaus_energy_edge_floor_watts": ("gauge", "The floors of a rack's nodes together"),
    "iolaus_energy_edge_applied_watts": ("gauge", "The caps of a rack together, as read back"),
    "iolaus_energy_edge_granted_watts": ("gauge", "The most that may be in force in a rack"),
    "iolaus_energy_edge_demand_watts": ("gauge", "What a rack may want, at most"),
    "iolaus_energy_edge_measured_watts": (
        "gauge", "What a rack's nodes draw; absent while any of them is unknown"),
    "iolaus_energy_edge_limit_watts": ("gauge", "A rack's own limit; absent while not known"),
    "iolaus_energy_edge_unreachable": ("gauge", "Nodes of a rack that do not answer"),
    "iolaus_energy_edge_unknown": ("gauge", "Sensors of a rack that are neither good nor bad"),
    "iolaus_energy_edge_latches": ("gauge", "Reflexes that have struck and are not released"),
    "iolaus_energy_edge_holds": ("gauge", "Losses that hold a rack down"),
    "iolaus_energy_edge_restarts_total": ("counter", "Loops that were started again"),
    "iolaus_energy_edge_lapses_total": ("counter", "Leases that ran out"),
    "iolaus_energy_edge_fallback_seconds": (
        "gauge", "From the last lapse to the floors; absent where they were not reached"),
    LATENCY: ("histogram", "From when something was due or heard to when it was started"),
    "iolaus_energy_cap_watts": ("gauge", "What a person holds a rack or a node at"),
    "iolaus_energy_cap_kept": ("gauge", "1 where that is kept, 0 where not; absent: not known"),
    "iolaus_energy_domain_limit_watts": ("gauge", "What a domain may carry; absent: unknown"),
    "iolaus_energy_domain_usable_watts": ("gauge", "What of that may be planned with"),
    "iolaus_energy_domain_charged_watts": ("gauge", "What may be in force below a domain"),
    "iolaus_energy_domain_planned_watts": ("gauge", "What is aimed at below a domain"),
    "iolaus_energy_domain_over_seconds_total": (
        "counter", "Seconds over a domain's limit: did as measured, would as if all were held"),
    "iolaus_energy_domain_over_joules_total": ("counter", "The same in joules over the limit"),
    "iolaus_energy_site_limit_watts": ("gauge", "What the slow loop asks; absent: nothing"),
    "iolaus_energy_site_it_watts": ("gauge", "What the IT draws, as far as it is measured"),
    "iolaus_energy_site_pue": ("gauge", "Absent while it is unknown"),
    "iolaus_energy_site_wue_litres_per_kwh": ("gauge", "Absent while it is unknown"),
    "iolaus_energy_stage_efficiency": ("gauge", "What arrives of what goes into a stage"),
    "iolaus_energy_job_work_per_joule": ("gauge", "Of jobs whose work is reported"),
    "iolaus_energy_domain_lost": ("gauge", "1 while a domain is out of service"),
}  # fmt: skip
_EDGE: Final[Mapping[str, Callable[[EdgeStanding], float | None]]] = {
    "budget_watts": lambda e: e.budget_w,
    "floor_watts": lambda e: e.floor_w,
    "applied_watts": lambda e: e.applied_w,
    "granted_watts": lambda e: e.granted_w,
    "demand_watts": lambda e: e.demand_w,
    "measured_watts": lambda e: e.measured_w,
    "limit_watts": lambda e: e.limit_w,
    "unreachable": lambda e: len(e.unreachable),
    "unknown": lambda e: len(e.alarms),
    "holds": lambda e: len(e.holds),
    "restarts_total": lambda e: e.restarts,
    "lapses_total": lambda e: e.lapses,
    "fallback_seconds": lambda e: e.fallback_s,
}
_DOMAIN: Final[Mapping[str, Callable[[DomainState], float | None]]] = {
    "limit_watts": lambda d: d.limit_w,
    "usable_watts": lambda d: d.usable_w,
    "charged_watts": lambda d: d.charged_w,
    "planned_watts": lambda d: d.planned_w,
    "lost": lambda d: float(d.lost),
}


def power_lines(
    edges: Iterable[EdgeStanding], domains: Iterable[DomainState]
) -> dict[str, list[str]]:
    """By family. What is unknown is left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        head = f'rack="{escape(edge.rack)}"'
        for word, value in _EDGE.items():
            _add(found, f"iolaus_energy_edge_{word}", head, value(edge))
        for state in STATES:
            name = "iolaus_energy_edge_state"
            _add(found, name, f'{head},state="{state}"', float(edge.state == state))
        for grade in GRADES:
            count = sum(latch.grade.value == grade for latch in edge.latches)
            _add(found, "iolaus_energy_edge_latches", f'{head},grade="{grade}"', count)
        found[LATENCY] += _histogram(edge, head)
    for domain in domains:
        head = f'domain="{escape(domain.name)}",type="{escape(domain.kind)}"'
        for word, told in _DOMAIN.items():
            _add(found, f"iolaus_energy_domain_{word}", head, told(domain))
    return found


def cap_lines(held: Iterable[Keeping]) -> dict[str, list[str]]:
    """By family. What is unknown is left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for each in held:
        head = f'subject="{escape(each.cap.subject)}",rack="{escape(each.cap.rack)}"'
        _add(found, "iolaus_energy_cap_watts", head, each.cap.watts)
        kept = None if each.kept is None else float(each.kept)
        _add(found, "iolaus_energy_cap_kept", head, kept)
    return found


def site_lines(seen: SeesSite) -> dict[str, list[str]]:
    """By family. What is unknown is left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, past in seen.past().items():
        for word, over in (("did", past.did), ("would", past.would)):
            head = f'domain="{escape(name)}",as="{word}"'
            _add(found, "iolaus_energy_domain_over_seconds_total", head, over.seconds)
            _add(found, "iolaus_energy_domain_over_joules_total", head, over.joules)
    state, ratios = seen.site(), seen.efficiency()
    for word, value in (
        ("limit_watts", state.limit_w),
        ("it_watts", ratios.it_w),
        ("pue", ratios.pue),
        ("wue_litres_per_kwh", ratios.wue_l_kwh),
    ):
        _add(found, f"iolaus_energy_site_{word}", f'site="{escape(state.site)}"', value)
    for stage in ratios.stages:
        head = f'stage="{escape(stage.name)}"'
        _add(found, "iolaus_energy_stage_efficiency", head, stage.efficiency)
    for job in ratios.jobs:
        head = f'job="{escape(job.name)}",unit="{escape(job.unit)}"'
        _add(found, "iolaus_energy_job_work_per_joule", head, job.per_joule)
    return found


def _add(found: dict[str, list[str]], name: str, head: str, value: float | None) -> None:
    if value is not None:
        found[name].append(f"{name}{{{head}}} {number(value)}\n")


def _histogram(edge: EdgeStanding, head: str) -> Iterable[str]:
    total = 0
    for bound, count in zip((*BOUNDS_MS, float("inf")), edge.latency_counts, strict=True):
        total += count
        yield f'{LATENCY}_bucket{{{head},le="{number(bound / 1000.0)}"}} {total}\n'
    yield f"{LATENCY}_sum{{{head}}} {number(edge.latency_sum_s)}\n"
    yield f"{LATENCY}_count{{{head}}} {total}\n"
