"""A new password in two phases: kept, sent, proved, in force; and then the old one is dead.

The candidate is in the store before the device hears of it, and the old password stays there until
a login with the new one was let in. So at every instant the password that the device takes is one
of those that are kept, and after a crash or a lost answer a look finds out which
(`finding`). A candidate that may have been sent is sent again and never replaced by another while
it may be in force.

That the old password is dead is shown by one login that is meant to fail, and only where the
device says that it never locks, or not before five failures, and none of ours failed lately.
Elsewhere it is said that this was not tried: an account has one password, and the new one works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from iolaus.drivers.ports import Account, Priority, Reads, RotatesCredentials, Writes
from iolaus.fleet.credential.finding import Finder, Vault
from iolaus.fleet.credential.password import fits, length_for, make_password
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, IolausError, OperatorMust
from iolaus.model.credential import (
    ACCEPTED,
    AMPLE_THRESHOLD,
    MAY_TRY,
    OLD,
    REFUSED,
    ROTATED,
    AccountPolicy,
)
from iolaus.model.endpoint import Target
from iolaus.store.own import Login, Own

WITHDRAWN: Final = frozenset({400, 403, 404, 405, 422, 501})
"""Answers that say that this password will never be taken."""
SOON_S: Final = 5.0
"""Refused although we were in a moment ago: the login is another now, and is looked for."""


class Device(Protocol):
    """One device through its lane, which goes on with the login that is in force."""

    async def driver(self) -> RotatesCredentials: ...

    def at(self, priority: Priority) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...


class Entered(NamedTuple):
    """What is read of accounts once we are in."""

    own: Own
    policy: AccountPolicy
    accounts: tuple[Account, ...]


class Rotation:
    """`open_device` opens a target with the login that the vault has for it then."""

    def __init__(
        self,
        *,
        vault: Vault,
        finder: Finder,
        open_device: Callable[[Target], Device],
        clock: Clock,
    ) -> None:
        self._vault, self._finder, self._open = vault, finder, open_device
        self._clock = clock

    async def look(self, target: Target, *, trying: bool = False) -> Mapping[str, Any]:
        """How many passwords we gave, and what became of the old one. A candidate of which
        nobody knows is tried first. `trying`: whether another may be given now, too. Raises what
        the device's silence raises, and `HeldBack` while no login may be tried: then it is not
        known."""
        async with self._finder.turn(target.address):
            own = self._own(target)
            if own.candidate is not None:
                own = await self._settled(target, own)
            elif own.number and own.old in ("", ACCEPTED):
                own = await self._buried(target, own)
            if trying:
                self._finder.check_wait(target, own)
            return {ROTATED: own.number, OLD: own.old, MAY_TRY: True}

    async def give(
        self, target: Target, *, number: int, deadline_s: float | None = None
    ) -> dict[str, Any]:
        """Give the account its password of this number, unless it has it; what was done, without
        a secret. Raises `OperatorMust` for what only a person can change."""
        async with self._finder.turn(target.address):
            if (own := self._own(target)).number >= number:
                return _told(own)
            own, policy, accounts = await self._entered(target)
            if own.number >= number:
                return _told(own)
            self._finder.check(target, msgspec.structs.replace(own, policy=policy))
            candidate = self._candidate(target, own, policy)
            own = await self._kept(target, own.staged(candidate, policy))
            await self._send(target, own, candidate, accounts, deadline_s)
            own = await self._proved(target, own, candidate)
            return _told(await self._buried(target, own))

    # --- getting in -----------------------------------------------------------------------------

    async def _entered(self, target: Target) -> Entered:
        """Through the lane; where its login is refused, by whatever works."""
        try:
            return await self._read(target)
        except DeviceRefused as refused:
            if refused.status != 401:
                raise
        if not await self._finder.find(target, refused=self._own(target).login):
            raise OperatorMust(
                "it takes none of the passwords that are known for it",
                operation="rotate credential",
                subject=target.name or target.address,
                code="NoPasswordWorks",
                next_step="add its present one: iolaus credential add NAME --recovers ADDRESS.",
            )
        return await self._read(target)

    async def _read(self, target: Target) -> Entered:
        device = self._open(target)
        driver, reads = await device.driver(), device.at(Priority.LIFECYCLE)
        policy = await driver.account_policy(reads)
        return Entered(self._own(target), policy, await driver.accounts(reads))

    def _own(self, target: Target) -> Own:
        own = self._vault.own(target.address, name=target.credential)
        if own is None:
            raise OperatorMust(
                "no login is kept for it",
                operation="rotate credential",
                subject=target.name or target.address,
                code="NoCredential",
                next_step="discover it again with --user and --password-file.",
            )
        return own

    # --- the new one ----------------------------------------------------------------------------

    def _candidate(self, target: Target, own: Own, policy: AccountPolicy) -> Login:
        length = length_for(policy, subject=target.name or target.address)
        known = own.candidate
        if known is not None and known.user == own.user and fits(known.password, length):
            return known
        return Login(user=own.user, password=make_password(length))

    async def _send(
        self,
        target: Target,
        own: Own,
        candidate: Login,
        accounts: tuple[Account, ...],
        deadline_s: float | None,
    ) -> None:
        """An account that is there no more is made again."""
        device = self._open(target)
        driver = await device.driver()
        writer = device.writer(Priority.LIFECYCLE, deadline_s=deadline_s)
        uri = next((each.uri for each in accounts if each.user == candidate.user), None)
        try:
            if uri is not None:
                await driver.set_password(writer, uri, candidate.password)
            else:
                await driver.create_account(writer, candidate.user, candidate.password)
        except DeviceRefused as refused:
            if refused.status in WITHDRAWN:
                await self._kept(target, own.withdrawn())
            elif refused.status == 401 and refused.retry_after_s is None:
                refused.retry_after_s = SOON_S
            raise

    async def _proved(self, target: Target, own: Own, candidate: Login) -> Own:
        if await self._finder.attempt(target, own, candidate):
            return await self._in_force(target, own)
        await self._kept(target, own.turned_away(candidate, self._clock.now()))
        raise DeviceLied(
            "it took the new password and does not let it in",
            operation="rotate credential",
            subject=target.name or target.address,
            code="PasswordNotInForce",
            next_step="it is looked at again; until then the old one stays in use.",
        )

    async def _in_force(self, target: Target, own: Own) -> Own:
        own = await self._kept(target, own.promoted(self._clock.now()))
        self._open(target)
        return own

    async def _settled(self, target: Target, own: Own) -> Own:
        """Is the candidate in force? One that was refused since it was sent is not tried again
        while the lane is let in: it is sent again instead. Where nobody is, whatever lets us in."""
        assert own.candidate is not None
        if own.candidate not in (each.login for each in own.refused):
            if await self._finder.attempt(target, own, own.candidate):
                return await self._in_force(target, own)
            own = await self._kept(target, own.turned_away(own.candidate, self._clock.now()))
        return (await self._entered(target)).own

    # --- the old one ----------------------------------------------------------------------------

    async def _buried(self, target: Target, own: Own) -> Own:
        """Shown to be dead, or why that was not tried."""
        old = next(iter(own.spare), None)
        why = self._untried(target, own, old)
        if why or old is None:
            return await self._kept(target, own.buried(f"not tried: {why}", dead=False))
        try:
            accepted = await self._finder.attempt(target, own, old)
        except IolausError as error:
            return await self._kept(target, own.buried(f"not tried: {error.message}", dead=False))
        verdict = ACCEPTED if accepted else REFUSED
        return await self._kept(target, own.buried(verdict, dead=not accepted))

    def _untried(self, target: Target, own: Own, old: Login | None) -> str:
        threshold = own.policy.threshold
        if old is None:
            return "there is none"
        if old.user != own.login.user:
            return f"it was of another account, {old.user}"
        if threshold is None:
            return "it does not say when it locks an account"
        if 0 < threshold < AMPLE_THRESHOLD:
            return f"it locks an account after {threshold} failures"
        if self._finder.failures(target, own):
            return "a login failed lately"
        return ""

    async def _kept(self, target: Target, own: Own) -> Own:
        await self._vault.keep_own(target.address, own)
        return own


def _told(own: Own) -> dict[str, Any]:
    return {"user": own.user, "number": own.number, "old": own.old}
