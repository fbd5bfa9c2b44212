"""What no poll holds, asked of one controller after the other: an update that does not end.

A task is seen at its controller alone, and polls read hosts, readings and parts. So every
controller that answers is asked for its tasks in turn, twice in the time that an update may run;
one that has such a task is asked at every turn, so that it is known soon when it is over.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from iolaus.model.endpoint import Reach, protocol_of
from iolaus.store.held import Held

LEAST_S: Final = 5.0
"""Nobody is asked more often, however short an update may be."""
SLOTS: Final = 16


def controllers(every: Iterable[Held]) -> dict[str, bool]:
    """Those that have tasks to be asked of: what speaks Redfish, and whether it answers."""
    return {
        each.target.address: each.status is not None and each.status.reach is Reach.REACHABLE
        for each in every
        if protocol_of(each.target.address) == "redfish"
    }


class Rounds:
    """`ask` gives what runs for too long at an address, in words, "" where nothing does, and None
    where that cannot be told, which changes nothing; it never raises for what a device does.
    `every_s` is how often each is asked, `turn_s` how often `turn` is called."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[str | None]],
        *,
        every_s: Callable[[], float],
        turn_s: float,
    ) -> None:
        self._ask, self._every_s, self._turn_s = ask, every_s, turn_s
        self._due: dict[str, float] = {}
        self._found: dict[str, str] = {}

    def of(self, address: str) -> str:
        """What runs for too long there, as far as is known."""
        return self._found.get(address, "")

    async def turn(self, known: Mapping[str, bool], now: float) -> None:
        """Ask those whose turn it is. `known` are all addresses; True: it answers."""
        for gone in self._due.keys() - known.keys():
            del self._due[gone]
            self._found.pop(gone, None)
        slots = asyncio.Semaphore(SLOTS)

        async def one(address: str) -> None:
            async with slots:
                told = await self._ask(address)
                if told:
                    self._found[address] = told
                elif told is not None:
                    self._found.pop(address, None)

        await asyncio.gather(*(one(address) for address in self._turn(known, now)))

    def _turn(self, known: Mapping[str, bool], now: float) -> list[str]:
        every_s = max(LEAST_S, self._every_s())
        for address in known:
            self._due.setdefault(address, now + every_s * _place(address))
        due = sorted((at, a) for a, at in self._due.items() if at <= now or a in self._found)
        most = max(SLOTS, math.ceil(2 * len(known) * self._turn_s / every_s))
        asked = [address for _, address in due[:most] if known[address]]
        for _, address in due[:most]:
            self._due[address] = now + every_s
        return asked


def _place(address: str) -> float:
    """Where in the round an address stands, 0 to 1: the same in every life."""
    return zlib.crc32(address.encode()) / 0xFFFFFFFF
