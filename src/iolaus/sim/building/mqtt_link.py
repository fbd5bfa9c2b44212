"""A party's connection to the broker: it comes back by itself.

After every connection goes out what is to be said first (metadata), then the party is listened
to, then it says what is due, turn by turn. A link that is lost, by the broker's end or by a fault,
is tried again after a while; nothing is queued meanwhile, as a value that is late is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import aiomqtt

from iolaus.kernel.clock import Clock
from iolaus.sim.building.bms import Message
from iolaus.sim.building.broker import HOST, Broker
from iolaus.sim.building.faults import Faults
from iolaus.sim.clock import holding

logging.getLogger(__name__).setLevel(logging.ERROR)
TURN_S, RETRY_S = 1.0, 1.0
TOGETHER: Final = 10


class Party(Protocol):
    """Who speaks: the building system, the grid. `user` is its account; `filters` what it hears."""

    @property
    def user(self) -> str: ...

    @property
    def filters(self) -> Sequence[str]: ...

    def first(self) -> Iterable[Message]: ...

    def due(self) -> Iterable[Message]: ...

    def heard(self, topic: str, payload: bytes) -> Iterable[Message]: ...


class MqttLink:
    """`turns` counts finished rounds of publishing, `messages` what was said, `connections` how
    often it connected; `trouble` is why it last had to come back."""

    def __init__(self, party: Party, broker: Broker, *, clock: Clock, faults: Faults) -> None:
        self._party, self._broker = party, broker
        self._clock, self._faults = clock, faults
        self.turns = self.connections = self.messages = 0
        self.published = asyncio.Event()
        self.trouble = ""

    @property
    def user(self) -> str:
        return self._party.user

    def lost(self) -> bool:
        return self._faults.strikes("link-loss", self._party.user, "mqtt")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if not self.lost():
                try:
                    await self._connected()
                except aiomqtt.MqttError as error:
                    self.trouble = str(error)
            await self._clock.sleep(RETRY_S)

    async def _connected(self) -> None:
        account = self._broker.accounts[self._party.user]
        held = contextlib.ExitStack()
        with held:
            held.enter_context(holding(self._clock))
            async with aiomqtt.Client(
                HOST, self._broker.port, username=account.user, password=account.password,
                identifier=account.user, keepalive=30, max_concurrent_outgoing_calls=1000,
                logger=logging.getLogger(__name__),
            ) as client:  # fmt: skip
                self.connections += 1
                self.messages += await _publish(client, self._party.first())
                for topics in self._party.filters:
                    await client.subscribe(topics, qos=2)
                held.close()
                await self._converse(client)

    async def _converse(self, client: aiomqtt.Client) -> None:
        listening = asyncio.create_task(self._listen(client))
        try:
            await self._talk(client, listening)
        finally:
            await end(listening)

    async def _talk(self, client: aiomqtt.Client, listening: asyncio.Task[None]) -> None:
        while not self.lost() and not listening.done():
            with holding(self._clock):
                self.messages += await _publish(client, self._party.due())
            self.turns += 1
            self.published.set()
            await self._clock.sleep(TURN_S)
        if listening.done():
            listening.result()

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes) and not self.lost():
                with holding(self._clock):
                    answers = self._party.heard(str(message.topic), payload)
                    self.messages += await _publish(client, answers)


async def end(task: asyncio.Task[None]) -> None:
    """Cancel until it is over, however it ends: waiting with a time limit may swallow a
    cancellation that comes together with the result (Python before 3.12)."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.05)
    if not task.cancelled():
        task.exception()


async def _publish(client: aiomqtt.Client, messages: Iterable[Message]) -> int:
    """In their order; confirmed ones a batch at a time. How many there were."""
    batch: list[Message] = []
    count = 0
    for message in messages:
        count += 1
        batch.append(message)
        if len(batch) == TOGETHER:
            await _send(client, batch)
            batch = []
    await _send(client, batch)
    return count


async def _send(client: aiomqtt.Client, batch: list[Message]) -> None:
    await asyncio.gather(
        *(client.publish(m.topic, m.payload, qos=m.qos, retain=m.retain) for m in batch)
    )
