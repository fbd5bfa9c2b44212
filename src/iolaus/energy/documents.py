"""From what an operator wrote to the values that this room goes by.

A plant file becomes claims like anybody else's; what a policy says by selector (priorities, floors)
becomes claims about the nodes that it selects, of which the operator's word counts alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from iolaus.energy.coolant import CoolantRules
from iolaus.energy.plant import Claim, Value
from iolaus.energy.policy import DomainRule, Fairness, LeakPolicy, Mode, PowerPolicy, Redundancy
from iolaus.energy.recharge import RechargeRules
from iolaus.energy.swing import SwingRules
from iolaus.model.desired import NodeSelector
from iolaus.model.energy import (
    CoolantWant,
    DomainWant,
    LeakPolicyDocument,
    Limit,
    LimitWant,
    LoadWant,
    ModeWant,
    PlantDocument,
    PowerPolicyDocument,
    RechargeWant,
    SmoothingWant,
    part,
    watts,
)
from iolaus.model.select import Lookup, parse_hosts, parse_selector

_DURATION: Final = re.compile(r"([0-9]+)(s|m|h|d)")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A discovered node as selectors see it: labels first, then fields."""

    name: str
    look: Lookup


def power_policy(document: PowerPolicyDocument, halls: Mapping[str, str] = NOWHERE) -> PowerPolicy:
    """The document's own values; priorities and floors are claims (`policy_claims`). `halls` are
    the halls of the racks that are known: a row for a hall speaks of these."""
    spec = document.spec
    return PowerPolicy(
        name=document.metadata.name,
        mode=Mode(spec.mode),
        guard=part(spec.guard),
        cap_error=part(spec.cap_error),
        lease_s=seconds(spec.lease),
        period_s=seconds(spec.period),
        silent_s=seconds(spec.silent),
        read_s=seconds(spec.lease),
        ramp_up_w_s=_maybe(spec.ramp_up_per_second),
        ramp_down_w_s=_maybe(spec.ramp_down_per_second),
        redundancy=Redundancy(spec.redundancy),
        fairness=Fairness(spec.fairness),
        headroom=spec.headroom,
        writes_per_minute=spec.writes_per_minute,
        deadband=part(spec.deadband),
        domains={name: _rule(each) for each in spec.limits for name in expand(each.domain)},
        modes=_modes(spec.modes, spec.mode, halls),
        recharge=_recharge(spec.recharge) if spec.recharge else None,
        coolant=_coolant(spec.coolant) if spec.coolant else None,
        swing=_swing(spec.smoothing) if spec.smoothing else None,
    )


def _recharge(want: RechargeWant) -> RechargeRules:
    return RechargeRules(
        most_w=watts(want.per_unit),
        least_w=watts(want.least),
        reserve_w=watts(want.reserve),
        spread_s=seconds(want.spread),
    )


def _coolant(want: CoolantWant) -> CoolantRules:
    return CoolantRules(
        least_c=want.least_c,
        most_c=want.most_c,
        dry_k=want.dry_k,
        ample_k=want.ample_k,
        tight_k=want.tight_k,
        step_k=want.step_k,
        up_every_s=seconds(want.up_every),
        down_every_s=seconds(want.down_every),
    )


def _swing(want: SmoothingWant) -> SwingRules:
    return SwingRules(ramp_w_s=watts(want.ramp_per_second), calm_s=seconds(want.calm))


def leak_policy(document: LeakPolicyDocument, halls: Mapping[str, str] = NOWHERE) -> LeakPolicy:
    spec = document.spec
    return LeakPolicy(
        name=document.metadata.name,
        mode=Mode(spec.mode),
        warning_votes=spec.warning_votes,
        warning_dwell_s=seconds(spec.warning_dwell),
        warning_cap=part(spec.warning_cap),
        drain=spec.drain,
        power_off=spec.power_off,
        isolate=spec.isolate,
        flow_cap=part(spec.flow_cap),
        flow_min_lpm=spec.flow_min_lpm,
        coolant_max_c=spec.coolant_max_c,
        die_max_c=spec.die_max_c,
        supply_worst_c=spec.supply_worst_c,
        modes=_modes(spec.modes, spec.mode, halls),
    )


def plant_claims(document: PlantDocument, nodes: Iterable[Node] = ()) -> list[Claim]:
    """What a plant file says; its selectors speak of these nodes."""
    source, known = f"plant/{document.metadata.name}", tuple(nodes)
    found: list[Claim] = []
    for domain in document.spec.domains:
        found += _claims(source, "domain", expand(domain.name), _domain(domain))
    for load in document.spec.loads:
        names = expand(load.name) if load.name else list(_selected(load.selector, known))
        found += _claims(source, "load", names, _load(load))
    for loop in document.spec.loops:
        fields = {"units": _every(loop.units), "racks": _every(loop.racks)}
        found += _claims(source, "loop", [loop.name], fields)
        found += _claims(source, "unit", _every(loop.units), {"loop": loop.name})
    for zone in document.spec.zones:
        of_zone: dict[str, Value] = {"kind": zone.kind, "members": _every(zone.members)}
        found += _claims(source, "zone", [zone.name], of_zone)
    return found


def policy_claims(document: PowerPolicyDocument, nodes: Iterable[Node]) -> list[Claim]:
    """Priorities and floors by node: the last row that selects a node counts."""
    source, known = f"powerpolicy/{document.metadata.name}", tuple(nodes)
    priority = {
        name: float(row.priority)
        for row in document.spec.priorities
        for name in _selected(row.selector, known)
    }
    floor = {
        name: watts(row.floor)
        for row in document.spec.floors
        for name in _selected(row.selector, known)
    }
    found = [Claim(source, f"load/{name}", "priority", value) for name, value in priority.items()]
    return found + [
        Claim(source, f"load/{name}", "floor_w", value) for name, value in floor.items()
    ]


def expand(text: str) -> list[str]:
    """The names of a host range. Raises `OperatorMust` for one that does not parse."""
    found = parse_hosts(text)
    return list(found.names()) if found.choices else [text]


def seconds(text: str) -> float:
    """90s, 1h30m, 2d."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def _modes(rows: Iterable[ModeWant], usual: str, halls: Mapping[str, str]) -> dict[str, Mode]:
    """By rack, where it is not the usual one."""
    found: dict[str, Mode] = {}
    for row in rows:
        racks = expand(row.racks) if row.racks else []
        racks += [rack for rack, hall in halls.items() if row.hall and hall == row.hall]
        found |= dict.fromkeys(racks, Mode(row.mode))
    return {rack: mode for rack, mode in found.items() if mode.value != usual}


def _every(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for name in names for each in expand(name))


def _maybe(power: Limit | None) -> float | None:
    return None if power is None else watts(power)


def _rule(want: LimitWant) -> DomainRule:
    return DomainRule(
        limit_w=_maybe(want.limit),
        guard=None if want.guard is None else part(want.guard),
        reserve_w=_maybe(want.reserve) or 0.0,
        redundancy=Redundancy(want.redundancy) if want.redundancy else None,
    )


def _domain(want: DomainWant) -> Mapping[str, Value | None]:
    return {
        "kind": want.kind,
        "parent": want.parent,
        "standby": _every(want.standby) or None,
        "limit_w": _maybe(want.limit),
        "overhead_w": _maybe(want.overhead),
        "efficiency": None if want.efficiency is None else part(want.efficiency),
    }


def _load(want: LoadWant) -> Mapping[str, Value | None]:
    return {
        "rack": want.rack,
        "floor_w": _maybe(want.floor),
        "nameplate_w": _maybe(want.nameplate),
        "idle_w": _maybe(want.idle),
        "job": want.job,
    }


def _claims(
    source: str, word: str, names: Iterable[str], fields: Mapping[str, Value | None]
) -> Iterator[Claim]:
    for name in names:
        for field, value in fields.items():
            if value is not None:
                yield Claim(source, f"{word}/{name}", field, value)


def _selected(selector: NodeSelector, nodes: Iterable[Node]) -> Iterator[str]:
    holds = _holds(selector)
    return (node.name for node in nodes if holds(node))


def _holds(selector: NodeSelector) -> Callable[[Node], bool]:
    """An empty selector selects nothing."""
    parsed = parse_selector(selector.expression) if selector.expression else None
    pairs = {key: value.casefold() for key, value in selector.match_labels.items()}
    if parsed is None and not pairs:
        return lambda _: False

    def holds(node: Node) -> bool:
        if any(str(node.look(key)).casefold() != value for key, value in pairs.items()):
            return False
        return parsed is None or parsed.matches(node.name, node.look)

    return holds
