"""One suite for leases wherever they are kept: a table in memory or over NATS, or a database."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from iolaus.bus.leases import Row, TableLeases, parse_row
from iolaus.bus.port import Leases
from iolaus.kernel.clock import JumpClock
from iolaus.model.lease import Lease
from iolaus.store.database import Database
from iolaus.store.lease import StoredLeases
from tests.bus.grounds import Ground, InMemory, ground_of

TTL_S = 0.6


class Keeping:
    """Two processes that want the same leases, and their time."""

    def __init__(self, one: Leases, other: Leases, ground: Ground) -> None:
        self.one, self.other, self._ground = one, other, ground
        self.name = f"rack {uuid.uuid4().hex[:8]}"

    def now(self) -> float:
        return self._ground.clock.now()

    async def wait(self, seconds: float) -> None:
        await self._ground.wait(seconds)

    async def acquire(self, leases: Leases, holder: str) -> Lease | None:
        return await leases.acquire(self.name, holder, TTL_S, self.now())

    async def renew(self, leases: Leases, lease: Lease) -> Lease | None:
        return await leases.renew(lease, TTL_S, self.now())


@pytest_asyncio.fixture(params=["memory", "nats", "sqlite", "postgresql"])
async def keeping(request: pytest.FixtureRequest) -> AsyncIterator[Keeping]:
    kind = request.param
    if kind in ("memory", "nats"):
        async with ground_of(kind, lambda: request.getfixturevalue("nats_server")) as ground:
            tables = [(await ground.trunk()).table("leases") for _ in range(2)]
            one, other = (TableLeases(table, ground.clock) for table in tables)
            yield Keeping(one, other, ground)
        return
    where = (
        request.getfixturevalue("postgres").database()
        if kind == "postgresql"
        else request.getfixturevalue("database")
    )
    databases = [Database(where), Database(where)]
    for database in databases:
        database.open()
    first, second = (StoredLeases(database, here=True) for database in databases)
    yield Keeping(first, second, InMemory())
    for database in databases:
        database.close()


async def test_one_holds_it_and_its_epoch_grows_with_every_taking(keeping: Keeping) -> None:
    k = keeping
    first = await k.acquire(k.one, "a")
    assert first
    assert (first.name, first.holder) == (k.name, "a")
    assert await k.acquire(k.other, "b") is None
    again = await k.acquire(k.one, "a")
    assert again
    assert again.epoch == first.epoch
    await k.one.release(again)
    second = await k.acquire(k.other, "b")
    assert second
    assert second.epoch > first.epoch
    assert await k.renew(k.one, first) is None
    assert await k.acquire(k.one, "a") is None


async def test_a_lease_that_is_renewed_is_nobody_elses(keeping: Keeping) -> None:
    k = keeping
    lease = await k.acquire(k.one, "a")
    for _ in range(6):
        assert lease
        await k.wait(TTL_S / 3)
        assert await k.acquire(k.other, "b") is None
        lease = await k.renew(k.one, lease)
    assert lease


async def test_a_renewal_of_which_nothing_was_heard_is_followed_by_the_next() -> None:
    """It came true: its row has another revision than its holder knows."""
    ground = InMemory()
    table = (await ground.trunk()).table("leases")
    holder = TableLeases(table, ground.clock)
    lease = await holder.acquire("r", "a", TTL_S, 0.0)
    assert lease
    row = msgspec.json.encode(Row(holder="a", ttl_s=TTL_S, epoch=lease.epoch))
    assert await table.put("r", row)
    assert await holder.renew(lease, TTL_S, 0.0)
    assert await table.put("r", msgspec.json.encode(Row(holder="b", ttl_s=TTL_S)))
    assert await holder.renew(lease, TTL_S, 0.0) is None


async def test_a_lease_that_ran_out_is_taken_and_its_holder_is_told(keeping: Keeping) -> None:
    k = keeping
    lease = await k.acquire(k.one, "a")
    assert lease
    assert await k.acquire(k.other, "b") is None
    await k.wait(1.3 * TTL_S)
    taken = await k.acquire(k.other, "b")
    assert taken
    assert taken.epoch > lease.epoch
    assert await k.renew(k.one, lease) is None
    await k.one.release(lease)
    assert await k.renew(k.other, taken)


async def test_whoever_slept_has_no_lease_even_where_nobody_took_it(keeping: Keeping) -> None:
    k = keeping
    lease = await k.acquire(k.one, "a")
    assert lease
    await k.wait(1.3 * TTL_S)
    assert await k.renew(k.one, lease) is None
    if (again := await k.acquire(k.one, "a")) is None:  # seen for the first time by this process
        await k.wait(1.3 * TTL_S)
        again = await k.acquire(k.one, "a")
    assert again
    assert again.epoch > lease.epoch


@given(
    st.binary(max_size=200) | st.builds(msgspec.json.encode, st.dictionaries(st.text(), st.text()))
)
def test_any_bytes_are_a_row_or_nobodys(body: bytes) -> None:
    assert isinstance(parse_row(body), Row)


async def test_a_holder_stops_before_anybody_else_may_begin() -> None:
    """By their own clocks, which are no more than a tenth apart in pace."""
    ground = InMemory()
    tables = [(await ground.trunk()).table("leases") for _ in range(2)]
    slow, quick = JumpClock(), JumpClock()
    holder, taker = TableLeases(tables[0], slow), TableLeases(tables[1], quick)
    lease = await holder.acquire("r", "a", 10.0, 0.0)
    assert lease
    assert await taker.acquire("r", "b", 10.0, 0.0) is None
    slow.advance(9.9)
    quick.advance(10.9)
    assert await taker.acquire("r", "b", 10.0, 0.0) is None
    quick.advance(0.2)
    assert await taker.acquire("r", "b", 10.0, 0.0)
    slow.advance(0.1)
    assert await holder.renew(lease, 10.0, 0.0) is None
