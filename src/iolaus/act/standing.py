"""Whether we may act: a lease that is in force by our own monotonic clock, with a margin.

The journal fences whoever writes under a stale lease. Between a written line and the effect that
it announces a process may still be frozen, so the clock is asked once more at the last moment.
"""

from __future__ import annotations

from iolaus.act.ports import Fenced, Lease
from iolaus.kernel.clock import Clock


class Standing:
    """`asked_at` is the monotonic time before the lease was asked for; from then it lasts `ttl_s`,
    and the last `margin_s` of it are not used to begin anything."""

    def __init__(
        self, lease: Lease, *, clock: Clock, asked_at: float, ttl_s: float, margin_s: float
    ) -> None:
        self.lease, self._clock = lease, clock
        self._ttl_s, self._margin_s = ttl_s, margin_s
        self._until = asked_at + ttl_s

    def renewed(self, lease: Lease, *, asked_at: float) -> None:
        self.lease, self._until = lease, asked_at + self._ttl_s

    @property
    def left_s(self) -> float:
        """How long it may still be acted on."""
        return self._until - self._margin_s - self._clock.monotonic()

    def check(self) -> None:
        """Raises `Fenced` when it is not, or soon will not be, in force."""
        if self.left_s <= 0:
            raise Fenced(self.lease, operation="act")
