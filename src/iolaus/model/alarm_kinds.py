"""Every alarm that can ring, rationalised: the table that ISA-18.2 (clause 8) asks for.

A code without an operator's response is no alarm and has no place here. The runbook pages
(docs/runbooks) and the page of each code in the web interface are this table, printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from iolaus.model.alarm import AlarmKind, Priority
from iolaus.model.alarm_energy import ENERGY
from iolaus.model.alarm_recovery import RECOVERY
from iolaus.model.alarming import HALL_SILENT, RACK_SILENT, SILENT

_REACH: Final = (
    AlarmKind(
        code=SILENT,
        priority=Priority.MEDIUM,
        means="A management controller does not answer: connections are refused, cut or time out.",
        consequence="Nothing of this device is known any more: its power, heat and leaks are "
        "counted at their worst, and no change reaches it. Its host may run on undisturbed.",
        response=(
            "See whether others of the rack are silent, too: iolaus get endpoints -l rack=RACK.",
            "Ask the management switch for the port, and the shelf or PDU for the power.",
            (
                "If only this one is silent and its host runs, restart the controller by its host, "
                "or by taking its standby power away when the host may go down."
            ),
        ),
        clears="by itself, when it has answered for 30 s.",
        delay_on_s=30.0,
        delay_off_s=30.0,
        causes=(RACK_SILENT, HALL_SILENT),
    ),
    AlarmKind(
        code="CredentialRefused",
        priority=Priority.MEDIUM,
        means="A management controller answers, and refuses the login that is kept for it.",
        consequence="It can be neither read nor changed; tries are spaced out so that no account "
        "is locked.",
        response=(
            "Find out who changed the password: iolaus audit list, and the device's own log.",
            (
                "Give the right login: iolaus credential add, or iolaus discover with --user and "
                "--password-file."
            ),
            "If nobody of yours changed it, treat the device as tampered with.",
        ),
        clears="by itself, with the first login that works.",
        delay_on_s=30.0,
        causes=(SILENT,),
    ),
    AlarmKind(
        code="NotUnderstood",
        priority=Priority.LOW,
        means="Something answers at a controller's address, and it is no service that can be read.",
        consequence="The device that was there is not watched.",
        response=(
            "Look at what answers: iolaus inspect ADDRESS.",
            "If another device has the address now, forget this one: iolaus forget NAME.",
        ),
        clears="by itself, when a service that is understood answers.",
        delay_on_s=60.0,
    ),
    AlarmKind(
        code=RACK_SILENT,
        priority=Priority.HIGH,
        means="Nearly all management controllers of a rack stopped answering.",
        consequence="The rack is out of sight and out of reach; its machines may be dark.",
        response=(
            "Check the rack's management switch and its uplink.",
            "Check the rack's power: the shelf or PDU, its feed, the breaker.",
            "Do not restart single nodes of the rack: they are not the cause.",
        ),
        clears="by itself, when enough of them answer again.",
        delay_on_s=20.0,
        delay_off_s=30.0,
        causes=(HALL_SILENT,),
    ),
    AlarmKind(
        code=HALL_SILENT,
        priority=Priority.CRITICAL,
        means="Most management controllers of the hall do not answer.",
        consequence="More likely this server is cut off than the hall is dark; in both cases "
        "nothing is seen and nothing can be changed from here.",
        response=(
            "Check this server's network, its routes and its address.",
            "Check the core of the management network.",
            "Look at the hall by another way before you act on anything that is shown here.",
        ),
        clears="by itself, when enough of them answer again.",
        delay_on_s=20.0,
        delay_off_s=30.0,
    ),
)
_DEVICE: Final = (
    AlarmKind(
        code="HealthCritical",
        priority=Priority.HIGH,
        means="A device says of itself that it is in a critical state.",
        consequence="It has failed, or will.",
        response=(
            "See what of it: iolaus describe NAME, and iolaus events -l name=NAME.",
            'Drain it, if work runs there: iolaus drain NAME --reason "critical health".',
            "Replace the part that is named, or open a case with the maker.",
        ),
        clears="by itself, when the device says otherwise.",
        delay_off_s=30.0,
    ),
    AlarmKind(
        code="HealthWarning",
        priority=Priority.LOW,
        means="A device says of itself that something is not as it should be.",
        consequence="Redundancy may be gone: the next failure of the same part counts.",
        response=(
            "See what of it: iolaus describe NAME.",
            "Plan the repair within the maintenance window.",
        ),
        clears="by itself, when the device says otherwise.",
        delay_on_s=60.0,
        delay_off_s=60.0,
    ),
    AlarmKind(
        code="ClockSkewed",
        priority=Priority.LOW,
        means="A controller's clock differs from ours by more than a minute.",
        consequence="The times in its log are not true, and certificates may seem not valid.",
        response=("Set NTP on the controller, by a baseline: spec.bmc.ntp (docs/baselines.md).",),
        clears="by itself, when its clock is within a minute of ours.",
        delay_on_s=300.0,
        causes=(SILENT,),
    ),
    AlarmKind(
        code="IdentityConflict",
        priority=Priority.HIGH,
        means="Two endpoints claim the serial number or the UUID of one device.",
        consequence="It is not known which device is which; a change may go to the wrong one.",
        response=(
            "See who claims it: iolaus describe NAME, condition IdentityKnown.",
            "If a device was moved, forget its old address: iolaus forget NAME.",
            (
                "If none was moved, look at both on site: one of them is a copy or was repaired "
                "with another's board."
            ),
        ),
        clears="by itself, when only one claims it.",
        delay_on_s=60.0,
    ),
    AlarmKind(
        code="AttestationFailed",
        priority=Priority.HIGH,
        means="What a component proved is not what it should run, or not who it should be.",
        consequence="Firmware that nobody vouches for may run there, below every host.",
        response=(
            "See the finding: iolaus describe attestation NODE:COMPONENT.",
            "Take the node out of service until it is understood: iolaus drain NODE.",
            "Flash the component with a known image, and let it prove itself: iolaus attest NODE.",
        ),
        clears="when its evidence is good again; it stays latched until a person resets it.",
        latching=True,
    ),
)
_LEAKS: Final = (
    AlarmKind(
        code="LeakDetected",
        priority=Priority.CRITICAL,
        means="A leak detector says that there is liquid.",
        consequence="Liquid near live parts: a short circuit, and the loop loses its pressure.",
        response=(
            "Look where: iolaus get leaks.",
            "Take the power off the tray or the rack before anybody goes near.",
            "Have the rack isolated: electrically first, then its liquid.",
            "Look on site. Power comes back by a person's decision only.",
        ),
        clears="when its detector says dry; it stays latched until a person resets it.",
        latching=True,
    ),
    AlarmKind(
        code="LeakDetectorSilent",
        priority=Priority.MEDIUM,
        means="A leak detector says nothing, or what it says is old.",
        consequence="Whether it is dry there is not known. It is not counted as dry.",
        response=(
            "See why: iolaus get leaks -o wide, and the condition LeakFree of the device.",
            "Bring no new work there until the detector is heard again.",
            "Check its cable; replace it.",
        ),
        clears="by itself, when the detector is heard again.",
        delay_on_s=60.0,
        causes=(SILENT, RACK_SILENT, HALL_SILENT),
    ),
)
ALARM_KINDS: Final[Mapping[str, AlarmKind]] = {
    kind.code: kind for kind in (*_REACH, *_DEVICE, *_LEAKS, *RECOVERY, *ENERGY)
}
