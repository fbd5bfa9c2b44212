"""An edge over a bus in memory: what a core gives, it goes by; what it does, the core is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from tests.app.test_house_edges import POWER
from tests.store.made import asset, hot, reading, report

from iolaus.app.cluster.carrying import FACTS, Taker
from iolaus.app.cluster.core import doing
from iolaus.app.cluster.edge import Edge, EdgeOptions
from iolaus.app.cluster.files import FILES, Files
from iolaus.app.cluster.owned import Owned
from iolaus.app.cluster.wanting import WANTED
from iolaus.app.house import HouseOptions, open_house
from iolaus.app.planting import POWER_FILE
from iolaus.app.roles import Role
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.bus.nats import Servers
from iolaus.energy.policy import Mode
from iolaus.energy.run import Done
from iolaus.kernel.clock import WallClock
from iolaus.kernel.ports import free_port
from iolaus.model.asset import PowerLimit
from iolaus.model.endpoint import Target
from iolaus.model.fact import Known, PowerState
from iolaus.model.shard import SITE, shard_of
from iolaus.observe.collect import Job, Key
from iolaus.store.facts import Facts
from iolaus.store.packing import pack
from iolaus.store.parcels import Parcels
from iolaus.store.secrets import Secrets


async def until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.05)


async def test_a_policy_reaches_it_and_its_deeds_reach_the_core(tmp_path: Path) -> None:
    memory, clock = Memory(), WallClock()
    (tmp_path / "edge").mkdir(mode=0o700)
    (tmp_path / "core").mkdir()
    core = LocalTrunk(memory, clock)
    taker = Taker(facts=Facts(clock=clock), log=core.log(FACTS), clock=clock)
    outbox = Parcels(tmp_path / "outbox.db")
    outbox.open()
    options = EdgeOptions(bus=Servers(urls=()), state_dir=tmp_path / "edge", name="edge1")
    async with AsyncExitStack() as stack:
        stack.callback(outbox.close)
        house = await stack.enter_async_context(
            open_house(HouseOptions(state_dir=options.state_dir, role=Role.EDGE))
        )
        given = Files(
            table=core.table(FILES),
            directory=tmp_path / "core",
            secrets=Secrets(options.state_dir / "secrets"),
            clock=clock,
        )
        edge = Edge(options, house, LocalTrunk(memory, clock), outbox)
        await stack.enter_async_context(doing(edge.run, taker.run))
        async with asyncio.timeout(60):
            (tmp_path / "core" / POWER_FILE).write_text(POWER.replace("MODE", "control"))
            await given.give()
            await until(lambda: house.edges.power.mode_of("r1") is Mode.CONTROL)
            (tmp_path / "core" / POWER_FILE).write_text("kind: Nonsense")
            await given.give()
            await until(lambda: "Nonsense" in (options.state_dir / POWER_FILE).read_text())
            assert house.edges.power.mode_of("r1") is Mode.CONTROL, "what counted goes on to"
            house.edges.on_deed(Done(at=1.0, rack="r1", what="power off", subject="n1"))
            record = await taker.deeds.get()
    assert (record.who, record.what, record.subject) == ("edge/r1", "power off", "n1")
    assert "edge1" in record.detail


async def test_what_was_read_before_its_login_was_known_is_read_again(tmp_path: Path) -> None:
    memory, clock = Memory(), WallClock()
    target = Target(address=f"https://127.0.0.1:{free_port()}", labels={"rack": "r1"})
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(
            open_house(HouseOptions(state_dir=tmp_path / "edge", role=Role.EDGE))
        )
        owned = Owned(house, LocalTrunk(memory, clock).table(WANTED), SITE)
        owned.wanted[shard_of(target)] = {target.address: target}
        owned.gained(shard_of(target), 1)
        hurried = list[tuple[Key, bool]]()
        house.hurry = lambda key, afresh: hurried.append((key, afresh))
        owned.let_in()
        assert hurried == []
        house.state.secrets.put("factory", user="root", password="first")
        house.state.secrets.assign("*", "factory")
        owned.let_in()
        assert hurried == [(Key(target.address, Job.INVENTORY), True)]
        owned.let_in()
        assert len(hurried) == 1


async def test_what_another_read_a_while_ago_is_known_and_acted_upon_by_nobody(
    tmp_path: Path,
) -> None:
    """The rack has its edge at once; that a node was off, and what it drew, counts no more."""
    target, now = Target(address="https://n1", labels={"rack": "r1"}), WallClock().now()
    cap = PowerLimit(
        asset="Systems/1", uri="/cap", dialect="control", limit_w=900.0, min_w=300.0, max_w=1000.0
    )
    drawn = replace(reading("Power", 700.0, at=now - 600), role="node_power", quantity="Power")
    was_off = asset(power_state=Known(PowerState.OFF, now - 600), at=now - 600)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(
            open_house(HouseOptions(state_dir=tmp_path / "edge", role=Role.EDGE))
        )
        facts, racks = house.state.facts, house.edges.edges.running
        facts.put_target(target)
        told = report("https://n1", [was_off], at=now - 600, power_limits=(cap,), readings=(drawn,))
        facts.adopt_report(told, None)
        async with asyncio.timeout(60):
            await until(lambda: "r1" in racks and not house.edges._due)
            edge = racks["r1"].run.edge
            assert edge.reflexes._on == {}
            assert edge.draws_w(house.clock.monotonic()) == [None]
            facts.record_hot(hot("https://n1", at=now, power=Known(PowerState.OFF, now)))
            await until(lambda: list(edge.reflexes._on.values()) == [False])


async def test_a_site_whose_name_begins_as_anothers_is_not_its(tmp_path: Path) -> None:
    memory, clock = Memory(), WallClock()
    ours, theirs = (
        Target(address=f"https://127.0.0.1:{free_port()}", labels={"rack": "r1", "site": site})
        for site in ("berlin", "berlin.mitte")
    )
    table = LocalTrunk(memory, clock).table(WANTED)
    for each in (theirs, ours):
        await table.put(shard_of(each), pack((each,)))
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(
            open_house(HouseOptions(state_dir=tmp_path / "edge", role=Role.EDGE))
        )
        owned = Owned(house, LocalTrunk(memory, clock).table(WANTED), "berlin")
        await stack.enter_async_context(doing(partial(owned.follow, set)))
        async with asyncio.timeout(60):
            await until(lambda: owned.known)
    assert owned.shards() == {shard_of(ours)}
