"""Consoles of a core that reaches nobody: edges hold the lines, and record them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.app.consoling import PATIENCE_S, Line, Machine, make_context, served
from tests.app.test_consoles import ANN, EVE, Watching, everything, name_of, refused, seen, told
from tests.app.test_consoles import until as until_
from tests.north import hall
from websockets.asyncio.client import connect

from iolaus.app.cluster.console_desk import ConsoleDesk
from iolaus.app.cluster.core import doing
from iolaus.app.cluster.door import Door
from iolaus.app.cluster.errands import FarSight, errand_topic
from iolaus.app.cluster.far import Post
from iolaus.app.cluster.far_archive import FarArchive, Shelf
from iolaus.app.cluster.far_lines import FarLines
from iolaus.app.cluster.lookout import Lookout
from iolaus.app.console_archive import OwnArchive
from iolaus.app.console_lines import OwnLines, place_in
from iolaus.app.consoles import Consoles
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.drivers.lane import Lanes
from iolaus.kernel.clock import Clock, JumpClock, WallClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from iolaus.model.endpoint import Mode
from iolaus.model.shard import shard_of
from iolaus.north.consoles import Seat, Sought
from iolaus.store.database import explain
from iolaus.store.recordings import Rotation
from iolaus.store.secrets import Secrets
from iolaus.wire.redfish.port import Credential

LOGIN = Credential(user="root", password="secret")


class Edge:
    """A member that may own the one shard."""

    def __init__(
        self, world: World, name: str, folder: Path, clock: Clock, rotation: Rotation | None
    ) -> None:
        self.name, self.world, self.epoch = name, world, 0
        self.trunk = LocalTrunk(world.memory, clock)
        self.desk = ConsoleDesk(
            name=name,
            folder=folder / name,
            lines=OwnLines(
                facts=lambda: world.facts,
                open_device=lambda _: world.machine,  # type: ignore[arg-type,return-value]
                credential_of=lambda _: LOGIN,
            ),
            clock=clock,
            rotation=rotation,
        )
        self.door = Door(
            trunk=self.trunk,
            seals=world.seals,
            lanes=Lanes(lambda *_: (None, None), clock),  # type: ignore[arg-type]
            clock=clock,
            epoch_of=lambda _: self.epoch or None,
            credential_of=lambda _: LOGIN,
            folder=folder,
            consoles=self.desk.answer,
        )
        self.lookout = Lookout(
            name=name,
            site="main",
            trunk=self.trunk,
            seals=lambda: world.seals,
            sight=None,  # type: ignore[arg-type]
            archive=OwnArchive(self.desk.room.recording),
            stale=self.door.stale,
            let_go=lambda _: None,
        )


class World:
    """A core, two edges, and the console of one machine; `own` says who owns it."""

    def __init__(self, folder: Path, clock: Clock, rotation: Rotation | None) -> None:
        self.memory, self.clock, self.machine = Memory(), clock, Machine()
        self.seals, self.context = Secrets(folder / "secrets"), make_context(clock)
        self.facts = self.context.facts
        self.target = self.facts.target_of(hall.address(0))
        assert self.target is not None
        self.shard, self.epoch = shard_of(self.target), 0
        self.edges = {
            name: Edge(self, name, folder, clock, rotation) for name in ("edge1", "edge2")
        }
        self.owner, self.heard = "", set(self.edges)
        self.trunk = LocalTrunk(self.memory, clock)
        post = Post(
            trunk=self.trunk,
            seals=lambda: self.seals,
            clock=clock,
            owner_of=lambda _: (self.owner, self.epoch) if self.owner else None,
            term=lambda: 1,
        )
        sight = FarSight(
            trunk=self.trunk,
            seals=lambda: self.seals,
            clock=clock,
            serving=lambda _: sorted(self.heard),
            owner_of=lambda _: None,
            term=lambda: 1,
        )
        self.lines = FarLines(post)
        self.consoles = self.context.consoles = Consoles(
            folder=folder / "core",
            place_of=lambda uid: place_in(self.context.fleet, uid),
            lines=self.lines,
            archive=FarArchive(sight, self._shelves),
            record=self.context.audit.append,
            clock=clock,
        )

    def _shelves(self) -> list[Shelf]:
        return [Shelf(name, "main", name in self.heard) for name in self.edges]

    @property
    def uid(self) -> str:
        return self.facts.uid(hall.address(0), hall.SYSTEM) or ""

    async def own(self, name: str) -> None:
        """From now on it is this member's, or nobody's; whoever had it lets it go."""
        if self.owner:
            former = self.edges[self.owner]
            former.epoch, self.owner = 0, ""
            await former.door.close(self.shard)
            former.desk.let_go(self.shard)
        if name:
            self.epoch += 1
            self.edges[name].epoch = self.epoch
            await self.edges[name].door.open(self.shard, self.epoch)
            self.owner = name

    def manage(self) -> None:
        target = self.facts.target_of(hall.address(0))
        assert target is not None
        self.facts.put_target(msgspec.structs.replace(target, mode=Mode.MANAGED))

    async def did(self) -> list[str]:
        entries = await self.context.audit.entries(after=0, limit=1000)
        return [each.detail for each in entries if each.what == "console"]


@asynccontextmanager
async def world(
    folder: Path, clock: Clock | None = None, *, rotation: Rotation | None = None
) -> AsyncIterator[World]:
    made = World(folder, clock or WallClock(), rotation)
    async with AsyncExitStack() as stack:
        for edge in made.edges.values():
            topic, answers = errand_topic(edge.name), edge.lookout.answer
            await stack.enter_async_context(edge.trunk.answer(topic, answers))
            stack.push_async_callback(edge.door.close_all)
        await made.own("edge1")
        duties = (made.consoles.run, *(each.desk.run for each in made.edges.values()))
        await stack.enter_async_context(doing(*duties))
        yield made


def marks(seat: Seat) -> list[tuple[str, str]]:
    return [(each.mark, each.text) for each in seat.recording.moments() if each.mark]


async def test_what_a_host_says_comes_whole_and_in_order_and_what_is_typed_goes_there(
    tmp_path: Path,
) -> None:
    pieces = [b"%06d\r\n" % number * 700 for number in range(60)]
    async with world(tmp_path) as on:
        on.manage()
        one, two = [await on.consoles.join(on.uid, each) for each in (ANN, EVE)]
        line = await on.machine.line()
        for piece in pieces:
            await line.say(piece)
        await line.say(b"login: ")
        assert await seen(one, b"login: ") == b"".join(pieces) + b"login: "
        assert everything(two.recording) == everything(one.recording)
        assert len(on.machine.lines) == 1
        kept = on.edges["edge1"].desk.room.recording(on.uid)
        assert kept is not None
        assert everything(kept) == everything(one.recording), "it is recorded at the edge"
        assert marks(one) == [("open", "websocket, at edge1")]
        await one.take()
        await asyncio.gather(*(one.type(b"%d" % number) for number in range(3)))
        await one.type(b"\r\x1c")
        assert sorted(line.typed) == sorted(b"012\r")
        assert line.typed[-1:] == b"\r"
        assert await refused(two.type(b"x")) == "NotTaken"
        assert "open" in (await on.did())[0]
        assert "take" in (await on.did())[-1]


async def test_another_owner_goes_on_with_it_and_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as on:  # searching is done in threads, of which no jump knows
        seat = await on.consoles.join(on.uid, ANN)
        first = await on.machine.line()
        await first.say(b"before the move\r\n")
        await seen(seat, b"move")
        await on.own("edge2")
        second = await on.machine.line(1)
        await second.say(b"after the move\r\n")
        both = b"before the move\r\nafter the move\r\n"
        assert await seen(seat, b"after the move\r\n") == both
        await until_(lambda: first.closed)
        assert marks(seat)[-1] == ("back", "websocket, taken over by edge2 from edge1")
        moves = Sought(uids=(on.uid,), words=("move",), most=10)
        found = await on.consoles.find(moves)
        assert [each.text for each in found.hits[on.uid]] == ["before the move", "after the move"]
        assert found.unheard == ()
        said = await on.consoles.replay(Sought(uids=(on.uid,)))
        assert said is not None
        assert b"".join([piece async for piece in said]) == both
        assert await on.consoles.tail(on.uid, 5) == b"ove\r\n"
        assert await on.consoles.tail("nobody", 5) is None

        on.heard = {"edge2"}
        found = await on.consoles.find(moves)
        assert [each.text for each in found.hits[on.uid]] == ["after the move"]
        assert found.unheard == ("edge1",)
        with pytest.raises(DeviceSilent, match="not heard: edge1"):
            await on.consoles.replay(Sought(uids=("nobody",)))


async def test_what_was_said_while_the_bus_was_away_is_not_lost(tmp_path: Path) -> None:
    async with world(tmp_path, JumpClock()) as on:
        seat = await on.consoles.join(on.uid, ANN)
        line = await on.machine.line()
        await kept_on(on, line, seat)
        await line.say(b"one,")
        await seen(seat, b"one,")
        on.trunk.reached = False
        await until_(lambda: seat.standing.state == "lost")
        await line.say(b"two,")
        kept = on.edges["edge1"].desk.room.recording(on.uid)
        assert kept is not None
        await until_(lambda: b"two," in everything(kept))
        on.trunk.reached = True
        assert await seen(seat, b"two,") == b"kept,one,two,"
        assert [mark for mark, _ in marks(seat)] == ["open", "lost", "back"]
        assert len(on.machine.lines) == 1, "the edge held the line"


async def test_nobody_owns_it_for_a_while_and_an_edge_begins_anew(tmp_path: Path) -> None:
    async with world(tmp_path, JumpClock()) as on:
        await on.own("")
        seat = await on.consoles.join(on.uid, ANN)
        await until_(lambda: seat.standing.code == "NoOwner")
        assert seat.standing.state == "lost"
        await on.own("edge1")
        await (await on.machine.line()).say(b"one,")
        await seen(seat, b"one,")
        await on.own("")
        await on.own("edge1")
        await (await on.machine.line(1)).say(b"two,")
        assert await seen(seat, b"two,") == b"one,two,"


async def kept_on(on: World, line: Line, seat: Seat) -> None:
    """Whatever time passes, the edge does not close the line."""
    await on.consoles.keep(on.uid, kept=True, by="ann")
    await line.say(b"kept,")
    await seen(seat, b"kept,")


async def test_a_line_that_nobody_takes_from_waits_at_the_edge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core's disk is full: it asks for nothing more until there is room, and loses nothing."""
    async with world(tmp_path, JumpClock()) as on:
        seat = await on.consoles.join(on.uid, ANN)
        line = await on.machine.line()
        await kept_on(on, line, seat)
        await line.say(b"first,")
        await seen(seat, b"first,")
        spool, asked = seat.recording, list[str]()
        written, ask = spool._written, on.lines.ask
        full = [True]

        def failing(view: memoryview) -> int:
            if full[0]:
                raise explain(OSError(28, "full"), operation="record", subject="x")
            return written(view)

        async def counted(wanted: Any, letter: Any, within_s: float) -> Any:
            asked.append(letter.do)
            return await ask(wanted, letter, within_s)

        monkeypatch.setattr(spool, "_written", failing)
        monkeypatch.setattr(on.lines, "ask", counted)
        await line.say(b"second,")
        await until_(lambda: seat.standing.code == "DiskFull")
        asked.clear()
        for number in range(200):
            await line.say(b"%d," % number)
        kept = on.edges["edge1"].desk.room.recording(on.uid)
        assert kept is not None
        await until_(lambda: everything(kept).endswith(b"199,"))
        assert asked == [], "what is not taken is not asked for"
        full[0] = False
        whole = await seen(seat, b"199,")
        assert whole == b"kept,first,second," + b"".join(b"%d," % n for n in range(200))


async def test_what_an_edge_had_no_room_for_is_a_gap_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once while the core's disk is full, once while the bus is away."""
    async with world(tmp_path, JumpClock(), rotation=Rotation(piece_bytes=10, pieces=2)) as on:
        seat = await on.consoles.join(on.uid, ANN)
        line = await on.machine.line()
        await kept_on(on, line, seat)
        await line.say(b"01234")
        await seen(seat, b"4")
        spool, full = seat.recording, [True]
        written = spool._written

        def failing(view: memoryview) -> int:
            if full[0]:
                raise explain(OSError(28, "full"), operation="record", subject="x")
            return written(view)

        async def say(letters: bytes) -> None:
            for letter in letters:
                await line.say(bytes([letter]) * 10)
            kept = on.edges["edge1"].desk.room.recording(on.uid)
            assert kept is not None
            await until_(lambda: kept.read(kept.end - 10, 10)[1] == letters[-1:] * 10)

        monkeypatch.setattr(spool, "_written", failing)
        await say(b"a")
        await until_(lambda: seat.standing.code == "DiskFull")
        await say(b"bcde")
        full[0] = False
        whole = await seen(seat, b"e" * 10)
        assert whole == b"kept,01234" + b"a" * 10 + b"d" * 10 + b"e" * 10
        assert ("lost", "edge1 had no room for 20 bytes that nobody fetched in time") in marks(seat)
        on.trunk.reached = False
        await until_(lambda: seat.standing.state == "lost")
        await say(b"fgh")
        on.trunk.reached = True
        assert (await seen(seat, b"h" * 10)).endswith(b"e" * 10 + b"g" * 10 + b"h" * 10)
        assert marks(seat)[-1][1].endswith("which had no room for 10 bytes in between")


async def test_what_stands_in_the_way_is_told_as_the_edge_found_it(tmp_path: Path) -> None:
    async with world(tmp_path, JumpClock()) as on:
        on.machine.refusal = DeviceRefused(
            "no", operation="open", subject="x", code="ConsoleLoginRefused", next_step="ask."
        )
        seat = await on.consoles.join(on.uid, ANN)
        await until_(lambda: seat.standing.state == "refused")
        assert (seat.standing.code, seat.standing.next_step) == ("ConsoleLoginRefused", "ask.")
        on.machine.refusal, on.machine.key = None, "SHA256:one"
        await on.consoles.join(on.uid, ANN)
        await until_(lambda: seat.standing.code == "UnknownHostKey")
        assert on.machine.lines == []
        await on.consoles.join(on.uid, ANN, trust_first=True)
        await on.machine.line()
        await until_(lambda: seat.standing.state == "open")
        assert "pin host key SHA256:one" in (await on.did())[-1]
        await on.own("edge2")
        await on.machine.line(1)
        await until_(lambda: seat.standing.state == "open")
        assert await on.consoles.forget_key(on.uid, by="ann")


async def test_a_core_that_falls_silent_leaves_only_what_is_kept(tmp_path: Path) -> None:
    async with world(tmp_path, JumpClock()) as on:
        desk = on.edges["edge1"].desk
        seat = await on.consoles.join(on.uid, ANN)
        line = await on.machine.line()
        await until_(lambda: seat.standing.state == "open")
        await on.consoles.keep(on.uid, kept=True, by="ann")
        await line.say(b"evening,")
        await seen(seat, b"evening,")
        on.trunk.reached = False
        await until_(lambda: not desk._held)
        began = on.clock.monotonic()
        await until_(lambda: on.clock.monotonic() > began + 700.0)
        assert not line.closed
        await line.say(b"night,")
        on.trunk.reached = True
        assert await seen(seat, b"night,") == b"evening,night,"
        await on.consoles.keep(on.uid, kept=False, by="ann")
        await line.say(b"day,")
        await seen(seat, b"day,")
        on.trunk.reached = False
        await until_(lambda: line.closed)


async def test_a_browser_reads_types_and_watches_by_a_link_through_a_core(tmp_path: Path) -> None:
    async with world(tmp_path) as on, served(on.context) as where:
        on.manage()
        name = name_of(on)  # type: ignore[arg-type]
        text, _ = await on.consoles.share(on.uid, by="ann", for_s=600)
        mine = connect(f"ws://{where}/api/v1/consoles/{name}/socket", proxy=None)
        words: Any = ["iolaus.console", text]
        link = connect(f"ws://{where}/shared/console/socket", proxy=None, subprotocols=words)
        async with mine as one, link as two, asyncio.timeout(PATIENCE_S):
            watching, linked = Watching(one), Watching(two)
            line: Line = await on.machine.line()
            await line.say(b"login: ")
            await watching.until(lambda: watching.data == b"login: ")
            await linked.until(lambda: linked.data == b"login: ")
            await one.send('{"do": "take"}')
            await watching.until(
                lambda: [s for s in told(watching.texts, "standing") if s["writer"] == "demo"]
            )
            await one.send(b"root\r")
            await until_(lambda: line.typed == b"root\r")
            await two.send('{"do": "take over"}')
            await linked.until(lambda: told(linked.texts, "error"))
        async with httpx.AsyncClient(base_url=f"http://{where}/api/v1/consoles") as http:
            assert (await http.get(f"/{name}/recording")).content == b"login: "
            found = (await http.get("/search", params={"text": "LOGIN"})).json()
            assert [(f["node"], f["text"]) for f in found["items"]] == [(name, "login:")]
            assert found["unheard"] == []
