"""What an error during an action means: whether it took effect, and whether to try again.

One table by HTTP status, because devices use the same numbers for a passing mood and for a lasting
no. Where it is not known whether the action took effect it is treated as if it had: whoever sent it
looks first. Only a status that promises that nothing happened may be sent again without a look.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from iolaus.drivers.lane import HeldBack
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.model.plan import Step, Verb


class Fault(StrEnum):
    PASSING = "passing"
    """Not now (busy, during POST): again within the step's time, and it does not count."""
    DOUBTFUL = "doubtful"
    """Perhaps not now (a 400 while powering off, a 404 while a job is made): again, counted."""
    UNKNOWN = "unknown"
    """It may have taken effect."""
    FINAL = "final"
    """It will say the same again; trying may lock an account."""


BY_STATUS: Final[Mapping[int, Fault]] = {
    400: Fault.DOUBTFUL,
    404: Fault.DOUBTFUL,
    408: Fault.UNKNOWN,
    409: Fault.PASSING,
    412: Fault.PASSING,
    423: Fault.PASSING,
    425: Fault.PASSING,
    429: Fault.PASSING,
    500: Fault.UNKNOWN,
    502: Fault.UNKNOWN,
    503: Fault.PASSING,
    504: Fault.UNKNOWN,
}

PATIENT: Final = frozenset({Verb.ROTATE_CREDENTIAL})
"""What waits until a login may be tried again: there time heals; elsewhere a person must look."""
LOGIN_HELD: Final = 401


def fault_of(error: Exception) -> Fault:
    """Pure. What is neither the device's nor a time-out is final: trying again heals nothing."""
    if isinstance(error, DeviceSilent | DeviceLied | TimeoutError):
        return Fault.UNKNOWN
    if isinstance(error, DeviceRefused):
        usual = BY_STATUS.get(error.status, Fault.FINAL)
        wished = error.retry_after_s is not None and usual is not Fault.UNKNOWN
        return Fault.PASSING if wished else usual
    return Fault.FINAL


def held_s(error: Exception, step: Step) -> float:
    """Seconds that a login is held back for by ourselves, so that no account is locked, where the
    step is worth waiting for it; else 0. Pure."""
    if not isinstance(error, HeldBack) or error.status != LOGIN_HELD:
        return 0.0
    return (error.retry_after_s or 0.0) if step.action.verb in PATIENT else 0.0
