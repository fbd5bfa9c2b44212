"""A core and an edge in one process, on a real database: backed up in the middle of a roll-out and
put back on another database, another bus and empty directories."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert
from tests.fleet.build import baseline
from tests.sim.firmware.stage import machines
from tests.store.postgres import Postgres
from tests.survival.stage import CALM, LANES, ROLLOUTS, Ground, grounded, target_of

from iolaus.app.backup import back_up, restore
from iolaus.app.cluster.core import Core, CoreOptions, doing
from iolaus.app.cluster.edge import Edge, EdgeOptions
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.roles import Role
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.bus.nats import Servers
from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.asset import AssetKind
from iolaus.model.endpoint import Target
from iolaus.model.rollout import NodeState, Progress, RolloutState
from iolaus.model.select import EVERYTHING
from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.parcels import Parcels
from iolaus.store.secrets import KEY_VARIABLE
from iolaus.store.state import TOKENS, make_private

PATIENCE_S = 120.0
NOWHERE = Servers(urls=())
WAVES = {"waves": [{"name": "one", "max": 1, "soak": "3s"}, {"name": "rest"}]}


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.05)


class Life:
    """What runs on one bus and one database, in directories of `folder`."""

    def __init__(self, folder: Path, ground: Ground, database: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self._ground, self._database = folder, ground, database
        self._memory, self._stack = Memory(), AsyncExitStack()

    async def core(self, name: str) -> Core:
        options = CoreOptions(
            database=self._database,
            bus=NOWHERE,
            listen="127.0.0.1:0",
            state_dir=self.folder / name,
            name=name,
            ca_file=str(self._ground.ca_file),
            periods=CALM,
            rollouts=ROLLOUTS,
        )
        make_private(options.state_dir)
        core = Core(options, LocalTrunk(self._memory, WallClock()))
        self._stack.callback(core.close)
        await self._stack.enter_async_context(doing(core.members.run, core.leases.follow))
        running = asyncio.create_task(core.run())
        self._stack.push_async_callback(_ended, core, running)
        return core

    async def edge(self, name: str) -> None:
        options = EdgeOptions(
            bus=NOWHERE, state_dir=self.folder / name, name=name, periods=CALM, lanes=LANES
        )
        make_private(options.state_dir)
        outbox = Parcels(options.state_dir / "outbox.db")
        outbox.open()
        self._stack.callback(outbox.close)
        house = await self._stack.enter_async_context(
            open_house(
                HouseOptions(
                    state_dir=options.state_dir,
                    ca_file=str(self._ground.ca_file),
                    periods=options.periods,
                    lanes=options.lanes,
                    role=Role.EDGE,
                )
            )
        )
        edge = Edge(options, house, LocalTrunk(self._memory, WallClock()), outbox)
        await self._stack.enter_async_context(doing(edge.run))

    async def end(self) -> None:
        await self._stack.aclose()


async def _ended(core: Core, running: asyncio.Task[None]) -> None:
    """Nothing asks the database any more."""
    core.ended.set()
    await running
    pools = [each.engine.pool for each in (core._asked, core._beside)]
    await until(lambda: not any(pool.checkedout() for pool in pools))  # type: ignore[attr-defined]


@asynccontextmanager
async def life(folder: Path, ground: Ground, database: str) -> AsyncIterator[Life]:
    made = Life(folder, ground, database)
    try:
        yield made
    finally:
        await made.end()


async def led(core: Core) -> House:
    await until(lambda: core._inside)
    assert core._house is not None
    return core._house


async def read(house: House, ground: Ground, *, since: float) -> None:
    """Every machine was read after that moment."""

    def young(address: str) -> bool:
        held = house.state.facts.held(address)
        if held is None or held.report is None or held.report.observed_at <= since:
            return False
        return any(asset.kind is AssetKind.NODE for asset in held.assets.values())

    await until(lambda: all(young(device.address) for device in ground.hall.devices))


async def until_so(house: House, plan: str, holds: Callable[[Progress], object]) -> Progress:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            standing = (await house.rolling.standing(plan)).progress
            if standing is not None and holds(standing):
                return standing
            await asyncio.sleep(0.05)


def done_in(seen: Progress) -> set[str]:
    return {uid for uid, node in seen.nodes.items() if node.state is NodeState.DONE}


def written(ground: Ground) -> Counter[str]:
    """How often each device was written to."""
    return Counter(
        {device.name: device.counters.by_method.get("PATCH", 0) for device in ground.hall.devices}
    )


async def test_a_core_without_files_leads_no_hall_that_others_began(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/state.db")
    options = CoreOptions(
        database=f"sqlite:///{tmp_path}/state.db",
        bus=NOWHERE,
        listen="127.0.0.1:0",
        state_dir=tmp_path / "core",
        name="core",
    )
    make_private(options.state_dir)
    core = Core(options, LocalTrunk(Memory(), WallClock()))
    try:
        database.open()
        await core._fetched()
        target = msgspec.json.encode(Target(address="https://10.0.0.1"))
        row = {"address": "https://10.0.0.1", "doc": target}
        database.write(lambda c: c.execute(insert(schema.targets).values(row)))
        with pytest.raises(OperatorMust) as caught:
            await core._fetched()
        assert caught.value.code == "FilesMissing"
        (options.state_dir / "tokens.json").touch()
        await core._fetched()
    finally:
        core.close()
        database.close()


@pytest.mark.soak
async def test_a_roll_out_goes_on_where_a_cluster_was_put_back(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, file = tmp_path / "key", tmp_path / "hall.iolaus"
    key.touch(mode=0o600)
    key.write_bytes(bytes(range(32)))
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    before, after = postgres.database(), postgres.database()
    async with grounded(tmp_path, *machines("dl365-cpu", "xe9680-h200")) as ground:
        async with life(tmp_path / "first", ground, before) as first:
            house = await led(core := await first.core("core0"))
            await first.edge("edge0")
            house.state.secrets.put("hall", user="root", password="iolaus-sim")
            for device in ground.hall.devices:
                house.state.facts.put_target(target_of(device, managed=True))
            await read(house, ground, since=0.0)
            plan = await ordered(house)
            await until_so(house, plan, done_in)
            directory = core._options.state_dir
            await asyncio.to_thread(back_up, directory, file, database=before)

        state = tmp_path / "second" / "core0"
        state.parent.mkdir()
        told = await asyncio.to_thread(restore, file, state, database=after)
        assert told.paused == (plan,)
        known = written(ground)
        async with life(tmp_path / "second", ground, after) as second:
            empty = await second.core("core1")
            await until(lambda: "logins" in empty._trouble)
            now = WallClock().now()
            house = await led(await second.core("core0"))
            await second.edge("edge0")
            await read(house, ground, since=now)
            seen = await until_so(house, plan, lambda seen: seen.state is RolloutState.PAUSED)
            early = done_in(seen)
            assert early
            await house.rolling.ask(plan, "resume", by="ana")
            over = await until_so(house, plan, lambda seen: seen.state.over)
            assert (over.state, len(done_in(over))) == (RolloutState.DONE, 2)
            assert set(written(ground).values()) == {1}, (known, "each is written to once")
            assert empty._house is None
            theirs, its = (second.folder / name / TOKENS for name in ("core0", "core1"))
            await until(its.exists)
            assert its.read_bytes() == theirs.read_bytes(), "it invented none"


async def ordered(house: House) -> str:
    """Another clock for one, and after a while for the other."""
    wanted = baseline("clocks", labels={"kind": "node"}, rollout=WAVES, bmc={"ntp": ["10.9.9.9"]})
    await house.state.baselines.put(wanted, at=0.0, by="ana", source="test")
    plan = await house.rolling.make_plan("clocks", selector=EVERYTHING, by="ana", keep=True)
    await house.rolling.apply(plan.id, by="ana")
    return str(plan.id)
