"""What may fail, and why: every entry names machines, a judge, and a part of the finding's text.

There are two good reasons: the machine departs from the standard on purpose, as its maker's do
(its quirk is the point), or the profile demands what a machine of this kind has not got.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bench.judges.judges import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """`personas` and `judge` are globs, `finding` a glob over "where: what"."""

    personas: str
    judge: str
    finding: str
    reason: str

    def covers(self, verdict: Verdict, finding: Finding) -> bool:
        return (
            fnmatchcase(verdict.persona, self.personas)
            and fnmatchcase(verdict.judge, self.judge)
            and fnmatchcase(f"{finding.where}: {finding.what}", self.finding)
        )


OCP_SERVER, IRONIC = "OCPServerHardwareManagement*", "OpenStackIronicProfile*"


def _excuse(personas: str, judge: str, finding: str, reason: str) -> Excuse:
    return Excuse(personas=personas, judge=judge, finding=finding, reason=reason)


EXCUSES: Sequence[Excuse] = (
    _excuse(
        "gb300-tray",
        "OCP*",
        "Power*: Required Resource*",
        "a tray on the rack's busbar has no supplies, and so neither Power nor PowerSubsystem",
    ),
    _excuse(
        "*",
        OCP_SERVER,
        "[PT][oh][we]*: Required Resource*",
        "the profile wants Power and "
        "Thermal and what replaced them; this controller has one generation, as its maker's",
    ),
    _excuse(
        "*",
        "OCPBaseline*",
        "[PT][oh][wer]*Subsystem: Required Resource*",
        "the controller has Power and Thermal of the older generation only, as its maker's",
    ),
    _excuse(
        "gb300-tray",
        "OCP*",
        "*/Chassis_0 Power*",
        "a tray on the rack's busbar has no supplies, and so neither Power nor PowerSubsystem",
    ),
    _excuse(
        "sd665-twin",
        "OCP*",
        "*/Chassis/[1N]* *[PTL]*: Read Requirement*",
        "power and cooling belong to the enclosure of both nodes, which is no system's own",
    ),
    _excuse(
        "*",
        "O*",
        "*/Systems/HGX_Baseboard_0 *",
        "the accelerators' board is a second "
        "ComputerSystem, with neither firmware of its own to boot nor a switch",
    ),
    _excuse(
        "*",
        "O*",
        "*/Systems/UBB *",
        "the accelerators' board is a second ComputerSystem, "
        "with neither firmware of its own to boot nor a switch",
    ),
    _excuse(
        "*",
        IRONIC,
        "*/Processors/*",
        "the profile asks accelerators for the threads and the architecture of a CPU",
    ),
    _excuse(
        "*",
        IRONIC,
        "*/Volumes *",
        "volumes are listed and not made: nothing here builds a RAID set",
    ),
    _excuse(
        "*",
        IRONIC,
        "*/Storage/* Controllers:*",
        "drives on the host's own lanes: there is no storage controller to be listed",
    ),
    _excuse(
        "*",
        IRONIC,
        "*/Bios/Settings @Redfish.Settings:*",
        "the profile asks the staged "
        "settings for a link that only the resource they are staged for has",
    ),
    _excuse(
        "*",
        OCP_SERVER,
        "*SerialConsole/ConnectTypesSupported*",
        "the profile asks a "
        "system's SerialConsole for a property that only a manager's has in the schema",
    ),
    _excuse(
        "gb300-tray",
        OCP_SERVER,
        "*/Chassis/* Links*",
        "parts that are a chassis of their "
        "own (boards, GPUs, roots of trust) link to no system, as in the maker's firmware",
    ),
    _excuse(
        "sys-hgx-b200",
        OCP_SERVER,
        "* Links*",
        "neither the system nor the chassis links to "
        "the other, and the board's parts to no system (quirk links-missing)",
    ),
    _excuse(
        "*",
        OCP_SERVER,
        "*/Thermal Temperatures/*PhysicalContext*",
        "the maker's older "
        "Thermal has no temperature of a SystemBoard, one of three that are wanted",
    ),
    _excuse(
        "xe9680-h200",
        "OCP*",
        "*/Chassis/System.Embedded.1 Controls:*",
        "the chassis' power limit stands in PowerControl, as the maker has it, and in no Control",
    ),
    _excuse(
        "rack-pdu",
        "OCPRackPDU*",
        "Circuit:*Branches",
        "the judge never finds a use case "
        "that is compared by AnyOf: version 3.0.4 has no such comparison",
    ),
    _excuse(
        "*",
        "OCP*",
        "*/Mains/AC1 [CV]*",
        "the schema forbids Voltage and CurrentAmps where "
        "there are four wires or more; the profile wants them all the same",
    ),
)


def excuse(verdict: Verdict, finding: Finding) -> Excuse | None:
    return next((each for each in EXCUSES if each.covers(verdict, finding)), None)


def held_against(verdict: Verdict) -> list[Finding]:
    """The failures that nothing excuses."""
    return [each for each in verdict.failures() if excuse(verdict, each) is None]
