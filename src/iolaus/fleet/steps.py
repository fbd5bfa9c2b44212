"""From what is to be done at a node to the steps that do it. Pure; nothing is left to decide.

The order is: drain, firmware in the order of `after`, what the next start of the host applies,
settings of the manager, healthy again, give back.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.step import DRAINED, REACHABLE, Draft, step
from iolaus.fleet.step_firmware import firmware_drafts
from iolaus.fleet.step_settings import settings_drafts
from iolaus.fleet.work import Work
from iolaus.model.plan import Action, DrainRule, Expect, Op, Step, Verb


def drafts_of(facts: NodeFacts, work: Work, drain: DrainRule | None) -> tuple[Draft, ...]:
    """All steps of one node, without their ids; the same for nodes that are alike. `drain` None:
    it is not drained."""
    return (
        *([_drain(drain)] if drain else []),
        *firmware_drafts(work, drains=drain is not None),
        *settings_drafts(work),
        _healthy(facts),
        *([_undrain(drain)] if drain else []),
    )


def numbered(name: str, drafts: Iterable[Draft]) -> tuple[Step, ...]:
    """The steps of a node, with ids that are unique in a plan ("NODE/01-update-bmc")."""
    return tuple(
        msgspec.structs.replace(draft.step, id=f"{name}/{number:02}-{draft.word}")
        for number, draft in enumerate(drafts, start=1)
    )


def _drain(rule: DrainRule) -> Draft:
    return Draft("drain", _draining(rule, Verb.DRAIN))


def _undrain(rule: DrainRule) -> Draft:
    return Draft("undrain", _draining(rule, Verb.UNDRAIN))


def _draining(rule: DrainRule, verb: Verb) -> Step:
    """Each is the undo of the other: a node that goes back is drained for that, too."""
    gone = (Expect(subject=DRAINED, op=Op.IS, value="drained"),)
    back = (Expect(subject=DRAINED, op=Op.IS_NOT, value="drained"),)
    other = Verb.UNDRAIN if verb is Verb.DRAIN else Verb.DRAIN
    arguments = {"adapter": rule.adapter}
    forth = verb is Verb.DRAIN
    return step(
        Action(verb=verb, subject=DRAINED, arguments=arguments),
        f"Drain with {rule.adapter}" if forth else f"Give back to {rule.adapter}",
        after=gone if forth else back,
        timeout_s=rule.timeout_s,
        undo=Action(verb=other, subject=DRAINED, arguments=arguments),
        undo_after=back if forth else gone,
    )


def _healthy(facts: NodeFacts) -> Draft:
    """As healthy as it was: a warning that was there before is none of ours."""
    was = facts.fields.get("health")
    wanted: tuple[Expect, ...] = ()
    if was == "OK":
        wanted = (Expect(subject="health", op=Op.IS, value="OK"),)
    elif was == "Warning":
        wanted = (Expect(subject="health", op=Op.IS_NOT, value="Critical"),)
    return Draft(
        "wait-healthy",
        step(
            Action(verb=Verb.WAIT_HEALTHY, subject="health"),
            "Wait until it is as healthy as it was",
            after=(*wanted, *REACHABLE),
        ),
    )
