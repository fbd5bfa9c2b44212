"""A core opens no connection to a device, whatever is asked of it: its edges do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.store.made import report

from iolaus.app.cluster.core import Core, CoreOptions
from iolaus.app.cluster.far import Post
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.roles import Role
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.bus.nats import Servers
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import IolausError
from iolaus.model.endpoint import Mode, Target
from iolaus.north.consoles import Guest
from iolaus.north.context import DiscoveryOrder, Found
from iolaus.observe.collect import Job, Key


class Listener:
    """Where devices would be: it counts who comes."""

    def __init__(self) -> None:
        self.came, self.port = 0, 0

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        self.came += 1
        writer.close()

    @property
    def targets(self) -> list[Target]:
        addresses = (f"https://127.0.0.1:{self.port}", f"modbus+tcp://127.0.0.1:{self.port}")
        return [Target(address=each, mode=Mode.MANAGED) for each in addresses]


@asynccontextmanager
async def cored(folder: Path) -> AsyncIterator[tuple[House, Listener]]:
    """The house of a core that leads, with a bus on which nobody is."""
    options = CoreOptions(
        database="sqlite://",
        bus=Servers(urls=()),
        listen="127.0.0.1:1",
        state_dir=folder,
        name="core1",
    )
    clock, there = WallClock(), Listener()
    trunk = LocalTrunk(Memory(), clock)
    core = Core(options, trunk)
    post = Post(
        trunk=trunk,
        seals=lambda: core.secrets,
        clock=clock,
        owner_of=core.leases.holder,
        term=lambda: 1,
    )
    mine = HouseOptions(state_dir=folder, role=Role.CORE)
    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(there.meet, "127.0.0.1", 0)
        await stack.enter_async_context(server)
        there.port = server.sockets[0].getsockname()[1]
        house = await stack.enter_async_context(open_house(mine, afar=core._afar(post)))
        yield house, there


async def code(asked: Awaitable[object]) -> str:
    try:
        await asked
    except IolausError as error:
        return error.code
    return ""


async def test_a_core_without_edges_reaches_nobody_and_says_so(tmp_path: Path) -> None:
    async with cored(tmp_path) as (house, there):
        redfish, modbus = there.targets
        house.state.secrets.put("factory", user="root", password="first")
        house.state.secrets.assign("*", "factory")
        found = list[Found]()
        order = DiscoveryOrder(targets=(redfish.address, modbus.address), trust_first=True)
        await house.discoverer.run(order, found.append)
        assert [each.outcome for each in found] == ["silent", "silent"]
        for target in there.targets:
            house.state.facts.put_target(target)
            house.let_in(target.address)
            for job in Job:
                house.wake(Key(target.address, job), 0.0)
            house.keyring.loop.wake(target.address)
            assert await code(house.sight.shown(target)) == "NoEdge"
            assert await code(house.sight.survey(target, 1.0)) == "NoEdge"
        lane = house.devices.open(redfish)
        assert await code(lane.at(Priority.LIFECYCLE).get("/redfish/v1")) == "NoOwner"
        writer = lane.writer(Priority.LIFECYCLE, deadline_s=5.0)
        assert await code(writer.write("POST", "/redfish/v1/x", {})) == "NoOwner"

        house.state.facts.record_report(report(redfish.address))
        uid = house.state.facts.uid(redfish.address, "Systems/1") or ""
        seat = await house.consoles.join(uid, Guest(name="ann", may_write=True))
        async with asyncio.timeout(60):
            while seat.standing.state == "connecting":
                await seat.news()
        assert seat.standing.code == "NoOwner"
        seat.leave()
        bus = house.buses.open(modbus)
        assert await code((await bus.driver()).inventory()) != ""
        assert there.came == 0
