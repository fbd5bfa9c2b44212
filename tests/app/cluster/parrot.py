"""Whatever is said over the bus, said again: at once, and once more later, as a bus that delivers
at least once would. It also writes down who held which lease: rows that the bus took, in their
order, and not what a holder of before asked for too late and was refused.
"""

from __future__ import annotations

import asyncio
import random
import threading
from typing import Any

from tests.app.cluster.history import Hold

from iolaus.app.cluster.core import LEASES, doing
from iolaus.bus.leases import parse_row
from iolaus.bus.nats import NatsClient, Servers, connected
from iolaus.bus.port import Table

HEARD = ("iolaus.ask.lane.>", "iolaus.log.facts.>", "iolaus.say.>")
COPIED = {"Copied": "1"}


class Parrot:
    """`servers` are of the bus; so many of a hundred messages are said again. In a thread."""

    def __init__(self, servers: str, password: str, *, seed: int, percent: int = 100) -> None:
        self._servers, self._password, self._percent = servers, password, percent
        self._dice = random.Random(seed)
        self.said, self.holds = 0, list[Hold]()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        async def say_nothing(_: Exception) -> None: ...

        client = NatsClient()
        await client.connect(
            self._servers.split(","),
            user="core",
            password=self._password,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,  # type: ignore[arg-type]
            allow_reconnect=True,
            error_cb=say_nothing,
        )

        async def again(message: Any) -> None:
            if message.headers and "Copied" in message.headers:
                return
            if self._dice.randrange(100) >= self._percent:
                return
            for later_s in (0.0, self._dice.uniform(0.0, 5.0)):
                self._loop.call_later(later_s, self._say, client, message)

        for subject in HEARD:
            await client.subscribe(subject, cb=again)
        urls = tuple(self._servers.split(","))
        servers = Servers(urls=urls, user="core", password=self._password)
        async with (
            connected(servers) as trunk,
            doing(lambda: self._follow(trunk.table(LEASES))),
        ):
            await self._ended.wait()
        await client.close()

    async def _follow(self, leases: Table) -> None:
        """A server that is behind may tell an old row again."""
        newest = dict[str, int]()
        async for entry in leases.watch():
            if entry is not None and entry.number > newest.get(entry.key, 0):
                newest[entry.key] = entry.number
                row = parse_row(entry.body)
                if row.holder:
                    self.holds.append(Hold(entry.key, row.holder, row.epoch or entry.number))

    def _say(self, client: Any, message: Any) -> None:
        if client.is_connected:
            self.said += 1
            saying = client.publish(message.subject, message.data, message.reply, headers=COPIED)
            task = self._loop.create_task(saying)
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
