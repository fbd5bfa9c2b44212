"""Who moves a hall's virtual time: whoever holds the oracle's token, or the hall at its speed.

Served beside the devices as `clock`: `POST /beside/clock/advance {"seconds": 60}` is answered when
all that falls due in these seconds is done, and every device is where it was told to be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

from iolaus.kernel.errors import OperatorMust
from iolaus.kernel.tasks import end
from iolaus.sim.clock import VirtualClock
from iolaus.sim.device import Device
from iolaus.sim.server import Place
from iolaus.sim.tasks import stamp

MOST_S: Final = 7 * 86_400.0
MOST_SPEED: Final = 10_000.0
VERBS: Final = ("advance", "truth")


class Timekeeper:
    def __init__(self, devices: Sequence[Device], clock: VirtualClock) -> None:
        self.clock = clock
        self._devices = devices

    def told(self) -> Mapping[str, Any]:
        now = self.clock.now()
        return {
            "virtual": True,
            "speed": self.clock.speed,
            "now": stamp(now),
            "t_s": round(self.clock.monotonic(), 9),
        }

    async def asked(self, verb: str, body: Mapping[str, Any]) -> Any:
        """Raises ValueError for a verb that is not known, OperatorMust for what is no duration."""
        if verb not in VERBS:
            raise ValueError(f"unknown verb; known are {VERBS}")
        if verb == "advance":
            await self.clock.advance(duration_s(body.get("seconds")))
            await self._settled()
        return self.told()

    async def _settled(self) -> None:
        for place in _places(self._devices):
            await place.settled()


def _places(devices: Iterable[Device]) -> Iterable[Place]:
    return (device.socket for device in devices if isinstance(device.socket, Place))


def duration_s(seconds: object) -> float:
    if isinstance(seconds, int | float) and 0.0 <= seconds <= MOST_S:
        return float(seconds)
    raise OperatorMust(
        f"{seconds!r} is no number of seconds from 0 to {MOST_S:g}",
        operation="advance",
        subject="the hall's clock",
        code="NoDuration",
        next_step='Send {"seconds": 60}.',
    )


def virtual_clock(speed: float | None) -> VirtualClock:
    """Raises OperatorMust for a speed that is none."""
    if speed is not None and not 0.0 < speed <= MOST_SPEED:
        raise OperatorMust(
            f"{speed:g} is no speed from 0 to {MOST_SPEED:g}",
            operation="start",
            subject="virtual time",
            code="NoSpeed",
            next_step="give --speed 60, say, or leave it out: time then moves when it is told to.",
        )
    return VirtualClock(speed=speed or 0.0)


@contextlib.asynccontextmanager
async def keep_time(devices: Sequence[Device], clock: VirtualClock) -> AsyncIterator[Timekeeper]:
    """Its time runs, if it has a speed, until the block ends."""
    running = asyncio.create_task(clock.run()) if clock.speed else None
    try:
        yield Timekeeper(devices, clock)
    finally:
        if running is not None:
            await end(running)
