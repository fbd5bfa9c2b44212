"""What a core that stands by knows of the hall."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import Connection
from structlog.testing import capture_logs
from tests.store.made import ask_for, report, status

from iolaus.app.cluster.core import Core, CoreOptions
from iolaus.app.cluster.files import FILES, Files
from iolaus.app.cluster.guarding import CAPS
from iolaus.app.cluster.leading import LEASE
from iolaus.app.cluster.standby import Standby
from iolaus.app.powering import POWER_CAPS
from iolaus.app.recovering import POLICY_FILE
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.bus.nats import Servers
from iolaus.energy.holding import HeldCap, cap_file
from iolaus.kernel.clock import JumpClock, WallClock
from iolaus.kernel.errors import WeErred
from iolaus.store.database import Database
from iolaus.store.facts import Facts
from iolaus.store.lease import acquire
from iolaus.store.secrets import Secrets
from iolaus.store.state import make_private

T = TypeVar("T")


def held_in(directory: Path) -> list[HeldCap]:
    return list(cap_file(directory / POWER_CAPS).load())


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


async def test_a_core_knows_the_hall_and_has_its_files_while_another_leads(tmp_path: Path) -> None:
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
    memory, there = Memory(), tmp_path / "another"
    make_private(there)
    Secrets(there / "secrets").put("one", user="u", password="p")
    shutil.copy(there / "secrets.key", options.state_dir / "secrets.key")
    trunk = LocalTrunk(memory, clock)
    given = Files(
        table=trunk.table(FILES), directory=there, secrets=Secrets(there / "secrets"), clock=clock
    )
    (there / POLICY_FILE).write_text("one policy")
    await given.give()
    held = HeldCap(subject="n1", rack="r1", watts=900.0, at=1.0, until=2.0, by="ann", reason="x")
    for row in (held, msgspec.structs.replace(held, subject="n2")):
        await trunk.table(CAPS).put(row.subject, msgspec.json.encode(row))
    core = Core(options, LocalTrunk(memory, clock))

    def text(name: str) -> str:
        path = options.state_dir / name
        return path.read_text() if path.exists() else ""

    running = asyncio.create_task(core.run())
    async with asyncio.timeout(60.0):
        while core.standby.endpoints != 2 or text(POLICY_FILE) != "one policy":
            await asyncio.sleep(0.01)
        (there / POLICY_FILE).write_text("another policy")
        await given.give()
        await trunk.table(CAPS).put("n2", b"")
        while text(POLICY_FILE) != "another policy" or held_in(options.state_dir) != [held]:
            await asyncio.sleep(0.01)
    assert core.leading.term == 0
    core.ended.set()
    await running
    database.close()
