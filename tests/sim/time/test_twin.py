"""A hall in this process, in virtual time: plant and devices move together."""

from __future__ import annotations

import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.clock import VirtualClock
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import parse_site
from iolaus.sim.server import running
from iolaus.sim.twin.serve import SETTLE_S, serve_twin
from tests.sim.time.player import SITE


async def test_plant_and_devices_move_together() -> None:
    clock = VirtualClock()
    devices = hall_devices(parse_site(SITE % 7, source="test"), HallOptions(), clock=clock)
    rung: list[float] = []
    async with running(devices, tls=False) as hall, serve_twin(devices, clock=clock) as twin:
        unit = hall.places["h1-a-cdu1"]
        unit.device.restart()
        unit.device.later(3.05, lambda: rung.append(clock.monotonic()))
        assert unit.state == "refuse"
        assert await twin.asked("advance", {"seconds": 2.0}) == {"t_s": SETTLE_S + 2.0}
        assert (unit.state, rung) == ("refuse", [])
        assert await twin.asked("advance", {"seconds": 58.0}) == {"t_s": SETTLE_S + 60.0}
        assert (unit.state, rung) == ("up", [3.05])
        with pytest.raises(OperatorMust, match="no number of seconds"):
            await twin.asked("advance", {"seconds": -1})
