"""Alarms: what needs a person's response, and how it stands, by ISA-18.2.

An alarm is not an event: it stands for as long as what it tells of is so, it wants an
acknowledgement, and it may be put out of sight (shelved by a person for a time, suppressed by
another alarm that is its cause, taken out of service) without its condition being forgotten. The
states and their changes are ANSI/ISA-18.2-2016's (clause 6, the state transition diagram, A to I)
and stand here as one table. What is behind an alarm is three-valued: a condition that is unknown
neither raises nor returns anything, so silence never clears an alarm.

All of it is values; time is an argument, in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from iolaus.kernel.errors import OperatorMust


class AlarmState(StrEnum):
    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned-unacknowledged"
    LATCHED_UNACKNOWLEDGED = "latched-unacknowledged"
    LATCHED = "latched"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out-of-service"


class AlarmStep(StrEnum):
    """What can happen to an alarm: its condition, a person, a clock or its cause."""

    OCCUR = "occur"
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    REMOVE = "remove"
    RESTORE = "restore"


class Priority(StrEnum):
    """How fast a person must act: at once, within minutes, within the shift, when there is time."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


PRIORITIES: Final = tuple(Priority)
SHOWN: Final = frozenset(
    {
        AlarmState.UNACKNOWLEDGED,
        AlarmState.ACKNOWLEDGED,
        AlarmState.RETURNED_UNACKNOWLEDGED,
        AlarmState.LATCHED_UNACKNOWLEDGED,
        AlarmState.LATCHED,
    }
)
"""States that a person is shown without asking for more."""
HIDDEN: Final = frozenset({AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE})
UNANSWERED: Final = frozenset(
    {
        AlarmState.UNACKNOWLEDGED,
        AlarmState.RETURNED_UNACKNOWLEDGED,
        AlarmState.LATCHED_UNACKNOWLEDGED,
    }
)
"""States in which an acknowledgement is waited for."""

AGAIN: Final = None
"""In the table: back to where the condition says, unacknowledged if it holds, else normal."""
_S = AlarmState
_TO_HIDDEN: Final[Mapping[AlarmStep, AlarmState | None]] = {
    AlarmStep.SHELVE: _S.SHELVED,
    AlarmStep.SUPPRESS: _S.SUPPRESSED,
    AlarmStep.REMOVE: _S.OUT_OF_SERVICE,
}
TRANSITIONS: Final[Mapping[AlarmState, Mapping[AlarmStep, AlarmState | None]]] = {
    _S.NORMAL: {AlarmStep.OCCUR: _S.UNACKNOWLEDGED, **_TO_HIDDEN},
    _S.UNACKNOWLEDGED: {
        AlarmStep.RETURN: _S.RETURNED_UNACKNOWLEDGED,
        AlarmStep.ACKNOWLEDGE: _S.ACKNOWLEDGED,
        **_TO_HIDDEN,
    },
    _S.ACKNOWLEDGED: {AlarmStep.RETURN: _S.NORMAL, **_TO_HIDDEN},
    _S.RETURNED_UNACKNOWLEDGED: {
        AlarmStep.OCCUR: _S.UNACKNOWLEDGED,
        AlarmStep.ACKNOWLEDGE: _S.NORMAL,
        **_TO_HIDDEN,
    },
    _S.LATCHED_UNACKNOWLEDGED: {
        AlarmStep.OCCUR: _S.UNACKNOWLEDGED,
        AlarmStep.ACKNOWLEDGE: _S.LATCHED,
        **_TO_HIDDEN,
    },
    _S.LATCHED: {AlarmStep.OCCUR: _S.UNACKNOWLEDGED, AlarmStep.RESET: _S.NORMAL, **_TO_HIDDEN},
    _S.SHELVED: {
        AlarmStep.OCCUR: _S.SHELVED,
        AlarmStep.RETURN: _S.SHELVED,
        AlarmStep.UNSHELVE: AGAIN,
        AlarmStep.REMOVE: _S.OUT_OF_SERVICE,
    },
    _S.SUPPRESSED: {
        AlarmStep.OCCUR: _S.SUPPRESSED,
        AlarmStep.RETURN: _S.SUPPRESSED,
        AlarmStep.UNSUPPRESS: AGAIN,
        AlarmStep.SHELVE: _S.SHELVED,
        AlarmStep.REMOVE: _S.OUT_OF_SERVICE,
    },
    _S.OUT_OF_SERVICE: {
        AlarmStep.OCCUR: _S.OUT_OF_SERVICE,
        AlarmStep.RETURN: _S.OUT_OF_SERVICE,
        AlarmStep.RESTORE: AGAIN,
    },
}
"""From a state, by what happens; what is not here cannot be done there."""
_LATCHING: Final[Mapping[AlarmState, AlarmState]] = {
    _S.UNACKNOWLEDGED: _S.LATCHED_UNACKNOWLEDGED,
    _S.ACKNOWLEDGED: _S.LATCHED,
}
"""Where a latching alarm goes when its condition returns."""


class AlarmKind(msgspec.Struct, frozen=True, kw_only=True):
    """One code, as ISA-18.2's rationalisation wants it written down before it may ring: what it
    means, what happens if nobody acts, what to do. `delay_on_s` is how long the condition must
    hold, `delay_off_s` how long it must be gone. A latching alarm stays until a person resets
    it. `causes` are codes which, standing for the same endpoint or rack, explain this one."""

    code: str
    priority: Priority
    means: str
    consequence: str
    response: tuple[str, ...]
    clears: str
    delay_on_s: float = 0.0
    delay_off_s: float = 0.0
    latching: bool = False
    causes: tuple[str, ...] = ()


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """That the condition behind an alarm holds. `subject` is the name that people know, `uid`
    what stays when names change; `endpoint` and `rack` say where, for causes; `since` None: from
    when it is first seen."""

    code: str
    uid: str
    subject: str
    message: str
    next_step: str = ""
    since: float | None = None
    endpoint: str = ""
    rack: str = ""
    labels: Mapping[str, str] = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.uid, self.code


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm as it stands. `active`: its condition holds, seen or hidden. `clear_since` is when
    it was first seen gone, while that is too short to count. `hidden_by` is who shelved it or took
    it out of service, or the name of the alarm that explains it; `times` how often it occurred."""

    code: str
    uid: str
    subject: str
    state: AlarmState
    active: bool
    priority: Priority
    message: str
    next_step: str = ""
    endpoint: str = ""
    rack: str = ""
    labels: Mapping[str, str] = {}
    since: float = 0.0
    changed_at: float = 0.0
    returned_at: float | None = None
    clear_since: float | None = None
    acknowledged_by: str = ""
    acknowledged_at: float | None = None
    note: str = ""
    hidden_by: str = ""
    shelved_until: float | None = None
    times: int = 1

    @property
    def key(self) -> tuple[str, str]:
        return self.uid, self.code

    @property
    def name(self) -> str:
        return f"{self.subject}:{self.code}"


def can(alarm: Alarm, step: AlarmStep) -> bool:
    return step in TRANSITIONS[alarm.state]


def moved(alarm: Alarm, step: AlarmStep, kind: AlarmKind, *, now: float) -> Alarm:
    """The alarm after a step. Raises `OperatorMust` (code NotNow) for one that its state has not;
    a latched alarm is acknowledged before it is reset, and is not reset while it is active."""
    if not can(alarm, step):
        ways = ", ".join(each.value for each in TRANSITIONS[alarm.state] if each in OF_PEOPLE)
        raise OperatorMust(
            f"it is {alarm.state.value}",
            operation=step.value,
            subject=alarm.name,
            code="NotNow",
            next_step=f"what can be done with it now: {ways}.",
        )
    active = step is AlarmStep.OCCUR or (alarm.active and step is not AlarmStep.RETURN)
    state = TRANSITIONS[alarm.state][step]
    if state is AGAIN:
        state = _S.UNACKNOWLEDGED if active else _S.NORMAL
    elif step is AlarmStep.RETURN and kind.latching:
        state = _LATCHING.get(alarm.state, state)
    if state in HIDDEN:
        return msgspec.structs.replace(alarm, state=state, active=active, changed_at=now)
    return msgspec.structs.replace(
        alarm,
        state=state,
        active=active,
        changed_at=now,
        hidden_by="",
        shelved_until=None,
        **_forgetting(state),
    )


def _forgetting(state: AlarmState) -> dict[str, object]:
    """Who acknowledged it counts until it rings again."""
    if state is not _S.UNACKNOWLEDGED:
        return {}
    return {"acknowledged_by": "", "acknowledged_at": None, "note": "", "returned_at": None}


OF_PEOPLE: Final = frozenset(
    {
        AlarmStep.ACKNOWLEDGE,
        AlarmStep.RESET,
        AlarmStep.SHELVE,
        AlarmStep.UNSHELVE,
        AlarmStep.REMOVE,
        AlarmStep.RESTORE,
    }
)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a person does to an alarm. `until` is when shelving ends."""

    step: AlarmStep
    by: str
    note: str = ""
    until: float | None = None


def answered(alarm: Alarm, said: Said, kind: AlarmKind, *, now: float) -> Alarm:
    """The alarm after a person's word. Raises `OperatorMust` as `moved` does, and (code
    ForHowLong) for a shelving without an end in the future."""
    if said.step not in OF_PEOPLE:
        raise OperatorMust(
            "nobody does that by hand",
            operation=said.step.value,
            subject=alarm.name,
            code="NotByHand",
            next_step="acknowledge, shelve, reset it, or take it out of service.",
        )
    if said.step is AlarmStep.SHELVE and (said.until is None or said.until <= now):
        raise OperatorMust(
            "an alarm is shelved for a time only",
            operation="shelve",
            subject=alarm.name,
            code="ForHowLong",
            next_step="say for how long, as in 2h.",
        )
    after = moved(alarm, said.step, kind, now=now)
    if said.step is AlarmStep.ACKNOWLEDGE:
        return msgspec.structs.replace(
            after, acknowledged_by=said.by, acknowledged_at=now, note=said.note
        )
    if said.step in (AlarmStep.SHELVE, AlarmStep.REMOVE):
        return msgspec.structs.replace(
            after, hidden_by=said.by, shelved_until=said.until, note=said.note
        )
    return after
