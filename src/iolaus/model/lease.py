"""Leases as values: who may act, until when, and under which epoch.

A lease runs out by time, but time alone fences nobody: a process that slept through the end of its
lease wakes believing that it holds it. So the epoch grows whenever the lease is taken anew, and
whatever matters names the epoch under which it is done.
"""

from __future__ import annotations

import msgspec

from iolaus.kernel.errors import WeErred


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Held until `expires_at` (seconds since 1970) unless it is renewed."""

    name: str
    holder: str
    epoch: int
    expires_at: float


class Fenced(WeErred):
    """The lease under which something was to be done is another's, or nobody's, by now."""

    def __init__(self, lease: Lease, *, operation: str) -> None:
        super().__init__(
            f"the lease (epoch {lease.epoch}) is no longer ours",
            operation=operation,
            subject=lease.name,
            code="Fenced",
            next_step="nothing: whoever holds the lease now goes on.",
        )
