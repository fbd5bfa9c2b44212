"""The other end of the lines: simulated controllers, and hosts that speak at the speed of a line.

A process of its own, so that what the consoles cost is told apart from what it costs to play them.
It says where its devices are in one line of JSON, is told in another where their consoles can be
watched, watches them and lets all hosts speak. Then it says what each of them said and what was
seen of it, waits until that is heard, and says what it cost to be them.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from iolaus.sim.manners.console import Line, Reader, consoles_of, hosts
from iolaus.sim.serve.consoles import serve_consoles
from iolaus.sim.server import running

BYTES_PER_S = 11_520
"""115,200 baud, 8N1."""
PIECE = 512
"""So much a controller's console server gathers before it passes it on (OpenBMC's)."""
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: consoles}
spec:
  seed: 5
  network: {cidr: 127.90.0.0/16}
  devices:
%s
"""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a host's console is asked for."""

    name: str
    address: str
    fingerprint: str
    system: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What hosts said: bytes and SHA-256 of each."""

    bytes: list[int]
    digests: list[str]


class Watcher:
    """Somebody at a screen: the digest of what they were shown."""

    def __init__(self, told: Told) -> None:
        self._told, self.digest, self.bytes = told, hashlib.sha256(), 0

    async def watch(self, place: str) -> asyncio.Task[None]:
        socket = await connect(place, proxy=None, compression=None, open_timeout=60)
        return asyncio.create_task(self._see(socket))

    async def _see(self, socket: ClientConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                self.digest.update(message)
                self.bytes += len(message)

    @property
    def is_whole(self) -> bool:
        return self.digest.digest() == self._told.digest.digest()


class Told:
    """A host that speaks at the speed of its line, and the digest of all that it ever said."""

    def __init__(self, line: Line) -> None:
        self._line, self.digest, self.bytes = line, hashlib.sha256(), 0
        line.join(Reader(self._hear, lambda: None))

    def _hear(self, data: bytes) -> None:
        self.digest.update(data)
        self.bytes += len(data)

    async def speak(self, number: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        began, said, count = loop.time() + PIECE / BYTES_PER_S * (number % 20) / 20, 0, 0
        while said < seconds * BYTES_PER_S:
            await asyncio.sleep(max(0.0, began + said / BYTES_PER_S - loop.time()))
            head = f"host {number} says line {count}: "
            self._line.say(head + "x" * (PIECE - len(head) - 2) + "\r\n")
            said, count = said + PIECE, count + 1
        self._line.say(f"host {number} is done\r\n")


def line_of(device: Device) -> Line:
    consoles = consoles_of(device)
    assert consoles is not None
    return consoles.line(device, hosts(device)[0])


def _say(what: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


async def serve(sessions: int, seconds: float) -> None:
    rows = "\n".join(f"  - {{name: n{n:03d}, persona: gb300-tray}}" for n in range(sessions))
    devices = [seat.device() for seat in build_hall(parse_site(SITE % rows, source="-"))]
    async with running(devices), serve_consoles(devices):
        told = [Told(line_of(device)) for device in devices]
        _say(
            [
                Place(
                    name=each.name,
                    address=each.address,
                    fingerprint=each.fingerprint or "",
                    system=hosts(each)[0],
                )
                for each in devices
            ]
        )
        shown = msgspec.json.decode(await asyncio.to_thread(sys.stdin.readline), type=list[str])
        watchers = [Watcher(each) for each in told[: len(shown)]]
        eyes = [await w.watch(place) for w, place in zip(watchers, shown, strict=True)]
        while not all(each.bytes for each in watchers):
            await asyncio.sleep(0.1)
        _say("ready")
        cpu = time.process_time()
        await asyncio.gather(*(each.speak(n, seconds) for n, each in enumerate(told)))
        _say(Said(bytes=[t.bytes for t in told], digests=[t.digest.hexdigest() for t in told]))
        await asyncio.to_thread(sys.stdin.readline)
        while not all(watcher.is_whole for watcher in watchers):
            await asyncio.sleep(0.1)
        _say(time.process_time() - cpu)
        await asyncio.to_thread(sys.stdin.readline)
        for each in eyes:
            each.cancel()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))
