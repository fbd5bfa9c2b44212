"""The scripts: what befalls whom, what it must be told to be, and where it must end.

A script has a rack of its own, with neighbours that work and must not be touched. `ill` nodes of it
are struck. It ends "back" (they run, seen at the devices), "person" (they stand with what a person
has to do, whose words are `says`), "left" (nothing was the matter, and nothing was done) or
"itself" (back before a person asked).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

DL, DELL, SMC, GIGA, TWO, TRAY = (
    "dl365-cpu", "xe9680-h200", "sys-hgx-b200", "g893-mi325x", "sd665-twin", "gb300-tray",
)  # fmt: skip
BACK, PERSON, LEFT, SELF = "back", "person", "left", "itself"
Given = Mapping[str, Any]
Blows = tuple[tuple[str, Given], ...]


@dataclass(frozen=True, kw_only=True)
class Script:
    """`faults` are struck in order on the ill ("rack": on all of the rack). `cords`: the rack has
    strips and says so. `watched`: somebody in band tells of its hosts. `ask` is what the person
    gives to `recover`. `rungs` are those that must have been begun, in order, of the last ill
    node; None: whatever was. `spent`: so many were recovered just before; `again`: they are the ill
    themselves."""

    name: str
    cls: str
    faults: Blows
    verdict: str
    ends: str
    persona: str = DL
    rungs: tuple[str, ...] | None = None
    says: str = ""
    ill: int = 1
    nodes: int = 2
    cords: bool = True
    watched: bool = True
    switch: bool = False
    ask: Given = field(default_factory=dict)
    spent: int = 0
    again: bool = False
    prepare: str = ""
    alone: bool = False


MAY: Final[Given] = {"host_may_stop": True}


def hung(cure: str) -> Blows:
    return (("host-hangs", {"cure": cure}),)


def _hosts() -> tuple[Script, ...]:
    cls, verdict = "hung host", "HostHung"
    return (
        Script(name="hung-nmi", cls=cls, faults=hung("nmi"), verdict=verdict, ends=BACK,
               rungs=("nmi",)),
        Script(name="hung-force", cls=cls, persona=DELL, faults=hung("force-restart"),
               verdict=verdict, ends=BACK, rungs=("nmi", "restart", "force-restart")),
        Script(name="hung-power-cycle", cls=cls, faults=hung("power-cycle"),
               verdict=verdict, ends=BACK),
        Script(name="hung-mains", cls=cls, persona=SMC, faults=hung("mains"), verdict=verdict,
               ends=BACK),
        Script(name="hung-rescue", cls=cls, faults=hung("rescue"), verdict=verdict,
               ask={"only": "rescue"}, ends=BACK, rungs=("rescue",)),
        Script(name="hung-for-ever", cls=cls, faults=hung("never"), verdict=verdict, ends=PERSON,
               says="its console and its parts"),
        Script(name="hung-again-while-cooling", cls=cls, spent=1, again=True,
               faults=hung("nmi"), verdict=verdict, ends=BACK, rungs=("restart",)),
        Script(name="hung-unwatched", cls=cls, persona=TWO, watched=False,
               faults=hung("force-restart"), verdict="Well", ends=LEFT, cords=False),
        Script(name="kernel-panic", cls=cls, persona=DELL,
               faults=(("kernel-panics", {}), *hung("restart")), verdict=verdict, ends=BACK),
        Script(name="hung-and-path-lost", cls=cls, persona=GIGA,
               faults=(("host-path-lost", {"cure": "manager"}),), verdict="Well",
               ask={"class": "host-path-dead"}, ends=BACK, rungs=("reset-manager",)),
    )  # fmt: skip


def _controllers() -> tuple[Script, ...]:
    cls, verdict = "dead BMC", "ControllerDead"
    dead: Blows = (("controller-hangs", {}),)
    return (
        Script(name="bmc-outlet", cls=cls, faults=dead, verdict=verdict, ask=MAY, ends=BACK,
               rungs=("wait", "outlet")),
        Script(name="bmc-host-alive", cls=cls, faults=dead, verdict=verdict,
               ends=PERSON, rungs=("wait",), says="drain its host"),
        Script(name="bmc-unwatched", cls=cls, watched=False, faults=dead,
               verdict=verdict, ends=BACK, rungs=("wait", "outlet")),
        Script(name="bmc-no-other-path", cls=cls, persona=TRAY, watched=False, cords=False,
               faults=dead, verdict="NodeSilent", ends=PERSON, rungs=("wait",),
               says="its lamps, its cable, its power"),
        Script(name="bmc-comes-back", cls=cls, faults=(("silent", {}),),
               prepare="returns", verdict=verdict, ends=BACK),
        Script(name="bmc-silent", cls=cls, faults=(("silent", {}),), verdict=verdict, ask=MAY,
               ends=BACK, rungs=("wait", "outlet")),
    )  # fmt: skip


def _access() -> tuple[Script, ...]:
    lost, full = "lost accounts", "full session table"
    reset: Blows = (("accounts-reset", {}),)
    return (
        Script(name="accounts-factory", cls=lost, faults=reset, prepare="factory",
               verdict="Well", ends=SELF),
        Script(name="accounts-unknown", cls=lost, cords=False, faults=reset,
               verdict="LoginLost", ends=PERSON, says="give its login"),
        Script(name="accounts-given-later", cls=lost, cords=False, faults=reset, prepare="later",
               verdict="LoginLost", ends=SELF),
        Script(name="sessions-ours", cls=full, faults=(("fill", {}),),
               verdict="SessionsFull", ends=BACK, rungs=("close-sessions",)),
        Script(name="sessions-of-others", cls=full, prepare="others",
               faults=(("fill", {}),), verdict="SessionsFull", ends=BACK,
               rungs=("close-sessions", "reset-manager")),
        Script(name="sessions-for-ever", cls=full, cords=False,
               faults=(("refuse", {}),), verdict="SessionsFull", ends=PERSON,
               says="who holds its sessions"),
    )  # fmt: skip


def _firmware() -> tuple[Script, ...]:
    wedged, bad = "wedged update", "bad flash"
    never: Blows = (("update-never-finishes", {}), ("update", {}))
    return (
        Script(name="wedged", cls=wedged, persona=SMC, cords=False, faults=never,
               verdict="UpdateWedged", ends=BACK, rungs=("reset-manager",)),
        Script(name="wedged-outlives-reset", cls=wedged, persona=DL, faults=never,
               verdict="UpdateWedged", ask=MAY, ends=BACK),
        Script(name="wedged-host-alive", cls=wedged, persona=DELL, faults=never,
               verdict="UpdateWedged",
               ends=BACK),
        Script(name="bricked", cls=bad, persona=GIGA,
               faults=(("image-bricks-controller", {}), ("flash", {})),
               verdict="ControllerDead", ask=MAY, ends=BACK, rungs=("wait", "outlet")),
        Script(name="bricked-no-cords", cls=bad, persona=GIGA, cords=False,
               faults=(("image-bricks-controller", {}), ("flash", {})),
               verdict="ControllerDead", ask=MAY, ends=PERSON, says="pull its mains by hand"),
        Script(name="half-written", cls=bad, persona=DL, cords=False,
               faults=(("broken-update", {"component": "1"}),), verdict="FirmwareBroken",
               ends=PERSON, says="recover the firmware"),
        Script(name="does-not-boot", cls=bad, faults=(("image-does-not-boot", {}), ("flash", {})),
               verdict="ControllerDead", ask=MAY, ends=BACK, rungs=("wait", "outlet")),
    )  # fmt: skip


def _power() -> tuple[Script, ...]:
    outlet, supply = "dead outlet", "failed PSU"
    return (
        Script(name="outlet-switched-off", cls=outlet, faults=(("switch-off", {}),),
               verdict="PowerGone", ends=BACK, rungs=("outlet",)),
        Script(name="outlet-sticks", cls=outlet, persona=DELL,
               faults=(("outlet-dead", {"cure": "cycle"}),), verdict="PowerGone", ends=BACK,
               rungs=("outlet",)),
        Script(name="outlet-for-ever", cls=outlet, faults=(("outlet-dead", {}),),
               verdict="PowerGone", ends=PERSON, rungs=("outlet",), says="cords and breaker"),
        Script(name="one-cord-of-two", cls=outlet, faults=(("outlet-dead", {"cords": 1}),),
               verdict="Well", ends=LEFT),
        Script(name="psu-one", cls=supply, faults=(("supply-dead", {"amount": 1}),),
               verdict="SupplyFailed", ends=PERSON, says="replace the supply"),
        Script(name="psu-one-of-many", cls=supply, persona=GIGA, cords=False,
               faults=(("supply-dead", {"amount": 1}),), verdict="SupplyFailed", ends=PERSON,
               says="replace the supply"),
        Script(name="psu-and-hung", cls=supply,
               faults=(("supply-dead", {"amount": 1}), *hung("force-restart")), verdict="HostHung",
               ends=BACK),
        Script(name="psu-unwatched", cls=supply, watched=False,
               faults=(("supply-dead", {"amount": 1}),), verdict="SupplyFailed", ends=PERSON,
               says="replace the supply"),
    )  # fmt: skip


def _racks() -> tuple[Script, ...]:
    cls = "lost network of a rack"
    away: Blows = (("silent", {}),)
    many: dict[str, Any] = {"nodes": 6, "ill": 6, "ends": PERSON, "cls": cls}
    return (
        Script(name="rack-network", faults=away, verdict="RackNetwork",
               says="management switch", **many),
        Script(name="rack-unwatched", faults=away, verdict="RackSilent", cords=False,
               watched=False, says="its switch, then its power", **many),
        Script(name="rack-power", faults=(("switch-off", {}),), verdict="RackPower",
               says="breaker and shelves", **many),
        Script(name="switch-silent", faults=away, verdict="RackNetwork", cords=False,
               switch=True, watched=False, says="management switch", **many),
        Script(name="rack-hung-together", faults=hung("force-restart"), verdict="HostHung",
               says="the rack is to be seen to", nodes=20, ill=10, ends=PERSON, cls=cls),
        Script(name="ourselves", faults=(("silent", {}),), verdict="CutOff", alone=True,
               says="this server's network", **many),
    )  # fmt: skip


def _lies() -> tuple[Script, ...]:
    cls = "compromised host"
    lie: Blows = (("spdm-tampered", {}), ("attest", {}))
    return (
        Script(name="compromised", cls=cls, persona=TRAY, cords=False, faults=lie,
               verdict="Compromised", ends=BACK),
        Script(name="compromised-in-a-rack", cls=cls, persona=SMC, faults=lie,
               verdict="Compromised", ends=BACK),
        Script(name="compromised-restarted", cls=cls, persona=SMC,
               faults=(*lie, ("someone-powers-on", {"after_s": 0.5})), verdict="Compromised",
               ends=BACK),
        Script(name="compromised-no-outlet", cls=cls, persona=TRAY, cords=False,
               faults=(*lie, ("someone-powers-on", {"after_s": 0.5})), verdict="Compromised",
               ends=PERSON, says="pull its cords and its network by hand"),
    )  # fmt: skip


SCRIPTS: Final = (
    *_hosts(), *_controllers(), *_access(), *_firmware(), *_power(), *_racks(), *_lies(),
)  # fmt: skip
CLASSES: Final = tuple(dict.fromkeys(each.cls for each in SCRIPTS))
FEW: Final = ("hung-rescue", "sessions-ours", "bmc-comes-back")
"""One of a kind each, out of trouble by the first rung that is tried, or by none: nothing has to
time out."""
