"""A bus: units by number behind one line, and how long the line takes.

On a serial line one transaction is under way at a time, and each costs its bytes (eleven bits
each), the silences that part frames, and the unit's own time to answer. A TCP gateway before such
a line is as slow as the line. `transact` says what came of a request; how that looks on the wire
(silence, a gateway's exception, a wrong check sum) is the server's matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum
from typing import Final

from iolaus.kernel.clock import Clock
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.modbus import answer, exception
from iolaus.sim.building.unit import BUSY, Unit
from iolaus.sim.clock import stands

BITS: Final = 11
TURNAROUND_S: Final = 0.010
SILENCE: Final = 2 * 3.5
ITSELF: Final = (0, 255)


class Verdict(Enum):
    ANSWERED = "answered"
    NOBODY = "no such unit"
    GARBLED = "wrong check sum"
    LOST = "the link is down"


def transaction_s(baud: int, asked_bytes: int, answered_bytes: int) -> float:
    """Of one request and its answer on a serial line; frames include unit number and check sum."""
    if not baud:
        return 0.0
    return (asked_bytes + answered_bytes + SILENCE) * BITS / baud + TURNAROUND_S


class Bus:
    """`main` is the unit that a gateway means by the unit numbers 0 and 255."""

    def __init__(
        self,
        name: str,
        units: Mapping[int, Unit],
        *,
        clock: Clock,
        faults: Faults,
        baud: int = 0,
        main: int = 0,
    ) -> None:
        self.name, self.units, self.baud, self.main = name, units, baud, main
        self._clock, self._faults = clock, faults
        self._line = asyncio.Lock()
        self.requests = 0

    def now(self, number: int, pdu: bytes) -> tuple[Verdict, bytes]:
        """The answer without the line's time."""
        self.requests += 1
        if number in ITSELF and number not in self.units:
            number = self.main
        unit = self.units.get(number)
        if unit is None:
            return Verdict.NOBODY, b""
        thing = unit.gear.name
        if self._faults.strikes("link-loss", thing, "modbus"):
            return Verdict.LOST, b""
        if self._faults.strikes("busy", thing, "modbus"):
            return Verdict.ANSWERED, exception(pdu[0] if pdu else 0, BUSY)
        found = answer(unit, pdu)
        if self._faults.strikes("crc-errors", thing, "modbus"):
            unit.crc_errors += 1
            return Verdict.GARBLED, found
        return Verdict.ANSWERED, found

    async def transact(self, number: int, pdu: bytes) -> tuple[Verdict, bytes]:
        if not self.baud:
            return self.now(number, pdu)
        async with self._line:
            verdict, found = self.now(number, pdu)
            if not stands(self._clock):
                await self._clock.sleep(transaction_s(self.baud, len(pdu) + 3, len(found) + 3))
            return verdict, found
