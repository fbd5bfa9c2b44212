"""The building system on a real broker, read and asked by a stock MQTT client."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import psutil
import pytest

from iolaus.kernel.tasks import end
from iolaus.sim.building.bms import Bms
from iolaus.sim.building.broker import HOST, Account, Broker
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.lives import LivePlant
from iolaus.sim.building.mqtt_link import MqttLink
from tests.sim.building.contract import Contract
from tests.sim.building.hand_clock import HandClock
from tests.sim.building.test_bms import OTHER, OURS, payload, point

ACCOUNTS = [
    Account(user="bms", publish=["BMS/v1/PUB/#"]),
    Account(user="IOLAUS", publish=["BMS/v1/IOLAUS/Value/#"]),
    Account(user="viewer"),
]
RACK = "h1-r01"


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    found = Broker(ACCOUNTS)
    try:
        await found.start()
        yield found
    finally:
        await found.stop()


@pytest.fixture
def bms(plant: LivePlant, clock: HandClock, faults: Faults) -> Bms:
    return Bms(plant.floor, plant, clock=clock, faults=faults, integrations=(OURS, OTHER))


@pytest.fixture
async def link(
    bms: Bms, broker: Broker, clock: HandClock, faults: Faults
) -> AsyncIterator[MqttLink]:
    found = MqttLink(bms, broker, clock=clock, faults=faults)
    task = asyncio.create_task(found.run())
    try:
        async with asyncio.timeout(80):
            await found.published.wait()
        yield found
    finally:
        await end(task)


class Heard:
    """A client, and what came to it by topic; `until` waits for a message that fits, moving time
    on if need be. One task reads to the end: a reader that is cancelled may lose a message."""

    def __init__(self, mqtt: aiomqtt.Client, clock: HandClock) -> None:
        self.mqtt, self._clock = mqtt, clock
        self.last: dict[str, Any] = {}
        self.retained: set[str] = set()
        self._more = asyncio.Event()

    async def read(self) -> None:
        async for message in self.mqtt.messages:
            assert isinstance(message.payload, bytes)
            self.last[str(message.topic)] = json.loads(message.payload)
            if message.retain:
                self.retained.add(str(message.topic))
            self._more.set()

    async def until(self, fits: Callable[[dict[str, Any]], bool], *, step_s: float = 0.0) -> None:
        async with asyncio.timeout(80):
            while not fits(self.last):
                await self._clock.advance(step_s)
                self._more.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await self._more.wait()


@contextlib.asynccontextmanager
async def client(broker: Broker, user: str, clock: HandClock) -> AsyncIterator[Heard]:
    password = json.loads(broker.credentials.read_text())[user]
    async with aiomqtt.Client(
        HOST, broker.port, username=user, password=password, identifier=f"test-{user}"
    ) as mqtt:
        found = Heard(mqtt, clock)
        reading = asyncio.create_task(found.read())
        try:
            yield found
        finally:
            await end(reading)


async def test_metadata_first_and_retained(
    link: MqttLink, bms: Bms, broker: Broker, clock: HandClock, shared: Path
) -> None:
    contract = Contract(shared / "dsx" / "bms.yaml")
    topics = {p.metadata_topic for p in bms.points}
    async with client(broker, "viewer", clock) as heard:
        await heard.mqtt.subscribe("BMS/v1/PUB/Metadata/#", qos=1)
        await heard.until(lambda last: topics <= last.keys())
        assert heard.retained == topics
        for topic, data in heard.last.items():
            contract.check(topic, data, data["pointType"])
        await heard.mqtt.subscribe("BMS/v1/PUB/Value/#", qos=1)
        values = {p.value_topic for p in bms.points if p.integration is None and p.point != "@echo"}
        await heard.until(lambda last: values <= last.keys(), step_s=20.0)
        for topic in values:
            contract.check(topic, heard.last[topic])
        assert not heard.retained & values


async def test_isolation_through_the_broker(
    link: MqttLink, bms: Bms, broker: Broker, clock: HandClock
) -> None:
    status = point(bms, RACK, "RackElectricalIsolationStatus").value_topic
    response = point(bms, RACK, "GenericPoint", tag="electrical-isolation-response").value_topic
    request = point(bms, RACK, "RackElectricalIsolationRequest", "IOLAUS").value_topic
    async with client(broker, "IOLAUS", clock) as heard:
        await heard.mqtt.subscribe("BMS/v1/PUB/Value/#", qos=1)
        await heard.mqtt.publish(request, payload(1.0), qos=1)
        await heard.until(lambda last: last.get(response, {}).get("value") == 1.0)
        await heard.until(lambda last: last.get(status, {}).get("value") == 1.0, step_s=1.0)


async def test_nobody_publishes_in_another_namespace(
    link: MqttLink, bms: Bms, plant: LivePlant, broker: Broker, clock: HandClock
) -> None:
    request = point(bms, RACK, "RackElectricalIsolationRequest", "IOLAUS").value_topic
    async with client(broker, "viewer", clock) as heard:
        await heard.mqtt.publish(request, payload(1.0), qos=0)
        await heard.mqtt.subscribe("BMS/v1/#", qos=1)
        await heard.until(lambda last: len(last) > 100, step_s=50.0)
        assert request not in heard.last
    assert plant.read(RACK, "breaker_closed") == 1.0
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client(HOST, broker.port, username="bms", password="guess"):
            pass


async def test_broker_restart_is_survived_and_retained(
    link: MqttLink, bms: Bms, broker: Broker, clock: HandClock
) -> None:
    port = broker.port
    await broker.restart()
    assert broker.port == port
    beat = point(bms, "BMS", "HeartbeatTimestampBms").value_topic
    async with client(broker, "viewer", clock) as heard:
        await heard.mqtt.subscribe("BMS/v1/PUB/Value/System/#", qos=1)
        await heard.until(lambda last: beat in last, step_s=1.0)
    topics = {p.metadata_topic for p in bms.points}
    # A broker that has just started may give an early subscriber a part of what it retains.
    async with client(broker, "viewer", clock) as heard:
        await heard.mqtt.subscribe("BMS/v1/PUB/Metadata/#", qos=1)
        await heard.until(lambda last: topics <= last.keys())
        assert heard.retained == topics
    assert link.connections == 2


async def test_lost_link_is_silence_and_then_everything_again(
    link: MqttLink, bms: Bms, broker: Broker, clock: HandClock, faults: Faults
) -> None:
    faults.arm("link-loss", thing="bms", what="mqtt")
    await clock.advance(5.0)
    before = link.turns
    await clock.advance(60.0)
    assert link.turns == before
    faults.disarm()
    async with client(broker, "viewer", clock) as heard:
        await heard.mqtt.subscribe("BMS/v1/PUB/Value/Rack/#", qos=1)
        power = point(bms, RACK, "RackPower").value_topic
        await heard.until(lambda last: power in last, step_s=1.0)


async def test_broker_leaves_nothing_behind() -> None:
    others, found = set(psutil.Process().children()), Broker(ACCOUNTS)
    await found.start()
    assert found.credentials.stat().st_mode & 0o077 == 0
    (child,) = (c for c in psutil.Process().children() if c not in others)
    folder = found.credentials.parent
    await found.stop()
    assert not child.is_running()
    assert not folder.exists()
