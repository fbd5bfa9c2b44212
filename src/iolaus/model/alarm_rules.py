"""Which conditions are alarms: a condition of an asset or an endpoint, and its code.

True clears, False rings, Unknown leaves things as they are, with one exception: a leak detector
that is silent is an alarm of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from iolaus.model.alarm import Occurrence
from iolaus.model.alarming import SILENT, Key
from iolaus.model.endpoint import Condition

OF_ENDPOINTS: Final[Mapping[str, Mapping[str, str]]] = {
    "Reachable": {
        "NoAnswer": SILENT,
        "CredentialRefused": "CredentialRefused",
        "NotUnderstood": "NotUnderstood",
    },
    "ClockSane": {"Skewed": "ClockSkewed"},
}
OF_ASSETS: Final[Mapping[str, Mapping[str, str]]] = {
    "Healthy": {"Critical": "HealthCritical", "Warning": "HealthWarning"},
    "IdentityKnown": {"Conflict": "IdentityConflict"},
    "LeakFree": {"LeakDetected": "LeakDetected", "DetectorSilent": "LeakDetectorSilent"},
    "Attested": {"Untrusted": "AttestationFailed"},
    "Reach": {
        "HostHung": "HostHung",
        "HostPathDead": "HostPathDead",
        "ControllerDead": "ControllerDead",
        "PowerGone": "PowerGone",
    },
    "Recovery": {"NeedsPerson": "RecoveryNeedsPerson"},
}
"""Condition type -> reason -> code. Of the codes of one type at most one rings."""
RINGS_UNKNOWN: Final = frozenset({"LeakDetectorSilent"})
KEPT_WHEN_SILENT: Final = frozenset({"LeakDetected"})
"""What the silence of its detector does not clear."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Of what the conditions are."""

    uid: str
    name: str
    endpoint: str
    rack: str
    labels: Mapping[str, str] = {}


def judge_conditions(
    subject: Subject,
    conditions: Iterable[Condition],
    rules: Mapping[str, Mapping[str, str]],
) -> dict[Key, Occurrence | None]:
    """For each code that its conditions speak of: it rings, or it is clear."""
    found: dict[Key, Occurrence | None] = {}
    for condition in conditions:
        codes = rules.get(condition.type)
        if codes is None:
            continue
        ringing = codes.get(condition.reason, "")
        if condition.status == "Unknown" and ringing not in RINGS_UNKNOWN:
            continue
        for code in codes.values():
            if code == ringing:
                found[(subject.uid, code)] = _occurrence(subject, condition, code)
            elif condition.status != "Unknown" or code not in KEPT_WHEN_SILENT:
                found[(subject.uid, code)] = None
    return found


def _occurrence(subject: Subject, condition: Condition, code: str) -> Occurrence:
    return Occurrence(
        code=code,
        uid=subject.uid,
        subject=subject.name,
        message=condition.message or condition.reason,
        next_step=condition.next_step,
        since=condition.since,
        endpoint=subject.endpoint,
        rack=subject.rack,
        labels=subject.labels,
    )
