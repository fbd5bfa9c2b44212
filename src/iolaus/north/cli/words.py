"""Where each command stands. It is imported when a person asks for it, and not before."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

COMMANDS: Final[Mapping[str, str]] = {
    "get": "look:get",
    "describe": "look:describe",
    "explain": "look:explain",
    "events": "look:events",
    "watch": "look:watch",
    "top": "look:top",
    "summary": "look:summary",
    "apply": "desired:apply",
    "diff": "desired:diff",
    "validate": "desired:validate",
    "sync": "desired:sync",
    "remove": "desired:remove",
    "manage": "manage:manage",
    "refresh": "manage:refresh",
    "drain": "drains:drain",
    "undrain": "drains:undrain",
    "recover": "recoveries:recover",
    "bundle": "recoveries:bundle",
    "isolate": "power:isolate",
    "attest": "attest:attest",
    "quarantine": "quarantine:quarantine",
    "plan": "plans:plan",
    "rotate": "credentials:rotate",
    "approve": "plans:approve",
    "discover": "discover:discover",
    "forget": "discover:forget",
    "handover": "onboarding:handover",
    "retire": "onboarding:retire",
    "recommission": "onboarding:recommission",
}


class Group(NamedTuple):
    """Commands of two words. `places` says where each stands, `table` where a mapping of them
    does. In one with `by_first_word` a first word that is no command stands for one."""

    told: str
    table: str = ""
    places: Mapping[str, str] = {}
    inner: Mapping[str, Group] = {}
    by_first_word: str = ""

    def commands(self) -> dict[str, Callable[..., Any]]:
        found = dict(at(self.table)) if self.table else {}
        return {**found, **{name: at(place) for name, place in self.places.items()}}


def at(place: str) -> Any:
    """What stands at "module:name" of this room."""
    return pkgutil.resolve_name(f"iolaus.north.cli.{place}")


GROUPS: Final[Mapping[str, Group]] = {
    "power": Group(
        "Hosts switched by plan, and caps and load targets that people set.",
        "asking:POWER_COMMANDS",
        inner={
            "cap": Group(
                "Caps on nodes and racks that a person sets for a while.", "power:CAP_COMMANDS"
            ),
            "target": Group(
                "Load targets for the whole site that a person sets for a while.",
                "targets:TARGET_COMMANDS",
            ),
        },
    ),
    "boot": Group("What hosts start from next, by plan.", "asking:BOOT_COMMANDS"),
    "ca": Group(
        "The authorities that sign certificates of controllers.", "authorities:CA_COMMANDS"
    ),
    "reference": Group(
        "What should run: manifests of makers, imported with their signers.",
        "references:REFERENCE_COMMANDS",
    ),
    "rollout": Group(
        "Plans that run: seen, paused, resumed, aborted, undone.", "plans:ROLLOUT_COMMANDS"
    ),
    "alarm": Group(
        "Alarms answered; what rings is listed by: iolaus get alarms.",
        "alarms:ALARM_COMMANDS",
        inner={
            "route": Group("Who is told of alarms: seen, tested, checked.", "alarms:ROUTE_COMMANDS")
        },
    ),
    "console": Group(
        "A host's serial line in this terminal, what it said, and who may watch it.",
        "consoles:CONSOLE_COMMANDS",
        by_first_word="consoles:ConsoleByName",
    ),
    "latch": Group(
        "What reflexes hold (leak, flow, heat, overload), released by a person.",
        "power:LATCH_COMMANDS",
    ),
    "token": Group(
        "Who may speak to the server, as what, and for which groups.", "tokens:TOKEN_COMMANDS"
    ),
    "credential": Group(
        "Logins of endpoints: whose, how old, and what they may fall back to.",
        "credentials:CREDENTIAL_COMMANDS",
    ),
    "sim": Group("Simulated management controllers, for trying and testing."),
    "demo": Group("Faults of the simulated hall of a running `iolaus up`."),
    "export": Group(
        "What was discovered, as files.",
        places={
            "baseline": "desired:export_baseline",
            "power": "energy:export_power",
            "fbom": "advisories:export_fbom",
            "evidence": "packs:export_evidence",
            "evidence-key": "packs:export_key",
            "expected": "onboarding:export_expected",
        },
    ),
    "audit": Group("Who did what: read, kept elsewhere, and checked.", "audit:AUDIT_COMMANDS"),
    "verify": Group(
        "Judge evidence and documents from files: no server, no state, no network.",
        by_first_word="several:PacksByName",
    ),
    "advisory": Group(
        "Advisories of makers and databases: imported, answered, removed.",
        "advisories:ADVISORY_COMMANDS",
    ),
    "onboard": Group(
        "Machines on their way to be ours: approved, rejected, gone on with.",
        "onboarding:ONBOARD_COMMANDS",
    ),
    "hook": Group("What other servers call when they see something.", "onboarding:HOOK_COMMANDS"),
}
