"""Plans: from what is wanted, what is read and where it stands, to every step that will be taken.

Pure and deterministic: the same world gives the same plan, to the digest, whoever makes it and
when. What could only wait for ever is found here and not at night: a unit that no limit lets go, a
node whose work is longer than the window, a supply without which redundancy is lost. Such nodes
are blocked, and the plan says by what.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.fleet.durations import told
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.gate import parse_gate
from iolaus.fleet.images import Image
from iolaus.fleet.limits import Hall, Room, limits_of, short_of, units_of
from iolaus.fleet.numbers import GATE_NAMES
from iolaus.fleet.step import Draft
from iolaus.fleet.step_attest import Proofs, proofs_of
from iolaus.fleet.steps import drafts_of, numbered
from iolaus.fleet.topology import NEEDED_LABEL, SUPPLIES, PowerGroup, Topology
from iolaus.fleet.waves import waves_of
from iolaus.fleet.window import parse_duration, parse_window
from iolaus.fleet.work import Halt, Wants, Work
from iolaus.model.asset import AssetKind
from iolaus.model.desired import AttestWant, Kept, RolloutWant
from iolaus.model.drift import NodeDrift
from iolaus.model.plan import (
    Approval,
    DrainRule,
    Fate,
    GateRule,
    Limits,
    NodePlan,
    OnFailure,
    Plan,
    Step,
    Verb,
    WindowRule,
)
from iolaus.model.proof import Provers, Vouching

Judged = tuple[NodeFacts, NodeDrift]
Durations = Mapping[tuple[str, str], float]
"""(verb, word of the component or "") -> seconds, as observed."""
DRAINED_KINDS: Final = frozenset({AssetKind.NODE.value, AssetKind.DPU.value})
"""What a scheduler knows."""
USUAL_S: Final[Mapping[Verb, float]] = {
    Verb.DRAIN: 600.0,
    Verb.UNDRAIN: 10.0,
    Verb.UPDATE: 600.0,
    Verb.ACTIVATE: 120.0,
    Verb.RESET: 420.0,
    Verb.RESET_MANAGER: 240.0,
    Verb.SWITCH_BANK: 10.0,
    Verb.SET_BIOS: 20.0,
    Verb.SET_MANAGER: 10.0,
    Verb.SET_BOOT: 10.0,
    Verb.ROTATE_CREDENTIAL: 60.0,
    Verb.RENEW_CERTIFICATE: 180.0,
    Verb.WAIT_HEALTHY: 30.0,
    Verb.ATTEST: 60.0,
    Verb.WIPE: 60.0,
}
"""What a step takes where nothing was observed yet."""
_NEEDS: Final[Mapping[Verb, tuple[str, ...]]] = {
    Verb.UPDATE: ("update.simple", "update.multipart", "update.push"),
    Verb.ACTIVATE: ("update.start",),
    Verb.RESET: ("power.reset",),
    Verb.RESET_MANAGER: ("manager.reset",),
    Verb.SWITCH_BANK: ("manager.reset",),
    Verb.SET_BIOS: ("bios", "bios.staged"),
    Verb.SET_BOOT: ("boot.override",),
    Verb.ROTATE_CREDENTIAL: ("accounts",),
    Verb.RENEW_CERTIFICATE: ("certificates",),
}
"""Capabilities, any of which shows that the verb can be done."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan is made from besides the nodes themselves."""

    topology: Topology = Topology()
    images: Mapping[str, Image] = {}
    durations: Durations = {}
    gate_names: Collection[str] = GATE_NAMES
    provers: Provers | None = None
    """None: nobody attests here."""


def make_plan(
    kept: Kept,
    judged: Iterable[Judged],
    around: Surroundings,
    *,
    now: float,
    made_by: str = "",
    parent: str | None = None,
) -> Plan:
    """The plan that brings the nodes which `kept` selects to it. `judged` are all of them, each
    with its facts and what judging them gave.

    Raises `OperatorMust` for a baseline that cannot be planned: components in a circle, a gate or
    a window that does not read.
    """
    rollout = kept.baseline.spec.rollout
    every = sorted(judged, key=lambda pair: (pair[0].name, pair[0].uid))
    wants = Wants(kept, around.images)
    terms = terms_of(rollout, selected=len(every))
    known: dict[tuple[Any, ...], Course | Halt] = {}
    planner = Planner(around, terms)
    nodes = []
    for facts, drift in every:
        alike = (*_alike(facts, drift), planner.links_of(facts))
        if alike not in known:
            known[alike] = _course(planner, wants, facts, drift)
        nodes.append(planner.node(facts, known[alike]))
    plan = laid_out(nodes, [facts for facts, _ in every], rollout, terms, around)
    return msgspec.structs.replace(
        plan,
        baseline=kept.baseline.name,
        generation=kept.generation,
        parent=parent,
        made_at=now,
        made_by=made_by,
        on_failure=_with_proof(plan.on_failure, kept.baseline.spec.security.attest),
    )


def _with_proof(failure: OnFailure, attest: AttestWant | None) -> OnFailure:
    if attest is None or attest.on_fail == "report":
        return failure
    return msgspec.structs.replace(failure, proof=attest.on_fail)


class Terms(NamedTuple):
    """The rules of a roll-out that steps and waves depend on."""

    limits: Limits
    drain: DrainRule | None
    window: WindowRule | None


def terms_of(rollout: RolloutWant, *, selected: int) -> Terms:
    """`selected` is how many nodes shares are shares of."""
    limits = limits_of(rollout.limits, selected=selected)
    return Terms(limits, _drain_of(rollout), _window_of(rollout))


def laid_out(
    nodes: Sequence[NodePlan],
    every: Iterable[NodeFacts],
    rollout: RolloutWant,
    terms: Terms,
    around: Surroundings,
) -> Plan:
    """Nodes in waves, under the rules; of nobody yet. What could only wait is blocked."""
    nodes = _only_what_can_go(nodes, terms.limits, around.topology)
    models = {f.uid: f"{f.fields.get('vendor')} {f.fields.get('model')}" for f in every}
    units = units_of((n for n in nodes if n.fate is Fate.UPDATE), terms.limits.atomic)
    return Plan(
        baseline="",
        generation=0,
        nodes=tuple(nodes),
        waves=waves_of(rollout.waves, units, models=models, limits=terms.limits),
        limits=terms.limits,
        gates=_gates_of(rollout, around.gate_names),
        approvals=tuple(Approval(group=a.group, count=a.count) for a in rollout.approvals),
        window=terms.window,
        drain=terms.drain,
        on_failure=OnFailure(node=rollout.on_failure.node, wave=rollout.on_failure.wave),
    )


class Course(NamedTuple):
    """What is done at all nodes that are alike."""

    work: Work
    drafts: tuple[Draft, ...]
    estimate_s: float
    drains: bool


def _course(planner: Planner, wants: Wants, facts: NodeFacts, drift: NodeDrift) -> Course | Halt:
    """Worked out once for all that are alike."""
    work = wants.work_of(facts, drift)
    if isinstance(work, Halt):
        return work
    drain = planner.drain_of(facts) if work.disturbs else None
    attest = wants.spec.security.attest
    proofs = planner.proofs_of(facts, work, attest)
    drafts = drafts_of(facts, work, drain, proofs=proofs, attest=attest)
    return planner.course(facts, work, drafts, drains=drain is not None)


class Planner:
    """One node at a time."""

    def __init__(self, around: Surroundings, terms: Terms) -> None:
        self._around = around
        self._limits, self._drain, self._window = terms

    def proofs_of(self, facts: NodeFacts, work: Work, attest: AttestWant | None) -> Proofs:
        return proofs_of(facts, work.flashes, self._around.provers, attest)

    def links_of(self, facts: NodeFacts) -> tuple[Vouching, ...]:
        """Who vouches for what: alike nodes have alike ones."""
        return self._around.provers.links.get(facts.uid, ()) if self._around.provers else ()

    def drain_of(self, facts: NodeFacts) -> DrainRule | None:
        """Who drains it; None: nobody does."""
        return self._drain if facts.kind in DRAINED_KINDS else None

    def course(
        self, facts: NodeFacts, work: Work, drafts: tuple[Draft, ...], *, drains: bool
    ) -> Course | Halt:
        estimate_s = sum(self._takes(draft.step) for draft in drafts)
        if why := _unable(facts, drafts) or self._too_long(estimate_s):
            return Halt(Fate.BLOCKED, why)
        return Course(work, drafts, estimate_s, drains)

    def node(self, facts: NodeFacts, course: Course | Halt) -> NodePlan:
        if isinstance(course, Halt):
            return self._still(facts, course)
        if why := self._unfed(facts, course.work):
            return self._still(facts, Halt(Fate.BLOCKED, why))
        return NodePlan(
            uid=facts.uid,
            name=facts.name,
            endpoint=facts.endpoint,
            fate=Fate.UPDATE,
            facts=facts.digest(),
            reason="; ".join(course.work.aside),
            steps=numbered(facts.name, course.drafts),
            domains=self._around.topology.domains.get(facts.uid, ()),
            drains=course.drains,
            estimate_s=course.estimate_s,
        )

    def _still(self, facts: NodeFacts, halt: Halt) -> NodePlan:
        return NodePlan(
            uid=facts.uid,
            name=facts.name,
            endpoint=facts.endpoint,
            fate=halt.fate,
            facts=facts.digest(),
            reason=halt.reason,
            domains=self._around.topology.domains.get(facts.uid, ()),
        )

    def _takes(self, step: Step) -> float:
        seen_s = told(self._around.durations, step)
        return USUAL_S[step.action.verb] if seen_s is None else seen_s

    def _too_long(self, estimate_s: float) -> str:
        if self._window is None or estimate_s <= self._window.duration_s:
            return ""
        return (
            f"it takes {estimate_s / 60:.0f} min, and the window is open for "
            f"{self._window.duration_s / 60:.0f} min"
        )

    def _unfed(self, facts: NodeFacts, work: Work) -> str:
        """Why power would be less redundant than it must be while it is worked on."""
        keep = self._limits.keep_power_redundancy
        if keep is None:
            return ""
        if facts.kind in SUPPLIES:
            groups = self._around.topology.groups_of(facts.uid)
            if not groups:
                return "what it feeds is not known, and so what is left without it"
            told = (short_of(group, group.name, keep, {facts.uid}) for group in groups)
            return next((why for why in told if why), "")
        supplies = {p for f in work.flashes if f.entries[0].kind == "psu" for p in f.parts}
        if not supplies:
            return ""
        own = _own_supplies(facts)
        return short_of(own, facts.name, keep, set(own.supplies[:1]))


def _alike(facts: NodeFacts, drift: NodeDrift) -> tuple[Any, ...]:
    """All that a course depends on: two nodes of which this is equal go through the same steps."""
    parts = {item.part for item in drift.items}
    return (
        drift.items,
        facts.kind,
        facts.managed,
        facts.capabilities,
        *(facts.fields.get(name) for name in ("vendor", "model", "health", "power_state")),
        facts.firmware,
        tuple(each for each in facts.settings if each.name in parts),
        tuple(each for each in facts.manager if each.name in parts),
        (facts.endpoint, facts.certificates) if "certificate" in parts else None,
        facts.credential and (facts.credential.user, facts.credential.number),
    )


def _own_supplies(facts: NodeFacts) -> PowerGroup:
    """The supplies in a node; they are flashed one after the other."""
    text = facts.labels.get(NEEDED_LABEL, "")
    return PowerGroup(
        name=facts.name,
        supplies=tuple(e.component for e in facts.firmware if e.kind == "psu" and not e.bank),
        needed=int(text) if text.isascii() and text.isdigit() and len(text) < 5 else None,
    )


def _starts(drafts: Iterable[Draft]) -> bool:
    return any(draft.step.action.arguments.get("type") == "On" for draft in drafts)


def _unable(facts: NodeFacts, drafts: Sequence[Draft]) -> str:
    """What is needed and not shown, or why a restart would do nothing."""
    for verb in dict.fromkeys(draft.step.action.verb for draft in drafts):
        needed = _NEEDS.get(verb, ())
        if needed and facts.capabilities.isdisjoint(needed):
            return f"it shows no {' or '.join(needed)}, which {verb.value} needs"
        if verb is Verb.RESET and facts.fields.get("power_state") == "Off" and not _starts(drafts):
            return "its host is off, and what has to be done ends with a restart"
    return ""


# --- units that can never go ------------------------------------------------------------------


def _only_what_can_go(
    nodes: Sequence[NodePlan], limits: Limits, topology: Topology
) -> list[NodePlan]:
    """Blocks every unit that is not whole, and every one that no room is enough for."""
    hall = Hall({node.uid: node.domains for node in nodes})
    blocked: dict[str, str] = {}
    for unit in units_of(nodes, limits.atomic):
        going = [node for node in unit if node.fate is Fate.UPDATE]
        if not going:
            continue
        stays = [n for n in unit if n.fate in (Fate.BLOCKED, Fate.NO_IMAGE)]
        room = Room(limits, hall, power=topology.power)
        why = _not_whole(stays[0], limits) if stays else ""
        why = why or room.refuses([node.uid for node in going])
        blocked |= {node.uid: why for node in going if why}
    return [blocked_by(node, blocked[node.uid]) if node.uid in blocked else node for node in nodes]


def _not_whole(stays: NodePlan, limits: Limits) -> str:
    domain = next(d for d in stays.domains if d.kind in limits.atomic)
    return f"{domain.kind} {domain.name} goes whole or not at all, and {stays.name} cannot go"


def blocked_by(node: NodePlan, why: str) -> NodePlan:
    return msgspec.structs.replace(
        node, fate=Fate.BLOCKED, reason=why, steps=(), drains=False, estimate_s=None
    )


# --- rules of the roll-out --------------------------------------------------------------------


def _drain_of(rollout: RolloutWant) -> DrainRule | None:
    want = rollout.drain
    if want is None:
        return None
    timeout_s = parse_duration(want.timeout)
    return DrainRule(adapter=want.adapter, timeout_s=timeout_s, on_timeout=want.on_timeout)


def _window_of(rollout: RolloutWant) -> WindowRule | None:
    want = rollout.window
    return parse_window(cron=want.cron, duration=want.duration, tz=want.tz) if want else None


def _gates_of(rollout: RolloutWant, names: Collection[str]) -> tuple[GateRule, ...]:
    """Expressions are read once here, so that a typing error stops a person and not a roll-out."""
    for gate in rollout.gates:
        if gate.expr:
            parse_gate(gate.name, gate.expr, names=names)
    return tuple(
        GateRule(name=g.name, expr=g.expr, command=tuple(g.command)) for g in rollout.gates
    )
