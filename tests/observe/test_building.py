"""Our side of a building on a real broker: points, requests, heartbeats, load targets, and a broker
that goes away. The building is the simulator's; a stock client watches what we publish."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from tests.sim.building.conftest import clock, devices, faults  # noqa: F401
from tests.sim.building.contract import Contract

from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from iolaus.kernel.tasks import end
from iolaus.observe.building import Building
from iolaus.sim.building.bms import Bms as SimBms
from iolaus.sim.building.bms_points import Integration
from iolaus.sim.building.broker import HOST, Account, Broker
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.grid import Grid, Target
from iolaus.sim.building.lives import LivePlant
from iolaus.sim.building.mqtt_link import MqttLink
from iolaus.sim.device import Device
from iolaus.wire.dsx.flex import LoadTarget, load_keys
from iolaus.wire.mqtt.address import BrokerAddress
from iolaus.wire.mqtt.link import Access

OURS = Integration(name="IOLAUS", may=frozenset({"isolate", "setpoint"}))
RACK, CDU = "h1-r01", "h1-a-cdu1"
ACCOUNTS = [
    Account(user="bms", publish=["BMS/v1/PUB/#"]),
    Account(user="grid", publish=["grid/v1/isv/#"]),
    Account(user="IOLAUS", publish=["BMS/v1/IOLAUS/Value/#"]),
    Account(user="viewer"),
]


class Door(WallClock):
    """Our side's clock: who has slept on it goes on when the door is open, and not before."""

    def __init__(self) -> None:
        self.behind, self._open = 0, asyncio.Event()
        self._open.set()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self.behind += 1
        await self._open.wait()
        self.behind -= 1

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()


class Scene:
    def __init__(
        self, building: Building, sim: SimBms, grid: Grid, broker: Broker, plant: LivePlant
    ) -> None:
        self.building, self.sim, self.grid, self.broker = building, sim, grid, broker
        self.plant, self.watching = plant, 0
        self.targets: list[LoadTarget] = []
        self.refused: list[str] = []
        self.said: dict[str, Any] = {}

    async def until(self, true: Callable[[], object], *, seconds: float = 110.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.05)

    def more_refused(self, before: int) -> bool:
        return len(self.refused) > before

    def path(self, point_type: str, about: str) -> str:
        return next(path for path, _ in self.building.bms.find(point_type, about))

    def shown(self, point_type: str, about: str) -> float | None:
        now = WallClock().monotonic()
        return self.building.bms.shown(self.path(point_type, about), now).value


@contextlib.asynccontextmanager
async def running(*jobs: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            await end(task)


async def watch(scene: Scene, account: Account) -> None:
    while True:
        with contextlib.suppress(aiomqtt.MqttError):
            async with aiomqtt.Client(
                HOST, scene.broker.port, username=account.user, password=account.password
            ) as client:
                await client.subscribe("BMS/v1/IOLAUS/#", qos=1)
                scene.watching += 1
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    scene.said[str(message.topic)] = json.loads(message.payload)
        await asyncio.sleep(0.2)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def scene(
    devices: Sequence[Device],  # noqa: F811
    faults: Faults,  # noqa: F811
    door: Door,
    tmp_path: Path,
) -> AsyncIterator[Scene]:
    wall, broker = WallClock(), Broker(ACCOUNTS)
    plant = LivePlant.of(devices, wall)
    await broker.start()
    (tmp_path / "password").write_text(broker.accounts["IOLAUS"].password + "\n")
    sim = SimBms(plant.floor, plant, clock=wall, faults=faults, integrations=(OURS,))
    grid = Grid("acme", tmp_path, wall, faults)
    keys = {"acme": load_keys((tmp_path / "grid.jwks.json").read_text(), source="grid")}
    building = Building(
        BrokerAddress(HOST, broker.port, tls=False),
        Access(user="IOLAUS", password_file=tmp_path / "password"),
        door,
        keys=keys,
        refuse=lambda error: found.refused.append(error.code),
    )
    found = Scene(building, sim, grid, broker, plant)
    building.on_target.append(found.targets.extend)
    links = [MqttLink(party, broker, clock=wall, faults=faults) for party in (sim, grid)]
    try:
        async with running(watch(found, broker.accounts["viewer"]), *(x.run() for x in links)):
            await found.until(lambda: found.watching and all(each.turns for each in links))
            async with running(building.run()):
                await found.until(lambda: not building.why_lost() and building.bms.values)
                await found.until(lambda: len(building.bms.metadata) == len(sim.points))
                yield found
                building.close()
    finally:
        await broker.stop()


async def test_a_building_is_heard_asked_and_believed_as_far_as_it_may_be(
    scene: Scene,
    faults: Faults,  # noqa: F811
    request: pytest.FixtureRequest,
) -> None:
    building = scene.building
    await scene.until(lambda: scene.shown("RackLiquidFlow", RACK) is not None)
    assert scene.shown("RackLeakDetect", RACK) == 0.0
    assert not building.bms.aside

    assert await building.isolate(RACK, "electrical") is False
    await scene.until(lambda: scene.shown("RackElectricalIsolationStatus", RACK) == 1.0)
    assert await building.isolate(RACK, "electrical") is True
    assert scene.plant.read(RACK, "electrical_isolated") == 1.0
    with pytest.raises(DeviceRefused):
        await building.isolate("no-such-rack", "liquid")

    await building.ask_supply(CDU, 38.0)
    await scene.until(lambda: scene.plant.read(CDU, "supply_wanted_c") == 38.0)

    faults.arm("bad-quality", thing=RACK, what="RackLeakDetect")
    await scene.until(lambda: scene.shown("RackLeakDetect", RACK) is None)

    scene.grid.set_load(Target(limit_w=1.5e6, feeds=("main-a",)))
    await scene.until(lambda: scene.targets)
    assert (scene.targets[0].limit_w, scene.targets[0].feeds) == (1.5e6, ("main-a",))
    for lie in ("wrong-key", "unsigned", "tampered", "expired", "replayed"):
        before = len(scene.refused)
        faults.arm(lie, thing="grid")
        scene.grid.set_load(Target(limit_w=1.0))
        await scene.until(partial(scene.more_refused, before))
        faults.disarm(lie)
    assert scene.refused == ["Forged", "Unsigned", "Forged", "NotFresh", "Replayed"]
    assert [each.limit_w for each in scene.targets] == [1.5e6, 1.0]

    shared = request.getfixturevalue("shared")
    contract = Contract(shared / "dsx" / "bms.yaml")
    points = {point.value_topic for point in scene.sim.points}
    await scene.until(lambda: len(scene.said) >= 4)
    for topic, payload in scene.said.items():
        assert topic in points
        contract.check(topic, payload)


async def test_a_broker_that_goes_away_and_comes_back(scene: Scene, door: Door) -> None:
    """What stands is said once at the new connection, so the watcher has to be there before us."""
    building, before = scene.building, scene.building.link.connections
    await building.ask_supply(CDU, 37.0)
    await scene.broker._end()
    await scene.until(lambda: building.why_lost())
    assert scene.shown("RackLiquidFlow", RACK) is None or not building.link.connected
    with pytest.raises(DeviceSilent):
        await building.ask_supply(CDU, 39.0)
    door.shut()
    await scene.until(lambda: door.behind)
    watching = scene.watching
    scene.said.clear()
    await scene.broker.start()
    await scene.until(lambda: scene.watching > watching)
    door.open()
    await scene.until(lambda: building.link.connections > before)
    await scene.until(lambda: any("SpRequest" in topic for topic in scene.said))
