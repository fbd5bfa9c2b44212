"""Whether a login may be tried: the rule that keeps us from ever locking an account.

A controller counts failed logins of all who use the account; ours must stay below its threshold
whatever else happens. So a refused login stops every login to this device, for all who share the
lane, and the pause grows: with the defaults at most two tries fall in half an hour and three in an
hour. Only another credential clears it early, because nothing else makes the next try different;
a restart of ours does not, where a memory is given. The memory may know of more failures than
ours, those of logins on the side; then the next try waits for as long as it says. A login that was
sent and not answered may have failed at the controller: the memory is told of it as of a failure,
until this credential is let in.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from iolaus.kernel.errors import DeviceRefused


class HeldBack(DeviceRefused):
    """Refused here on the device's behalf: nothing was sent."""


class AuthRules(msgspec.Struct, frozen=True, kw_only=True):
    pause_s: float = 600.0
    factor: float = 3.0
    pause_max_s: float = 3600.0


class LoginMemory(Protocol):
    """Refusals that outlive this process, by address (`store.logins.Logins`)."""

    def recall(self, address: str) -> tuple[int, float]: ...

    def remember(self, address: str, *, failures: int, wait_s: float) -> None: ...

    def forget(self, address: str) -> None: ...

    def unanswered(self, address: str) -> float:
        """One more may have failed; to be handed in at `answered`."""
        ...

    def answered(self, address: str, began: float) -> None:
        """It had not."""
        ...

    def not_before_s(self, address: str) -> float:
        """Seconds that a login which may fail has to wait for, whoever tries it."""
        ...


class AuthBackOff:
    """`accepted`: this credential was right at least once; `failures` in a row since."""

    __slots__ = ("_address", "_doubts", "_memory", "_rules", "accepted", "failures", "retry_at")

    def __init__(
        self, rules: AuthRules, *, address: str = "", memory: LoginMemory | None = None
    ) -> None:
        self._rules, self._address, self._memory = rules, address, memory
        self._doubts: list[float] = []
        self.accepted, self.failures, self.retry_at = False, 0, float("-inf")

    def recall(self, *, now: float) -> None:
        """Go on where a former process was refused."""
        failures, wait_s = self._memory.recall(self._address) if self._memory else (0, 0.0)
        if failures:
            self.failures = failures
            self.retry_at = now + min(wait_s, self._rules.pause_max_s)

    def another(self) -> AuthBackOff:
        """For another credential; what this one still hears is remembered no more."""
        memory, self._memory = self._memory, None
        return AuthBackOff(self._rules, address=self._address, memory=memory)

    def clear(self) -> None:
        """Another credential: nothing is known about it."""
        self._forget()
        self.accepted, self.failures, self.retry_at = False, 0, float("-inf")

    def succeeded(self) -> None:
        if self.failures:
            self._forget()
        doubts, self._doubts = self._doubts, []
        if self._memory is not None:
            for began in doubts:
                self._memory.answered(self._address, began)
        self.accepted, self.failures, self.retry_at = True, 0, float("-inf")

    def _forget(self) -> None:
        if self._memory is not None:
            self._memory.forget(self._address)

    def failed(self, *, now: float) -> None:
        """Refused. What was refused together with it, while waiting, counts once."""
        if now < self.retry_at:
            return
        pause_s = self._rules.pause_s * self._rules.factor**self.failures
        pause_s = min(pause_s, self._rules.pause_max_s)
        self.accepted, self.failures = False, min(self.failures + 1, 32)
        self.retry_at = now + pause_s
        if self._memory is not None:
            self._memory.remember(self._address, failures=self.failures, wait_s=pause_s)

    def doubted(self) -> None:
        """Sent, and nobody answered: it may have failed."""
        self.accepted = False
        if self._memory is not None:
            self._doubts.append(self._memory.unanswered(self._address))

    def wait_s(self, *, now: float) -> float:
        """Until the next login may be tried."""
        wait_s = max(0.0, self.retry_at - now)
        if not self.accepted and self._memory is not None:
            wait_s = max(wait_s, self._memory.not_before_s(self._address))
        return wait_s

    def check(self, *, now: float, operation: str, address: str) -> None:
        """Raise `HeldBack` (401, `AuthenticationBackOff`) while a try would be too early."""
        wait_s = self.wait_s(now=now)
        if wait_s <= 0:
            return
        raise HeldBack(
            f"the credential was refused {_times(self.failures)}; "
            f"the next login is tried in {wait_s:.0f} s so that the account is not locked",
            operation=operation,
            subject=address,
            code="AuthenticationBackOff",
            next_step="give the right credential for this endpoint; a new one is tried at once",
            status=401,
            retry_after_s=wait_s,
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
