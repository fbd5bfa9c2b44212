"""What steps are made of: subjects, times, and what is tried when something does not come true.

Budgets are drawn on over all roll-outs together: a fleet in which controllers must be lifted by
dozens has another trouble than the one that a roll-out mends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from iolaus.fleet.work import GRACEFUL
from iolaus.model.plan import Action, Expect, Json, Op, Step, Verb

BOOT: Final = "boot/count-or-time"
DRAINED: Final = "drain/state"
"""What the drains say of the node: "drained", or another word."""
REACHABLE: Final = (Expect(subject="endpoint/reachable", op=Op.IS, value=True),)
BOOTED: Final = (Expect(subject=BOOT, op=Op.CHANGED), *REACHABLE)
BANK: Final = "bank/"
"""Before a component's id: the version that its controller boots at the next reset."""
HAS_POWER: Final = Expect(subject="power/state", op=Op.IS, value="On")
TIMEOUTS_S: Final[Mapping[Verb, float]] = {
    Verb.UPDATE: 3600.0,
    Verb.ACTIVATE: 1800.0,
    Verb.RESET: 1800.0,
    Verb.RESET_MANAGER: 900.0,
    Verb.SWITCH_BANK: 300.0,
    Verb.SET_BIOS: 600.0,
    Verb.SET_MANAGER: 300.0,
    Verb.SET_BOOT: 300.0,
    Verb.ROTATE_CREDENTIAL: 120.0,
    Verb.RENEW_CERTIFICATE: 1800.0,
    Verb.WAIT_HEALTHY: 1800.0,
    Verb.ATTEST: 900.0,
}
RESET_AGAIN: Final = "reset"
MANAGER_BUDGET: Final = "reset-manager"
MAINS_BUDGET: Final = "ac-cycle"
LIFT_MANAGER: Final = Action(verb=Verb.RESET_MANAGER, subject="bmc", budget=MANAGER_BUDGET)
FORCE: Final = Action(
    verb=Verb.RESET, subject="host", arguments={"type": "ForceRestart"}, budget=RESET_AGAIN
)
MAINS: Final = Action(
    verb=Verb.RESET, subject="host", arguments={"type": "FullPowerCycle"}, budget=MAINS_BUDGET
)
STRENGTH: Final = (GRACEFUL, "ForceRestart", "PowerCycle")
RESET_WORDS: Final = {
    GRACEFUL: "Restart the host",
    "ForceRestart": "Restart the host by force",
    "PowerCycle": "Power-cycle the host",
}

RESTARTS: Final = {
    Verb.RESET: "restart the host",
    Verb.RESET_MANAGER: "restart the controller",
}


class Draft(NamedTuple):
    """A step without its number; `word` goes into its id."""

    word: str
    step: Step


def step(action: Action, text: str, **more: Any) -> Step:
    """Without an id; with the time that its verb is given, unless `more` says another."""
    more.setdefault("timeout_s", TIMEOUTS_S.get(action.verb, 600.0))
    return Step(id="", action=action, text=text, **more)


def host_reset(kind: str, staged: Iterable[str] = ()) -> Action:
    """`kind` is a Redfish ResetType (DSP0268, ComputerSystem); `staged` are the subjects that
    waited for it before anything was done."""
    arguments: dict[str, Json] = {"type": kind}
    if waits := list(staged):
        arguments["staged"] = waits
    return Action(verb=Verb.RESET, subject="host", arguments=arguments)


def ladder_of_host(kind: str) -> tuple[Action, ...]:
    """What is tried when a host does not come back as it should: force, its controller, mains."""
    again = (FORCE,) if kind == GRACEFUL else ()
    return (*again, LIFT_MANAGER, MAINS)
