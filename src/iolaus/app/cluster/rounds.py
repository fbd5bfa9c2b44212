"""What is given to the bus again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from iolaus.bus.port import BusAway
from iolaus.kernel.clock import Clock


async def rounds(turn: Callable[[], Awaitable[None]], clock: Clock, every_s: float) -> None:
    """Until cancelled. What a bus that is away does not take stays owed, for the next turn."""
    while True:
        with suppress(BusAway):
            await turn()
        await clock.sleep(every_s)
