"""Racks that another process guards: seen as old as they are, and steered by whoever leads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest
from tests.app.test_house_edges import POWER, cap_w, hall, power, wet
from tests.north.powering import Room
from tests.survival.stage import Stage

from iolaus.app.cluster.core import doing
from iolaus.app.cluster.files import Files
from iolaus.app.cluster.guarding import CAPS, Caps, Guard
from iolaus.app.cluster.racks import HEARD_S, FarRacks, Told
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.planting import POWER_FILE
from iolaus.app.powering import Powering
from iolaus.app.roles import Role
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.energy.keeping import keepings
from iolaus.energy.ports import Event, Grade, Sense
from iolaus.energy.run import Done
from iolaus.energy.standing import HUNG_S
from iolaus.kernel.clock import JumpClock, WallClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, OperatorMust, PolicyRefused
from iolaus.model.alarm import Alarm, AlarmState, Priority
from iolaus.store.secrets import Secrets


class Pair:
    """A house that guards a tray, and a core that reaches it by a bus alone."""

    def __init__(self, edge: House, core: House, memory: Memory) -> None:
        self.edge, self.core, clock = edge, core, WallClock()
        trunks = [LocalTrunk(memory, clock) for _ in range(2)]
        self.term, self.newest, self.owns = 2, 2, True
        self.guard = Guard(
            name="edge1",
            edges=edge.edges,
            room=edge.power.powering,
            trunk=trunks[0],
            seals=lambda: edge.state.secrets,
            clock=clock,
            owns=lambda _: self.owns,
            newest=lambda: self.newest,
        )
        self.racks = FarRacks(
            inner=core.power.powering,
            trunk=trunks[1],
            seals=lambda: edge.state.secrets,
            clock=clock,
            term=lambda: self.term,
        )
        core.power.powering.ends = lambda _: False
        self.table = trunks[1].table(CAPS)
        self.caps = [
            Caps(table=trunk.table(CAPS), room=house.power.powering, clock=clock)
            for trunk, house in zip(trunks, (edge, core), strict=True)
        ]


@asynccontextmanager
async def pair(folder: Path, mode: str = "control") -> AsyncIterator[tuple[Stage, Pair]]:
    (folder / "edge").mkdir()
    async with AsyncExitStack() as stack:
        on = await stack.enter_async_context(hall(folder / "edge", mode))
        options = HouseOptions(state_dir=folder / "core", role=Role.CORE)
        core = await stack.enter_async_context(open_house(options))
        both = Pair(on.house, core, Memory())
        duties = (both.guard.run, both.racks.run, *(each.run for each in both.caps))
        await stack.enter_async_context(doing(*duties))

        async def heard() -> bool:
            both.guard.tell()
            return [each.rack for each in both.racks.edges()] == ["r1"]

        await on.until(heard, "the core hears of the rack")
        yield on, both


async def test_a_latch_is_seen_and_released_from_elsewhere_and_the_deed_is_told(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as (on, both):
        deeds: list[Done] = []
        both.edge.edges.on_deed = deeds.append
        wet(on, "Critical")

        async def off() -> bool:
            both.guard.tell()
            latches = [latch.off for each in both.racks.edges() for latch in each.latches]
            return power(on) == "Off" and latches == [True]

        await on.until(off, "the core sees what the edge did")
        assert "LeakCritical" in {code for _, code in both.racks.judged([])}
        wet(on, "OK")

        async def released() -> bool:
            try:
                await both.racks.release("tray", by="ana", reason="dry")
            except PolicyRefused:
                return False
            return True

        await on.until(released, "its cause is over")
        assert {"power off", "release"} <= {each.what for each in deeds}
        with pytest.raises(OperatorMust, match="latched"):
            await both.racks.release("nobody", by="ana", reason="x")


async def test_a_cap_is_held_by_the_edge_known_to_the_core_and_taken_back(tmp_path: Path) -> None:
    async with pair(tmp_path, "observe") as (on, both):
        before = cap_w(on)
        await both.racks.hold("tray", 3000, for_s=600, by="ana", reason="test")
        assert cap_w(on) == 3000
        assert [each.subject for each in both.racks.caps()] == ["tray"]

        async def shared() -> bool:
            return await both.table.get("tray") is not None

        await on.until(shared, "it is a row of the bus")
        both.guard.tell()

        async def seen() -> bool:
            found = keepings(both.racks.caps(), both.racks.edges(), now=on.house.clock.now())
            return [each.sight and each.sight.in_force_w for each in found] == [3000]

        await on.until(seen, "the core sees what is in force")
        kept = (tmp_path / "core" / "power-caps.json").read_text()
        assert "tray" in kept, "whoever owns the rack next holds it on"
        with pytest.raises(PolicyRefused):
            await both.racks.hold("tray", 10, for_s=60, by="ana", reason="below its floor")
        await both.racks.clear("tray")
        assert cap_w(on) == before
        await both.racks.hold("tray", 2900, for_s=600, by="ana", reason="its last")
        await both.racks.clear("tray", restore=False)
        assert cap_w(on) == 2900
        assert not both.racks.caps()

        async def gone() -> bool:
            row = await both.table.get("tray")
            return row is None or not row.body

        await on.until(gone, "and so is its row")


async def test_who_may_not_lead_or_does_not_own_is_refused_and_who_is_silent_is_said_to_be(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path, "observe") as (on, both):
        before = cap_w(on)
        both.newest = 3
        with pytest.raises(DeviceRefused, match="newer core"):
            await both.racks.hold("tray", 3000, for_s=60, by="ana", reason="test")
        both.term, both.owns = 3, False
        with pytest.raises(DeviceRefused, match="not ours"):
            await both.racks.isolate("r1", by="ana", reason="test")
        both.owns = True
        with pytest.raises(OperatorMust, match="no building"):
            await both.racks.isolate("r1", by="ana", reason="test")
        with pytest.raises(DeviceRefused, match="this version cannot do it"):
            await both.racks._ask("r1", "of a newer version", "r1", "ana", "test")
        lost = Event(sense=Sense.FEED, subject="feed-a", grade=Grade.CRITICAL)
        both.edge.power.powering.event("*", lost)

        async def told() -> bool:
            return "feed-a" in both.core.centre._lost

        await on.until(told, "the centre knows of the feed")
        (heard,) = both.racks.edges()
        told_by_gone = Told("edge9", (heard.rack,), (heard,))
        both.racks.take(msgspec.msgpack.encode(told_by_gone))
        with pytest.raises(DeviceSilent, match="edge9"):
            await both.racks.hold("tray", 3000, for_s=60, by="ana", reason="test")
        assert cap_w(on) == before


async def test_a_policy_that_came_over_the_bus_counts_at_once(tmp_path: Path) -> None:
    async with pair(tmp_path, "observe") as (on, _):
        path = on.house.options.state_dir / POWER_FILE
        assert on.house.power.ruling.rules()
        path.write_text(POWER.replace("MODE", "control"))
        assert not on.house.power.ruling.rules(), "written by hand, it does not count yet"
        on.house.power.ruling.read_again()

        async def acts() -> bool:
            running = on.house.edges.edges.running
            return "r1" in running and running["r1"].run.edge.rules.acts

        await on.until(acts, "the edge goes by it")


async def test_only_what_counts_is_given_to_others(tmp_path: Path) -> None:
    clock, counting = JumpClock(), [False]
    table = LocalTrunk(Memory(), clock).table("files")
    (tmp_path / POWER_FILE).write_text("kind: any")
    async with open_house(HouseOptions(state_dir=tmp_path / "house")) as house:
        files = Files(
            table=table,
            directory=tmp_path,
            secrets=house.state.secrets,
            clock=clock,
            counts=lambda name: counting[0] or name != POWER_FILE,
        )
        await files.give()
        assert await table.get(POWER_FILE) is None
        counting[0] = True
        await files.give()
        assert await table.get(POWER_FILE) is not None


async def test_a_rack_that_nobody_speaks_of_hangs_and_what_rang_of_it_is_not_over(
    tmp_path: Path,
) -> None:
    clock = JumpClock()
    room = Room(clock)
    fresh = next(each for each in room.edges() if each.rack == "r1")
    racks = FarRacks(
        inner=cast(Powering, room),
        trunk=LocalTrunk(Memory(), clock),
        seals=lambda: Secrets(tmp_path / "secrets"),
        clock=clock,
        term=lambda: 1,
    )
    rang = Alarm(
        code="OverLimit",
        uid="energy/r1",
        subject="r1",
        state=AlarmState.UNACKNOWLEDGED,
        active=True,
        priority=Priority.CRITICAL,
        message="",
        labels={"rack": "r1"},
    )
    assert racks.judged([rang]) == {}, "nobody spoke of it: not known is not over"
    assert racks.unheard()
    await clock.sleep(HEARD_S)
    assert not racks.unheard(), "every edge that lives has spoken"
    racks.take(msgspec.msgpack.encode(Told("edge1", ("r1",), (fresh,))))
    assert racks.judged([rang])[rang.key] is None
    await clock.sleep(HUNG_S + 1)
    (old,) = racks.edges()
    assert old.state == "hung"
    assert old.beat_age_s > HUNG_S
    assert ("energy/r1", "EdgeSilent") in racks.judged([])
    racks.take(msgspec.msgpack.encode(Told("edge2", ("r1",), (fresh,))))
    racks.take(msgspec.msgpack.encode(Told("edge1", (), ())))
    assert [each.rack for each in racks.edges()] == ["r1"], "another guards it now"
    racks.take(msgspec.msgpack.encode(Told("edge2", (), ())))
    assert racks.edges() == []
