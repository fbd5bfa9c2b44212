"""Many lanes: one per address, told of new credentials, closed by the thousand, small."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Sequence

from tests.drivers.lane.fake import V1, FakeDevice

from iolaus.drivers.lane import Conversation, Lanes
from iolaus.drivers.lane.session import AfterClose
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import JumpClock
from iolaus.model.endpoint import Target
from iolaus.wire.redfish.port import Credential

ONE, TWO = Credential(user="root", password="one"), Credential(user="root", password="two")


class Hall:
    """Opens fake conversations and keeps what it opened."""

    def __init__(self) -> None:
        self.clock, self.opened, self.closed = JumpClock(), list[FakeDevice](), 0

    def converse(
        self, target: Target, credential: Credential | None
    ) -> tuple[Conversation, AfterClose | None]:
        device = FakeDevice(self.clock)
        device.address = target.address
        self.opened.append(device)
        return device, self._count

    async def _count(self) -> None:
        self.closed += 1


def targets(count: int) -> Sequence[Target]:
    return [Target(address=f"https://bmc{i}") for i in range(count)]


async def test_one_lane_per_address_and_a_new_credential_is_taken_over() -> None:
    hall = Hall()
    lanes = Lanes(hall.converse, hall.clock)
    (target,) = targets(1)
    lane = lanes.lane(target, ONE)
    assert lanes.lane(target, ONE) is lane
    await lane.at(Priority.TELEMETRY).get(V1 + "/x")
    assert lanes.lane(target, TWO) is lane
    assert len(hall.opened) == 2
    await lane.at(Priority.TELEMETRY).get(V1 + "/x")
    await lanes.close()
    assert [device.sessions for device in hall.opened] == [0, 0]
    assert hall.closed == 2
    assert len(lanes) == 0


async def test_a_dropped_address_leaves_no_session() -> None:
    hall = Hall()
    lanes = Lanes(hall.converse, hall.clock)
    (target,) = targets(1)
    await lanes.lane(target, ONE).at(Priority.TELEMETRY).get(V1 + "/x")
    await lanes.drop(target.address)
    await lanes.drop(target.address)
    assert hall.opened[0].sessions == 0
    assert lanes.find(target.address) is None


async def test_a_thousand_are_closed_together_dead_ones_among_them() -> None:
    hall = Hall()
    lanes = Lanes(hall.converse, hall.clock)
    each = [lanes.lane(target, ONE) for target in targets(1000)]
    await asyncio.gather(*(lane.at(Priority.TELEMETRY).get(V1 + "/x") for lane in each))
    for device in hall.opened[::10]:
        device.mute = True
    began = hall.clock.monotonic()
    await lanes.close()
    assert hall.clock.monotonic() - began < 60.0
    assert all(device.sessions == 0 for device in hall.opened if not device.mute)
    assert hall.closed == 1000


async def test_a_lane_is_small() -> None:
    """5,000 lanes, used once each, take a few kilobytes each beside their conversation."""
    hall = Hall()
    lanes = Lanes(hall.converse, hall.clock)
    each = [lanes.lane(target, None) for target in targets(500)]
    for device in hall.opened:
        device.basic_until = 1e9
    tracemalloc.start()
    more = Lanes(lambda target, credential: (hall.opened[0], None), hall.clock)
    for target in targets(500):
        lane = more.lane(target, None)
        await lane.at(Priority.TELEMETRY).get(V1 + "/x")
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / 500 < 8_000
    assert len(each) == 500
