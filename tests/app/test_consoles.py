"""Consoles of a house: one line for all who watch, one who writes, and every byte recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.consoling import PATIENCE_S, Room, consoles, served
from tests.north import hall
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, OperatorMust, PolicyRefused
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.consoles import Guest, Seat
from iolaus.store.recordings import Recording

ANN, BEN = Guest(name="ann", may_write=True), Guest(name="ben", may_write=True)
EVE = Guest(name="eve")


async def seen(seat: Seat, words: bytes) -> bytes:
    """What the recording holds, once it holds these words."""
    async with asyncio.timeout(PATIENCE_S):
        while words not in (found := everything(seat.recording)):
            await seat.news()
    return found


def everything(recording: Recording) -> bytes:
    return recording.read(recording.start, 1 << 24)[1]


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not found():
            await asyncio.sleep(0.005)


async def refused(doing: Awaitable[Any]) -> str:
    with pytest.raises((PolicyRefused, DeviceSilent, OperatorMust)) as caught:
        await doing
    return caught.value.code


async def test_one_line_serves_all_who_watch(tmp_path: Path) -> None:
    async with consoles(tmp_path) as room:
        one, two = [await room.consoles.join(room.uid(), each) for each in (ANN, EVE)]
        line = await room.machine(hall.address(0)).line()
        await line.say(b"a word")
        assert await seen(one, b"a word") == await seen(two, b"a word") == b"a word"
        assert len(room.machine(hall.address(0)).lines) == 1
        assert set(one.standing.watchers) == {"ann", "eve"}
        assert await room.did() == ["ann: open", "eve: watch"]


async def test_one_writes_at_a_time_and_hands_over(tmp_path: Path) -> None:
    async with consoles(tmp_path) as room:
        room.manage()
        ann, ben = [await room.consoles.join(room.uid(), each) for each in (ANN, BEN)]
        line = await room.machine(hall.address(0)).line()
        await until(lambda: ann.standing.state == "open")
        assert await refused(ann.type(b"x")) == "NotTaken"
        await ann.take()
        await ann.type(b"ls\r\x1c")  # the last key would leave the host for the controller
        assert line.typed == b"ls\r"
        assert await refused(ben.take()) == "SomebodyWrites"
        ann.give()
        await ben.take()
        await ann.take(force=True)
        assert (ann.standing.writer, await refused(ben.type(b"y"))) == ("ann", "NotTaken")
        ann.leave()
        assert ben.standing.writer == ""
        assert (await room.did())[-3:] == ["ann: take", "ben: take", "ann: take over"]


async def test_who_may_only_watch_and_what_is_read_only_is_not_written_to(tmp_path: Path) -> None:
    async with consoles(tmp_path) as room:
        eve, ann = [await room.consoles.join(room.uid(), each) for each in (EVE, ANN)]
        assert await refused(ann.take()) == "ReadOnly"
        room.manage()
        assert await refused(eve.take()) == "RoleMayNot"
        await ann.take()


async def test_a_lost_line_is_had_again_and_the_gap_is_marked(tmp_path: Path) -> None:
    async with consoles(tmp_path, clock=JumpClock()) as room:
        seat = await room.consoles.join(room.uid(), ANN)
        machine = room.machine(hall.address(0))
        await (await machine.line()).say(b"before")
        await seen(seat, b"before")
        await machine.lines[0].cut()
        await (await machine.line(1)).say(b"after")
        assert await seen(seat, b"after") == b"beforeafter"
        marks = [(m.mark, m.offset) for m in seat.recording.moments() if m.mark]
        assert marks == [("open", 0), ("lost", 6), ("back", 6)]
        assert machine.lines[0].closed


async def test_a_refused_login_is_not_tried_again_until_somebody_comes(tmp_path: Path) -> None:
    async with consoles(tmp_path, clock=JumpClock()) as room:
        machine = room.machine(hall.address(0))
        machine.refusal = DeviceRefused(
            "no", operation="open", subject="x", code="ConsoleLoginRefused", next_step="ask."
        )
        seat = await room.consoles.join(room.uid(), ANN)
        await until(lambda: seat.standing.state == "refused")
        machine.refusal = None
        for _ in range(200):
            await asyncio.sleep(0)
        assert (machine.lines, seat.standing.code) == ([], "ConsoleLoginRefused")
        await room.consoles.join(room.uid(), BEN)
        await machine.line()


async def test_a_host_key_is_pinned_by_who_says_so(tmp_path: Path) -> None:
    async with consoles(tmp_path) as room:
        machine = room.machine(hall.address(0))
        machine.key = "SHA256:one"
        seat = await room.consoles.join(room.uid(), ANN)
        await until(lambda: seat.standing.state == "refused")
        assert seat.standing.code == "UnknownHostKey"
        await room.consoles.join(room.uid(), ANN, trust_first=True)
        await machine.line()
        await until(lambda: seat.standing.state == "open")
        assert "server: pin host key SHA256:one" in await room.did()
        assert await room.consoles.forget_key(room.uid(), by="ann")
        assert not await room.consoles.forget_key(room.uid(), by="ann")


async def test_nobody_needs_it_and_it_is_closed_but_not_one_that_is_kept(tmp_path: Path) -> None:
    async with consoles(tmp_path, clock=JumpClock()) as room:
        for number, kept in ((0, False), (1, True)):
            seat = await room.consoles.join(room.uid(number), ANN)
            await room.machine(hall.address(number)).line()
            if kept:
                await room.consoles.keep(room.uid(number), kept=True, by="ann")
            seat.leave()
        await until(lambda: len(room.consoles.all()) == 1)
        assert [each.kept for each in room.consoles.all()] == [True]
        await until(lambda: room.machine(hall.address(0)).lines[0].closed)
    async with consoles(tmp_path, context=room.context) as again:
        line = await again.machine(hall.address(1)).line()
        await line.say(b"at night")
        kept_one = again.consoles.recording(again.uid(1))
        assert kept_one is not None
        await until(lambda: everything(kept_one) == b"at night")


async def test_a_line_is_held_back_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with consoles(tmp_path, clock=JumpClock()) as room:
        seat = await room.consoles.join(room.uid(), ANN)
        line = await room.machine(hall.address(0)).line()
        await line.say(b"first")
        await seen(seat, b"first")
        folder = seat.recording
        written = folder._written
        full = [True]

        def failing(view: memoryview) -> int:
            if full[0]:
                from iolaus.store.database import explain

                raise explain(OSError(28, "full"), operation="record", subject="x")
            return written(view)

        monkeypatch.setattr(folder, "_written", failing)
        pieces = [b"%03d," % number for number in range(50)]
        saying = asyncio.create_task(_say(line, pieces))
        await until(lambda: seat.standing.code == "DiskFull")
        assert not saying.done()
        full[0] = False
        assert await seen(seat, pieces[-1]) == b"first" + b"".join(pieces)
        await saying


async def _say(line: Any, pieces: list[bytes]) -> None:
    for piece in pieces:
        await line.say(piece)


# --- over the socket ------------------------------------------------------------------------------


def told(texts: list[str], kind: str) -> list[dict[str, Any]]:
    return [each for each in map(json.loads, texts) if each["type"] == kind]


class Watching:
    """A WebSocket to a console: its bytes, and what was told of it."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.data = socket, b""
        self.texts: list[str] = []

    async def until(self, enough: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not enough():
                message = await self.socket.recv()
                if isinstance(message, bytes):
                    self.data += message
                else:
                    self.texts.append(message)


def name_of(room: Room) -> str:
    return hall.place(0)[2]


async def test_a_browser_or_terminal_reads_types_and_is_told(tmp_path: Path) -> None:
    async with consoles(tmp_path) as room, served(room.context) as where:
        room.manage()
        place = f"ws://{where}/api/v1/consoles/{name_of(room)}/socket"
        async with connect(place, proxy=None) as socket:
            watching = Watching(socket)
            line = await room.machine(hall.address(0)).line()
            await line.say(b"login: ")
            await watching.until(lambda: watching.data == b"login: ")
            await socket.send(b"early")
            await watching.until(lambda: told(watching.texts, "error"))
            assert told(watching.texts, "error")[0]["code"] == "NotTaken"
            await socket.send('{"do": "take"}')
            await watching.until(
                lambda: [s for s in told(watching.texts, "standing") if s["writer"] == "demo"]
            )
            await socket.send(b"root\r")
            await until(lambda: line.typed == b"root\r")
            await socket.send("no JSON")
            await socket.send('{"do": "dance"}')
            await line.end()
            await watching.until(
                lambda: [m for m in told(watching.texts, "mark") if m["mark"] == "lost"]
            )
        await until(lambda: room.consoles.all()[0].watchers == ())


async def test_other_sites_other_roles_and_other_nodes_are_turned_away(tmp_path: Path) -> None:
    viewer, kept = new_token(Role.VIEWER, name="vera")
    auth = Auth(tokens=TokenList(kept))
    async with consoles(tmp_path, auth=auth) as room, served(room.context) as where:
        place = f"ws://{where}/api/v1/consoles/{name_of(room)}/socket"
        bearing = {"Authorization": f"Bearer {viewer}"}
        for headers in ({}, {"Origin": "http://elsewhere", **bearing}):
            with pytest.raises(InvalidStatus):
                async with connect(place, proxy=None, additional_headers=headers):
                    pass
        async with connect(place, proxy=None, additional_headers=bearing) as socket:
            assert json.loads(await socket.recv())["code"] == "RoleMayNot"
        assert room.machines == {}


async def test_a_link_lets_watch_and_not_write_until_it_ends(tmp_path: Path) -> None:
    async with consoles(tmp_path) as room, served(room.context) as where:
        room.manage()
        async with httpx.AsyncClient(base_url=f"http://{where}/api/v1/consoles") as http:
            made = (await http.post(f"/{name_of(room)}/share", json={"lasts": "1h"})).json()
            text = made["link"].partition("#")[2]
            assert text not in (tmp_path / "console.shares").read_text()
            place = f"ws://{where}/shared/console/socket"
            async with connect(place, proxy=None, subprotocols=["iolaus.console", text]) as socket:  # type: ignore[list-item]
                watching = Watching(socket)
                await (await room.machine(hall.address(0)).line()).say(b"seen")
                await watching.until(lambda: watching.data == b"seen")
                await socket.send('{"do": "take over"}')
                await watching.until(lambda: told(watching.texts, "error"))
                assert told(watching.texts, "error")[0]["code"] == "RoleMayNot"
            (listed,) = (await http.get("/shares")).json()["items"]
            assert (listed["id"], listed["link"]) == (made["id"], None)
            assert (await http.delete(f"/shares/{made['id']}")).status_code == 204
            wrong = ("iolc_x_y", text)
            for each in wrong:
                with pytest.raises(InvalidStatus):
                    async with connect(place, proxy=None, subprotocols=["iolaus.console", each]):  # type: ignore[list-item]
                        pass


async def test_what_was_said_is_replayed_and_searched(tmp_path: Path) -> None:
    async with consoles(tmp_path) as room, served(room.context) as where:
        seat = await room.consoles.join(room.uid(), ANN)
        line = await room.machine(hall.address(0)).line()
        await line.say(b"Kernel panic - not syncing\r\nlogin: ")
        await seen(seat, b"login")
        async with httpx.AsyncClient(base_url=f"http://{where}/api/v1/consoles") as http:
            whole = await http.get(f"/{name_of(room)}/recording")
            assert whole.content == b"Kernel panic - not syncing\r\nlogin: "
            assert (await http.get("/unknown/recording")).status_code == 404
            later = await http.get(f"/{name_of(room)}/recording", params={"until": "1h"})
            assert later.content == b""
            found = (await http.get("/search", params={"text": "PANIC kernel"})).json()
            assert [(f["node"], f["text"]) for f in found["items"]] == [
                (name_of(room), "Kernel panic - not syncing")
            ]
            assert (await http.get("/search", params={"text": " "})).status_code == 400
            (row,) = (await http.get("")).json()["items"]
            assert (row["state"], row["bytes"], row["watchers"]) == ("open", 35, ["ann"])
            kept = await http.post(f"/{name_of(room)}/keep", json={"kept": True})
            assert kept.json()["kept"] is True
        assert "demo: search PANIC kernel" in await room.did()
