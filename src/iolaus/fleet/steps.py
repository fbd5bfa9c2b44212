"""From what is to be done at a node to the steps that do it. Pure; nothing is left to decide.

The order is: drain, firmware in the order of `after`, what the next start of the host applies,
settings of the manager, a new password, healthy again, give back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.step import DRAINED, FORCE, REACHABLE, RESET_WORDS, Draft, step
from iolaus.fleet.step_attest import Proofs, attest_first
from iolaus.fleet.step_certificate import certificate_drafts
from iolaus.fleet.step_firmware import firmware_drafts
from iolaus.fleet.step_password import password_drafts
from iolaus.fleet.step_settings import settings_drafts
from iolaus.fleet.work import GRACEFUL, Work
from iolaus.model.desired import AttestWant
from iolaus.model.plan import Action, DrainRule, Expect, Op, Step, Verb

FORCE_RESTART: Final = "ForceRestart"
GRACEFULLY, FORCED = "power.restart.graceful", "power.restart.force"


def drafts_of(
    facts: NodeFacts,
    work: Work,
    drain: DrainRule | None,
    *,
    proofs: Proofs | None = None,
    attest: AttestWant | None = None,
) -> tuple[Draft, ...]:
    """All steps of one node, without their ids; the same for nodes that are alike. `drain` None:
    it is not drained. `proofs` say how its firmware is proved, `attest` what is wanted of that."""
    drafts: tuple[Draft, ...] = (
        *attest_first(proofs or {}, attest),
        *firmware_drafts(work, drains=drain is not None, proofs=proofs),
        *settings_drafts(work),
        *certificate_drafts(work.certificate),
        *password_drafts(work),
        _healthy(facts),
    )
    drafts = with_drain(drafts, drain) if drain else drafts
    if only_by_force(facts):
        return tuple(Draft(draft.word, _by_force(draft.step)) for draft in drafts)
    return drafts


def with_drain(
    drafts: tuple[Draft, ...], rule: DrainRule, *, back: bool = True
) -> tuple[Draft, ...]:
    """Drained before, and given back after (`back`)."""
    return (_drain(rule), *drafts, *([_undrain(rule)] if back else []))


def only_by_force(facts: NodeFacts) -> bool:
    """The host can be restarted, but says that it does not take a graceful restart."""
    able = facts.capabilities
    return FORCED in able and GRACEFULLY not in able


def _by_force(planned: Step) -> Step:
    """The same step where a graceful restart is not to be had; the text says so."""
    action, undo = _forced(planned.action), planned.undo and _forced(planned.undo)
    if action == planned.action and undo == planned.undo:
        return planned
    text = planned.text.replace(RESET_WORDS[GRACEFUL], RESET_WORDS[FORCE_RESTART])
    text = text.replace(RESET_WORDS[GRACEFUL].lower(), RESET_WORDS[FORCE_RESTART].lower())
    escalate = tuple(each for each in planned.escalate if each != FORCE)
    return msgspec.structs.replace(planned, action=action, undo=undo, text=text, escalate=escalate)


def _forced(action: Action) -> Action:
    if action.verb is not Verb.RESET or action.arguments.get("type") != GRACEFUL:
        return action
    arguments = {**action.arguments, "type": FORCE_RESTART}
    return msgspec.structs.replace(action, arguments=arguments)


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
