"""A building management system of the contract, played by a stock MQTT client on a stock broker.

What it says is written out by the test: metadata, values, quality, heartbeats, and whether it goes
on saying them. What is asked of it it takes down, and does if it is willing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from iolaus.kernel.tasks import end
from iolaus.sim.building.broker import HOST, Account, Broker

OURS = "IOLAUS"
BEAT = "System/HeartbeatTimestampBms/site/bms"
AGAIN_S = 2.0
ACCOUNTS = [
    Account(user="bms", publish=["BMS/v1/PUB/#", "grid/v1/isv/#"]),
    Account(
        user=OURS,
        publish=[f"BMS/v1/{OURS}/Value/#", "grid/v1/dsx-flex-agent/#", "grid/v1/infra/#"],
    ),
]


@dataclass
class StockBms:
    """`obeys` racks are isolated when that is asked. Metadata are said again and again, as the
    contract has it: what was kept while somebody subscribed may pass him by."""

    broker: Broker
    client: aiomqtt.Client
    obeys: bool = True
    heard: dict[str, Any] = field(default_factory=dict)
    values: dict[str, tuple[float | None, int]] = field(default_factory=dict)
    beats: bool = True
    described: dict[str, str] = field(default_factory=dict)

    async def describe(self, path: str, **more: Any) -> None:
        kind, point, *_ = path.split("/")
        body = {"objectType": kind, "pointType": point, **more}
        self.described[f"BMS/v1/PUB/Metadata/{path}"] = json.dumps(body)
        await self._describe(f"BMS/v1/PUB/Metadata/{path}")

    async def _describe(self, topic: str) -> None:
        await self.client.publish(topic, self.described[topic], 1, retain=True)

    async def describing(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_S)
            for topic in list(self.described):
                await self._describe(topic)

    async def say(self, path: str, value: float | None, *, quality: int = 1) -> None:
        body = {"value": value, "timestamp": int(1000 * time.time()), "quality": quality}
        await self.client.publish(f"BMS/v1/PUB/Value/{path}", json.dumps(body), 1)

    async def rack(self, name: str) -> None:
        """A liquid-cooled rack: leak, fault, both isolations with their requests."""
        about = {"rackLocationName": name, "rackLocationId": name}
        for point in ("RackLeakDetect", "RackLeakSensorFault"):
            await self.describe(f"Rack/{point}/site/{name}", **about)
            await self.say(f"Rack/{point}/site/{name}", 0)
        for medium in ("Liquid", "Electrical"):
            await self.describe(f"Rack/Rack{medium}IsolationStatus/site/{name}", **about)
            await self.describe(
                f"Rack/Rack{medium}IsolationRequest/site/{name}", **about, integration=OURS
            )
            await self.say(f"Rack/Rack{medium}IsolationStatus/site/{name}", 0)

    @staticmethod
    def request(name: str, medium: str) -> str:
        """The topic on which we ask."""
        return f"BMS/v1/{OURS}/Value/Rack/Rack{medium}IsolationRequest/site/{name}"

    async def beating(self, every_s: float) -> None:
        await self.describe(BEAT, objectName="BMS", objectId="BMS")
        while True:
            if self.beats:
                await self.say(BEAT, int(1000 * time.time()))
            await asyncio.sleep(every_s)

    async def listening(self) -> None:
        await self.client.subscribe(f"BMS/v1/{OURS}/#", qos=1)
        await self.client.subscribe("grid/v1/+/+/#", qos=1)
        async for message in self.client.messages:
            topic, payload = str(message.topic), message.payload
            assert isinstance(payload, bytes)
            body = self.heard[topic] = json.loads(payload)
            if "IsolationRequest" in topic and self.obeys:
                path = topic.split("/", 4)[4].replace("Request", "Status")
                await self.say(path, body["value"])


@contextlib.asynccontextmanager
async def stock_bms(*, every_s: float = 0.3) -> AsyncIterator[StockBms]:
    broker = Broker(ACCOUNTS)
    await broker.start()
    try:
        async with aiomqtt.Client(
            HOST, broker.port, username="bms", password=broker.accounts["bms"].password
        ) as client:
            found = StockBms(broker, client)
            tasks = [
                asyncio.create_task(found.listening()),
                asyncio.create_task(found.beating(every_s)),
                asyncio.create_task(found.describing()),
            ]
            try:
                yield found
            finally:
                for task in tasks:
                    await end(task)
    finally:
        await broker.stop()


def document(port: int, **more: Any) -> Mapping[str, Any]:
    """The operator's section, as he writes it."""
    return {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Building",
        "metadata": {"name": "bms"},
        "spec": {
            "broker": f"mqtt://127.0.0.1:{port}",
            "credential": "building",
            "heartbeat": "2s",
            "acknowledge": "1s",
            "allow": ["isolation"],
            **more,
        },
    }
