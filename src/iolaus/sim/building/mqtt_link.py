"""A party's connection to the broker: it comes back by itself.

After every connection goes out what is to be said first (metadata), then the party is listened
to, then it says what is due, turn by turn. A link that is lost, by the broker's end or by a fault,
is tried again after a while; nothing is queued meanwhile, as a value that is late is wrong.

Where time stands, a turn is over when the broker has taken all of it, values that it confirms to
nobody as well: who subscribes afterwards hears nothing of before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import aiomqtt

from iolaus.kernel.clock import Clock
from iolaus.kernel.tasks import end
from iolaus.sim.building.bms import Message
from iolaus.sim.building.broker import HOST, Broker
from iolaus.sim.building.faults import Faults
from iolaus.sim.clock import holding, stands

logging.getLogger(__name__).setLevel(logging.ERROR)
TURN_S, RETRY_S = 1.0, 1.0
KEEPALIVE_S: Final = 120
CONFIRM_S: Final = 60.0
"""As long as a very busy machine needs: a broker that is gone closes the connection."""
TOGETHER: Final = 10
NOTHING: Final = "nothing"


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
                identifier=account.user, keepalive=KEEPALIVE_S, timeout=CONFIRM_S,
                max_concurrent_outgoing_calls=1000, logger=logging.getLogger(__name__),
            ) as client:  # fmt: skip
                self.connections += 1
                await self._say(client, self._party.first())
                for topics in self._party.filters:
                    await client.subscribe(topics, qos=2)
                held.close()
                await self._converse(client, held)

    async def _converse(self, client: aiomqtt.Client, held: contextlib.ExitStack) -> None:
        """Until either ends: a broker that dies is not waited for to confirm what was said. Then
        time is held in `held`."""
        both = [asyncio.create_task(each) for each in (self._talk(client), self._listen(client))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for each in both:
                if each.done():
                    each.result()
        finally:
            held.enter_context(holding(self._clock))
            await end(*both)

    async def _talk(self, client: aiomqtt.Client) -> None:
        while not self.lost():
            with holding(self._clock):
                await self._say(client, self._party.due())
            self.turns += 1
            self.published.set()
            await self._clock.sleep(TURN_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes) and not self.lost():
                with holding(self._clock):
                    await self._say(client, self._party.heard(str(message.topic), payload))

    async def _say(self, client: aiomqtt.Client, messages: Iterable[Message]) -> None:
        count = await _publish(client, messages)
        if count and stands(self._clock):
            await client.unsubscribe(NOTHING)  # answered when all before it was taken
        self.messages += count


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
