"""Which core leads: a lease of the state database, asked in every transaction that writes.

A database that is away deposes nobody: nobody else can take the lease either, and what cannot be
written waits. A lease that ran out meanwhile is taken again if its epoch says that nobody had it in
between; else another core has gone on, and this one has to begin anew. All cores tell the time of
the database, asked at every renewal, so that a clock that is set on one of them moves no lease.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import structlog
from sqlalchemy import Connection, text

from iolaus.kernel.clock import AgreedClock
from iolaus.kernel.errors import IolausError
from iolaus.model.lease import Fenced, Lease
from iolaus.store.database import Database
from iolaus.store.lease import Elsewhere, StoredLeases, must_hold

log = structlog.get_logger(__name__)
LEASE: Final = "core"
TTL_S: Final = 6.0
RENEW_S: Final = 1.5
_NOW: Final = text("SELECT extract(epoch FROM clock_timestamp())")


class Leading:
    """`holder` is this process's name, unlike that of any other life. The database is opened
    (made, migrated) at the first `take`."""

    def __init__(self, database: Database, holder: str, clock: AgreedClock) -> None:
        self._database, self._holder, self._clock = database, holder, clock
        self._leases, self._opened = StoredLeases(database), False
        self._elsewhere = Elsewhere()
        self.lease: Lease | None = None
        self.trouble: IolausError | None = None

    @property
    def term(self) -> int:
        """The epoch under which we lead; 0: we do not."""
        return self.lease.epoch if self.lease else 0

    async def take(self) -> bool:
        """Whether we lead from now on. Raises what the database raises."""
        if not self._opened:
            await self._leases.open()
            self._opened = True
        await self._agree()
        self.lease = await self._leases.acquire(LEASE, self._holder, TTL_S, self._clock.now())
        return self.lease is not None

    async def keep(self) -> None:
        """Returns when another core leads."""
        while self.lease is not None:
            await self._clock.sleep(RENEW_S)
            try:
                if not await self._kept(self.lease):
                    log.warning("lead_lost", epoch=self.lease.epoch)
                    self.lease = None
                self._note(None)
            except IolausError as error:
                self._note(error)

    async def _agree(self) -> None:
        if self._database.is_sqlite:
            return
        before_s = self._clock.monotonic()
        now = await self._elsewhere.do(
            lambda: self._database.read(lambda c: float(c.execute(_NOW).scalar_one()))
        )
        self._clock.agree(now, at_s=(before_s + self._clock.monotonic()) / 2)

    async def _kept(self, lease: Lease) -> bool:
        await self._agree()
        now = self._clock.now()
        renewed = await self._leases.renew(lease, TTL_S, now)
        if renewed is None:
            renewed = await self._leases.acquire(LEASE, self._holder, TTL_S, now)
            if renewed is not None and renewed.epoch > lease.epoch + 1:
                await self._leases.release(renewed)
                return False
        if renewed is None:
            return False
        self.lease = renewed
        return True

    async def let_go(self) -> None:
        """What cannot be let go runs out by itself."""
        if self.lease is not None:
            with suppress(IolausError):
                await self._leases.release(self.lease)
            self.lease = None

    def guard(self, connection: Connection) -> None:
        """Raises `Fenced` where we do not lead, in the transaction that would write."""
        lease = self.lease
        if lease is None:
            nobodys = Lease(name=LEASE, holder=self._holder, epoch=0, expires_at=0.0)
            raise Fenced(nobodys, operation="write state")
        must_hold(connection, lease, now=self._clock.now())

    def _note(self, error: IolausError | None) -> None:
        """One line when the lease cannot be renewed, one when it can."""
        if error is not None and self.trouble is None:
            log.warning("lead_not_renewed", error=str(error))
        elif error is None and self.trouble is not None:
            log.info("lead_renewed_again")
        self.trouble = error
