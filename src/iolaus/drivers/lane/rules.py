"""What a lane may be told, what it tells, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from iolaus.drivers.lane.auth import AuthRules
from iolaus.drivers.lane.breaker import BreakerRules
from iolaus.drivers.lane.cache import CacheRules
from iolaus.drivers.lane.limit import LimitRules
from iolaus.drivers.ports import Priority
from iolaus.kernel.errors import DeviceSilent

TIMEOUT_S: Final[Mapping[Priority, float]] = MappingProxyType(
    {
        Priority.SAFETY: 10.0,
        Priority.CONTROL: 30.0,
        Priority.LIFECYCLE: 120.0,
        Priority.TELEMETRY: 20.0,
        Priority.INVENTORY: 60.0,
    }
)

SLOWEST_UPLOAD: Final = 64 * 1024
"""Bytes per second that even a slow controller takes."""

Heard = Callable[[str, bool, str], None]
"""(address, silent, reason): the device was given up, or is back. Called once each way."""


class GivenUp(DeviceSilent):
    """Our own decision: the device is being left alone, or this caller's deadline has passed
    while the answer is still awaited. Says nothing new about the device."""


class LaneRules(msgspec.Struct, frozen=True, kw_only=True):
    """`max_in_flight` is the operator's bound. `timeout_s` per class holds where a caller gives no
    deadline. With `stream_takes_connection` an event stream lowers the ceiling by one where the
    device's number of connections is known."""

    max_in_flight: int = 2
    stream_takes_connection: bool = True
    timeout_s: Mapping[Priority, float] = TIMEOUT_S
    limit: LimitRules = LimitRules()
    breaker: BreakerRules = BreakerRules()
    auth: AuthRules = AuthRules()
    cache: CacheRules = CacheRules()


class LaneStats(msgspec.Struct, frozen=True, kw_only=True):
    """A lane as it is now. `requests` were sent; `shared` were answered without asking again;
    `heard_at` (monotonic) is when the device last answered anything. `crowded`: the last login
    found no free session."""

    address: str
    in_flight: int
    waiting: int
    sessions: int
    streams: int
    limit: int
    ceiling: int
    breaker: str
    requests: int
    shared: int
    latency_ms: float | None = None
    login_retry_s: float | None = None
    login_refused: bool = False
    heard_at: float | None = None
    crowded: bool = False


def upload_s(size: int) -> float:
    """How long an image of so many bytes may take."""
    return TIMEOUT_S[Priority.LIFECYCLE] + size / SLOWEST_UPLOAD
