"""A take-over as devices see it: whole edges over a bus in memory, without any core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.survival.stage import LANES, Ground, grounded, machine, target_of

from iolaus.app.cluster.core import doing
from iolaus.app.cluster.edge import Edge, EdgeOptions
from iolaus.app.cluster.handing import REPORTS
from iolaus.app.cluster.wanting import WANTED
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.roles import Role
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.bus.nats import Servers
from iolaus.kernel.clock import WallClock
from iolaus.model.endpoint import Target
from iolaus.model.shard import shard_of
from iolaus.observe.collect import Job, Key, Periods
from iolaus.sim.rules import parse_rules
from iolaus.store.held import Held
from iolaus.store.packing import pack
from iolaus.store.parcels import Parcels
from iolaus.store.secrets import KEY_VARIABLE

PERIODS = Periods(hot_s=60.0, inventory_s=3600.0, logs_s=3600.0, retry_s=0.2, retry_max_s=1.0)
"""So long that no device is lost on a slow machine; passes are asked for."""
HOST = "/redfish/v1/Systems/1"


@asynccontextmanager
async def serving(folder: Path, name: str, ground: Ground, memory: Memory) -> AsyncIterator[Edge]:
    """One edge; at its end it gives all of its shards back."""
    options = EdgeOptions(bus=Servers(urls=()), state_dir=folder / name, name=name)
    options.state_dir.mkdir(mode=0o700, exist_ok=True)
    outbox = Parcels(options.state_dir / "outbox.db")
    outbox.open()
    async with AsyncExitStack() as stack:
        stack.callback(outbox.close)
        house = await stack.enter_async_context(
            open_house(
                HouseOptions(
                    state_dir=options.state_dir,
                    role=Role.EDGE,
                    periods=PERIODS,
                    lanes=LANES,
                    ca_file=str(ground.ca_file),
                )
            )
        )
        house.state.secrets.put("hall", user="root", password="iolaus-sim")
        edge = Edge(options, house, LocalTrunk(memory, WallClock()), outbox)
        await stack.enter_async_context(doing(edge.run))
        yield edge


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(100):
        while not holds():
            await asyncio.sleep(0.02)


def held(house: House, target: Target) -> Held:
    found = house.state.facts.held(target.address)
    assert found is not None
    return found


async def fresh(edge: Edge, *targets: Target) -> None:
    """Each has a pass over its hot set that began here."""
    house = edge._house
    for target in targets:
        await until(lambda at=target.address: house.collector.is_begun(at))  # type: ignore[misc]
        house.hurry(Key(target.address, Job.HOT), False)
    await until(lambda: all(held(house, each).hot_at for each in targets))


async def test_a_take_over_costs_a_small_part_of_a_first_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three devices one stays what it is, one is exchanged meanwhile, and of one the row is
    damaged."""
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    memory = Memory()
    devices = [machine(name=f"n{number}", number=number) for number in (1, 2, 3)]
    table = LocalTrunk(memory, WallClock()).table(REPORTS)
    async with grounded(tmp_path, *devices) as ground:
        targets = [target_of(each) for each in devices]
        same, exchanged, damaged = targets
        for target in targets:
            wanted = LocalTrunk(memory, WallClock()).table(WANTED)
            await wanted.put(shard_of(target), pack((target,)))

        def requests(target: Target) -> int:
            device = ground.hall.devices[targets.index(target)]
            return sum(device.counters.by_path.values())

        async with serving(tmp_path, "first", ground, memory) as first:
            house = first._house
            await until(lambda: all(house.state.facts.report_of(t.address) for t in targets))
            read = {each.address: held(house, each).report for each in targets}
            await first.handing.give()
            assert len(await table.rows()) == len(targets)
        whole = {each.address: requests(each) for each in targets}

        change = {"SerialNumber": "EXCHANGED", "UUID": "7e57ed00-0000-4000-8000-000000000001"}
        rule = {"effect": "replace", "merge": change, "select": {"device": "n2", "path": HOST}}
        ground.hall.inject(*parse_rules([rule], source="test"))
        await table.put(f"{shard_of(damaged)}.{damaged.address}", b"nothing of ours")
        with capture_logs() as said:
            async with serving(tmp_path, "second", ground, memory) as second:
                house = second._house
                await fresh(second, same)
                known = held(house, same)
                assert known.report == read[same.address], "with its true age"
                assert requests(same) - whole[same.address] < whole[same.address] / 4

                await until(lambda: bool(held(house, damaged).report))
                house.hurry(Key(exchanged.address, Job.HOT), False)
                await until(lambda: _serial(held(house, exchanged)) == "EXCHANGED")
        refused = [each["endpoint"] for each in said if each["event"] == "report_refused"]
        assert refused == [damaged.address]
        others = [each["endpoint"] for each in said if each["event"] == "device_is_another"]
        assert others == [exchanged.address]


def _serial(known: Held) -> str | None:
    return known.report.assets[0].identity.serial if known.report else None
