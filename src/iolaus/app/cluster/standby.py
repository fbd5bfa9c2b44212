"""What a core knows while another leads: the hall as the database has it, some seconds old.

To lead begins with the whole hall, and to read that takes longer than anybody waits. So whoever
stands by has read it before, and follows what is written. It takes nothing from the bus and writes
nothing: who leads is the lease's affair alone, and whoever takes it reads what is new first.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Final

import structlog

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.store.behind import Limits
from iolaus.store.database import Database
from iolaus.store.picture import Picture

log = structlog.get_logger(__name__)
EVERY_S: Final = 3.0
SPARE: Final = 4.0
"""So many times as long as it took to read, it rests at least."""


class Standby:
    """`leads` says whether this core does: then there is nothing to follow."""

    def __init__(self, database: Database, clock: Clock, leads: Callable[[], bool]) -> None:
        self._database, self._clock, self._leads = database, clock, leads
        self._picture: Picture | None = None
        self.endpoints = 0
        """How many it knows of; none until it has read the hall once."""
        self._turn, self._reading = asyncio.Lock(), threading.Lock()
        self._opened = self._troubled = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began_s = self._clock.monotonic()
            await self.follow()
            took_s = self._clock.monotonic() - began_s
            await self._clock.sleep(max(EVERY_S, SPARE * took_s))

    async def follow(self) -> None:
        """Read what was written since the last time; all of it at first. A database that does not
        answer costs nothing of what was read."""
        async with self._turn:
            if self._leads():
                return
            if self._picture is None:
                self._picture = Picture(events=Limits().events)
            try:
                await asyncio.to_thread(self._read, self._picture)
            except IolausError as error:
                self._note(error)
            else:
                self._note(None)
                self.endpoints = len(self._picture.targets)

    async def take(self) -> Picture | None:
        """What is known, for whoever leads now; it is no longer ours."""
        async with self._turn:
            picture, self._picture, self.endpoints = self._picture, None, 0
            return picture

    def close(self) -> None:
        """After the read that is under way."""
        with self._reading:
            self._database.close()

    def _read(self, picture: Picture) -> None:
        with self._reading:
            if not self._opened:
                self._database.open()
                self._opened = True
            self._database.read(picture.refresh)

    def _note(self, error: IolausError | None) -> None:
        """One line when it cannot follow, one when it can."""
        if error is not None and not self._troubled:
            log.warning("standby_follows_not", error=str(error))
        elif error is None and self._troubled:
            log.info("standby_follows_again")
        self._troubled = error is not None
