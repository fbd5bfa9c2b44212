"""What stands in racks passes from the edge that read it to the next one, over a bus in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from tests.app.test_rack_seats import REPORT, SEAT, TARGET

from iolaus.app.cluster.core import doing
from iolaus.app.cluster.seating import SEATS, Row, Seating
from iolaus.app.rack_seats import RackSeats
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import WeErred
from iolaus.model.endpoint import Target
from iolaus.model.shard import SITE, shard_of
from iolaus.store.packing import pack

SHARD = shard_of(TARGET)


class Edge:
    def __init__(self, memory: Memory, clock: JumpClock) -> None:
        self.seats, self.mine = RackSeats(), set[str]()
        self.wanted: dict[str, Target] = {TARGET.address: TARGET}
        self.served: list[tuple[str, str]] = []
        self.seating = Seating(
            table=LocalTrunk(memory, clock).table(SEATS),
            site=SITE,
            clock=clock,
            seats=self.seats,
            mine=lambda: self.mine,
            wanted=lambda shard: self.wanted if shard == SHARD else {},
            serve=self._serve,
        )

    def _serve(self, address: str, driver: str) -> None:
        if driver == "of a newer version":
            raise WeErred("there is no such driver", operation="open", subject=address)
        self.served.append((address, driver))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0)


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Edge, Edge, Memory]]:
    memory, clock = Memory(), JumpClock()
    first, second = Edge(memory, clock), Edge(memory, clock)
    async with doing(first.seating.run, second.seating.run):
        yield first, second, memory


async def test_the_next_owner_knows_what_stands_there_before_it_reads_it() -> None:
    async with two() as (first, second, _):
        first.mine.add(SHARD)
        first.seats.learn(TARGET, REPORT)
        await until(lambda: SHARD in second.seating._rows)
        second.seats.wait_for(TARGET)
        assert second.seats.seats() == [], "it is not ours"
        first.mine.clear()
        second.mine.add(SHARD)
        second.seating.take_up(SHARD)
        assert second.seats.seats() == first.seats.seats()
        assert second.seats.unread() == {}
        assert second.served == [(TARGET.address, "gb300")]


async def test_an_edge_that_begins_after_the_take_over_is_told_as_soon_as_it_hears() -> None:
    memory, clock = Memory(), JumpClock()
    first, late = Edge(memory, clock), Edge(memory, clock)
    async with doing(first.seating.run):
        first.mine.add(SHARD)
        first.seats.learn(TARGET, REPORT)
        table = LocalTrunk(memory, clock).table(SEATS)
        async with asyncio.timeout(20):
            while await table.get(SHARD) is None:
                await asyncio.sleep(0)
    late.mine.add(SHARD)
    async with doing(late.seating.run):
        await until(lambda: late.seats.seats() == first.seats.seats())


async def test_what_is_not_wanted_or_unreadable_or_of_no_driver_is_left() -> None:
    memory, clock = Memory(), JumpClock()
    edge = Edge(memory, clock)
    edge.mine.add(SHARD)
    table = LocalTrunk(memory, clock).table(SEATS)
    strange = msgspec.structs.replace(SEAT, address="https://elsewhere", name="elsewhere")
    async with doing(edge.seating.run):
        await table.put(SHARD, b"nothing of ours")
        await until(lambda: edge.seating._rows.get(SHARD) == b"nothing of ours")
        assert edge.seats.seats() == []
        rows = (Row(strange, "gb300"), Row(SEAT, "of a newer version"))
        await table.put(SHARD, pack(rows))
        await until(lambda: bool(edge.seats.seats()))
    assert [each.name for each in edge.seats.seats()] == ["u1"]
    assert edge.served == []
