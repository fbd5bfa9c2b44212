"""What a core that stands by knows of the hall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from structlog.testing import capture_logs
from tests.store.made import ask_for, report, status

from iolaus.app.cluster.core import Core, CoreOptions
from iolaus.app.cluster.leading import LEASE
from iolaus.app.cluster.standby import Standby
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.bus.nats import Servers
from iolaus.kernel.clock import JumpClock, WallClock
from iolaus.kernel.errors import WeErred
from iolaus.store.database import Database
from iolaus.store.facts import Facts
from iolaus.store.lease import acquire
from iolaus.store.state import make_private

T = TypeVar("T")
A, B = "https://a", "https://b"


class Leaving(Database):
    is_away = leaves = False

    def read(self, work: Callable[[Connection], T]) -> T:
        if self.is_away:
            raise WeErred("it is away", operation="read state", subject="postgres")
        done = super().read(work)
        if self.leaves:
            raise WeErred("it went away", operation="read state", subject="postgres")
        return done


async def test_who_stands_by_goes_on_where_the_leader_ended(tmp_path: Path) -> None:
    clock, leads = JumpClock(), False
    database = Leaving(tmp_path / "state.db")
    standby = Standby(database, clock, leads=lambda: leads)
    await standby.follow()
    assert standby.endpoints == 0

    leader = Facts(database=tmp_path / "state.db", clock=clock)
    await leader.start()
    ask_for(leader, A, B)
    leader.record_report(report(A))
    await leader.flush()
    database.leaves = True
    await standby.follow()
    assert standby.endpoints == 0, "not to its end"
    database.leaves = False
    await standby.follow()
    assert standby.endpoints == 2

    with capture_logs() as logs:
        database.is_away = True
        await standby.follow()
        await standby.follow()
        assert standby.endpoints == 2
        database.is_away = False
        await standby.follow()
    assert [line["event"] for line in logs] == ["standby_follows_not", "standby_follows_again"]

    leader.record_status(status(B))
    await leader.close()
    leads = True
    await standby.follow()
    picture = await standby.take()
    assert picture is not None
    known = picture.read
    assert standby.endpoints == 0
    assert await standby.take() is None

    follower = Facts(database=tmp_path / "state.db", clock=clock, picture=picture)
    await follower.start()
    assert picture.read == known + 1
    assert follower.held(A) == leader.held(A)
    assert follower.held(B) == leader.held(B)
    await follower.close()
    database.close()


async def test_a_core_reads_the_hall_while_another_leads(tmp_path: Path) -> None:
    where, clock = f"sqlite:///{tmp_path / 'state.db'}", WallClock()
    leader = Facts(database=where, clock=clock)
    await leader.start()
    ask_for(leader, A, B)
    await leader.close()
    database = Database(where)
    database.write(lambda c: acquire(c, LEASE, "another", 3600.0, clock.now()))
    options = CoreOptions(
        database=where,
        bus=Servers(urls=()),
        listen="127.0.0.1:1",
        state_dir=tmp_path / "core",
        name="core2",
    )
    make_private(options.state_dir)
    core = Core(options, LocalTrunk(Memory(), clock))
    running = asyncio.create_task(core.run())
    async with asyncio.timeout(60.0):
        while core.standby.endpoints != 2:
            await asyncio.sleep(0.01)
    assert core.leading.term == 0
    core.ended.set()
    await running
    database.close()
