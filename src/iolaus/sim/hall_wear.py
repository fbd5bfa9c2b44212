"""What is not as it should be: the natural imperfections of a hall.

A hall in which everything is well shows nothing. So the demo hall has a few flaws, always the
same ones at the same machines, switched by `demo.imperfections` of the site file. They are states
of the machines, not faults of their controllers: those are fault rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from iolaus.sim.personas.persona import Persona

Json = dict[str, Any]
ROOT: Final = "/redfish/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """`off_hosts` are switched off; `leaks` maps a detector's number to its state;
    `clock_offset_s` is how wrong its clock is; `dead_psus` deliver nothing; `changes` are merge
    patches on its resources (None withholds one)."""

    off_hosts: frozenset[int] = frozenset()
    leaks: Mapping[int, str] = field(default_factory=dict)
    clock_offset_s: float = 0.0
    dead_psus: frozenset[int] = frozenset()
    changes: Mapping[str, Json | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One imperfection: the `nth` machine of a persona (counted from 0) has this wear."""

    word: str
    persona: str
    nth: int
    wear: Wear
    what: str


class Placed(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def persona(self) -> Persona: ...


def health(level: str) -> Json:
    return {"Status": {"Health": level, "HealthRollup": level}}


def versions(*pairs: tuple[str, str]) -> Mapping[str, Json | None]:
    base = f"{ROOT}/UpdateService/FirmwareInventory"
    return {f"{base}/{key}": {"Version": version} for key, version in pairs}


OLD_BMC: Final = "GB200Nvl-25.03-4"
OLD_TRAY: Final = Wear(
    changes={
        **versions(
            ("FW_BMC_0", OLD_BMC), ("HGX_FW_BMC_0", OLD_BMC), ("HGX_FW_GPU_0", "97.10.2C.00.04")
        ),
        f"{ROOT}/Managers/BMC_0": {"FirmwareVersion": OLD_BMC},
        f"{ROOT}/Managers/HGX_BMC_0": {"FirmwareVersion": OLD_BMC},
    }
)
SHELF: Final = "/Chassis/PowerShelf_0/PowerSubsystem"

FLAWS: Final[tuple[Flaw, ...]] = (
    Flaw(
        word="leak",
        persona="gb300-tray",
        nth=25,
        what="a compute tray's manifold detector says Warning",
        wear=Wear(
            leaks={1: "Warning"},
            changes={
                f"{ROOT}/Systems/System_0": health("Warning"),
                f"{ROOT}/Chassis/Chassis_0": health("Warning"),
            },
        ),
    ),
    Flaw(
        word="old-firmware",
        persona="gb300-tray",
        nth=7,
        what="a compute tray runs older controller and GPU firmware",
        wear=OLD_TRAY,
    ),
    Flaw(
        word="old-firmware",
        persona="gb300-tray",
        nth=41,
        what="another compute tray runs the same older firmware",
        wear=OLD_TRAY,
    ),
    Flaw(
        word="off",
        persona="xe9680-h200",
        nth=5,
        what="an eight-GPU server is switched off",
        wear=Wear(
            off_hosts=frozenset({0}),
            changes={
                f"{ROOT}/Systems/System.Embedded.1": {
                    "PowerState": "Off",
                    "Status": {"State": "StandbyOffline"},
                }
            },
        ),
    ),
    Flaw(
        word="gpu",
        persona="sys-hgx-b200",
        nth=3,
        what="GPU 6 of an eight-GPU server is Critical",
        wear=Wear(
            changes={
                f"{ROOT}/Systems/HGX_Baseboard_0/Processors/GPU_6": health("Critical"),
                f"{ROOT}/Systems/HGX_Baseboard_0": health("Critical"),
            }
        ),
    ),
    Flaw(
        word="psu",
        persona="orv3-shelf",
        nth=6,
        what="supply PSU3 of a power shelf is Critical and delivers nothing",
        wear=Wear(
            dead_psus=frozenset({3}),
            changes={
                f"{ROOT}{SHELF}/PowerSupplies/PSU3": {
                    "LineInputStatus": "LossOfInput",
                    "Status": {"Health": "Critical", "State": "UnavailableOffline"},
                },
                f"{ROOT}{SHELF}": health("Warning"),
                f"{ROOT}/PowerEquipment/PowerShelves/1": health("Warning"),
                f"{ROOT}/Chassis/PowerShelf_0": health("Warning"),
            },
        ),
    ),
    Flaw(
        word="clock",
        persona="dl365-cpu",
        nth=9,
        what="a CPU host's controller is twelve hours behind",
        wear=Wear(clock_offset_s=-43_200.0),
    ),
)


def imperfections(spots: Iterable[Placed]) -> Mapping[str, Wear]:
    """Device name -> its wear, for the flaws whose machine this hall has (a smaller hall takes
    its last machine of that persona; a machine has at most one flaw)."""
    names: dict[str, list[str]] = defaultdict(list)
    for spot in spots:
        names[spot.persona.name].append(spot.name)
    worn: dict[str, Wear] = {}
    for flaw in FLAWS:
        those = names[flaw.persona]
        if those:
            worn.setdefault(those[min(flaw.nth, len(those) - 1)], flaw.wear)
    return worn
