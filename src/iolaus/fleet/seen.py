"""What a roll-out sees of the hall, taken from the picture in one step: `World`.

A node is here when its controller answers and its host is on, unless the plan is about just that or
about the controller alone; who was put off by the plan is out of service. It is well when it is as
healthy as the plan saw it before anything was done. The numbers for gates are of the whole hall.
What is stale or silent is unknown, and unknown is never good.

To look at ten thousand nodes takes a while, in which nobody else is answered: what was seen is kept
for as long as keeps that to a twentieth of the time, and never for longer than half a poll. Who
must be known and was not heard of for over a poll is looked at before the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from iolaus.fleet.gate import Judgement
from iolaus.fleet.step_node import needs_host, stays_off
from iolaus.fleet.topology import Topology
from iolaus.fleet.world import Standing, World
from iolaus.kernel.clock import Clock
from iolaus.model.asset import Asset, AssetKind
from iolaus.model.condition import Sight, blindness, effective
from iolaus.model.endpoint import Reach
from iolaus.model.fact import Health, PowerState, reason_of, value_of
from iolaus.model.plan import Expect, NodePlan, Op, Plan, Verb
from iolaus.store.facts import Facts
from iolaus.store.held import Held

POWERED: Final = frozenset({AssetKind.NODE, AssetKind.DPU, AssetKind.SWITCH})
KEEP_S: Final = 2.0
OVERDUE: Final = 1.25
IDLE_SHARE: Final = 20.0
ROLLOUT: Final = "rollout/"
_CRITICAL: Final = "Critical"


class Turn(msgspec.Struct, frozen=True):
    """Since when something is as it is."""

    state: bool | None
    since: float


class Looked(NamedTuple):
    """What was seen for a plan, at which monotonic time, and for how long that is kept."""

    at: float
    keep_s: float
    nodes: Mapping[str, Standing]


class Observer:
    """Sees the hall for roll-outs. `interval_s` is the period of the hot set; `attested` says of
    an asset's uid whether all that can attest in it proved what it runs (None: not known),
    `drained` who has it drained (roll-outs as `rollout/ID`; None: not known), and
    `look_again(address)` has an endpoint's hot set read as soon as may be."""

    def __init__(
        self,
        *,
        facts: Facts,
        clock: Clock,
        interval_s: float,
        slow_interval_s: float,
        attested: Callable[[str], bool | None] = lambda _: None,
        drained: Callable[[str], tuple[str, ...] | None] = lambda _: None,
        look_again: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._attested, self._drained, self._look_again = attested, drained, look_again
        self._facts, self._clock = facts, clock
        self._interval_s, self._slow_s = interval_s, slow_interval_s
        self._here: dict[str, Turn] = {}
        self._well: dict[str, Turn] = {}
        self._values: tuple[float, Mapping[str, float | None]] = (-KEEP_S, {})
        self._looked: dict[str, Looked] = {}

    def world(
        self, plan: Plan, *, topology: Topology, hooks: Mapping[str, Judgement] | None = None
    ) -> World:
        """The hall as this plan must see it now."""
        nodes = self._nodes(plan, topology)
        return World(
            nodes=nodes, power=topology.power, values=self.values(), hooks=dict(hooks or {})
        )

    def _nodes(self, plan: Plan, topology: Topology) -> Mapping[str, Standing]:
        id_, began = plan.id, self._clock.monotonic()
        known = self._looked.get(id_)
        if known is not None and began - known.at < known.keep_s:
            return known.nodes
        supplies = [uid for group in topology.power.values() for uid in group.supplies]
        mine = f"{ROLLOUT}{id_}"
        nodes = {node.uid: self._standing(node.uid, node, mine) for node in plan.nodes}
        nodes |= {uid: self._standing(uid, None, mine) for uid in supplies if uid not in nodes}
        took_s = self._clock.monotonic() - began
        keep_s = min(took_s * IDLE_SHARE, self._interval_s / 2)
        self._looked = {i: each for i, each in self._looked.items() if began - each.at < KEEP_S}
        self._looked[id_] = Looked(began, keep_s, nodes)
        return nodes

    def values(self) -> Mapping[str, float | None]:
        """Numbers of the whole hall for gates."""
        at, known = self._values
        now = self._clock.monotonic()
        if now - at >= KEEP_S:
            known = self._count()
            self._values = (now, known)
        return known

    def _standing(self, uid: str, node: NodePlan | None, mine: str) -> Standing:
        now = self._clock.now()
        found = self._facts.find_asset(uid)
        if found is None:
            return Standing(at=now, here=None, well=None, why="it is not known any more")
        held, asset = found
        sight = self._sight(held, now)
        if now - (held.hot_at or 0.0) > OVERDUE * self._interval_s:
            self._look_again(held.target.address)
        here, why_away = _here(asset, sight, powered=node is None or needs_host(node))
        off = node is not None and stays_off(node) and _is_off(asset, sight)
        well, why_ill = _well(asset, sight, node)
        drained = self._drained(uid)
        return Standing(
            at=max(asset.observed_at, held.hot_at or 0.0),
            here=here,
            since=self._since(self._here, uid, here, now),
            out="its power is Off" if off else _out(drained or (), node, mine),
            drained=None if drained is None else bool(drained),
            well=well,
            unwell_since=None if well else self._since(self._well, uid, well, now),
            why=why_away or why_ill,
            attested=self._attested(uid),
        )

    def _sight(self, held: Held, now: float) -> Sight:
        return Sight(
            now=now,
            interval_s=self._interval_s,
            slow_interval_s=self._slow_s,
            status=held.status,
            report=held.report,
            hot=frozenset(held.report.hot if held.report else ()),
        )

    def _since(self, turns: dict[str, Turn], uid: str, state: bool | None, now: float) -> float:
        turn = turns.get(uid)
        if turn is None or turn.state is not state:
            turn = turns[uid] = Turn(state, now)
        return turn.since

    def _count(self) -> dict[str, float | None]:
        now = self._clock.now()
        critical = warnings = unhealthy = unreachable = leaks = 0
        power: float | None = 0.0
        inlets: list[float] = []
        coolant: list[float] = []
        for held in self._facts.all_held():
            if held.status is None or held.status.reach is not Reach.REACHABLE:
                unreachable += 1
            sight = self._sight(held, now)
            for asset in held.assets.values():
                health = value_of(effective(asset.health, sight))
                critical += health is Health.CRITICAL
                warnings += health is Health.WARNING
                unhealthy += health is not Health.OK
                if asset.kind is AssetKind.NODE:
                    power = _plus(power, asset.readings.get("node_power_w"))
                inlets += _known(asset.readings.get("inlet_temperature_c"))
                coolant += _known(asset.readings.get("coolant_supply_temperature_c"))
            leaks += sum(r.role == "leak" and r.status == _CRITICAL for r in held.readings.values())
        return {
            "critical_alarms": float(critical),
            "alarms": float(critical + warnings),
            "unhealthy": float(unhealthy),
            "unreachable": float(unreachable),
            "leaks": float(leaks),
            "power_w": power,
            "inlet_c_max": max(inlets, default=None),
            "coolant_c_max": max(coolant, default=None),
        }


def _out(drained: tuple[str, ...], node: NodePlan | None, mine: str) -> str:
    """Another roll-out is at work where it drained a node. A person's drain stands in the way of
    a plan that drains, too; a plan that does not may have been what it was made for."""
    drains = node is not None and node.drains
    others = (by for by in drained if by != mine and (drains or by.startswith(ROLLOUT)))
    by = next(others, "")
    return f"{by} has it drained" if by else ""


def _is_off(asset: Asset, sight: Sight) -> bool:
    return value_of(effective(asset.power_state, sight)) is PowerState.OFF


def _here(asset: Asset, sight: Sight, *, powered: bool) -> tuple[bool | None, str]:
    """`powered`: its host has to be on, too."""
    status = sight.status
    if status is not None and status.reach is not Reach.REACHABLE:
        return False, blindness(sight)
    if why := blindness(sight):
        return None, why
    if asset.kind not in POWERED or not powered:
        return True, ""
    fact = effective(asset.power_state, sight)
    state = value_of(fact)
    if state is None:
        return (True, "") if _never_said(asset) else (None, f"power state: {reason_of(fact)}")
    return state is PowerState.ON, "" if state is PowerState.ON else f"its power is {state.value}"


def _never_said(asset: Asset) -> bool:
    """A kind of device that has no power state of its own."""
    return reason_of(asset.power_state) == "not reported"


def _well(asset: Asset, sight: Sight, node: NodePlan | None) -> tuple[bool | None, str]:
    fact = effective(asset.health, sight)
    health = value_of(fact)
    if health is None:
        return (True, "") if _asks(node) is None and node else (None, f"health: {reason_of(fact)}")
    wanted = _asks(node)
    if wanted is None or health is Health.OK:
        return True, ""
    fine = health is not Health.CRITICAL if wanted.op is Op.IS_NOT else False
    return fine, "" if fine else f"its health is {health.value}"


def _asks(node: NodePlan | None) -> Expect | None:
    """What the plan expects of the node's health at the end: as it was before."""
    steps: Iterable[Expect] = ()
    if node is not None:
        steps = (
            each
            for step in node.steps
            if step.action.verb is Verb.WAIT_HEALTHY
            for each in step.after
            if each.subject == "health"
        )
    return next(iter(steps), None)


def _plus(sum_: float | None, value: float | None) -> float | None:
    """Unknown once one is: a sum that leaves one out would be too small."""
    return None if sum_ is None or value is None else sum_ + value


def _known(value: float | None) -> list[float]:
    return [] if value is None else [value]


def changed_unread(facts: Facts, moved: Mapping[str, float]) -> set[str]:
    """Endpoints of those that were begun or ended (by uid, seconds since 1970) and not read since:
    who was to read them again may have died before."""
    found = set()
    for uid, at in moved.items():
        known = facts.find_asset(uid)
        report = known[0].report if known else None
        if report is not None and report.began_at < at:
            found.add(report.endpoint)
    return found
