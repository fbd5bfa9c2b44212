"""What is asked of a machine that is taken on: a login of its own, a certificate, a first start.

Nobody works on it yet, so it is neither drained nor waited for, and one that fails says nothing of
the others. A password that is ours already is left alone, so that a second plan after a crash
gives no second one.
"""

from __future__ import annotations

from typing import Final

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.step import Draft
from iolaus.fleet.step_certificate import certificate_course
from iolaus.fleet.step_node import boot_course, check_boot, power_course
from iolaus.fleet.step_password import rotate_course
from iolaus.fleet.work import Halt
from iolaus.kernel.errors import OperatorMust
from iolaus.model.desired import Kept, OnFailureWant, WaveWant
from iolaus.model.plan import Asked, Fate

_OFF: Final = "Off"


def check_secure(asked: Asked) -> None:
    """`authority`, if there is one, is the name of who is to sign. Raises `OperatorMust`."""
    _only(asked, "authority")


def say_secure(asked: Asked) -> str:
    signed = f", and a certificate signed by {name}" if (name := _authority(asked)) else ""
    return f"a password of its own{signed}"


def secure_course(facts: NodeFacts, asked: Asked) -> tuple[Draft, ...] | Halt:
    """What of it is not so yet. Pure."""
    drafts: list[Draft] = []
    login = facts.credential
    if login is None or login.number == 0 or login.fallen or login.pending:
        given = rotate_course(facts, asked)
        if isinstance(given, Halt):
            return given
        drafts += given
    if _authority(asked):
        signed = certificate_course(facts, asked)
        if isinstance(signed, Halt):
            return signed
        drafts += signed
    return tuple(drafts) or Halt(Fate.NO_OP, "its login is its own already")


def without_work(kept: Kept) -> Kept:
    """A baseline as it holds for nodes that nobody runs work on: in one wave, without its drain,
    window and approvals. Pure."""
    spec = kept.baseline.spec
    rollout = msgspec.structs.replace(
        spec.rollout,
        drain=None,
        window=None,
        approvals=[],
        waves=[WaveWant(name="new")],
        on_failure=OnFailureWant(node="leave", wave="continue"),
    )
    there = msgspec.structs.replace(
        kept.baseline, spec=msgspec.structs.replace(spec, rollout=rollout)
    )
    return msgspec.structs.replace(kept, baseline=there)


def check_hand_over(asked: Asked) -> None:
    """Words as for a boot override (`step_node.check_boot`). Raises `OperatorMust`."""
    check_boot(asked)


def say_hand_over(asked: Asked) -> str:
    return f"a first start from {asked.arguments.get('target')}"


def hand_over_course(facts: NodeFacts, asked: Asked) -> tuple[Draft, ...] | Halt:
    """The override, and a start that uses it: nobody works there. Pure."""
    override = boot_course(facts, asked)
    if isinstance(override, Halt) and override.fate is not Fate.NO_OP:
        return override
    off = facts.fields.get("power_state") == _OFF
    given = {"action": "on"} if off else {"action": "reset", "how": "force"}
    start = power_course(facts, msgspec.structs.replace(asked, arguments=given))
    if isinstance(start, Halt):
        return start
    return (*(() if isinstance(override, Halt) else override), *start)


def _authority(asked: Asked) -> str:
    return str(asked.arguments.get("authority") or "")


def _only(asked: Asked, *names: str) -> None:
    if strange := sorted(asked.arguments.keys() - set(names)):
        raise OperatorMust(
            f"{asked.kind} takes no {strange[0]!r}",
            operation="plan",
            subject="what is asked",
            code="BadRequest",
            next_step=f"it takes: {', '.join(names)}.",
        )
