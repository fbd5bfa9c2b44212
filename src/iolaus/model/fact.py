"""A fact: what was said, by whom, when; or why it is not known.

Missing is never 0, "", False or a skipped row. A fact is `Known`, `Unknown` with a reason, or a
`Conflict` between sources, and `at` (seconds since 1970, our receive time) makes it age. The age
belongs to the fact and not to the endpoint: a fresh power state may stand beside an old serial.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")


class Health(StrEnum):
    """Redfish `Resource.Health`."""

    OK = "OK"
    WARNING = "Warning"
    CRITICAL = "Critical"


class PowerState(StrEnum):
    """Redfish `Resource.PowerState`."""

    ON = "On"
    OFF = "Off"
    POWERING_ON = "PoweringOn"
    POWERING_OFF = "PoweringOff"
    PAUSED = "Paused"


class Known(msgspec.Struct, Generic[T], frozen=True, tag="known", tag_field="is"):
    """`source` is the URI (or protocol address) that said so."""

    value: T
    at: float
    source: str = ""


class Unknown(msgspec.Struct, frozen=True, tag="unknown", tag_field="is"):
    """`reason` is a short sentence an operator can read: "not reported", "no answer since ..."."""

    reason: str
    at: float
    source: str = ""


class Conflict(msgspec.Struct, Generic[T], frozen=True, tag="conflict", tag_field="is"):
    """Sources disagree and nothing says which is right."""

    values: tuple[T, ...]
    at: float
    sources: tuple[str, ...] = ()


Fact: TypeAlias = Known[T] | Unknown | Conflict[T]


def value_of(fact: Known[T] | Unknown | Conflict[T]) -> T | None:
    """The value if it is known, else None. For display; a judge must look at the fact itself."""
    return fact.value if isinstance(fact, Known) else None


def reason_of(fact: Known[T] | Unknown | Conflict[T]) -> str:
    """Why the value is not known; empty when it is."""
    if isinstance(fact, Unknown):
        return fact.reason
    if isinstance(fact, Conflict):
        return "sources disagree: " + ", ".join(str(value) for value in fact.values)
    return ""
