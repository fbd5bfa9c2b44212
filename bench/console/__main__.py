"""`python -m bench.console`: 200 consoles at once at 115,200 baud, and no byte lost.

Simulated controllers, in a process of their own, say as much as a serial line carries (11,520
bytes a second, 8N1, in pieces of 512 bytes) over WebSockets, SSH and IPMI in turn; the house's room
of consoles records all of them in this one, and serves whoever watches (`--watched`, from the other
process). What each host said is hashed where it is said, what is on disk where it lies; then the
recordings are searched. CPU seconds are told apart: of the room
(`cpu_s`, while they speak) and of those who play the hosts. Exit code 1 if a byte is missing,
doubled or changed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
import uvicorn
import uvloop

from bench.console.hosts import BYTES_PER_S, Place, Said
from iolaus.app.console_lines import OwnLines, place_in
from iolaus.app.consoles import Consoles
from iolaus.bus.local import LocalBus
from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.clock import Clock, WallClock
from iolaus.model.asset import Asset, AssetKind, Identity, Report
from iolaus.model.console import Way
from iolaus.model.endpoint import Target
from iolaus.model.fact import Health, Known, PowerState
from iolaus.north.api import create_app
from iolaus.north.auth import Auth
from iolaus.north.consoles import Guest, Seat
from iolaus.north.context import Context
from iolaus.north.fleet import Fleet
from iolaus.store.audit import AuditLog
from iolaus.store.facts import Facts
from iolaus.store.searching import find
from iolaus.wire.redfish.port import Answer, Credential

T = TypeVar("T")
MOST_LINE = 1 << 20


class Reading:
    """A device, read without a lane; its driver is the generic one."""

    def __init__(self, address: str, http: aiohttp.ClientSession) -> None:
        self.address, self._http = address, http

    async def driver(self, *, afresh: bool = False) -> RedfishDriver:
        del afresh
        return RedfishDriver()

    def at(self, priority: Any) -> Reading:
        del priority
        return self

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        del fresh_s
        async with self._http.get(self.address + uri) as answer:
            body = await answer.json(content_type=None)
        return Answer(uri=uri, status=200, body=body, headers={}, at=0.0, elapsed_s=0.0)


class Hosts:
    """The process that plays them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hear(self, kind: type[T]) -> T:
        assert self._process.stdout is not None
        return msgspec.json.decode(await self._process.stdout.readline(), type=kind)

    def tell(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(what) + b"\n")


@asynccontextmanager
async def hosts(sessions: int, seconds: float) -> AsyncIterator[Hosts]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.console.hosts", str(sessions), str(seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MOST_LINE,
    )
    try:
        yield Hosts(process)
    finally:
        process.kill()
        await process.wait()


def known(facts: Facts, place: Place, at: float) -> str:
    """Make it a node that is known; its uid."""
    target = Target(address=place.address, name=place.name, fingerprint=place.fingerprint)
    facts.put_target(target)
    asset = Asset(
        key="node",
        kind=AssetKind.NODE,
        resources=(place.system,),
        identity=Identity(serial=place.name),
        power_state=Known(value=PowerState.ON, at=at),
        health=Known(value=Health.OK, at=at),
        observed_at=at,
    )
    facts.record_report(
        Report(
            endpoint=place.address,
            driver="redfish",
            redfish_version="1.17.0",
            observed_at=at,
            assets=(asset,),
        )
    )
    return facts.uid(place.address, "node") or ""


@asynccontextmanager
async def served(facts: Facts, clock: Clock, room: Consoles) -> AsyncIterator[str]:
    """The application, as a server has it; where its consoles are."""
    context = Context(
        facts=facts, bus=LocalBus(), clock=clock, auth=Auth(demo=True), version="bench"
    )
    context.consoles = room
    app = create_app(context, pages=())
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=0, log_level="error", ws="websockets-sansio", timeout_graceful_shutdown=1
        )
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/api/v1/consoles"
    finally:
        server.should_exit = True
        await task


async def opened(seat: Seat) -> None:
    while seat.standing.state != "open":
        await seat.news()


async def recorded(seat: Seat, count: int) -> None:
    while seat.recording.end < count:
        await seat.news()


async def run(
    sessions: int, seconds: float, ways: Sequence[Way], watched: int, folder: Path
) -> dict[str, Any]:
    clock = WallClock()
    facts = Facts(clock=clock)
    login = aiohttp.encode_basic_auth("root", "iolaus-sim")
    async with (
        hosts(sessions, seconds) as others,
        aiohttp.ClientSession(
            headers={"Authorization": login}, connector=aiohttp.TCPConnector(ssl=False)
        ) as http,
    ):
        places = await others.hear(list[Place])
        readings: dict[str, Any] = {each.address: Reading(each.address, http) for each in places}
        fleet = Fleet(facts, clock, interval_s=10, slow_interval_s=900)
        room = Consoles(
            folder=folder,
            place_of=lambda uid: place_in(fleet, uid),
            lines=OwnLines(
                facts=lambda: facts,
                open_device=lambda target: readings[target.address],
                credential_of=lambda _: Credential(user="root", password="iolaus-sim"),
            ),
            record=AuditLog(clock=clock).append,
            clock=clock,
            trust_first=True,
        )
        loop = asyncio.create_task(room.run())
        uids = [known(facts, place, clock.now()) for place in places]
        wanted = [ways[number % len(ways)] for number in range(sessions)]
        guest, began = Guest(name="bench"), time.monotonic()
        seats = [await room.join(u, guest, way=w) for u, w in zip(uids, wanted, strict=True)]
        await asyncio.gather(*(opened(seat) for seat in seats))
        open_s = time.monotonic() - began
        async with served(facts, clock, room) as where:
            shown = [f"{where}/{s.standing.node}/socket" for s in seats[:watched]]
            told = await spoken(others, seats, shown)
        began = time.monotonic()
        hits = sum(len(find(seat.recording, ["is", "done"])) for seat in seats)
        search_s = time.monotonic() - began
        said: Said = told.pop("said")
        each = zip(seats, said.bytes, said.digests, strict=True)
        wrong = [s.standing.node for s, count, right in each if digest(s, count) != right]
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    return {
        "sessions": sessions,
        "watched": watched,
        "ways": dict(Counter(way.value for way in wanted)),
        "opened_s": round(open_s, 2),
        **told,
        "wrong": wrong,
        "search_s": round(search_s, 2),
        "found": hits,
    }


def digest(seat: Seat, count: int) -> str:
    """Of the first so many bytes."""
    found, offset = hashlib.sha256(), 0
    while offset < count:
        offset, data = seat.recording.read(offset, min(1 << 20, count - offset))
        if not data:
            break
        found.update(data)
        offset += len(data)
    return found.hexdigest()


async def spoken(others: Hosts, seats: Sequence[Seat], shown: Sequence[str]) -> dict[str, Any]:
    """Let them speak, and hear all of it."""
    others.tell(shown)
    await others.hear(str)
    before = sum(seat.recording.end for seat in seats)
    began, cpu = time.monotonic(), time.process_time()
    said = await others.hear(Said)
    await asyncio.gather(*(recorded(s, n) for s, n in zip(seats, said.bytes, strict=True)))
    took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
    others.tell(None)
    hosts_s, count = await others.hear(float), sum(said.bytes) - before
    return {
        "said": said,
        "bytes": count,
        "took_s": round(took_s, 2),
        "bytes_per_s_and_line": round(count / len(seats) / took_s),
        "cpu_s": round(cpu_s, 2),
        "hosts_cpu_s": round(hosts_s, 2),
        "lines_a_core_holds": round(count / cpu_s / BYTES_PER_S),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--watched", type=int, default=0)
    parser.add_argument("--way", choices=[each.value for each in Way])
    asked = parser.parse_args()
    ways = [Way(asked.way)] if asked.way else list(Way)
    with tempfile.TemporaryDirectory() as folder:
        found = uvloop.run(run(asked.sessions, asked.seconds, ways, asked.watched, Path(folder)))
    print(json.dumps(found, indent=1))
    return 1 if found["wrong"] or found["found"] != asked.sessions else 0


if __name__ == "__main__":
    sys.exit(main())
