"""Which core leads: a lease of the state database, asked in every transaction that writes.

A database that is away deposes nobody: nobody else can take the lease either, and what cannot be
written waits. A lease that ran out meanwhile is taken again if its epoch says that nobody had it in
between; else another core has gone on, and this one has to begin anew. Whoever led is the first to
ask when the database is back, because to begin anew costs the whole loading of a hall. All cores
tell the time of the database, asked at every renewal, so that a clock that is set on one of them
moves no lease.

The lease is renewed in a thread of its own: an event loop that loads a hall, or gets little of a
busy machine, comes round late, and a core that lost its lease over that would be followed by one
that loads as long. One that has not come round for far longer hangs, and its lease is left to run
out.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection, text

from iolaus.kernel.clock import AgreedClock
from iolaus.kernel.errors import IolausError
from iolaus.model.lease import Fenced, Lease
from iolaus.store.database import Database
from iolaus.store.lease import acquire, must_hold, release, renew

log = structlog.get_logger(__name__)
LEASE: Final = "core"
TTL_S: Final = 5.0
RENEW_S: Final = 1.0
TROUBLED_S: Final = 0.25
"""How soon the one that leads asks a database again that did not answer."""
PATIENCE_S: Final = 3.0
"""A database that says nothing for so long is asked anew, over another connection."""
HUNG_S: Final = 30.0
"""A loop that did not come round for so long leads nobody."""
GRACE_S: Final = 2.0
"""So long others let it, when the database is back."""
_NOW: Final = text("SELECT extract(epoch FROM clock_timestamp())")
T = TypeVar("T")


class Leading:
    """`holder` is this process's name, unlike that of any other life. The database is opened
    (made, migrated) at the first `take`."""

    def __init__(self, database: Database, holder: str, clock: AgreedClock) -> None:
        self._database, self._holder, self._clock = database, holder, clock
        self._opened, self._turn = False, threading.Lock()
        self._back_s: float | None = None
        self._round_s = 0.0
        self.lease: Lease | None = None
        self.trouble: IolausError | None = None

    @property
    def term(self) -> int:
        """The epoch under which we lead; 0: we do not."""
        return lease.epoch if (lease := self.lease) else 0

    async def take(self) -> bool:
        """Whether we lead from now on. Raises what the database raises."""
        return await asyncio.to_thread(self._take)

    def _take(self) -> bool:
        with self._turn:
            try:
                if not self._opened:
                    self._database.open()
                    self._opened = True
                self._agree()
            except IolausError:
                self._back_s = float("inf")
                raise
            if self._is_anothers_first():
                return False
            self.lease = self._acquired()
            return self.lease is not None

    def _acquired(self) -> Lease | None:
        now = self._clock.now()
        return self._write(lambda c: acquire(c, LEASE, self._holder, TTL_S, now))

    def _write(self, work: Callable[[Connection], T]) -> T:
        return self._database.write(work, exclusive=True)

    def _is_anothers_first(self) -> bool:
        if self._back_s is None:
            return False
        self._back_s = min(self._back_s, self._clock.monotonic())
        if self._clock.monotonic() - self._back_s < GRACE_S:
            return True
        self._back_s = None
        return False

    async def keep(self) -> None:
        """Returns when another core leads."""
        loop, lost, ended = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def work() -> None:
            while self._keep_on(ended):
                ended.wait(RENEW_S if self.trouble is None else TROUBLED_S)
            with suppress(RuntimeError):  # the loop is closed, so nobody waits
                loop.call_soon_threadsafe(lost.set)

        self._come_round()
        threading.Thread(target=work, name="lead", daemon=True).start()
        try:
            while not lost.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), RENEW_S)
                self._come_round()
        finally:
            ended.set()

    def _come_round(self) -> None:
        self._round_s = self._clock.monotonic()

    def _keep_on(self, ended: threading.Event) -> bool:
        with self._turn:
            if ended.is_set() or self.lease is None:
                return False
            if self._clock.monotonic() - self._round_s > HUNG_S:
                return True
            try:
                if not self._kept(self.lease):
                    log.warning("lead_lost", epoch=self.lease.epoch)
                    self.lease = None
                self._note(None)
            except IolausError as error:
                self._note(error)
            return self.lease is not None

    def _agree(self) -> None:
        if self._database.is_sqlite:
            return
        before_s = self._clock.monotonic()
        now = self._database.read(lambda c: float(c.execute(_NOW).scalar_one()))
        self._clock.agree(now, at_s=(before_s + self._clock.monotonic()) / 2)

    def _kept(self, lease: Lease) -> bool:
        self._agree()
        now = self._clock.now()
        renewed = self._write(lambda c: renew(c, lease, TTL_S, now))
        if renewed is None:
            taken = renewed = self._acquired()
            if taken is not None and taken.epoch > lease.epoch + 1:
                self._write(lambda c: release(c, taken))
                return False
        if renewed is None:
            return False
        self.lease = renewed
        return True

    async def let_go(self) -> None:
        """What cannot be let go runs out by itself."""
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        with self._turn:
            if (lease := self.lease) is not None:
                with suppress(IolausError):
                    self._write(lambda c: release(c, lease))
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
