"""What stands in racks passes from the edge that read it to the next one, over a bus in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.app.test_rack_seats import REPORT, SEAT, TARGET

from iolaus.app.cluster.core import doing
from iolaus.app.cluster.seating import LABEL, SEATS, Row, Seating
from iolaus.app.rack_seats import RackSeats
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import WeErred
from iolaus.model.endpoint import Target
from iolaus.model.shard import SITE, shard_of
from iolaus.store.packing import pack
from iolaus.store.secrets import Secrets

SHARD = shard_of(TARGET)


class Edge:
    def __init__(self, memory: Memory, clock: JumpClock, seals: Secrets) -> None:
        self.seats, self.mine = RackSeats(), set[str]()
        self.wanted: dict[str, Target] = {TARGET.address: TARGET}
        self.served: list[tuple[str, str]] = []
        self.seating = Seating(
            table=LocalTrunk(memory, clock).table(SEATS),
            site=SITE,
            seals=lambda: seals,
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


def has(edge: Edge, body: bytes) -> bool:
    return edge.seating._rows.get(SHARD) == body


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0)


@pytest.fixture
def seals(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path / "secrets")


@asynccontextmanager
async def two(seals: Secrets) -> AsyncIterator[tuple[Edge, Edge, Memory]]:
    memory, clock = Memory(), JumpClock()
    first, second = Edge(memory, clock, seals), Edge(memory, clock, seals)
    async with doing(first.seating.run, second.seating.run):
        yield first, second, memory


async def test_the_next_owner_knows_what_stands_there_before_it_reads_it(seals: Secrets) -> None:
    async with two(seals) as (first, second, _):
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


async def test_an_edge_that_begins_after_the_take_over_is_told_as_soon_as_it_hears(
    seals: Secrets,
) -> None:
    memory, clock = Memory(), JumpClock()
    first, late = Edge(memory, clock, seals), Edge(memory, clock, seals)
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


async def test_what_is_not_wanted_or_unreadable_or_of_no_driver_is_left(
    seals: Secrets, tmp_path: Path
) -> None:
    memory, clock = Memory(), JumpClock()
    edge = Edge(memory, clock, seals)
    edge.mine.add(SHARD)
    table = LocalTrunk(memory, clock).table(SEATS)
    strange = msgspec.structs.replace(SEAT, address="https://elsewhere", name="elsewhere")
    async with doing(edge.seating.run):
        await table.put(SHARD, b"nothing of ours")
        await until(partial(has, edge, b"nothing of ours"))
        rows = pack((Row(strange, "gb300"), Row(SEAT, "of a newer version")))
        other = Secrets(tmp_path / "other")
        for body in (rows, pack(()), other.seal(rows, label=LABEL), seals.seal(rows, label=b"x")):
            await table.put(SHARD, body)
            await until(partial(has, edge, body))
        assert edge.seats.seats() == [], "nothing that was not sealed with our key counts"
        await table.put(SHARD, seals.seal(rows, label=LABEL))
        await until(lambda: bool(edge.seats.seats()))
    assert [each.name for each in edge.seats.seats()] == ["u1"]
    assert edge.served == []
