"""A house to be killed.

It opens on the state directory, goes on with what its journal says, and kills itself (SIGKILL) just
before or just after the N-th time that it writes to the journal. It ends well when every roll-out
is over or paused.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec
from tests.survival.stage import LANES, PERIODS, ROLLOUTS

from iolaus.app.house import HouseOptions, open_house
from iolaus.model.rollout import Entry
from iolaus.store.journal import StoredJournal
from iolaus.store.lease import Lease

RULES = msgspec.structs.replace(ROLLOUTS, ttl_s=2.0, margin_s=0.3, retry_s=0.1)
"""The lease of a life that was killed runs out soon."""
STANDS = ("", "done", "aborted", "undone", "paused")


class Deadly:
    """Appends as the journal does, and ends this life at one of its writes."""

    def __init__(self, journal: StoredJournal, side: str, at: int) -> None:
        self._append, self._side, self._left = journal.append, side, at

    async def append(self, entries: Sequence[Entry], *, lease: Lease) -> tuple[Entry, ...]:
        self._left -= 1
        self._die("before")
        kept = await self._append(entries, lease=lease)
        self._die("after")
        return kept

    def _die(self, side: str) -> None:
        if self._left == 0 and side == self._side:
            os.kill(os.getpid(), signal.SIGKILL)


async def live(state: Path, side: str, at: int) -> None:
    options = HouseOptions(
        state_dir=state, demo=True, ca_file=None, periods=PERIODS, lanes=LANES, rollouts=RULES
    )
    async with open_house(options) as house:
        journal = house.rolling.journal
        journal.append = Deadly(journal, side, at).append  # type: ignore[method-assign]
        house.begin_all(spread=False)
        while any(each.asked or each.state not in STANDS for each in await journal.plans()):
            await asyncio.sleep(0.1)


def act(state: str, side: str, at: int) -> None:
    """`side`: before or after the `at`-th write."""
    asyncio.run(live(Path(state), side, at))
