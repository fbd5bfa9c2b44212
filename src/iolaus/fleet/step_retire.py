"""Steps that take a machine back to how its maker left it, in the order in which that can be seen.

The drives first, while the machine is as it was; then the settings of its host, which a start
applies; then the logs, which would else tell of all that; and the controller last, because with it
goes the login by which everything before was done. What a device does not offer is told and not
failed at: the rest is done, and the record of the retirement says what was not.

There is no way back.
"""

from __future__ import annotations

from typing import Final

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.step import BOOTED, REACHABLE, Draft, host_reset, step
from iolaus.fleet.work import HOSTS, Halt
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import Action, Asked, Expect, Fate, Op, Verb

WIPED: Final = "wiped/"
LEFT: Final = "wiped/logs-left"
LOGIN, SERVED = "wiped/login", "wiped/certificate"
"""Whether a login of ours still opens it, and a certificate of ours is still served."""
OURS: Final = "ours"
SAID: Final = "wiped/said/"
"""Before "drives" or "bios": what the device said when it was told to."""
BIOS_NOW: Final = "wiped/bios"
"""Which settings are not at their defaults, after the start that applies them."""
REMAINS: Final = "wiped/remains"
"""What is left of us at the controller, before it was set back and now."""
ERASING_S: Final = 14_400.0
_KEEP: Final = ("erase",)


def check_retire(asked: Asked) -> None:
    """`erase` is true where drives are to be erased, too. Raises `OperatorMust`."""
    if strange := sorted(asked.arguments.keys() - set(_KEEP)):
        raise OperatorMust(
            f"retire takes no {strange[0]!r}",
            operation="plan",
            subject="what is asked",
            code="BadRequest",
            next_step=f"it takes: {', '.join(_KEEP)}.",
        )


def say_retire(asked: Asked) -> str:
    return "retirement" + (", with its drives erased" if asked.arguments.get("erase") else "")


def retire_course(facts: NodeFacts, asked: Asked) -> tuple[Draft, ...] | Halt:
    """What is done at one node. Pure."""
    if facts.kind not in HOSTS:
        return Halt(Fate.BLOCKED, f"a {facts.kind} is not retired by itself")
    if not facts.answers:
        return Halt(Fate.BLOCKED, "another asset of its endpoint answers for the controller")
    drafts = [_said("drives", "Have its drives erased")] if asked.arguments.get("erase") else []
    drafts.append(_said("bios", "Set its BIOS back to the maker's settings"))
    if facts.fields.get("power_state") == "On":
        drafts.append(_restart())
    drafts += [_logs(), _controller()]
    return tuple(drafts)


def _said(what: str, text: str) -> Draft:
    return Draft(
        f"wipe-{what}",
        step(
            Action(verb=Verb.WIPE, subject=what),
            text,
            before=REACHABLE,
            after=(Expect(subject=f"{SAID}{what}", op=Op.IS_NOT, value=None), *REACHABLE),
            timeout_s=ERASING_S if what == "drives" else 600.0,
            attempts=3,
        ),
    )


def _restart() -> Draft:
    return Draft(
        "reset",
        step(
            host_reset("ForceRestart"),
            "Restart the host, so that the settings take effect",
            before=REACHABLE,
            after=BOOTED,
            timeout_s=1800.0,
            attempts=1,
        ),
    )


def _logs() -> Draft:
    return Draft(
        "wipe-logs",
        step(
            Action(verb=Verb.WIPE, subject="logs"),
            "Clear its logs",
            before=REACHABLE,
            after=(
                Expect(subject=LEFT, op=Op.IS, value=0),
                Expect(subject=BIOS_NOW, op=Op.IS_NOT, value=None),
                *REACHABLE,
            ),
            timeout_s=300.0,
            attempts=3,
        ),
    )


def _controller() -> Draft:
    return Draft(
        "wipe-controller",
        step(
            Action(verb=Verb.WIPE, subject="controller"),
            "Set its controller back: accounts, keys, certificate and settings",
            before=REACHABLE,
            after=(
                Expect(subject=LOGIN, op=Op.IS_NOT, value=OURS),
                Expect(subject=SERVED, op=Op.IS_NOT, value=OURS),
                Expect(subject=REMAINS, op=Op.IS_NOT, value=None),
            ),
            timeout_s=900.0,
            reads=1,
            attempts=2,
        ),
    )
