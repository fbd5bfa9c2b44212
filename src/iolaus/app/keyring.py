"""Logins, put together: the store's passwords, the lane's trials, and when each is looked for.

What the lane is refused shows in the status of its endpoint; that wakes the search. A status that
is good again ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from iolaus.drivers.lane import Lanes
from iolaus.fleet.credential.finding import Finder
from iolaus.fleet.credential.recovering import Recovery
from iolaus.fleet.credential.rotating import Device, Rotation
from iolaus.fleet.renewing import ShowsCertificates
from iolaus.fleet.wiping import Receipts, Wiping
from iolaus.kernel.clock import Clock
from iolaus.loop import Loop
from iolaus.model.endpoint import Reach, Target
from iolaus.store.own import Login
from iolaus.store.state import State
from iolaus.wire.redfish.port import Credential

WORKERS: Final = 32


class Keyring:
    """`let_in(address)` is called when an endpoint is to be read with another login than before."""

    def __init__(
        self,
        *,
        state: State,
        clock: Clock,
        lanes: Lanes,
        credential_of: Callable[[Target], Credential | None],
        open_device: Callable[[Target], Device],
        let_in: Callable[[str], None],
    ) -> None:
        self._facts, self._lanes, self._credential_of = state.facts, lanes, credential_of
        self._clock = clock
        self._secrets, self._open_device, self._let_in = state.secrets, open_device, let_in
        self._troubled: set[str] = set()
        self._finder = finder = Finder(
            vault=state.secrets, tries=state.tries, try_login=self._try_login, clock=clock
        )
        self.rotation = Rotation(
            vault=state.secrets, finder=finder, open_device=open_device, clock=clock
        )
        self.recovery = Recovery(
            picture=state.facts,
            vault=state.secrets,
            finder=finder,
            clock=clock,
            held_back=self._held_back,
            let_in=let_in,
        )
        self.loop = Loop(
            clock=clock, reconcile=self.recovery.reconcile, workers=WORKERS, name="logins"
        )
        state.facts.on_change(self._note)

    def wiping(self, shows: ShowsCertificates, receipts: Receipts) -> Wiping:
        """The hands of a retirement, on the same budget of failed logins."""
        return Wiping(
            facts=self._facts,
            vault=self._secrets,
            finder=self._finder,
            clock=self._clock,
            shows=shows,
            open_device=self._open_device,
            let_in=self._let_in,
            receipts=receipts,
        )

    def settles_first(self, address: str) -> bool:
        """Whether it has to be found out which of two passwords is in force before anything is
        read; that is begun then."""
        if address not in self.recovery.unsettled:
            return False
        self.loop.wake(address)
        return True

    async def _try_login(self, target: Target, login: Login) -> bool:
        credential = Credential(user=login.user, password=login.password)
        beside = self._credential_of(target)
        return await self._lanes.try_login(target, credential, beside=beside)

    def _held_back(self, address: str) -> bool:
        lane = self._lanes.find(address)
        return lane is not None and lane.stats().login_refused

    def _note(self, topic: str, payload: object) -> None:
        if topic != "facts.status" or not isinstance(payload, str):
            return
        status = self._facts.status_of(payload)
        if status is None:
            return
        if status.reach is Reach.UNAUTHENTICATED:
            self._troubled.add(payload)
            self.loop.wake(payload)
        elif status.reach is Reach.REACHABLE and payload in self._troubled:
            self._troubled.discard(payload)
            self.loop.wake(payload)
