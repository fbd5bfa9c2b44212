"""Which of the passwords that may work does work, found with as few failures as possible.

Every login that may fail goes through here. It is written down before it is tried and draws on the
budget of its device (`model.credential`), together with what the lane itself was refused; where
nothing is left it is not tried, and whoever asked is told when it may be. One at a time for each
device. Nothing here writes to a device, and what was found is on disk before anybody uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from iolaus.drivers.lane import HeldBack
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, OperatorMust
from iolaus.model.endpoint import Target
from iolaus.store.own import Chance, Login, Own, chances
from iolaus.store.tries import held_s

OPERATION: Final = "log in to"
TryLogin = Callable[[Target, Login], Awaitable[bool]]
"""One login on the side (`drivers.lane.Lanes.try_login`)."""


class Vault(Protocol):
    """Where logins are kept (`store.secrets.Secrets`). `keep_own` is durable when it returns."""

    def own(self, address: str, *, name: str | None = None) -> Own | None: ...

    def others(self, address: str, *, name: str | None = None) -> tuple[Chance, ...]: ...

    def pending(self) -> tuple[str, ...]: ...

    async def keep_own(self, address: str, own: Own) -> None: ...


class Counts(Protocol):
    """Failures by device (`store.tries.Tries`)."""

    def failures(self, address: str, *, within_s: float) -> tuple[float, ...]: ...

    def begin(self, address: str) -> float: ...

    def succeeded(self, address: str, began: float) -> None: ...


class Finder:
    """`turn` is to be held around everything else of one device's login."""

    def __init__(self, *, vault: Vault, tries: Counts, try_login: TryLogin, clock: Clock) -> None:
        self._vault, self._tries, self._try, self._clock = vault, tries, try_login, clock
        self._turns: dict[str, asyncio.Lock] = {}
        self._doubtful: dict[str, list[tuple[Login, float]]] = {}

    def turn(self, address: str) -> asyncio.Lock:
        return self._turns.setdefault(address, asyncio.Lock())

    def failures(self, target: Target, own: Own) -> int:
        """How many logins failed there that the device may still count."""
        return len(self._tries.failures(target.address, within_s=own.policy.counts_s))

    def check(self, target: Target, own: Own) -> None:
        """Raises `HeldBack` while a login that may fail may not be tried, `OperatorMust` where it
        may never be."""
        policy = own.policy
        if policy.may_fail == 0:
            raise OperatorMust(
                f"it locks an account after {policy.threshold} failed logins, and one may be ours",
                operation=OPERATION,
                subject=target.name or target.address,
                code="NoRoomForAMistake",
                next_step="raise its AccountLockoutThreshold to 3 at least, 5 are better.",
            )
        self.check_wait(target, own)

    def check_wait(self, target: Target, own: Own) -> None:
        """Raises `HeldBack` while what failed lately leaves no room; of an account where nothing
        may ever fail nothing is said here."""
        policy = own.policy
        if policy.may_fail == 0:
            return
        failed = self._tries.failures(target.address, within_s=policy.counts_s)
        wait_s = held_s(failed, policy, now=self._clock.now())
        if not wait_s:
            return
        raise HeldBack(
            f"{len(failed)} logins failed lately; the next is tried in {wait_s:.0f} s so that the "
            "account is not locked",
            operation=OPERATION,
            subject=target.name or target.address,
            code="AuthenticationBackOff",
            next_step="wait, or give the right credential for this endpoint.",
            status=401,
            retry_after_s=wait_s,
        )

    async def attempt(self, target: Target, own: Own, login: Login) -> bool:
        """Whether it is let in. A try that nobody answered counts as failed, until the same login
        is let in. Raises as `check` does, and what the device's silence or lies raise."""
        self.check(target, own)
        address = target.address
        began = self._tries.begin(address)
        try:
            let_in = await self._try(target, login)
        except DeviceRefused:
            self._tries.succeeded(address, began)
            raise
        except BaseException:
            self._doubtful.setdefault(address, []).append((login, began))
            raise
        if let_in:
            self._tries.succeeded(address, began)
            for doubted, at in self._doubtful.pop(address, []):
                if doubted == login:
                    self._tries.succeeded(address, at)
        return let_in

    async def find(self, target: Target, *, refused: Login | None = None) -> str:
        """Try what may work, the likeliest first, and keep what does; what it is called, "" where
        nothing known works. `refused` was refused a moment ago, by the lane. Raises as `attempt`
        does."""
        own = self._vault.own(target.address, name=target.credential)
        if own is None:
            return ""
        if refused is not None:
            own = own.turned_away(refused, self._clock.now())
        others = self._vault.others(target.address, name=target.credential)
        for chance in chances(own, others, now=self._clock.now()):
            if await self.attempt(target, own, chance.login):
                await self._vault.keep_own(target.address, self._adopted(own, chance.login))
                return chance.what
            own = own.turned_away(chance.login, self._clock.now())
            await self._vault.keep_own(target.address, own)
        return ""

    def _adopted(self, own: Own, login: Login) -> Own:
        return own.promoted(self._clock.now()) if login == own.candidate else own.fell(login)
