"""What is shown of an alarm."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from iolaus.model.alarm import UNANSWERED, Alarm
from iolaus.model.alarm_kinds import ALARM_KINDS
from iolaus.north.dto.make import when
from iolaus.north.dto.views import Age, View


class AlarmView(View, frozen=True, kw_only=True):
    """Something that needs a person's response, and how it stands (ISA-18.2)."""

    subject: Annotated[str, Meta(description="The node, device, endpoint or rack it is of.")]
    code: Annotated[str, Meta(description="What it is; docs/runbooks has a page for each code.")]
    priority: Annotated[str, Meta(description="critical, high, medium or low.")]
    state: Annotated[
        str,
        Meta(
            description="unacknowledged, acknowledged, returned-unacknowledged, "
            "latched-unacknowledged, latched, shelved, suppressed, out-of-service."
        ),
    ]
    active: Annotated[bool, Meta(description="Whether its condition holds, shown or hidden.")]
    needs_answer: Annotated[bool, Meta(description="Whether it waits to be acknowledged.")]
    message: str
    next_step: Annotated[str, Meta(description="What to do about it.")]
    consequence: Annotated[str, Meta(description="What happens if nobody acts.")]
    runbook: Annotated[str, Meta(description="Where the page of its code is.")]
    since: Annotated[datetime | None, Meta(description="Since when its condition holds.")]
    changed_at: Annotated[datetime | None, Meta(description="When its state last changed.")]
    times: Annotated[int, Meta(description="How often it rang since it was last normal.")]
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    note: Annotated[str, Meta(description="What whoever answered it added.")] = ""
    hidden_by: Annotated[
        str, Meta(description="Who shelved it, the alarm that is its cause, or design/RULE.")
    ] = ""
    cause: Annotated[str, Meta(description="The alarm that explains it, while that stands.")] = ""
    explains: Annotated[int, Meta(description="How many alarms it explains.")] = 0
    shelved_until: datetime | None = None
    age_s: Age = None


class SuppressionView(View, frozen=True, kw_only=True):
    """Why alarms are out of sight: a rule, a cause, or a person."""

    how: Annotated[
        str,
        Meta(
            description="design (a rule of alarms.yaml), cause (another alarm explains them), "
            "shelved, out-of-service."
        ),
    ]
    subject: Annotated[str, Meta(description="The rule, the alarm that explains, or that hides.")]
    by: Annotated[str, Meta(description="Who shelved it or took it out of service.")] = ""
    codes: Annotated[list[str], Meta(description="Of which codes.")] = []
    where: Annotated[str, Meta(description="The rule's selector; empty: everywhere.")] = ""
    when: Annotated[str, Meta(description="While what holds the rule hides.")] = ""
    why: Annotated[str, Meta(description="What was written down with it.")] = ""
    in_force: Annotated[bool, Meta(description="False once the rule's time is over.")] = True
    hides: Annotated[int, Meta(description="How many alarms it keeps out of sight now.")] = 0
    since: Annotated[datetime | None, Meta(description="Since when, where that is known.")] = None
    until: Annotated[datetime | None, Meta(description="When it ends; null: no time is set.")] = (
        None
    )
    age_s: Age = None


def alarm_view(alarm: Alarm, *, now: float, cause: str = "", explains: int = 0) -> AlarmView:
    kind = ALARM_KINDS[alarm.code]
    return AlarmView(
        name=alarm.name,
        kind="alarm",
        labels=alarm.labels,
        subject=alarm.subject,
        code=alarm.code,
        priority=alarm.priority.value,
        state=alarm.state.value,
        active=alarm.active,
        needs_answer=alarm.state in UNANSWERED,
        message=alarm.message,
        next_step=alarm.next_step or kind.response[0],
        consequence=kind.consequence,
        runbook=f"/ui/runbooks/{alarm.code}",
        since=when(alarm.since),
        changed_at=when(alarm.changed_at),
        times=alarm.times,
        acknowledged_by=alarm.acknowledged_by,
        acknowledged_at=when(alarm.acknowledged_at),
        note=alarm.note,
        hidden_by=alarm.hidden_by,
        cause=cause,
        explains=explains,
        shelved_until=when(alarm.shelved_until),
        age_s=round(max(0.0, now - alarm.since), 3),
    )
