"""Endpoints: the management controllers we reach, and what became of trying.

An endpoint is an address, not a device: after a board swap the same address shows another
identity, and after DHCP the same device shows another address. Conditions are Kubernetes' words:
type, status, reason, message; ours add the next step.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Reach(StrEnum):
    REACHABLE = "reachable"
    UNAUTHENTICATED = "unauthenticated"
    UNREACHABLE = "unreachable"
    UNSUPPORTED = "unsupported"


class Mode(StrEnum):
    """A real endpoint is read-only until the operator says managed."""

    READ_ONLY = "read-only"
    MANAGED = "managed"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that the operator asked for. `address` is `https://host[:port]`, a Modbus bus
    or a building's broker, normalised, and is the endpoint's key everywhere. `fingerprint` pins
    its certificate (SHA-256, hex), and `expected` is the one that was put in since and may be
    served any day; `credential` names an entry of the credential store; `also` are further
    addresses of the same equipment, whose readings are laid beside."""

    address: str
    name: str | None = None
    labels: Mapping[str, str] = {}
    fingerprint: str | None = None
    credential: str | None = None
    mode: Mode = Mode.READ_ONLY
    also: tuple[str, ...] = ()
    expected: str | None = None


def protocol_of(address: str) -> str:
    """What is spoken to an address: "redfish", "modbus" or "dsx"."""
    scheme = address.partition("://")[0]
    if scheme.startswith("modbus+"):
        return "modbus"
    return "dsx" if scheme.startswith("dsx+") else "redfish"


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What trying to reach it says, as of `at` (seconds since 1970). `since` is when `reach`
    last changed; `last_error` is one operator-readable sentence with its next step."""

    address: str
    reach: Reach
    at: float
    since: float
    protocol: str = "redfish"
    driver: str | None = None
    latency_ms: float | None = None
    in_flight: int = 0
    sessions: int = 0
    last_error: str = ""
    next_step: str = ""
    certificate: str | None = None
    answered_at: float | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is "True", "False" or "Unknown"."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    next_step: str = ""
    since: float | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, by our own receive time. `kind` is a CamelCase word
    ("EndpointLost", "EndpointBack", "FirmwareChanged", "DeviceEvent", "IdentityConflict" ...).
    `dedup` makes a replay of the same device event recognisable."""

    at: float
    kind: str
    severity: str
    endpoint: str
    message: str
    asset: str | None = None
    component: str | None = None
    origin: str | None = None
    dedup: str | None = None
    before: str | None = None
    after: str | None = None
