"""Quarantine of a node: it is given no more work, and stays so until a person takes that back.

It is proposed where a component was proved untrusted, and nothing of it happens by itself: somebody
asks for the plan, and somebody applies it. Work that runs is left to its end, as by any drain. The
power stays as it is, because a machine that is off can prove nothing and loses what an
investigation wants to see; only the operator's policy can ask for more.
"""

from __future__ import annotations

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.step import Draft
from iolaus.fleet.step_node import power_course
from iolaus.fleet.work import HOSTS, Halt
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import Asked, Fate

KEEP, OFF = "keep", "off"


def check_quarantine(asked: Asked) -> None:
    """`power` is "keep" or "off". Raises `OperatorMust`."""
    strange = sorted(asked.arguments.keys() - {"power"})
    if strange or asked.arguments.get("power", KEEP) not in (KEEP, OFF):
        raise OperatorMust(
            f"a quarantine takes no {strange[0]!r}" if strange else "power is kept, or off",
            operation="plan",
            subject="what is asked",
            code="BadRequest",
            next_step="name the nodes only; the power is for policy to say (docs/policy.md).",
        )


def say_quarantine(asked: Asked) -> str:
    return "quarantine" + (" and power off" if asked.arguments.get("power") == OFF else "")


def quarantine_course(facts: NodeFacts, asked: Asked) -> tuple[Draft, ...] | Halt:
    """What is done besides the drain. Pure."""
    if facts.kind not in HOSTS:
        return Halt(Fate.BLOCKED, f"a {facts.kind} runs no work that could be taken from it")
    if asked.arguments.get("power") != OFF or facts.fields.get("power_state") == "Off":
        return ()
    power = Asked(kind="power", arguments={"action": "off", "how": "graceful"})
    return power_course(facts, power)
