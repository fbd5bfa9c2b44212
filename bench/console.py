"""`python -m bench.console`: 200 consoles at once at 115,200 baud, and no byte lost.

Simulated controllers say as much as a serial line carries (11,520 bytes a second, 8N1) over
WebSockets, SSH and IPMI in turn; the house's room of consoles records all of them. What each host
said is hashed where it is said, what is on disk where it lies; then the recordings are searched.
Exit code 1 if a byte is missing, doubled or changed. Both ends run in this one process, so the
time that is printed is that of both.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from iolaus.app.consoles import Consoles
from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.clock import WallClock
from iolaus.model.asset import Asset, AssetKind, Identity, Report
from iolaus.model.console import Way
from iolaus.model.endpoint import Target
from iolaus.model.fact import Health, Known, PowerState
from iolaus.north.consoles import Guest, Seat
from iolaus.north.fleet import Fleet
from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from iolaus.sim.manners.console import Line, Reader, consoles_of, hosts
from iolaus.sim.serve.consoles import serve_consoles
from iolaus.sim.server import running
from iolaus.store.audit import AuditLog
from iolaus.store.facts import Facts
from iolaus.store.searching import find
from iolaus.wire.redfish.port import Answer, Credential

BYTES_PER_S = 11_520
TICK_S = 0.1
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
        began, said, count = loop.time(), 0, 0
        while said < seconds * BYTES_PER_S:
            line = f"host {number} says line {count}: " + "x" * 40 + "\r\n"
            piece = line * int(BYTES_PER_S * TICK_S / len(line))
            self._line.say(piece)
            said, count = said + len(piece), count + 1
            await asyncio.sleep(max(0.0, began + said / BYTES_PER_S - loop.time()))
        self._line.say(f"host {number} is done\r\n")


class Reading:
    """A device, read without a lane; its driver is the generic one."""

    def __init__(self, device: Device, http: aiohttp.ClientSession) -> None:
        self._device, self._http, self.address = device, http, device.address

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


def known(facts: Facts, device: Device, at: float) -> str:
    """Make it a node that is known; its uid."""
    system = hosts(device)[0]
    facts.put_target(
        Target(address=device.address, name=device.name, fingerprint=device.fingerprint)
    )
    asset = Asset(
        key="node",
        kind=AssetKind.NODE,
        resources=(system,),
        identity=Identity(serial=device.name),
        power_state=Known(value=PowerState.ON, at=at),
        health=Known(value=Health.OK, at=at),
        observed_at=at,
    )
    facts.record_report(
        Report(
            endpoint=device.address,
            driver="redfish",
            redfish_version="1.17.0",
            observed_at=at,
            assets=(asset,),
        )
    )
    return facts.uid(device.address, "node") or ""


async def opened(seat: Seat) -> None:
    while seat.standing.state != "open":
        await seat.news()


async def recorded(seat: Seat, told: Told) -> None:
    while seat.recording.end < told.bytes:
        await seat.news()


async def run(sessions: int, seconds: float, ways: Sequence[Way], folder: Path) -> dict[str, Any]:
    rows = "\n".join(f"  - {{name: n{n:03d}, persona: gb300-tray}}" for n in range(sessions))
    devices = [seat.device() for seat in build_hall(parse_site(SITE % rows, source="-"))]
    clock = WallClock()
    facts = Facts(clock=clock)
    login = aiohttp.encode_basic_auth("root", "iolaus-sim")
    async with (
        running(devices),
        serve_consoles(devices),
        aiohttp.ClientSession(
            headers={"Authorization": login}, connector=aiohttp.TCPConnector(ssl=False)
        ) as http,
    ):
        readings: dict[str, Any] = {d.address: Reading(d, http) for d in devices}
        fleet = Fleet(facts, clock, interval_s=10, slow_interval_s=900)
        room = Consoles(
            folder=folder,
            fleet=lambda: fleet,
            open_device=lambda target: readings[target.address],
            credential_of=lambda _: Credential(user="root", password="iolaus-sim"),
            audit=AuditLog(clock=clock),
            clock=clock,
            trust_first=True,
        )
        loop = asyncio.create_task(room.run())
        uids = [known(facts, device, clock.now()) for device in devices]
        told = [Told(line_of(device)) for device in devices]
        seats = []
        for number, uid in enumerate(uids):
            way = ways[number % len(ways)]
            seats.append(await room.join(uid, Guest(name="bench"), way=way))
        began = time.monotonic()
        await asyncio.gather(*(opened(seat) for seat in seats))
        open_s, began = time.monotonic() - began, time.monotonic()
        cpu = time.process_time()
        await asyncio.gather(*(each.speak(n, seconds) for n, each in enumerate(told)))
        await asyncio.gather(*(recorded(s, t) for s, t in zip(seats, told, strict=True)))
        took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
        wrong = [s.standing.node for s, t in zip(seats, told, strict=True) if not same(s, t)]
        began = time.monotonic()
        hits = sum(len(find(seat.recording, ["is", "done"])) for seat in seats)
        search_s = time.monotonic() - began
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    count = sum(each.bytes for each in told)
    return {
        "sessions": sessions,
        "ways": dict(Counter(ways[n % len(ways)].value for n in range(sessions))),
        "bytes": count,
        "opened_s": round(open_s, 2),
        "took_s": round(took_s, 2),
        "cpu_s": round(cpu_s, 2),
        "bytes_per_s_and_line": round(count / sessions / took_s),
        "wrong": wrong,
        "search_s": round(search_s, 2),
        "found": hits,
    }


def line_of(device: Device) -> Line:
    consoles = consoles_of(device)
    assert consoles is not None
    return consoles.line(device, hosts(device)[0])


def same(seat: Seat, told: Told) -> bool:
    digest, offset = hashlib.sha256(), 0
    while True:
        began, data = seat.recording.read(offset, 1 << 20)
        if not data:
            return digest.digest() == told.digest.digest() and offset == told.bytes
        digest.update(data)
        offset = began + len(data)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--way", choices=[each.value for each in Way])
    asked = parser.parse_args()
    ways = [Way(asked.way)] if asked.way else list(Way)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(asked.sessions, asked.seconds, ways, Path(folder)))
    print(json.dumps(found, indent=1))
    return 1 if found["wrong"] or found["found"] != asked.sessions else 0


if __name__ == "__main__":
    sys.exit(main())
