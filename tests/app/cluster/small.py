"""A small cluster in one process and in virtual time: edges that own devices, a core that asks
them, and a bus between them that can be cut, and says things twice. Each edge can be killed, frozen
and begun again. Devices write down who changed them, and under which epoch."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.app.cluster.test_far import LOGIN, Device, _answer
from tests.store.made import ask_for

from iolaus.app.cluster.carrying import FACTS, Carrier, Taker
from iolaus.app.cluster.door import Door
from iolaus.app.cluster.far import FarLanes, Post
from iolaus.app.cluster.owning import Owning
from iolaus.bus.leases import TableLeases
from iolaus.bus.memory import LocalLog, LocalTrunk, Memory
from iolaus.drivers.lane import Lanes
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from iolaus.model.endpoint import Event, Target
from iolaus.model.shard import shard_of
from iolaus.store.facts import Facts
from iolaus.store.parcels import Parcels
from iolaus.store.secrets import Secrets

TARGETS = [
    Target(address=f"https://bmc{number}", labels={"rack": f"r{number}"}) for number in range(6)
]
SHARD_OF = {target.address: shard_of(target) for target in TARGETS}
TAKES_S = 0.2


class Change(NamedTuple):
    """At a device: by which edge, under which epoch of its shard, and what."""

    edge: str
    epoch: int
    what: str


class Process:
    """A clock that stands while the process does."""

    def __init__(self, clock: JumpClock) -> None:
        self._clock = clock
        self.awake = asyncio.Event()
        self.awake.set()

    def now(self) -> float:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self.awake.wait()


class EchoLog:
    """A log into which everything is put twice, the second time by another name."""

    def __init__(self, inner: LocalLog) -> None:
        self._inner = inner

    async def append(self, key: str, body: bytes, *, id_: str) -> int:
        number = await self._inner.append(key, body, id_=id_)
        await self._inner.append(key, body, id_=f"echo of {number}")
        return number


class EchoTrunk(LocalTrunk):
    """One that asks everything twice, the second time a little later."""

    def __init__(self, memory: Memory, clock: JumpClock, dice: random.Random) -> None:
        super().__init__(memory, clock)
        self._dice, self._time, self.echoes = dice, clock, set[asyncio.Task[None]]()

    async def ask(self, topic: str, body: bytes, *, timeout_s: float) -> bytes:
        echo = asyncio.create_task(self._again(topic, body, self._dice.uniform(0.0, 8.0)))
        self.echoes.add(echo)
        echo.add_done_callback(self.echoes.discard)
        return await super().ask(topic, body, timeout_s=timeout_s)

    async def _again(self, topic: str, body: bytes, after_s: float) -> None:
        await self._time.sleep(after_s)
        with suppress(Exception):
            await super().ask(topic, body, timeout_s=30.0)


class Told(Device):
    """A device as one edge speaks to it."""

    def __init__(self, hall: Hall, edge: Edge, address: str) -> None:
        super().__init__()
        self.address, self._hall, self._edge = address, hall, edge

    async def request(self, method: str, uri: str, *given: Any, **words: Any) -> Any:
        del given, words
        if method == "POST":
            epoch = self._edge.owning.last_epoch(SHARD_OF[self.address])
            self._hall.changes[self.address].append(Change(self._edge.name, epoch, uri))
        await self._edge.process.sleep(TAKES_S)
        return _answer(uri)


class Edge:
    def __init__(self, hall: Hall, name: str) -> None:
        self.name, self.process = name, Process(hall.clock)
        self.trunk = LocalTrunk(hall.memory, hall.clock)
        self.facts = Facts(clock=self.process)
        ask_for(self.facts, *SHARD_OF)
        self.outbox = Parcels(hall.folder / f"{name}.db")
        self.outbox.open()
        self.leases = TableLeases(self.trunk.table("leases"), self.process)
        self.owning = Owning(
            name=name,
            leases=self.leases,
            clock=self.process,
            wanted=lambda: set(SHARD_OF.values()),
            edges=lambda: len(hall.edges),
            gained=self._gained,
            lost=self._lost,
        )
        self.lanes = Lanes(lambda target, _: (Told(hall, self, target.address), None), self.process)
        self.door = Door(
            trunk=self.trunk,
            seals=hall.seals,
            lanes=self.lanes,
            clock=self.process,
            epoch_of=self.owning.epoch,
            credential_of=lambda _: LOGIN,
            folder=hall.folder,
        )
        answer = self.door.answer

        async def awake(sealed: bytes) -> bytes:
            await self.process.awake.wait()
            return await answer(sealed)

        self.door.answer = awake  # type: ignore[method-assign]
        log: Any = EchoLog(self.trunk.log(FACTS))
        self.carrier = Carrier(
            outbox=self.outbox,
            to=log,
            name=name,
            clock=self.process,
            owner_of=lambda a: (SHARD_OF[a], self.owning.last_epoch(SHARD_OF[a])),
            here=True,
        )
        self.facts.on_record(self.carrier.take)
        self._opening = set[asyncio.Task[None]]()
        self.tasks = [
            asyncio.create_task(duty)
            for duty in (self.leases.follow(), self.owning.run(), self.carrier.run(), self._learn())
        ]
        self._hall = hall

    def _gained(self, shard: str) -> None:
        self._soon(self.door.open(shard, self.owning.last_epoch(shard)))

    def _lost(self, shard: str) -> None:
        self._soon(self.door.close(shard))

    def _soon(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _learn(self) -> None:
        """An event of each device that is read here, every few seconds."""
        while True:
            await self.process.sleep(4.0)
            for address, shard in SHARD_OF.items():
                if shard in self.owning.held:
                    number = self._hall.number()
                    self.facts.record_event(
                        Event(
                            at=self.process.now(),
                            kind="Test",
                            severity="OK",
                            endpoint=address,
                            message=f"{self.name} {number}",
                            dedup=f"d{number}",
                        )
                    )
                    await self.carrier.keep()
                    self._hall.kept.append(f"{self.name} {number}")

    async def die(self) -> None:
        """Without a last word."""
        self.trunk.reached = False
        self.process.awake.set()
        for task in (*self.tasks, *self._opening):
            task.cancel()
        await asyncio.gather(*self.tasks, *self._opening, return_exceptions=True)
        await self.door.close_all()
        await self.lanes.close()
        self.outbox.close()


class Hall:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.clock, self.memory = folder, JumpClock(), Memory()
        self.seals = Secrets(folder / "secrets")
        self.changes: dict[str, list[Change]] = {address: [] for address in SHARD_OF}
        self.kept = list[str]()
        self.asked, self.answered, self.outcomes = Counter[str](), Counter[str](), Counter[str]()
        self.edges = dict[str, Edge]()
        self._number, self._begun = 0, set[asyncio.Task[None]]()
        self.trunk = EchoTrunk(self.memory, self.clock, random.Random(seed))
        self.leases = TableLeases(self.trunk.table("leases"), self.clock)
        self.facts = Facts(clock=self.clock)
        ask_for(self.facts, *SHARD_OF)
        self.taker = Taker(facts=self.facts, log=self.trunk.log(FACTS), clock=self.clock)
        self.lanes = FarLanes(
            Post(
                trunk=self.trunk,
                seals=lambda: self.seals,
                clock=self.clock,
                owner_of=self.leases.holder,
                term=lambda: 1,
            )
        )

    def number(self) -> int:
        self._number += 1
        return self._number

    async def order(self) -> None:
        """One change after the other, of every device in turn; none is asked for twice. The core
        waits for none of them."""
        while True:
            await self.clock.sleep(0.4)
            target = TARGETS[self.number() % len(TARGETS)]
            task = asyncio.create_task(self._one(target, f"/change/{self.number()}"))
            self._begun.add(task)
            task.add_done_callback(self._begun.discard)

    async def _one(self, target: Target, what: str) -> None:
        self.asked[what] += 1
        writer = self.lanes.lane(target, None).writer(Priority.CONTROL, deadline_s=20.0)
        try:
            await writer.write("POST", what, {})
        except (DeviceRefused, DeviceSilent) as error:
            self.outcomes[error.code] += 1
        else:
            self.answered[what] += 1

    def owner(self, shard: str) -> str | None:
        """Who may act for it now; never two."""
        able = [
            name
            for name, each in self.edges.items()
            if each.process.awake.is_set() and each.owning.epoch(shard) is not None
        ]
        assert len(able) <= 1, (shard, able)
        return able[0] if able else None

    async def until_quiet(self) -> None:
        while self._begun or self.trunk.echoes:
            await self.clock.sleep(1.0)


@asynccontextmanager
async def small(folder: Path, *, seed: int, edges: int = 3) -> AsyncIterator[Hall]:
    hall = Hall(folder, seed)
    tasks = [asyncio.create_task(each) for each in (hall.leases.follow(), hall.taker.run())]
    for number in range(edges):
        hall.edges[f"edge{number}"] = Edge(hall, f"edge{number}")
    try:
        yield hall
    finally:
        for edge in hall.edges.values():
            await edge.die()
        for task in (*tasks, *hall._begun, *hall.trunk.echoes):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
