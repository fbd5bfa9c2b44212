"""A link in a process that has much else to do: what a building says at once is heard as it comes,
and what we say meanwhile is confirmed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import aiomqtt

from iolaus.kernel.clock import WallClock
from iolaus.sim.building.broker import HOST, Account, Broker
from iolaus.wire.mqtt.address import BrokerAddress
from iolaus.wire.mqtt.link import Access, Link, Message

MANY = 1000
OURS, THEIRS = Account(user="ours", publish=["said/#"]), Account(user="theirs", publish=["kept/#"])


class Counting:
    """A party that says something and counts what it hears."""

    filters: Sequence[tuple[str, int]] = (("kept/#", 1),)

    def __init__(self) -> None:
        self.heard_of: set[str] = set()
        self.turns = 0

    def first(self) -> Iterable[Message]:
        return (Message("said/first", b"1", qos=1),)

    def due(self) -> Iterable[Message]:
        self.turns += 1
        return (Message("said/again", b"1", qos=1),)

    def heard(self, topic: str, payload: bytes, *, retained: bool) -> Iterable[Message]:
        assert retained
        assert payload == b"kept"
        self.heard_of.add(topic)
        return ()


@asynccontextmanager
async def full_broker() -> AsyncIterator[Broker]:
    """It keeps many messages for whoever subscribes."""
    broker = Broker([OURS, THEIRS])
    await broker.start()
    try:
        async with aiomqtt.Client(
            HOST, broker.port, username=THEIRS.user, password=THEIRS.password
        ) as client:
            for n in range(MANY):
                await client.publish(f"kept/{n}", b"kept", qos=int(n == MANY - 1), retain=True)
        yield broker
    finally:
        await broker.stop()


async def test_a_flood_at_a_busy_loop_costs_no_connection() -> None:
    party = Counting()
    async with full_broker() as broker:
        access = Access(login=lambda: (OURS.user, OURS.password))
        address = BrokerAddress(HOST, broker.port, tls=False)
        link = Link(address, access, party, WallClock(), name="ours")
        running = asyncio.create_task(link.run())
        async with asyncio.timeout(120.0):
            while len(party.heard_of) < MANY or party.turns < 2:
                time.sleep(0.015)
                await asyncio.sleep(0)
        assert (link.connections, link.trouble) == (1, "")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
