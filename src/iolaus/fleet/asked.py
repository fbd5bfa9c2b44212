"""Plans of what a person asked for, where no baseline says it: a power action, a boot override, a
new password.

The same planner, limits and conductor as for a baseline; only where the steps come from is another
table. Each kind says of one node what its steps are, or why nothing is done there. What disturbs
nobody is neither drained for nor held until a window opens; limits and approvals hold always.

Nothing goes back of itself: what was asked of a node that fails is for the person who asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from iolaus.fleet import (
    step_certificate,
    step_node,
    step_onboard,
    step_password,
    step_quarantine,
    step_retire,
)
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.limits import Hall, Room, units_of
from iolaus.fleet.plan import (
    Course,
    Planner,
    Surroundings,
    Terms,
    blocked_by,
    laid_out,
    terms_of,
)
from iolaus.fleet.step import Draft
from iolaus.fleet.steps import with_drain
from iolaus.fleet.work import Halt, Work
from iolaus.kernel.errors import OperatorMust
from iolaus.model.desired import Kept, LimitsWant, OnFailureWant, RolloutWant, Share, WaveWant
from iolaus.model.plan import Asked, Fate, NodePlan, Plan

ALL: Final = "all"
"""The one wave of what was asked."""


class Kind(NamedTuple):
    """`check` raises `OperatorMust` for arguments that mean nothing; `course` gives the steps of
    one node; `say` is what is asked, in words; `disturbs`: what runs on the node would notice;
    `stays_away`: it is away for good, so that all of them together must be within the limits."""

    check: Callable[[Asked], None]
    course: Callable[[NodeFacts, Asked], tuple[Draft, ...] | Halt]
    say: Callable[[Asked], str]
    disturbs: Callable[[Asked], bool]
    stays_away: Callable[[Asked], bool] = lambda _: False
    waits: bool = True
    """It waits until the window of its rules is open."""
    carries_on: bool = False
    """One node that fails says nothing of the others: they go on."""


def _everybody(asked: Asked) -> bool:
    """All notice, and for good."""
    del asked
    return True


def _nobody(asked: Asked) -> bool:
    """Nobody notices."""
    del asked
    return False


KINDS: Final[Mapping[str, Kind]] = {
    "power": Kind(
        step_node.check_power,
        step_node.power_course,
        step_node.say_power,
        step_node.disturbs,
        step_node.ends_off,
    ),
    "certificate": Kind(
        step_certificate.check_certificate,
        step_certificate.certificate_course,
        step_certificate.say_certificate,
        _nobody,
    ),
    "boot": Kind(step_node.check_boot, step_node.boot_course, step_node.say_boot, _nobody),
    "quarantine": Kind(
        step_quarantine.check_quarantine,
        step_quarantine.quarantine_course,
        step_quarantine.say_quarantine,
        _everybody,
        _everybody,
        waits=False,
    ),
    "rotate": Kind(
        step_password.check_rotate, step_password.rotate_course, step_password.say_rotate, _nobody
    ),
    "secure": Kind(
        step_onboard.check_secure,
        step_onboard.secure_course,
        step_onboard.say_secure,
        _nobody,
        carries_on=True,
    ),
    "retire": Kind(
        step_retire.check_retire,
        step_retire.retire_course,
        step_retire.say_retire,
        _everybody,
        _everybody,
        carries_on=True,
    ),
    "hand-over": Kind(
        step_onboard.check_hand_over,
        step_onboard.hand_over_course,
        step_onboard.say_hand_over,
        _nobody,
        carries_on=True,
    ),
}


def kind_of(asked: Asked) -> Kind:
    """Raises `OperatorMust` for a kind that is none."""
    if asked.kind not in KINDS:
        raise OperatorMust(
            f"nobody can be asked for {asked.kind!r}",
            operation="plan",
            subject="asked",
            code="NoSuchKind",
            next_step=f"ask for one of: {', '.join(sorted(KINDS))}.",
        )
    return KINDS[asked.kind]


def say_asked(asked: Asked) -> str:
    """In a few words; also what an older or newer planner asked for."""
    return KINDS[asked.kind].say(asked) if asked.kind in KINDS else asked.kind


def rules_for(named: Kept | None, touching: Sequence[Kept]) -> tuple[RolloutWant, str, int]:
    """Whose rules hold, with the name of the baseline and its generation: those of the one that
    was named, else those of the baselines that select any of the nodes, if they are the same.
    Raises `OperatorMust` where they differ."""
    found = [named] if named else list(touching)
    if not found:
        return RolloutWant(), "", 0
    first = found[0]
    if any(_binding(each) != _binding(first) for each in found[1:]):
        names = ", ".join(each.baseline.name for each in found)
        raise OperatorMust(
            f"the nodes stand under baselines whose rules differ: {names}",
            operation="plan",
            subject="asked",
            code="RulesDiffer",
            next_step="say whose window, limits, drain and approvals hold, with --rules BASELINE.",
        )
    return first.baseline.spec.rollout, first.baseline.name, first.generation


def _binding(kept: Kept) -> tuple[object, ...]:
    rollout = kept.baseline.spec.rollout
    return rollout.drain, rollout.window, rollout.limits, tuple(rollout.approvals)


def plan_asked(
    asked: Asked,
    every: Iterable[NodeFacts],
    around: Surroundings,
    *,
    rules: RolloutWant | None = None,
    generation: int = 0,
    batch: Share | None = None,
    now: float,
    made_by: str = "",
) -> Plan:
    """The plan that does what was asked of these nodes, at most `batch` at once. Of `rules` the
    drain, the window, the limits and the approvals hold. Pure and deterministic.

    Raises `OperatorMust` for what cannot be asked.
    """
    kind = kind_of(asked)
    kind.check(asked)
    nodes = sorted(every, key=lambda facts: (facts.name, facts.uid))
    disturbs = kind.disturbs(asked)
    rollout = _rollout(
        rules or RolloutWant(), batch, disturbs=disturbs, waits=disturbs and kind.waits
    )
    if kind.carries_on:
        going_on = OnFailureWant(node="leave", wave="continue")
        rollout = msgspec.structs.replace(rollout, on_failure=going_on)
    terms = terms_of(rollout, selected=len(nodes))
    planner = Planner(around, terms)
    planned = [planner.node(facts, _course(planner, kind, asked, facts)) for facts in nodes]
    if kind.stays_away(asked):
        planned = _within(planned, terms, around)
    plan = laid_out(planned, nodes, rollout, terms, around)
    return msgspec.structs.replace(
        plan, asked=asked, generation=generation, made_at=now, made_by=made_by
    )


def _rollout(
    rules: RolloutWant, batch: Share | None, *, disturbs: bool, waits: bool
) -> RolloutWant:
    return RolloutWant(
        drain=rules.drain if disturbs else None,
        window=rules.window if waits else None,
        waves=[WaveWant(name=ALL, batch=batch)],
        limits=rules.limits or LimitsWant(),
        approvals=rules.approvals,
        on_failure=OnFailureWant(node="leave", wave="pause"),
    )


def _course(planner: Planner, kind: Kind, asked: Asked, facts: NodeFacts) -> Course | Halt:
    if facts.blind:
        return Halt(Fate.BLOCKED, f"nothing of it is known for certain: {facts.blind}")
    if not facts.managed:
        return Halt(Fate.BLOCKED, "its endpoint is read-only: nobody has said managed")
    drafts = kind.course(facts, asked)
    if isinstance(drafts, Halt):
        return drafts
    drain = planner.drain_of(facts)
    if drain is not None:
        drafts = with_drain(drafts, drain, back=not kind.stays_away(asked))
    if not drafts:
        return Halt(Fate.BLOCKED, "its rules name nobody who takes work away from it")
    return planner.course(facts, Work(), drafts, drains=drain is not None)


def _within(nodes: Sequence[NodePlan], terms: Terms, around: Surroundings) -> list[NodePlan]:
    """Whoever stays away takes up room for good: who comes when there is none is blocked."""
    room = Room(terms.limits, Hall({n.uid: n.domains for n in nodes}), power=around.topology.power)
    blocked: dict[str, str] = {}
    for unit in units_of(nodes, terms.limits.atomic):
        going = [each.uid for each in unit if each.fate is Fate.UPDATE]
        if going and (why := room.refuses(going)):
            blocked |= dict.fromkeys(going, why)
        else:
            room.take(going)
    return [blocked_by(n, blocked[n.uid]) if n.uid in blocked else n for n in nodes]
