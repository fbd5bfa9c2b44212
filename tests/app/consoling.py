"""A room of consoles over facts without devices, whose lines are played by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from tests.north import hall

from iolaus.app.console_lines import OwnLines, place_in
from iolaus.app.consoles import Consoles
from iolaus.bus.local import LocalBus
from iolaus.drivers.ports import ConsoleTrust
from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import DeviceSilent, IolausError, Unverified
from iolaus.model.console import ConsoleFacts, ConsoleWay, Way
from iolaus.model.endpoint import Mode
from iolaus.north.api import create_app
from iolaus.north.auth import Auth
from iolaus.north.context import Context
from iolaus.north.fleet import Fleet
from iolaus.store.facts import Facts
from iolaus.store.recordings import Rotation
from iolaus.wire.redfish.port import Credential

PATIENCE_S = 90.0


class Line:
    """A serial line in the hand of a test: `say` puts words on it, `end` ends it."""

    shown = ""

    def __init__(self) -> None:
        self._said: asyncio.Queue[bytes | IolausError] = asyncio.Queue(maxsize=4)
        self.typed = b""
        self.closed = False

    async def say(self, data: bytes) -> None:
        """Waits while nobody takes what was said before."""
        await self._said.put(data)

    async def end(self) -> None:
        await self._said.put(b"")

    async def cut(self) -> None:
        await self._said.put(DeviceSilent("cut", operation="read", subject="line"))

    async def read(self) -> bytes:
        got = await self._said.get()
        if isinstance(got, IolausError):
            raise got
        return got

    async def write(self, data: bytes) -> None:
        self.typed += data

    async def aclose(self) -> None:
        self.closed = True


class Machine:
    """A device and its driver: `lines` are those that were opened, `refusal` is raised instead.
    `key` is what it shows by SSH ("": it is no SSH)."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.refusal: IolausError | None = None
        self.way = ConsoleWay(way=Way.WEBSOCKET, path="/console0", leave=b"\x1c")
        self.key = ""
        self.opened = asyncio.Condition()

    async def driver(self, *, afresh: bool = False) -> Machine:
        return self

    def at(self, priority: Any) -> Machine:
        return self

    async def read_console(self, device: Any, systems: Sequence[str]) -> ConsoleFacts:
        return ConsoleFacts(said=systems[0], ways=(self.way,))

    async def open_console(
        self, way: ConsoleWay, *, address: str, credential: Credential, trust: ConsoleTrust
    ) -> Line:
        if self.refusal is not None:
            raise self.refusal
        if self.key and trust.host_key != self.key and not (trust.first and not trust.host_key):
            raise Unverified("key", operation="open", subject=address, code="UnknownHostKey")
        line = Line()
        line.shown = self.key
        async with self.opened:
            self.lines.append(line)
            self.opened.notify_all()
        return line

    async def line(self, number: int = 0) -> Line:
        """The line with this number, once it is opened."""
        async with self.opened, asyncio.timeout(PATIENCE_S):
            await self.opened.wait_for(lambda: len(self.lines) > number)
        return self.lines[number]


class Room:
    """Consoles of `facts`, each played by a `Machine` by its address."""

    def __init__(
        self, folder: Path, facts: Facts, context: Context, *, rotation: Rotation, linger_s: float
    ) -> None:
        self.machines: dict[str, Machine] = {}
        self.facts, self.context = facts, context
        fleet = Fleet(facts, context.clock, interval_s=10.0, slow_interval_s=900.0)
        self.consoles = Consoles(
            folder=folder,
            place_of=lambda uid: place_in(fleet, uid),
            lines=OwnLines(
                facts=lambda: facts,
                open_device=self._device,
                credential_of=lambda target: Credential(user="root", password="secret"),
            ),
            record=context.audit.append,
            clock=context.clock,
            rotation=rotation,
            linger_s=linger_s,
        )
        context.consoles = self.consoles

    def _device(self, target: Any) -> Any:
        return self.machine(target.address)

    def machine(self, address: str) -> Machine:
        return self.machines.setdefault(address, Machine())

    def uid(self, number: int = 0) -> str:
        return self.facts.uid(hall.address(number), hall.SYSTEM) or ""

    def manage(self, number: int = 0) -> None:
        target = self.facts.target_of(hall.address(number))
        assert target is not None
        self.facts.put_target(msgspec.structs.replace(target, mode=Mode.MANAGED))

    async def did(self) -> list[str]:
        """What the audit log says of consoles."""
        entries = await self.context.audit.entries(after=0, limit=1000)
        return [
            f"{each.who}: {msgspec.json.decode(each.detail)['did']}"
            for each in entries
            if each.what == "console"
        ]


def make_context(clock: Clock, *, auth: Auth | None = None) -> Context:
    facts, bus = hall.build(4, clock), LocalBus()
    facts.on_change(bus.publish)
    return Context(facts=facts, bus=bus, clock=clock, auth=auth or Auth(demo=True), version="0.1.0")


@asynccontextmanager
async def served(context: Context, *, pages: bool = False) -> AsyncIterator[str]:
    """The application on a free port, in this loop; its host and port."""
    config = uvicorn.Config(
        create_app(context, pages=None if pages else ()),
        host="127.0.0.1",
        port=0,
        log_level="critical",
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def consoles(
    folder: Path,
    *,
    clock: Clock | None = None,
    auth: Auth | None = None,
    context: Context | None = None,
    rotation: Rotation | None = None,
    linger_s: float = 600.0,
) -> AsyncIterator[Room]:
    made = context or make_context(clock or WallClock(), auth=auth)
    room = Room(folder, made.facts, made, rotation=rotation or Rotation(), linger_s=linger_s)
    running = asyncio.create_task(room.consoles.run())
    try:
        yield room
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
