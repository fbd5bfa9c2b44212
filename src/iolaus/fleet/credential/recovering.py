"""Let in again where a device takes our password no more: found, kept and said; nothing is changed.

A flash may put the accounts back to the maker's, a crash may have left a new password in force
that nobody saw arrive. In everyday reading that shows as a refused login. Then what may work is
tried, within the same budget as everywhere (`finding`), and reading goes on with what was found.
The account is not touched: that the device runs on a fallen login is a departure, and a plan gives
the account a new password.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Protocol

import structlog

from iolaus.fleet.credential.finding import Finder, Vault
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, IolausError
from iolaus.model.endpoint import EndpointStatus, Event, Reach, Target

log = structlog.get_logger(__name__)
SOON_S: Final = 5.0
AGAIN_S: Final = 60.0
SELDOM_S: Final = 3600.0


class Picture(Protocol):
    """The part of the store that is needed."""

    def target_of(self, address: str) -> Target | None: ...

    def status_of(self, address: str) -> EndpointStatus | None: ...

    def record_event(self, event: Event) -> bool: ...


class Recovery:
    """`reconcile` is for the loop. `held_back(address)` says whether the lane's own login was
    refused, so that nothing that an older one heard is held against it. `let_in(address)` is
    called when the login is another now, and for an endpoint of which a former life left a
    password unproved (`unsettled`): until then it must not be read, because the lane would try
    the wrong one first."""

    def __init__(
        self,
        *,
        picture: Picture,
        vault: Vault,
        finder: Finder,
        clock: Clock,
        held_back: Callable[[str], bool],
        let_in: Callable[[str], None],
    ) -> None:
        self._picture, self._vault, self._finder = picture, vault, finder
        self._clock, self._held_back, self._let_in = clock, held_back, let_in
        self.unsettled = set(vault.pending())

    async def reconcile(self, key: Hashable) -> float | None:
        """Seconds until it is worth looking again; None: not before its login is refused."""
        address = str(key)
        target = self._picture.target_of(address)
        if target is None:
            self.unsettled.discard(address)
            return None
        if address in self.unsettled:
            return await self._settle(target)
        status = self._picture.status_of(address)
        if status is None or status.reach is Reach.UNREACHABLE:
            return None
        if status.reach is not Reach.UNAUTHENTICATED:
            await self._forgive(target)
            return None
        return await self._recover(target)

    async def _settle(self, target: Target) -> float | None:
        """Before anything else is asked of it."""
        try:
            async with self._finder.turn(target.address):
                await self._finder.find(target)
        except IolausError as error:
            log.info("credential_unsettled", endpoint=target.address, error=error.message)
        self.unsettled.discard(target.address)
        self._let_in(target.address)
        return None

    async def _recover(self, target: Target) -> float | None:
        address = target.address
        before = self._vault.own(address, name=target.credential)
        if before is None:
            return None
        async with self._finder.turn(address):
            now = self._vault.own(address, name=target.credential)
            if now is None or now.login != before.login or not self._held_back(address):
                return SOON_S
            try:
                found = await self._finder.find(target, refused=before.login)
            except DeviceRefused as refused:
                return refused.retry_after_s or AGAIN_S
            except IolausError:
                return AGAIN_S
            if not found:
                return SELDOM_S
            self._let_in(address)
        own = self._vault.own(address, name=target.credential)
        if own is not None and own.fallen:
            self._say(target, found)
        return None

    async def _forgive(self, target: Target) -> None:
        """It lets us in: what it refused before may be tried again one day."""
        async with self._finder.turn(target.address):
            own = self._vault.own(target.address, name=target.credential)
            if own is not None and own.refused and own.candidate is None:
                await self._vault.keep_own(target.address, own.forgiven())

    def _say(self, target: Target, found: str) -> None:
        name = target.name or target.address
        log.warning(
            "credential_fell_back",
            endpoint=target.address,
            let_in_by=found,
            next_step=f"iolaus rotate {name}",
        )
        self._picture.record_event(
            Event(
                at=self._clock.now(),
                kind="CredentialFellBack",
                severity="Warning",
                endpoint=target.address,
                message=f"its password was refused; {found} lets us in. "
                f"Give it a new one: iolaus rotate {name}",
            )
        )
