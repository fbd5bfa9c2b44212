"""Alarms of a node that cannot be reached or does not run: what its paths told apart."""

from __future__ import annotations

from typing import Final

from iolaus.model.alarm import AlarmKind, Priority
from iolaus.model.alarming import HALL_SILENT, RACK_SILENT

_WAY: Final = "See what each path to it says: iolaus describe node/NAME (condition Reach)."
_RECOVER: Final = "Look at the way back, then take it: iolaus recover NAME, and with -y."
RECOVERY: Final = (
    AlarmKind(
        code="HostHung",
        priority=Priority.HIGH,
        means="A node has power and its controller answers, and its host is silent: whoever "
        "watches hosts in band says so.",
        consequence="What ran there has stopped, and its scheduler may wait for it.",
        response=(
            _WAY,
            "Look at its console, if somebody records it, before anything is restarted.",
            _RECOVER,
        ),
        clears="by itself, when its host is said to be alive.",
        delay_on_s=30.0,
        delay_off_s=30.0,
        causes=(RACK_SILENT, HALL_SILENT),
    ),
    AlarmKind(
        code="HostPathDead",
        priority=Priority.HIGH,
        means="A controller answers, and cannot see or steer its host any more.",
        consequence="The host can be neither restarted nor cut off by its controller, and its "
        "sensors are blind.",
        response=(_WAY, _RECOVER, "If it comes again, have the board looked at."),
        clears="by itself, when the controller sees its host.",
        delay_on_s=30.0,
        causes=(RACK_SILENT, HALL_SILENT),
    ),
    AlarmKind(
        code="ControllerDead",
        priority=Priority.HIGH,
        means="A controller is silent while its node has power, or its host is alive: it is the "
        "controller, and not its power or the network.",
        consequence="The node runs on unseen: nobody can restart it, cap it or cut it off.",
        response=(
            _WAY,
            'Drain its host, because the way back stops it: iolaus drain NAME --reason "dead BMC".',
            _RECOVER,
        ),
        clears="by itself, when its controller answers.",
        delay_on_s=60.0,
        delay_off_s=30.0,
        causes=(RACK_SILENT, HALL_SILENT),
    ),
    AlarmKind(
        code="PowerGone",
        priority=Priority.HIGH,
        means="A node is silent and its outlets carry no power.",
        consequence="It is dark; so is everything that it fed.",
        response=(
            _WAY,
            "Find out whether somebody switched the outlets: iolaus audit list.",
            "Look at its cords, its supplies and the breaker.",
            _RECOVER,
        ),
        clears="by itself, when power flows again or its controller answers.",
        delay_on_s=30.0,
        causes=(RACK_SILENT, HALL_SILENT),
    ),
    AlarmKind(
        code="RecoveryNeedsPerson",
        priority=Priority.HIGH,
        means="A node was to be brought back, every rung that may be used was tried, and it is "
        "not back.",
        consequence="It stays as it is: nothing more is tried by itself. A host that was disproved "
        "and is not held off goes on running.",
        response=(
            "Read why it is not back and what is to be done by hand: iolaus describe node/NAME.",
            "See what was tried, what was passed over, and why: iolaus describe recovery/ID.",
            "Take a rung that was passed over: iolaus recover NAME --only RUNG --host-may-stop.",
            "Take along what was saved of it before the first rung: iolaus bundle NAME.",
            "When it is repaired: iolaus recover NAME -y, which leaves it alone if it is well.",
        ),
        clears="by itself, when the node is judged to be well, or a recovery brings it back.",
        causes=(RACK_SILENT, HALL_SILENT),
    ),
)
