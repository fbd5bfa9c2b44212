"""What telemetry history is made of: one value of one series at one time."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from iolaus.model.asset import Reading


class Sample(NamedTuple):
    """`asset` is a uid, `at` seconds since 1970, `value` finite and in `unit`."""

    asset: str
    name: str
    at: float
    value: float
    role: str = ""
    unit: str = ""


class Telemetry(Protocol):
    """Where samples go. Never blocks and never fails."""

    def append(self, samples: Iterable[Sample]) -> None: ...


def samples_of(readings: Iterable[Reading], uids: Mapping[str, str]) -> list[Sample]:
    """The known values among these readings; `uids` maps an asset's key to its uid."""
    return [
        Sample(uids[r.asset], series_name(r), r.at, r.value, r.role, r.unit)
        for r in readings
        if r.value is not None and r.asset in uids and math.isfinite(r.value)
    ]


def series_name(reading: Reading) -> str:
    """A sensor's series is named by its component, if it has one, and its own name."""
    named = f"{reading.component}/{reading.name}" if reading.component else reading.name
    return sys.intern(named)
