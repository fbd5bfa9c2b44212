"""From plans and their progress to what is shown of them.

What never changes of a plan (its hash, its counts, its blast radius) is worked out once: a plan of
ten thousand nodes takes longer to hash than to show.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Final

from iolaus.fleet.asked import say_asked
from iolaus.model.plan import Fate, NodePlan, Plan, Wave, takes_s
from iolaus.model.recovery import Tried
from iolaus.model.rollout import NodeProgress, NodeState, Progress, WaveProgress
from iolaus.north.dto.make import when
from iolaus.north.dto.rolls import (
    ApprovalView,
    Hold,
    PlannedNode,
    PlannedWave,
    PlanView,
    Radius,
    RolloutNode,
    RolloutView,
    RolloutWave,
    TriedNode,
    TriedStep,
)

FEW: Final = 6
MOST: Final = 32
Given = Sequence[tuple[str, tuple[str, ...], float]]
"""Approvals: who, the groups in whose name, when."""
_ORDER: Final = tuple(NodeState)


class Sheet:
    """What never changes of a plan, ready to be looked up."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.name = plan, plan.id
        self.nodes: Mapping[str, NodePlan] = {node.uid: node for node in plan.nodes}
        self.wave_of = {uid: wave.name for wave in plan.waves for uid in wave.nodes}
        self.fates = dict(Counter(node.fate.value for node in plan.nodes))

    @cached_property
    def going(self) -> tuple[NodePlan, ...]:
        return tuple(node for node in self.plan.nodes if node.fate is Fate.UPDATE)

    @cached_property
    def waves(self) -> tuple[PlannedWave, ...]:
        return tuple(self._wave(wave) for wave in self.plan.waves)

    @cached_property
    def estimate_s(self) -> float | None:
        parts = [w.estimate_s for w in self.waves]
        known = [part for part in parts if part is not None]
        return sum(known) + sum(w.soak_s for w in self.waves) if len(known) == len(parts) else None

    @cached_property
    def radius(self) -> tuple[Radius, ...]:
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for node in self.going:
            for domain in node.domains:
                found[domain.kind][domain.name] += 1
        return tuple(self._radius(kind, counts) for kind, counts in sorted(found.items()))

    @cached_property
    def words(self) -> Mapping[str, str]:
        """Step id -> what it does."""
        return {step.id: step.text for node in self.going for step in node.steps}

    def _wave(self, wave: Wave) -> PlannedWave:
        most = [n for n in (wave.batch, self.plan.limits.max_unavailable) if n]
        times = [self.nodes[uid].estimate_s for uid in wave.nodes if uid in self.nodes]
        return PlannedWave(
            name=wave.name,
            nodes=len(wave.nodes),
            soak_s=wave.soak_s,
            batch=wave.batch,
            estimate_s=takes_s(times, at_once=min(most, default=len(times))),
        )

    def _radius(self, kind: str, counts: Counter[str]) -> Radius:
        where, most = min(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        return Radius(
            kind=kind,
            touched=len(counts),
            most=most,
            where=where,
            limit=self.plan.limits.per_domain.get(kind),
            atomic=kind in self.plan.limits.atomic,
        )


def state_of(plan: Plan, progress: Progress | None, given: Given) -> str:
    """A plan that was not applied is "waiting" while approvals are missing, else "planned"."""
    if progress is not None:
        return progress.state.value
    missing = any(len(each.by) < each.needed for each in approvals_of(plan, given))
    return "waiting" if missing else "planned"


def approvals_of(plan: Plan, given: Given) -> tuple[ApprovalView, ...]:
    """Nobody counts who made the plan."""
    return tuple(
        ApprovalView(
            group=each.group,
            needed=each.count,
            by=tuple(
                sorted({w for w, groups, _ in given if each.group in groups and w != plan.made_by})
            ),
        )
        for each in plan.approvals
    )


def plan_view(
    sheet: Sheet,
    *,
    progress: Progress | None,
    given: Given,
    now: float,
    text: str = "",
    whole: bool = False,
) -> PlanView:
    """`whole` adds the text and every node."""
    plan = sheet.plan
    return PlanView(
        name=sheet.name,
        kind="plan",
        baseline=plan.baseline,
        generation=plan.generation,
        state=state_of(plan, progress, given),
        asked=say_asked(plan.asked) if plan.asked else "",
        parent=plan.parent,
        by=plan.made_by,
        made_at=when(plan.made_at),
        total=len(plan.nodes),
        fates=sheet.fates,
        waves=sheet.waves,
        approvals=approvals_of(plan, given),
        approved_by=tuple(dict.fromkeys(who for who, _, _ in given)),
        estimate_s=sheet.estimate_s,
        radius=sheet.radius,
        text=text if whole else "",
        nodes=tuple(_planned(sheet, node) for node in plan.nodes) if whole else (),
        age_s=round(max(0.0, now - plan.made_at), 3),
    )


def rollout_view(
    sheet: Sheet,
    progress: Progress,
    *,
    holds: Mapping[str, str],
    now: float,
    whole: bool = False,
    tried: Mapping[str, Sequence[Tried]] = MappingProxyType({}),
) -> RolloutView:
    """`whole` adds every node, and the names of all that are held; `tried` is by uid."""
    nodes = [progress.nodes.get(n.uid) or NodeProgress(uid=n.uid) for n in sheet.going]
    running = [n for n in nodes if n.state in (NodeState.RUNNING, NodeState.ROLLING_BACK)]
    bad = sorted((n for n in nodes if n.state.bad), key=lambda n: -(n.ended_at or 0.0))
    return RolloutView(
        name=sheet.name,
        kind="rollout",
        baseline=sheet.plan.baseline,
        asked=say_asked(sheet.plan.asked) if sheet.plan.asked else "",
        generation=sheet.plan.generation,
        state=progress.state.value,
        reason=progress.reason,
        wave=_present(progress),
        total=len(nodes),
        counts=_counts(nodes),
        budgets=dict(sorted(progress.budgets.items())),
        since=when(progress.since or None),
        holds=_holds(sheet, holds, most=None if whole else FEW),
        waves=tuple(_waves(sheet, progress)),
        running=tuple(_faring(sheet, n) for n in running[:MOST]),
        failures=tuple(_faring(sheet, n) for n in bad[:MOST]),
        nodes=tuple(_faring(sheet, n) for n in nodes) if whole else (),
        tried=tuple(_of_nodes(sheet, nodes, tried)),
        by=sheet.plan.made_by,
        age_s=round(max(0.0, now - progress.since), 3) if progress.since else None,
    )


def _planned(sheet: Sheet, node: NodePlan) -> PlannedNode:
    return PlannedNode(
        name=node.name,
        fate=node.fate.value,
        wave=sheet.wave_of.get(node.uid, ""),
        reason=node.reason,
        drains=node.drains,
        steps=tuple(step.text for step in node.steps),
        estimate_s=node.estimate_s,
    )


def _faring(sheet: Sheet, node: NodeProgress) -> RolloutNode:
    planned = sheet.nodes[node.uid]
    since = node.ended_at if node.ended_at is not None else node.started_at
    return RolloutNode(
        name=planned.name,
        state=node.state.value,
        wave=sheet.wave_of.get(node.uid, ""),
        step=node.step,
        doing=sheet.words.get(node.step or "", ""),
        steps_done=node.steps_done,
        steps=len(planned.steps),
        reason=node.reason,
        since=when(since),
    )


def _of_nodes(
    sheet: Sheet, nodes: Iterable[NodeProgress], tried: Mapping[str, Sequence[Tried]]
) -> Iterable[TriedNode]:
    for node in sorted(nodes, key=lambda n: (not n.state.bad, sheet.nodes[n.uid].name)):
        if steps := tried.get(node.uid):
            told = tuple(_tried(sheet, each) for each in steps)
            yield TriedNode(node=sheet.nodes[node.uid].name, steps=told)


def _tried(sheet: Sheet, each: Tried) -> TriedStep:
    return TriedStep(
        step=sheet.words.get(each.step, each.step),
        outcome=each.outcome,
        why=each.why,
        at=when(each.at),
        took_s=None if each.took_s is None else round(each.took_s, 1),
    )


def _counts(nodes: Iterable[NodeProgress]) -> dict[str, int]:
    found = Counter(node.state for node in nodes)
    return {state.value: found[state] for state in _ORDER if found[state]}


def _waves(sheet: Sheet, progress: Progress) -> Iterable[RolloutWave]:
    states = {wave.name: wave for wave in progress.waves}
    for wave in sheet.plan.waves:
        now = states.get(wave.name) or WaveProgress(name=wave.name)
        known = (progress.nodes.get(uid) or NodeProgress(uid=uid) for uid in wave.nodes)
        yield RolloutWave(
            name=wave.name,
            state=now.state,
            nodes=len(wave.nodes),
            counts=_counts(known),
            since=when(now.since),
            soak_s=wave.soak_s,
        )


def _present(progress: Progress) -> str:
    return next((w.name for w in progress.waves if w.state in ("began", "soaking")), "")


def _holds(sheet: Sheet, holds: Mapping[str, str], *, most: int | None) -> tuple[Hold, ...]:
    """By reason; what holds everything comes first, then what holds most nodes."""
    found: dict[str, list[str]] = {}
    for uid, reason in holds.items():
        node = sheet.nodes.get(uid)
        found.setdefault(reason, []).extend([node.name] if node else [])
    ordered = sorted(found.items(), key=lambda pair: (bool(pair[1]), -len(pair[1]), pair[0]))
    return tuple(
        Hold(reason=reason, count=len(names), nodes=tuple(sorted(names)[:most]))
        for reason, names in ordered
    )
