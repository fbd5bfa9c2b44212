"""The building system's connection to the broker: it comes back by itself.

After every connection metadata goes out first and retained, then requests are listened to, then
values are published turn by turn. A link that is lost, by the broker's end or by a fault, is tried
again after a while; nothing is queued meanwhile, as a value that is late is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

import aiomqtt

from iolaus.kernel.clock import Clock
from iolaus.sim.building.bms import Bms, Message
from iolaus.sim.building.broker import HOST, Broker
from iolaus.sim.building.faults import Faults

TURN_S, RETRY_S = 1.0, 1.0
TOGETHER: Final = 64


class BmsLink:
    """`turns` counts finished rounds of publishing, `connections` how often it connected."""

    def __init__(self, bms: Bms, broker: Broker, *, clock: Clock, faults: Faults) -> None:
        self._bms, self._broker = bms, broker
        self._clock, self._faults = clock, faults
        self.turns = self.connections = 0
        self.published = asyncio.Event()

    def lost(self) -> bool:
        return self._faults.strikes("link-loss", "bms", "mqtt")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if not self.lost():
                with contextlib.suppress(aiomqtt.MqttError):
                    await self._connected()
            await self._clock.sleep(RETRY_S)

    async def _connected(self) -> None:
        account = self._broker.accounts["bms"]
        async with aiomqtt.Client(
            HOST, self._broker.port, username=account.user, password=account.password,
            identifier="bms", keepalive=30, max_concurrent_outgoing_calls=1000,
        ) as client:  # fmt: skip
            self.connections += 1
            self._bms.forget_told()
            await _publish(client, self._bms.metadata())
            for integration in self._bms.integrations:
                await client.subscribe(f"BMS/v1/{integration.name}/Value/#", qos=1)
            listening = asyncio.create_task(self._listen(client))
            try:
                await self._talk(client, listening)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _talk(self, client: aiomqtt.Client, listening: asyncio.Task[None]) -> None:
        while not self.lost() and not listening.done():
            await _publish(client, self._bms.due())
            self.turns += 1
            self.published.set()
            await self._clock.sleep(TURN_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes) and not self.lost():
                await _publish(client, self._bms.heard(str(message.topic), payload))


async def _publish(client: aiomqtt.Client, messages: Iterable[Message]) -> None:
    """In their order; confirmed ones a batch at a time."""
    batch: list[Message] = []
    for message in messages:
        batch.append(message)
        if len(batch) == TOGETHER:
            await _send(client, batch)
            batch = []
    await _send(client, batch)


async def _send(client: aiomqtt.Client, batch: list[Message]) -> None:
    await asyncio.gather(
        *(client.publish(m.topic, m.payload, qos=m.qos, retain=m.retain) for m in batch)
    )
